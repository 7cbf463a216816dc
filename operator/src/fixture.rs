//! What unit tests begin with.

use oscar_blueprint::Installation;
use serde_json::json;

/// An installation without a gateway, before the cluster's own addresses were looked up.
pub(crate) fn installation() -> Installation {
    let targets = json!(["192.0.2.1:443"]);
    serde_json::from_value(json!({
        "lakeApi": {"image": format!("lake-api@sha256:{}", "1".repeat(64))}, "podSecurityVersion": "v1.34",
        "gateway": {"kind": "nobody"}, "monitoring": {"kind": "nobody"}, "operator": {"kind": "nobody"},
        "objectStore": {
            "endpoint": "http://192.0.2.2", "region": "r", "addresses": ["192.0.2.2"], "port": 80,
            "personIndexBucket": "person-index",
        },
        "probe": {
            "outsideTcp": targets, "outsideUdp": targets, "resolvers": targets, "metadata": targets,
            "intervalMinutes": 1,
        },
        "profiles": {"sds.yaml": ""},
    }))
    .unwrap()
}
