//! What a running lake-api says of itself on its admin port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use oscar_blueprint::names::ADMIN_PORT;
use serde::Deserialize;

use crate::sight::PodSight;

/// Longest answer, in bytes: more than the digests of as many permits as a `ConfigMap` holds.
/// Whoever has taken over one lake-api must not fill the operator's memory with it.
const LONGEST: usize = 256 * 1024;

/// The answer of `/ready`, as far as it is used here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LakeApiReport {
    /// Whether it serves.
    pub(crate) ready: bool,
    /// What it lacks.
    #[serde(default)]
    pub(crate) missing: Vec<String>,
    /// The digests of the permits that it knows, by reference number.
    #[serde(default)]
    pub(crate) permits: BTreeMap<String, String>,
    /// Datasets in its lake.
    #[serde(default)]
    pub(crate) datasets: Option<i64>,
    /// Releases that it has published.
    #[serde(default)]
    pub(crate) releases: Option<i64>,
}

/// Why a lake-api says nothing of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    /// Nobody to ask.
    #[error("none of its pods has an address yet")]
    NoPod,
    /// Packets are lost, or it hangs.
    #[error("its admin port does not answer in time, as when the network plugin does not let the operator through")]
    TimedOut,
    /// Nobody listens.
    #[error("its admin port takes no connection")]
    Refused,
    /// Somebody else listens.
    #[error("its admin port answers what no lake-api of this version does")]
    Unknown,
}

impl LakeApiReport {
    /// Asks the pods; the answer of one that is ready is preferred.
    ///
    /// # Errors
    /// When nobody answers: why the last one did not.
    pub(crate) async fn fetch(http: &reqwest::Client, pods: &BTreeMap<String, PodSight>) -> Result<Self, Silence> {
        let mut addresses: Vec<(bool, std::net::IpAddr)> =
            pods.values().filter_map(|pod| Some((!pod.ready, pod.address?))).collect();
        addresses.sort_unstable();
        let mut silence = Silence::NoPod;
        for (_, address) in addresses {
            match Self::ask(http, SocketAddr::new(address, ADMIN_PORT)).await {
                Ok(report) => return Ok(report),
                Err(why) => {
                    tracing::debug!(%address, %why, "a lake-api does not say what it judges by");
                    silence = why;
                }
            }
        }
        Err(silence)
    }

    async fn ask(http: &reqwest::Client, address: SocketAddr) -> Result<Self, Silence> {
        // 503 carries a report too: it says what is missing.
        let mut answer =
            http.get(format!("http://{address}/ready")).send().await.map_err(|error| Silence::of(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| Silence::of(&error))? {
            if body.len() + chunk.len() > LONGEST {
                return Err(Silence::Unknown);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| Silence::Unknown)
    }
}

impl Silence {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() { Self::TimedOut } else { Self::Refused }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use axum::response::Response;
    use futures::stream;
    use tokio::net::TcpListener;

    use super::*;
    use crate::controllers::context::Context;

    /// What the operator makes of a lake-api that answers so.
    async fn asked(answer: impl Fn() -> Body + Clone + Send + Sync + 'static) -> Result<LakeApiReport, Silence> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = axum::Router::new().fallback(move || std::future::ready(Response::new(answer())));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let asked = LakeApiReport::ask(&Context::http_client().unwrap(), address).await;
        server.abort();
        asked
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up_at_its_limit() {
        // Without it, no client can be built; another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let report = asked(|| Body::from(r#"{"ready": true}"#)).await.unwrap();
        assert!(report.ready && report.permits.is_empty());
        let padded = |length: usize| format!(r#"{{"ready": true, "padding": "{}"}}"#, "x".repeat(length));
        assert!(asked(move || Body::from(padded(LONGEST - 100))).await.is_ok());
        assert_eq!(asked(move || Body::from(padded(LONGEST))).await, Err(Silence::Unknown));
        let piece: Result<Bytes, Infallible> = Ok(Bytes::from_static(&[b' '; 1024]));
        let endless = move || Body::from_stream(stream::repeat(piece.clone()));
        assert_eq!(asked(endless).await, Err(Silence::Unknown));
        assert_eq!(asked(|| Body::from("<html>")).await, Err(Silence::Unknown));
    }
}
