//! From a validated tenant to every Kubernetes object of its two namespaces.
//!
//! ```text
//!  Tenant, DataPermits ─▶ validate ─▶ TenantPlan ─▶ tenant_objects ─▶ [Namespace, NetworkPolicy, …]
//!                                                └─▶ probe_job, extract_job
//! ```
//!
//! The crate is pure: the same plan makes the same objects, and a snapshot of each kind in
//! full is kept beside the tests. Whoever audits the firewall reads `network_policy.rs` and
//! its snapshot, whoever audits the pods `pod.rs`.

mod compute;
mod config_map;
mod deployment;
mod extract_job;
mod installation;
pub mod names;
mod namespace;
mod network_policy;
mod object;
mod pod;
mod probe_job;
mod probe_plan;
mod resource_quota;
mod secret;
mod service_account;
mod service_config;
mod tenant_objects;
mod tenant_plan;

pub use compute::Resources;
pub use config_map::{JWKS, PERMITS_ROOM, permit_file};
pub use extract_job::{Run, extract_cron_job, extract_cron_name, extract_job, extract_job_name};
pub use installation::{Installation, InstallationError, LakeApiImage, ObjectStore, Peer, ProbeTargets, Scratch};
pub use object::{Kind, Object, ObjectError};
pub use probe_job::probe_job;
pub use probe_plan::probe_plan;
pub use service_config::{KEYS_COUNT_SECONDS, jwks_file};
pub use tenant_objects::{BlueprintError, TenantObjects, tenant_objects};
pub use tenant_plan::{AccessKey, GatewayAccess, Issuer, Neighbour, PullSecret, Running, Secrets, TenantPlan, Unknown};
