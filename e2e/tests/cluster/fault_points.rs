//! The operator killed at the steps of a reconcile, each kill at a step where none was
//! before, until a life finds nothing more to do: then all must be as if nothing had happened.
//! Every second step, picked by chance, or with `OSCAR_EVERY_STEP=1` every one.
//!
//! A step is a request that changes something at the API server or at the object store. The
//! operator runs in this process as its own service account; a life of it is a runtime of its
//! own, which a kill drops with everything that was under way.

mod life;
mod remains;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use oscar_e2e::own_operator::{administrators_client, settings};
use serde_json::{Value, json};

use self::life::{Fates, Kill, Life, Lives};
use self::remains::{Kept, Remains};
use crate::cluster;

/// Steps of building a tenant up; fewer kills have missed some.
const STEPS_UP: usize = 30;
/// Steps of taking one down.
const STEPS_DOWN: usize = 5;
/// A life that has written and then nothing for so long has come to rest.
const REST: Duration = Duration::from_secs(2);

/// No operator of the Deployment runs while this lives.
struct NoOther<'c>(&'c Cluster);

impl<'c> NoOther<'c> {
    fn on(cluster: &'c Cluster) -> Self {
        cluster.run_operators(0).unwrap();
        Self(cluster)
    }
}

impl Drop for NoOther<'_> {
    fn drop(&mut self) {
        // A test that failed has its own words; the next one needs an operator.
        let _ = self.0.run_operators(1);
    }
}

/// A tenant that runs no pods: everything else is built and taken down as always.
fn quiet_tenant(name: &str, issuer: &str) -> Value {
    let mut quiet = tenant(name, issuer);
    quiet["spec"]["suspend"] = json!(true);
    quiet
}

/// What ends the last life.
#[derive(Clone, Copy)]
enum Sight {
    Built,
    Gone,
}

/// The test's view of the cluster.
struct Stage<'c> {
    cluster: &'c Cluster,
    runtime: tokio::runtime::Runtime,
    remains: Remains,
    lives: Lives,
}

impl<'c> Stage<'c> {
    fn on(cluster: &'c Cluster) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let settings = settings(cluster, &cluster.folder().join("operator.yaml")).unwrap();
        let client = runtime.block_on(administrators_client(cluster.kubeconfig())).unwrap();
        let remains = runtime.block_on(Remains::new(client, &settings, cluster.store_administrator()));
        let lives = Lives::new(cluster, settings);
        Self { cluster, runtime, remains, lives }
    }

    /// Lives until one comes to an end where `done` says so; returns how many were cut short.
    fn live(
        &self,
        what: &str,
        kill: Option<Kill>,
        done: &impl AsyncFn(&Life) -> bool,
        mut after: impl FnMut(),
    ) -> usize {
        let fates = Arc::new(Fates::new(kill));
        let begun = Instant::now();
        loop {
            let born = Instant::now();
            let completed = self.lives.live(&fates, done);
            after();
            if let Some(took) = completed {
                let kills = fates.kills();
                println!(
                    "{what}: {kills} kills in {:.0} s; done {:.1} s after the last one",
                    begun.elapsed().as_secs_f64(),
                    took.saturating_duration_since(born).as_secs_f64()
                );
                return kills;
            }
        }
    }

    /// Looks from the test's own runtime: connections of a life's end with it.
    async fn sees(&self, name: &str, sight: Sight) -> bool {
        let (remains, name) = (self.remains.clone(), name.to_owned());
        let looked = self.runtime.spawn(async move {
            match sight {
                Sight::Built => remains.is_built(&name).await,
                Sight::Gone => remains.is_gone(&name).await,
            }
        });
        looked.await.unwrap()
    }

    /// Builds a tenant up; the keys that were used once stay the keys, whenever a life ends.
    fn build(&self, name: &str, kill: Option<Kill>) -> (Kept, usize) {
        self.cluster.apply(&quiet_tenant(name, &self.cluster.issuer())).unwrap();
        let mut kept = Kept::default();
        let done = async |life: &Life| life.has_come_to_rest() && self.sees(name, Sight::Built).await;
        let kills = self.live(&format!("{name} is built"), kill, &done, || {
            self.runtime.block_on(self.remains.look(name, &mut kept));
        });
        (kept, kills)
    }

    /// Erases a tenant with something in its bucket, and looks for what is left.
    fn erase(&self, name: &str, bucket: &str, kill: Option<Kill>) -> usize {
        let file = self.cluster.folder().join("something");
        std::fs::write(&file, "something").unwrap();
        for key in ["lake/a", "lake/b", "journal/c", "lake/a"] {
            self.cluster.put(bucket, key, &file).unwrap();
        }
        self.cluster.kubectl(&["delete", "tenant", name, "--wait=false"]).unwrap();
        let done = async |_: &Life| self.sees(name, Sight::Gone).await;
        let kills = self.live(&format!("{name} is erased"), kill, &done, || {});
        assert_eq!(self.cluster.bucket_status(bucket).unwrap(), "404");
        self.runtime.block_on(self.remains.assert_erased(name, bucket));
        kills
    }
}

/// Kills at every step on one side of it, and compares with a tenant that was left in peace.
fn killed_everywhere(kill: Kill, name: &str) {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let _no_other = NoOther::on(cluster);
    let stage = Stage::on(cluster);
    let calm = format!("{name}-calm");
    let (undisturbed, _) = stage.build(&calm, None);
    let (disturbed, kills) = stage.build(name, Some(kill));
    assert!(kills >= STEPS_UP, "only {kills} kills while the tenant was built");
    let (wanted, found) = stage.runtime.block_on(async {
        (stage.remains.state(&calm, &undisturbed).await, stage.remains.state(name, &disturbed).await)
    });
    for (object, wanted) in &wanted {
        assert_eq!(found.get(object), Some(wanted), "{object}");
    }
    let unwanted: Vec<&String> = found.keys().filter(|object| !wanted.contains_key(*object)).collect();
    assert!(unwanted.is_empty(), "{unwanted:?}");

    let kills = stage.erase(name, &disturbed.bucket(name), Some(kill));
    assert!(kills >= STEPS_DOWN, "only {kills} kills while the tenant was erased");
    stage.erase(&calm, &undisturbed.bucket(&calm), None);
    let left = cluster.kubectl(&["-n", HOME, "get", "secrets", "-o", "name"]).unwrap();
    assert!(!left.contains(name), "{left}");
}

#[test]
fn killed_after_every_write_had_reached_its_server_the_operator_ends_as_if_undisturbed() {
    killed_everywhere(Kill::AnswerIsLost, "answerless");
}

#[test]
fn killed_before_every_write_was_sent_the_operator_ends_as_if_undisturbed() {
    killed_everywhere(Kill::NeverSent, "unsent");
}
