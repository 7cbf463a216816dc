//! The definitions as the API server takes them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{DataPermit, Extract, Tenant};

/// All custom resource definitions, in the order in which a reader meets them.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 3] {
    [Tenant::crd(), DataPermit::crd(), Extract::crd()]
}
