//! What a running lake-api says of itself on its admin port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use oscar_blueprint::names::ADMIN_PORT;
use serde::Deserialize;

use crate::sight::PodSight;

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
            let url = format!("http://{}/ready", SocketAddr::new(address, ADMIN_PORT));
            // 503 carries a report too: it says what is missing.
            let answered = async { http.get(url).send().await?.json().await }.await;
            match answered {
                Ok(report) => return Ok(report),
                Err(error) => {
                    tracing::debug!(%address, %error, "a lake-api does not say what it judges by");
                    silence = Silence::of(&error);
                }
            }
        }
        Err(silence)
    }
}

impl Silence {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_decode() {
            Self::Unknown
        } else {
            Self::Refused
        }
    }
}
