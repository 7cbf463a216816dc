//! The operator as a test runs it itself, in the place of the cluster's Deployment: as the
//! same service account, with the same settings, on requests that the test looks at.

use std::future::Future;
use std::path::Path;

use anyhow::Context as _;
use http::{Method, Request, Response};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use oscar_operator::settings::Settings;

use crate::cluster::{Cluster, HOME};

/// The operator's service account.
const ACCOUNT: &str = "oscar-operator";

async fn administrators_config(kubeconfig: &Path) -> anyhow::Result<Config> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// A client of the cluster's administrator.
///
/// # Errors
/// When the file is none.
pub async fn administrators_client(kubeconfig: &Path) -> anyhow::Result<Client> {
    Ok(Client::try_from(administrators_config(kubeconfig).await?)?)
}

/// A client with the rights of the operator's service account and no others. `pass` gets every
/// request and the client that would send it.
///
/// # Errors
/// When the file is none.
pub async fn operators_client<F, A>(kubeconfig: &Path, pass: F) -> anyhow::Result<Client>
where
    F: Fn(Request<Body>, Client) -> A + Send + 'static,
    A: Future<Output = kube::Result<Response<Body>>> + Send + 'static,
{
    let mut config = administrators_config(kubeconfig).await?;
    config.auth_info.impersonate = Some(format!("system:serviceaccount:{HOME}:{ACCOUNT}"));
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{HOME}"), "system:authenticated"];
    config.auth_info.impersonate_groups = Some(groups.map(str::to_owned).to_vec());
    let inner = Client::try_from(config)?;
    Ok(Client::new(tower::service_fn(move |request| pass(request, inner.clone())), HOME))
}

/// Whether a request is to change something.
#[must_use]
pub fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The settings of the cluster's Deployment, written to `file`; admin routes on loopback, at any port.
///
/// # Errors
/// When there are none, or the operator could not use them.
pub fn settings(cluster: &Cluster, file: &Path) -> anyhow::Result<Settings> {
    let found = cluster.get(&["-n", HOME, "configmap", ACCOUNT])?;
    let text = found.pointer("/data/operator.yaml").and_then(serde_json::Value::as_str).context("no settings")?;
    std::fs::write(file, text)?;
    let mut settings = Settings::from_file(file)?;
    settings.admin_listen = ([127, 0, 0, 1], 0).into();
    Ok(settings)
}
