//! What every cluster has that no tenant may reach: found once at the start, so that nobody
//! has to write it down and nobody can forget it.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use kube::{Client, Error};
use oscar_blueprint::ProbeTargets;

/// The kubelet's port.
const KUBELET: u16 = 10_250;
/// More nodes than this add nothing to a measurement from one of them.
const MOST_NODES: usize = 5;

/// Adds the cluster's own addresses to what the settings name.
///
/// # Errors
/// When the API server does not tell.
pub async fn discover(client: &Client, targets: &mut ProbeTargets) -> Result<(), Error> {
    add(&mut targets.api_server, api_server(client).await?);
    add(&mut targets.resolvers, resolvers(client).await?);
    add(&mut targets.kubelets, kubelets(client).await?);
    Ok(())
}

fn add(known: &mut Vec<SocketAddr>, found: Vec<SocketAddr>) {
    known.extend(found);
    known.sort_unstable();
    known.dedup();
}

/// The API server's service and the addresses behind it.
async fn api_server(client: &Client) -> Result<Vec<SocketAddr>, Error> {
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let mut found = service_addresses(&services.get("kubernetes").await?);
    if let Some(slice) = slices.get_opt("kubernetes").await? {
        let ports: Vec<u16> = slice.ports.iter().flatten().filter_map(|port| u16::try_from(port.port?).ok()).collect();
        for address in slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses) {
            let address = address.parse::<IpAddr>().ok();
            found.extend(ports.iter().filter_map(|port| Some(SocketAddr::new(address?, *port))));
        }
    }
    Ok(found)
}

/// The cluster's DNS, by the label that every distribution keeps.
async fn resolvers(client: &Client) -> Result<Vec<SocketAddr>, Error> {
    let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
    let listed = services.list(&ListParams::default().labels("k8s-app=kube-dns")).await?;
    Ok(listed.iter().flat_map(service_addresses).filter(|address| address.port() == 53).collect())
}

async fn kubelets(client: &Client) -> Result<Vec<SocketAddr>, Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let listed = nodes.list(&ListParams::default()).await?;
    let addresses = listed.iter().filter_map(|node| {
        let addresses = node.status.as_ref()?.addresses.as_deref().unwrap_or_default();
        addresses.iter().find(|address| address.type_ == "InternalIP")?.address.parse::<IpAddr>().ok()
    });
    Ok(addresses.take(MOST_NODES).map(|address| SocketAddr::new(address, KUBELET)).collect())
}

fn service_addresses(service: &Service) -> Vec<SocketAddr> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let address = spec.cluster_ip.as_ref().and_then(|address| address.parse::<IpAddr>().ok());
    let ports = spec.ports.iter().flatten().filter_map(|port| u16::try_from(port.port).ok());
    let mut found: Vec<SocketAddr> = ports.filter_map(|port| Some(SocketAddr::new(address?, port))).collect();
    found.sort_unstable();
    found.dedup();
    found
}
