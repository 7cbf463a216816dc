//! The operator's life: watches first, then the Lease, then the controllers; one signal ends it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{Stream, StreamExt, stream};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Config as ControllerConfig, ReconcileReason, ReconcileRequest, applier};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Config, watcher};
use kube::runtime::{Predicate as _, WatchStreamExt, predicates};
use kube::{Api, Client, Resource};
use oscar_crds::{DataPermit, Extract, Tenant};
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::authority;
use crate::controllers::context::Context;
use crate::controllers::disturbance::Disturbances;
use crate::controllers::failure::Failures;
use crate::controllers::{data_permit, extract, tenant};
use crate::discover;
use crate::jwks::JwksCache;
use crate::keys::KeyStore;
use crate::lease::{Leadership, Terms};
use crate::metrics::Metrics;
use crate::objects::Applier;
use crate::ring::triers_of;
use crate::settings::Settings;
use crate::storage::{S3Storage, StorageProvider};
use crate::trigger::{Triggered, trigger};
use crate::world::{TENANT_MANAGER, World};

/// How long reconciles that have begun may go on after the last renewal: less than what is
/// left of the Lease then, with what giving it back takes.
const LAST_RECONCILES: Duration = Duration::from_secs(8);

/// Reconciles asked for within so short a time become one.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// How long a connection to the API server may say nothing: longer than a watch, which the API
/// server ends after 290 s.
const SILENCE: Duration = Duration::from_secs(330);

/// Where the operator is and who it is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its own namespace.
    pub namespace: String,
    /// The name under which it holds the Lease.
    pub identity: String,
}

/// Runs with the API server and the store that the surroundings name, until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or when it loses the Lease: then another process may write, and
/// starting anew is the only safe way on.
pub async fn run_until_stopped(settings: Settings, place: Place) -> anyhow::Result<()> {
    let mut config = kube::Config::infer().await.context("the API server cannot be found")?;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let client = Client::try_from(config).context("the API server cannot be reached")?;
    let storage = Arc::new(S3Storage::new(settings.storage.clone(), &settings.installation.object_store).await);
    let stop = CancellationToken::new();
    let signal = stop.clone();
    tokio::spawn(async move {
        if let Err(error) = stop_signal().await {
            tracing::error!(%error, "signals cannot be waited for");
        }
        signal.cancel();
    });
    run(client, storage, settings, place, stop).await
}

/// Runs until `stop`, with a given client and provider of storage.
///
/// # Errors
/// See [`run_until_stopped`].
pub async fn run(
    client: Client,
    storage: Arc<dyn StorageProvider>,
    settings: Settings,
    place: Place,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let installation = discover::discover(&client, &settings.installation, &[]).await?;
    let mut tasks = JoinSet::new();
    let (world, metrics) = (Arc::new(World::default()), Arc::new(Metrics::default()));
    let (triggers, triggered) = trigger();
    let listener = TcpListener::bind(settings.admin_listen).await.context("the admin port cannot be opened")?;
    let routes = admin::routes(Admin { metrics: Arc::clone(&metrics), world: Arc::clone(&world) });
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the admin port failed");
        }
    });
    for watch in world.watches(&client, &triggers) {
        tasks.spawn(watch);
    }
    let watched = Watched::start(&client, &place.namespace);
    // Candidates are ready too: they mirror everything, so that a change of hands is quick.
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = world.wait_until_ready() => {}
    }
    let leadership =
        Leadership::new(Api::namespaced(client.clone(), &place.namespace), place.identity.clone(), Terms::default());
    if !leadership.acquire(&stop).await {
        return Ok(());
    }
    metrics.leads(true);
    tracing::info!(identity = place.identity, "this process writes");
    let keys = KeyStore::new(Api::namespaced(client.clone(), &place.namespace));
    let context = Arc::new(Context {
        spoke: keys.spoke().await.context("the installation's own keys")?,
        keys,
        namespace: place.namespace.clone(),
        installation: RwLock::new(Arc::new(installation)),
        jwks: Arc::new(JwksCache::new(Duration::from_secs(settings.jwks_refresh_seconds))),
        applier: Applier::new(client.clone(), TENANT_MANAGER, Arc::clone(&world.objects)),
        recorder: Recorder::new(
            client.clone(),
            Reporter { controller: "oscar-operator".to_owned(), instance: Some(place.identity) },
        ),
        http: Context::http_client().context("no HTTP client")?,
        tenants: watched.tenants.clone(),
        permits: watched.permits.clone(),
        extracts: watched.extracts.clone(),
        listed: watched.listed.clone(),
        failures: Failures::default(),
        disturbances: Disturbances::default(),
        announced: tenant::Announced::default(),
        trusted: Mutex::default(),
        trigger: triggers,
        settings,
        client,
        world,
        storage,
        metrics,
    });
    let controllers = CancellationToken::new();
    // Part of this future: whoever drops it has stopped the controllers, too.
    let mut running = JoinSet::new();
    running.spawn(control(Arc::clone(&context), watched, triggered, controllers.clone()));
    let lost = tokio::select! {
        lost = leadership.hold(&stop) => lost,
        _ = running.join_next() => anyhow::bail!("a controller has ended; starting anew is the only safe way on"),
    };
    context.metrics.leads(false);
    controllers.cancel();
    if lost {
        // Somebody else may write from now on: end at once, whatever is under way.
        anyhow::bail!("the Lease was lost")
    }
    // Reconciles that have begun end in good order, within what is left of the Lease; what
    // has not ended by then is cut off. Only after that may a successor write.
    let _ = tokio::time::timeout(LAST_RECONCILES, running.join_next()).await;
    running.shutdown().await;
    leadership.release().await;
    Ok(())
}

