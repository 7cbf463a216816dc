//! What every cluster has that no tenant may reach: found by the operator, so that nobody has
//! to write it down and nobody can forget it, and found again as long as it runs, because
//! nodes come and go.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use kube::{Client, Error, Resource};
use oscar_blueprint::{Installation, InstallationError, ProbeTargets};
use tokio_util::sync::CancellationToken;

use crate::controllers::context::Context;
use crate::controllers::deadline::{Late, within};

/// The kubelet's port.
const KUBELET: u16 = 10_250;
/// More nodes than this add nothing to a measurement from one of them.
const MOST_NODES: usize = 5;

/// How often the addresses are looked for.
const PACE: Duration = Duration::from_hours(1);
/// And when they could not be found.
const AGAIN: Duration = Duration::from_mins(1);
/// Longest time for one look.
const LONGEST: Duration = Duration::from_mins(1);

/// Why the cluster's own addresses are not known.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The API server does not tell.
    #[error("the cluster's own addresses cannot be found: {0}")]
    Api(#[from] Error),
    /// With them the settings are not usable.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// It took too long.
    #[error(transparent)]
    Late(#[from] Late),
}

/// The installation as it was `given`, with the cluster's own addresses added; of the nodes first those that are
/// `known`, so that not every new one changes what is measured.
///
/// # Errors
/// See [`DiscoverError`].
pub async fn discover(
    client: &Client,
    given: &Installation,
    known: &[SocketAddr],
) -> Result<Installation, DiscoverError> {
    let mut found = given.clone();
    let ProbeTargets { api_server, resolvers, kubelets, .. } = &mut found.probe;
    add(api_server, api_servers(client).await?);
    add(resolvers, dns(client).await?);
    add(kubelets, nodes(client, known).await?);
    found.validate()?;
    Ok(found)
}

/// Looks again and again until told to stop. What was found before counts until something
/// else is; then every tenant's firewall is measured with it.
pub async fn keep_current(context: &Context, stop: &CancellationToken) {
    let mut wait = PACE;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let known = context.installation().probe.kubelets.clone();
        wait = match within(LONGEST, discover(&context.client, &context.settings.installation, &known)).await {
            Ok(found) => {
                take_up(context, found);
                PACE
            }
            Err(error) => {
                tracing::warn!(%error, "the probes try the addresses that were found before");
                AGAIN
            }
        };
    }
}

fn take_up(context: &Context, found: Installation) {
    if *context.installation() == found {
        return;
    }
    tracing::info!("the cluster has other addresses; every firewall is measured anew");
    *context.installation.write() = Arc::new(found);
    for guard in context.tenants.state() {
        if let Some(name) = guard.meta().name.as_deref() {
            context.trigger.tenant(name);
        }
    }
}

fn add(known: &mut Vec<SocketAddr>, found: Vec<SocketAddr>) {
    known.extend(found);
    known.sort_unstable();
    known.dedup();
}

/// The API server's service and the addresses behind it.
async fn api_servers(client: &Client) -> Result<Vec<SocketAddr>, Error> {
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
async fn dns(client: &Client) -> Result<Vec<SocketAddr>, Error> {
    let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
    let listed = services.list(&ListParams::default().labels("k8s-app=kube-dns")).await?;
    Ok(listed.iter().flat_map(service_addresses).filter(|address| address.port() == 53).collect())
}

async fn nodes(client: &Client, known: &[SocketAddr]) -> Result<Vec<SocketAddr>, Error> {
    let api: Api<Node> = Api::all(client.clone());
    let listed = api.list(&ListParams::default()).await?;
    let addresses = listed.iter().filter_map(|node| {
        let addresses = node.status.as_ref()?.addresses.as_deref().unwrap_or_default();
        addresses.iter().find(|address| address.type_ == "InternalIP")?.address.parse::<IpAddr>().ok()
    });
    let mut found: Vec<SocketAddr> = addresses.map(|address| SocketAddr::new(address, KUBELET)).collect();
    found.sort_by_key(|address| !known.contains(address));
    found.truncate(MOST_NODES);
    Ok(found)
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

#[cfg(test)]
mod tests {
    use axum::extract::State;
    use axum::routing::get;
    use axum::{Json, Router};
    use http::StatusCode;
    use parking_lot::Mutex;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;
    use crate::fixture::installation;

    /// The addresses of nodes; none: the API server does not tell.
    type Nodes = Arc<Mutex<Option<Vec<&'static str>>>>;

    async fn api_server(nodes: Nodes) -> Client {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes"},
            "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 443}]}});
        let services = json!({"apiVersion": "v1", "kind": "ServiceList", "metadata": {}, "items": []});
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "kubernetes"}, "endpoints": [], "ports": []});
        let list = async move |State(nodes): State<Nodes>| {
            let Some(addresses) = nodes.lock().clone() else { return (StatusCode::FORBIDDEN, Json(Value::Null)) };
            let node = |address: &&str| {
                json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": address},
                    "status": {"addresses": [{"type": "InternalIP", "address": address}]}})
            };
            let items: Vec<Value> = addresses.iter().map(node).collect();
            (StatusCode::OK, Json(json!({"apiVersion": "v1", "kind": "NodeList", "metadata": {}, "items": items})))
        };
        let routes = Router::new()
            .route("/api/v1/namespaces/default/services/kubernetes", get(async move || Json(service.clone())))
            .route("/api/v1/namespaces/kube-system/services", get(async move || Json(services.clone())))
            .route(
                "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
                get(async move || Json(slice.clone())),
            )
            .route("/api/v1/nodes", get(list))
            .with_state(nodes);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
    }

    #[tokio::test]
    async fn each_look_finds_the_addresses_of_now_beside_those_that_were_given() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let nodes: Nodes = Arc::new(Mutex::new(Some(vec!["10.1.0.1"])));
        let (client, given) = (api_server(Arc::clone(&nodes)).await, installation());
        let kubelets = async || {
            let found = discover(&client, &given, &[]).await?;
            assert_eq!(found.probe.api_server, ["10.0.0.1:443".parse().unwrap()]);
            assert_eq!(found.probe.resolvers, given.probe.resolvers);
            Ok::<_, DiscoverError>(found.probe.kubelets.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(kubelets().await.unwrap(), ["10.1.0.1:10250"]);
        *nodes.lock() = Some(vec!["10.1.0.2", "10.1.0.3"]);
        assert_eq!(kubelets().await.unwrap(), ["10.1.0.2:10250", "10.1.0.3:10250"]);
        for nothing in [None, Some(Vec::new())] {
            *nodes.lock() = nothing;
            assert!(kubelets().await.is_err(), "and nothing is taken up");
        }
    }

    #[tokio::test]
    async fn a_new_node_takes_no_known_ones_place() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let old = ["10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.0.14", "10.1.0.15"];
        let known: Vec<SocketAddr> = old.iter().map(|node| format!("{node}:{KUBELET}").parse().unwrap()).collect();
        let nodes: Nodes = Arc::new(Mutex::new(Some([&["10.1.0.1"], &old[..]].concat())));
        let client = api_server(Arc::clone(&nodes)).await;
        assert_eq!(discover(&client, &installation(), &known).await.unwrap().probe.kubelets, known);
        *nodes.lock() = Some([&["10.1.0.1"], &old[1..]].concat());
        let found = discover(&client, &installation(), &known).await.unwrap().probe.kubelets;
        assert!(found.contains(&"10.1.0.1:10250".parse().unwrap()) && !found.contains(&known[0]), "{found:?}");
    }
}
