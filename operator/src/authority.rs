//! The certificate authority of the installation, and what clients are told to trust.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::controllers::context::Context;
use crate::pki::{Authority, bundle};

/// How often the authority is looked at without a reason.
const ROUND: Duration = Duration::from_hours(1);
/// Days before its end that an authority of our own is replaced.
const RENEWAL_DAYS: i64 = 180;
/// The `ConfigMap` that clients take the trusted authorities from.
const BUNDLE: &str = "oscar-ca-bundle";

/// The authority that certificates are issued from, made when there is none. Clients are told
/// to trust it before anything is issued from it.
///
/// # Errors
/// When its Secret or the bundle cannot be read or written.
pub async fn current(context: &Context) -> anyhow::Result<Authority> {
    let (authority, _) = found(context).await?;
    if context.trusted.lock().as_ref() != Some(&authority.certificate) {
        publish(context, &authority).await?;
    }
    Ok(authority)
}

/// Replaces an authority of our own in time, until told to stop.
pub async fn keep_fresh(context: &Context, stop: &CancellationToken) {
    loop {
        if let Err(error) = round(context).await {
            tracing::warn!(error = format!("{error:#}"), "the certificate authority could not be looked after");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn round(context: &Context) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let (mut authority, ours) = found(context).await?;
    let days_left = (authority.ends()?.unix_timestamp() - now.as_second()) / 86_400;
    let is_due = ours && days_left < RENEWAL_DAYS;
    if is_due {
        authority = Authority::generate(now)?;
        publish(context, &authority).await?;
        context.keys.replace_authority(&authority).await?;
        for guard in context.tenants.state() {
            context.trigger.tenant(guard.meta().name.as_deref().unwrap_or_default());
        }
        return Ok(());
    }
    publish(context, &authority).await
}

/// The authority, and whether it is ours to replace.
async fn found(context: &Context) -> anyhow::Result<(Authority, bool)> {
    let found = context.keys.authority(|| Authority::generate(Timestamp::now()).ok()).await?;
    found.context("it could not be made")
}

/// Adds the authority to what clients trust; others stay until their end.
async fn publish(context: &Context, authority: &Authority) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &context.namespace);
    let before = api.get_opt(BUNDLE).await?.and_then(|found| found.data?.remove("ca.crt")).unwrap_or_default();
    let trusted = bundle(authority, &before, Timestamp::now());
    if trusted != before {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": BUNDLE}, "data": {"ca.crt": trusted},
        });
        api.patch(BUNDLE, &PatchParams::apply("oscar-operator/authority").force(), &Patch::Apply(&body)).await?;
    }
    *context.trusted.lock() = Some(authority.certificate.clone());
    Ok(())
}