/// The three kinds of ours, mirrored whole.
struct Watched {
    tenants: Store<DeserializeGuard<Tenant>>,
    permits: Store<DeserializeGuard<DataPermit>>,
    extracts: Store<DeserializeGuard<Extract>>,
    tenant_events: Touched<Tenant>,
    permit_events: Touched<DataPermit>,
    extract_events: Touched<Extract>,
    /// Whether each kind was listed once.
    listed: Vec<watch::Receiver<bool>>,
}

type Touched<K> = stream::BoxStream<'static, watcher::Result<DeserializeGuard<K>>>;

impl Watched {
    fn start(client: &Client, namespace: &str) -> Self {
        let (tenants, tenant_events, tenants_listed) = watched(Api::all(client.clone()));
        let (permits, permit_events, permits_listed) = watched(Api::namespaced(client.clone(), namespace));
        let (extracts, extract_events, extracts_listed) = watched(Api::namespaced(client.clone(), namespace));
        let listed = vec![tenants_listed, permits_listed, extracts_listed];
        Self { tenants, permits, extracts, tenant_events, permit_events, extract_events, listed }
    }
}

/// A mirror of one kind, the objects that were touched, and whether all were listed once.
///
/// The mirror's own `wait_until_ready` wakes one waiter only, and that is its controller.
fn watched<K>(api: Api<DeserializeGuard<K>>) -> (Store<DeserializeGuard<K>>, Touched<K>, watch::Receiver<bool>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let (listed, is_listed) = watch::channel(false);
    let stream = watcher(api, Config::default())
        .default_backoff()
        .modify(|object: &mut DeserializeGuard<K>| {
            if let Ok(object) = &mut object.0 {
                object.meta_mut().managed_fields = None;
            }
        })
        .reflect(writer)
        .inspect(move |event| {
            if matches!(event, Ok(watcher::Event::InitDone)) {
                listed.send_replace(true);
            }
        })
        .touched_objects();
    (store, stream.boxed(), is_listed)
}

