//! From a size to requests, limits and quotas.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use oscar_crds::ComputeSize;

use crate::installation::Scratch;
use crate::names::Zone;

/// The probes' and CLI helpers' own share of a namespace's quota.
const PROBE_MILLICPU: u64 = 200;
const PROBE_MEBIBYTES: u64 = 128;
/// Room for logs and the writable layer, besides the scratch space.
const LOG_MEBIBYTES: u64 = 256;
/// The lake-api without what it computes and reads.
const SERVICE_MEBIBYTES: u64 = 256;

/// What one main pod of a zone (lake-api or an intake run) gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    millicpu: u64,
    mebibytes: u64,
    disk_mebibytes: u64,
    main_pods: u64,
}

impl Resources {
    /// The resources of a zone's main pod.
    #[must_use]
    pub const fn of(size: ComputeSize, zone: Zone, scratch: &Scratch) -> Self {
        let (millicpu, mebibytes) = match size {
            ComputeSize::Small => (1_000, 2_048),
            ComputeSize::Medium => (4_000, 16_384),
            ComputeSize::Large => (16_000, 65_536),
        };
        // A volume of its own does not count as the node's ephemeral storage.
        let scratch_mebibytes = if scratch.storage_class.is_none() { scratch.gibibytes as u64 * 1024 } else { 0 };
        let disk_mebibytes = scratch_mebibytes + LOG_MEBIBYTES;
        match zone {
            Zone::Workspace => Self { millicpu, mebibytes, disk_mebibytes, main_pods: 2 },
            // Intake streams: it needs little memory whatever the size of the workspace.
            Zone::Intake => Self { millicpu: 2_000, mebibytes: 1_024, disk_mebibytes, main_pods: 2 },
        }
    }

    /// Statements that are computed at a time.
    pub(crate) const fn vetting_tasks(&self) -> u64 {
        if self.mebibytes > 4_096 { 2 } else { 1 }
    }

    /// The memory of the process that computes one statement, in bytes. All of them at their limit, the answers that
    /// the service reads (three eighths of a process each) and the service itself have room in the pod: one that wants
    /// more is ended by its own limit, and never the pod with everybody's work.
    pub(crate) const fn query_memory_bytes(&self) -> u64 {
        (self.mebibytes - SERVICE_MEBIBYTES) * 1024 * 1024 / 11 * 8 / self.vetting_tasks()
    }

    /// Requests a twentieth of the CPU and an eighth of the memory, so that idle tenants share
    /// a node; the limits are what the size promises.
    #[must_use]
    pub fn requirements(&self) -> ResourceRequirements {
        let memory = Quantity(format!("{}Mi", self.mebibytes));
        let disk = Quantity(format!("{}Mi", self.disk_mebibytes));
        let request_memory = Quantity(format!("{}Mi", self.mebibytes / 8));
        ResourceRequirements {
            requests: Some(BTreeMap::from([
                ("cpu".to_owned(), Quantity(format!("{}m", self.millicpu / 20))),
                ("memory".to_owned(), request_memory),
                ("ephemeral-storage".to_owned(), Quantity("64Mi".to_owned())),
            ])),
            limits: Some(BTreeMap::from([
                ("cpu".to_owned(), Quantity(format!("{}m", self.millicpu))),
                ("memory".to_owned(), memory),
                ("ephemeral-storage".to_owned(), disk),
            ])),
            claims: None,
        }
    }

    /// The probe's requirements.
    #[must_use]
    pub fn of_probe() -> ResourceRequirements {
        let amounts = |cpu: &str, memory: &str| {
            BTreeMap::from([
                ("cpu".to_owned(), Quantity(cpu.to_owned())),
                ("memory".to_owned(), Quantity(memory.to_owned())),
                ("ephemeral-storage".to_owned(), Quantity("16Mi".to_owned())),
            ])
        };
        ResourceRequirements {
            requests: Some(amounts("10m", "32Mi")),
            limits: Some(amounts("100m", "64Mi")),
            claims: None,
        }
    }

    /// The namespace's quota: the main pods of a rollout and two probes.
    pub(crate) fn quota(&self) -> Vec<(&'static str, String)> {
        let Self { millicpu, mebibytes, disk_mebibytes, main_pods } = *self;
        vec![
            ("pods", (main_pods + 4).to_string()),
            ("limits.cpu", format!("{}m", millicpu * main_pods + PROBE_MILLICPU)),
            ("limits.memory", format!("{}Mi", mebibytes * main_pods + PROBE_MEBIBYTES)),
            ("limits.ephemeral-storage", format!("{}Mi", disk_mebibytes * main_pods + 64)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_at_its_limit_has_room_in_the_pod() {
        let scratch = Scratch { gibibytes: 1, storage_class: None };
        for size in [ComputeSize::Small, ComputeSize::Medium, ComputeSize::Large] {
            let resources = Resources::of(size, Zone::Workspace, &scratch);
            let (process, pod) = (resources.query_memory_bytes(), resources.mebibytes << 20);
            let all = resources.vetting_tasks() * (process + process / 8 * 3) + (SERVICE_MEBIBYTES << 20);
            assert!(all <= pod && all > pod / 10 * 9, "{size:?}: {all} of {pod}");
        }
    }
}
