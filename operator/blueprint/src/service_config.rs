//! The configuration files of `lake-api serve` and `lake-api intake` inside the cluster.
//!
//! The fields are those of the lake-api's own settings; the end-to-end tests run the real
//! program with what is written here.

use oscar_permit::Sha256Digest;
use serde_json::{Value, json};

use crate::compute::Resources;
use crate::installation::ObjectStore;
use crate::names::{ADMIN_PORT, API_PORT, Zone};
use crate::tenant_plan::{Issuer, TenantPlan};

/// Where the configuration is mounted. The kubelet exchanges a volume's files as a whole
/// through the link `..data`; programs that look again name it.
pub(crate) const CONFIG_DIR: &str = "/etc/oscar/config";
/// Where permits are mounted.
pub(crate) const PERMITS_DIR: &str = "/etc/oscar/permits";
/// Where issuers' keys are mounted.
pub(crate) const JWKS_DIR: &str = "/etc/oscar/jwks";
/// Where disclosure profiles are mounted.
pub(crate) const PROFILES_DIR: &str = "/etc/oscar/profiles";
/// Where key files are mounted.
pub(crate) const KEYS_DIR: &str = "/etc/oscar/keys";
/// Where the certificate is mounted.
pub(crate) const TLS_DIR: &str = "/etc/oscar/tls";
/// Where the probes' plan is mounted.
pub(crate) const PROBE_DIR: &str = "/etc/oscar/probe";
/// Where the identity at the object store is mounted.
pub(crate) const STORAGE_DIR: &str = "/etc/oscar/storage";
/// Where the authorities are mounted that programs trust.
pub(crate) const AUTHORITIES_DIR: &str = "/etc/oscar/authorities";
/// Where spilled queries go.
pub(crate) const SCRATCH_DIR: &str = "/scratch";

/// The lake-api reads the issuers' keys again at this age of its copy.
const COPY_SECONDS: u64 = 10;
/// And accepts them for so much longer while the issuer is away.
const STALE_SECONDS: u64 = 3600;
/// How long after their fetch an issuer's keys count, in seconds: when the operator or the
/// issuer is away for longer, every token is refused, because a key may have been withdrawn.
pub const KEYS_COUNT_SECONDS: u64 = COPY_SECONDS + STALE_SECONDS;

/// The file that an issuer's keys are projected to: a URL is no file name, its digest is.
#[must_use]
pub fn jwks_file(issuer: &str) -> String {
    let digest = Sha256Digest::of(issuer).to_string();
    format!("{}.json", digest.get(..16).unwrap_or(&digest))
}

/// The configuration of a zone's main program.
pub(crate) fn service_config(plan: &TenantPlan, zone: Zone) -> Value {
    let store = &plan.installation.object_store;
    let common = json!({
        "tenant": plan.name.as_str(),
        "storage": storage(store, &plan.bucket),
        "keys": {"kind": "mounted", "path": format!("{KEYS_DIR}/..data")},
        "permits": format!("{PERMITS_DIR}/..data"),
        "profiles": format!("{PROFILES_DIR}/..data"),
    });
    let own = match zone {
        Zone::Workspace => {
            let resources = Resources::of(plan.compute, zone, &plan.installation.scratch);
            let issuers: Vec<Value> = plan.issuers.iter().map(of_issuer).collect();
            json!({
                "listen": format!("0.0.0.0:{API_PORT}"),
                "adminListen": format!("0.0.0.0:{ADMIN_PORT}"),
                "tls": {
                    "certificate": format!("{TLS_DIR}/..data/tls.crt"), "key": format!("{TLS_DIR}/..data/tls.key"),
                },
                "issuers": issuers,
                "limits": {
                    "queryMemoryBytes": resources.query_memory_bytes(), "vettingTasks": resources.vetting_tasks(),
                },
            })
        }
        Zone::Intake => json!({
            "personIndex": storage(store, &store.person_index_bucket),
            "quotaBytes": plan.quota_bytes,
        }),
    };
    joined(common, own)
}

/// Both objects' fields in one.
fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut fields), Value::Object(more)) => {
            fields.extend(more);
            Value::Object(fields)
        }
        (first, _) => first,
    }
}

fn storage(store: &ObjectStore, bucket: &str) -> Value {
    json!({
        "kind": "s3", "endpoint": store.endpoint, "region": store.region, "bucket": bucket,
        "allowHttp": store.endpoint.starts_with("http://"),
        "credentials": format!("{STORAGE_DIR}/..data"),
    })
}

fn of_issuer(issuer: &Issuer) -> Value {
    let Issuer { issuer, audience, authorized_parties, jwks: _ } = issuer;
    json!({
        "issuer": issuer, "audience": audience, "authorizedParties": authorized_parties,
        "jwksFile": format!("{JWKS_DIR}/..data/{}", jwks_file(issuer)),
        // The operator fetches the keys anew and notes the time in the file; here the file is
        // read, which costs nothing.
        "keyRefresh": {
            "earlySeconds": 2, "maxAgeSeconds": COPY_SECONDS, "staleSeconds": STALE_SECONDS, "cooldownSeconds": 1,
            "timeoutSeconds": 5,
        },
    })
}