/// Runs the controllers until told to stop.
async fn control(context: Arc<Context>, watched: Watched, triggered: Triggered, stop: CancellationToken) {
    let Watched { tenants, permits, extracts, tenant_events, permit_events, extract_events, listed: _ } = watched;
    let mut tasks = JoinSet::new();
    let config = || ControllerConfig::default().concurrency(context.settings.concurrency).debounce(DEBOUNCE);
    // Our own status writes are no news; a deletion, a finalizer and a spec are.
    let what_matters = || predicates::generation.combine(predicates::finalizers);
    let neighbours = context.trigger.clone();
    let known = tenants.clone();
    let tenant_queue = stream::select(
        requests(
            waking_extracts(tenant_events, &context)
                .predicate_filter(what_matters(), kube::runtime::PredicateConfig::default())
                .inspect(move |touched| {
                    // A tenant that comes or goes changes what some of the others' probes try.
                    let Some(name) = touched.as_ref().ok().and_then(|tenant| tenant.meta().name.as_deref()) else {
                        return;
                    };
                    let names = known.state().into_iter().filter_map(|other| other.meta().name.clone());
                    for trier in triers_of(name, names) {
                        neighbours.tenant(&trier);
                    }
                }),
        ),
        triggered.tenants.map(|name| Ok(named(&name, None))),
    );
    let tenant_controller = applier(
        |object, context| Box::pin(tenant::reconcile(object, context)),
        |object, error, context| tenant::error_policy(&object, error, &context),
        Arc::clone(&context),
        tenants,
        tenant_queue.take_until(stop.clone().cancelled_owned()),
        config(),
    );
    tasks.spawn(tenant_controller.for_each(|_| std::future::ready(())));
    let (delivered, namespace) = (context.trigger.clone(), context.namespace.clone());
    let permit_events = waking_tenants(permit_events, &context);
    let permit_queue =
        stream::select(requests(permit_events), triggered.permits.map(move |name| Ok(named(&name, Some(&namespace)))));
    let permit_controller = applier(
        |object, context| Box::pin(data_permit::reconcile(object, context)),
        |object, error, context| data_permit::error_policy(&object, error, &context),
        Arc::clone(&context),
        permits,
        permit_queue.take_until(stop.clone().cancelled_owned()),
        config(),
    );
    tasks.spawn(permit_controller.for_each(|_| std::future::ready(())));
    let namespace = context.namespace.clone();
    let extract_queue = stream::select(
        requests(extract_events.inspect(move |event| {
            // Whether a permit's datasets are there is told by their extracts.
            if let Ok(DeserializeGuard(Ok(extract))) = event {
                delivered.permit(&extract.spec.permit);
            }
        })),
        triggered.extracts.map(move |name| Ok(named(&name, Some(&namespace)))),
    );
    let extract_controller = applier(
        |object, context| Box::pin(extract::reconcile(object, context)),
        |object, error, context| extract::error_policy(&object, error, &context),
        Arc::clone(&context),
        extracts,
        extract_queue.take_until(stop.clone().cancelled_owned()),
        config(),
    );
    tasks.spawn(extract_controller.for_each(|_| std::future::ready(())));
    tasks.spawn(keep_issuers_fresh(Arc::clone(&context), stop.clone()));
    let (discovering, stopping) = (Arc::clone(&context), stop.clone());
    tasks.spawn(async move { discover::keep_current(&discovering, &stopping).await });
    let stopping = stop.clone();
    tasks.spawn(async move { authority::keep_fresh(&context, &stopping).await });
    while tasks.join_next().await.is_some() {
        if !stop.is_cancelled() {
            // Dropping the others stops them; whoever waits for this future starts anew.
            tracing::error!("a controller has ended before its time");
            return;
        }
    }
}

/// A tenant that turns, in spec or in status, lets its extracts run or stops them.
fn waking_extracts(events: Touched<Tenant>, context: &Arc<Context>) -> Touched<Tenant> {
    let context = Arc::clone(context);
    let wake = move |touched: &watcher::Result<DeserializeGuard<Tenant>>| {
        if let Some(name) = touched.as_ref().ok().and_then(|tenant| tenant.meta().name.as_deref()) {
            context.wake_extracts(|extract| extract.spec.tenant == name);
        }
    };
    events.inspect(wake).boxed()
}

/// A permit that turns wakes its tenant, its extracts and its tenant's other permits; also one that is gone, of which
/// no reconcile will hear.
fn waking_tenants(events: Touched<DataPermit>, context: &Arc<Context>) -> Touched<DataPermit> {
    let context = Arc::clone(context);
    let wake = move |touched: &watcher::Result<DeserializeGuard<DataPermit>>| {
        let Ok(guard) = touched else { return };
        if let (DeserializeGuard(Ok(permit)), Some(name)) = (guard, guard.meta().name.as_deref()) {
            context.trigger.tenant(&permit.spec.tenant);
            context.wake_extracts(|extract| extract.spec.permit == name);
            // Of two permits with one reference number neither counts, and one makes room for another.
            let is_other = |other: &DataPermit| other.metadata.name.as_deref() != Some(name);
            context.wake_permits(|other| other.spec.tenant == permit.spec.tenant && is_other(other));
        }
    };
    events.inspect(wake).boxed()
}

fn requests<K>(
    touched: impl Stream<Item = watcher::Result<DeserializeGuard<K>>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<ReconcileRequest<DeserializeGuard<K>>>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + 'static,
{
    touched.map(|touched| {
        touched.map(|object| ReconcileRequest {
            obj_ref: ObjectRef::from_obj(&object),
            reason: ReconcileReason::ObjectUpdated,
        })
    })
}

fn named<K>(name: &str, namespace: Option<&str>) -> ReconcileRequest<DeserializeGuard<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let object = ObjectRef::new(name);
    let obj_ref = match namespace {
        Some(namespace) => object.within(namespace),
        None => object,
    };
    ReconcileRequest { obj_ref, reason: ReconcileReason::Unknown }
}

/// Wakes every tenant that names an issuer whose keys are new.
async fn keep_issuers_fresh(context: Arc<Context>, stop: CancellationToken) {
    let jwks = Arc::clone(&context.jwks);
    jwks.keep_fresh(stop, |issuer| {
        for guard in context.tenants.state() {
            if let Ok(tenant) = &guard.0
                && tenant.spec.issuers.iter().any(|named| named.issuer == issuer)
            {
                context.trigger.tenant(tenant.metadata.name.as_deref().unwrap_or_default());
            }
        }
    })
    .await;
}

async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
