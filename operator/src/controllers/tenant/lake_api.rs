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

impl LakeApiReport {
    /// Asks the pods; the answer of one that is ready is preferred. `None` when nobody answers.
    pub(crate) async fn fetch(http: &reqwest::Client, pods: &BTreeMap<String, PodSight>) -> Option<Self> {
        let mut addresses: Vec<(bool, std::net::IpAddr)> =
            pods.values().filter_map(|pod| Some((!pod.ready, pod.address?))).collect();
        addresses.sort_unstable();
        for (_, address) in addresses {
            let url = format!("http://{}/ready", SocketAddr::new(address, ADMIN_PORT));
            // 503 carries a report too: it says what is missing.
            if let Ok(answer) = http.get(url).send().await
                && let Ok(report) = answer.json().await
            {
                return Some(report);
            }
        }
        None
    }
}
