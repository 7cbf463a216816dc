//! One life of an operator after the other, and how each ends.

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderName, StatusCode, header};
use oscar_e2e::cluster::{Cluster, HOME};
use oscar_e2e::own_operator::{operators_client, writes};
use oscar_operator::run::{Place, run};
use oscar_operator::settings::Settings;
use oscar_operator::storage::S3Storage;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::REST;

/// Longest time that a life may take without a kill and without an end.
const LONGEST: Duration = Duration::from_secs(150);

/// On which side of a step a kill falls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kill {
    /// The step was done; nobody learns of it.
    AnswerIsLost,
    /// The step was about to be done.
    NeverSent,
}

/// The steps at which a life has ended. Each ends one only, so that the next comes further.
#[derive(Debug)]
pub(super) struct Fates {
    kill: Option<Kill>,
    met: Mutex<BTreeSet<String>>,
}

impl Fates {
    pub(super) fn new(kill: Option<Kill>) -> Self {
        Self { kill, met: Mutex::default() }
    }

    /// How the step is to end the life, if it is. Half of the steps do, another half each time
    /// because objects have other names; with `OSCAR_EVERY_STEP` all of them.
    fn of(&self, step: &str) -> Option<Kill> {
        let chosen = std::env::var_os("OSCAR_EVERY_STEP").is_some() || {
            let mut hasher = DefaultHasher::new();
            step.hash(&mut hasher);
            hasher.finish().is_multiple_of(2)
        };
        self.kill.filter(|_| chosen && !self.met.lock().unwrap().contains(step))
    }

    pub(super) fn kills(&self) -> usize {
        self.met.lock().unwrap().len()
    }
}

/// One life.
#[derive(Debug)]
pub(super) struct Life {
    fates: Arc<Fates>,
    dead: AtomicBool,
    death: Notify,
    last_write: Mutex<Option<Instant>>,
}

impl Life {
    fn new(fates: &Arc<Fates>) -> Self {
        Self {
            fates: Arc::clone(fates),
            dead: AtomicBool::new(false),
            death: Notify::new(),
            last_write: Mutex::default(),
        }
    }

    /// Whether this life has written something, and nothing for a while.
    pub(super) fn has_come_to_rest(&self) -> bool {
        self.last_write.lock().unwrap().is_some_and(|last| last.elapsed() >= REST)
    }

    /// Sends one request, unless this life is over or ends at it. The dead send nothing and
    /// hear nothing.
    async fn pass<A>(&self, step: Option<String>, send: impl Future<Output = A>) -> A {
        if self.dead.load(Ordering::SeqCst) {
            return pending().await;
        }
        let Some(step) = step else { return send.await };
        if !step.contains("/leases/") {
            *self.last_write.lock().unwrap() = Some(Instant::now());
        }
        let answer = match self.fates.of(&step) {
            Some(Kill::NeverSent) => {
                self.die(step);
                return pending().await;
            }
            Some(Kill::AnswerIsLost) => {
                let _lost = send.await;
                self.die(step);
                return pending().await;
            }
            None => send.await,
        };
        if self.dead.load(Ordering::SeqCst) { pending().await } else { answer }
    }

    /// Of several steps that are under way at once, one ends the life; the others have their turn later.
    fn die(&self, step: String) {
        if !self.dead.swap(true, Ordering::SeqCst) {
            self.fates.met.lock().unwrap().insert(step);
            self.death.notify_one();
        }
    }
}

/// What every life needs.
pub(super) struct Lives {
    kubeconfig: PathBuf,
    settings: Settings,
    credentials: Credentials,
}

impl Lives {
    pub(super) fn new(cluster: &Cluster, settings: Settings) -> Self {
        let (id, secret) = cluster.store_administrator();
        let credentials = Credentials::new(id, secret, None, None, "test");
        Self { kubeconfig: cluster.kubeconfig().to_owned(), settings, credentials }
    }

    /// One life: `None` when it was cut short, else when it had done its last write.
    pub(super) fn live(&self, fates: &Arc<Fates>, done: impl AsyncFn(&Life) -> bool) -> Option<Instant> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let life = Arc::new(Life::new(fates));
        let ended = runtime.block_on(self.live_until(&life, done));
        // What is under way is dropped where it waits: nothing of it is done or undone.
        runtime.shutdown_timeout(Duration::from_secs(10));
        ended
    }

    async fn live_until(&self, life: &Arc<Life>, done: impl AsyncFn(&Life) -> bool) -> Option<Instant> {
        let passing = Arc::clone(life);
        let client = operators_client(&self.kubeconfig, move |request, inner| {
            let life = Arc::clone(&passing);
            async move {
                let step = writes(request.method()).then(|| format!("{} {}", request.method(), request.uri().path()));
                life.pass(step, inner.send(request)).await
            }
        });
        let mut settings = self.settings.clone();
        let store = settings.installation.object_store.clone();
        let door = store_door(Arc::clone(life), store.endpoint.clone()).await;
        settings.storage.endpoint = Some(format!("http://{door}"));
        let storage =
            S3Storage::with_credentials(settings.storage.clone(), &store, Some(self.credentials.clone())).await;
        // The same name in every life: nobody else may hold the Lease meanwhile.
        let place = Place { namespace: HOME.to_owned(), identity: "fault-points".to_owned() };
        let stop = CancellationToken::new();
        let running = run(client.await.unwrap(), Arc::new(storage), settings, place, stop.clone());
        let mut running = std::pin::pin!(running);
        let rest = async {
            while !done(life).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            ended = &mut running => panic!("the operator ended by itself: {ended:?}"),
            () = life.death.notified() => return None,
            () = rest => {}
            () = tokio::time::sleep(LONGEST) => panic!("neither killed nor done; met: {:#?}", life.fates.met),
        }
        let last = life.last_write.lock().unwrap().unwrap_or_else(Instant::now);
        // A stop, which gives the Lease back. It may be a step at which none has ended yet.
        stop.cancel();
        tokio::select! {
            ended = &mut running => ended.unwrap(),
            () = life.death.notified() => {}
        }
        Some(last)
    }
}

/// The way to the object store, step by step as to the API server.
struct Door {
    life: Arc<Life>,
    store: String,
    http: reqwest::Client,
}

async fn store_door(life: Arc<Life>, store: String) -> SocketAddr {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = axum::Router::new().fallback(any(forward)).with_state(Arc::new(Door { life, store, http }));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

/// The request as it came, its host included: that is what the caller has signed.
async fn forward(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let step = store_step(&parts, &body);
    let url = format!("{}{}", door.store, parts.uri.path_and_query().unwrap());
    let send = door.http.request(parts.method, url).headers(parts.headers).body(body).send();
    let answer = door.life.pass(step, async { Ok::<_, reqwest::Error>(whole(send.await?).await) });
    answer.await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

async fn whole(answer: reqwest::Response) -> Response {
    const BY_HOP: [HeaderName; 2] = [header::TRANSFER_ENCODING, header::CONNECTION];
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| !BY_HOP.contains(name)) {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}

/// What a request to the store changes; names made up by chance are left out.
fn store_step(parts: &http::request::Parts, body: &Bytes) -> Option<String> {
    let form = String::from_utf8_lossy(body);
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    if let Some(action) = field("Action").filter(|_| parts.uri.path() == "/") {
        let user = field("UserName").unwrap_or_default();
        return (!action.starts_with("List") && !action.starts_with("Get")).then(|| format!("{action} {user}"));
    }
    let path = parts.uri.path();
    let path = match path.rsplit_once('/') {
        Some((folder, _)) if folder.ends_with("-trial/journal") => folder,
        _ => path,
    };
    let query = parts.uri.query().unwrap_or_default();
    writes(&parts.method).then(|| format!("store {} {path}?{query}", parts.method))
}
