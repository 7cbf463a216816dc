//! The provider for S3 with IAM: Amazon, Ceph and `SeaweedFS` alike.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use oscar_blueprint::ObjectStore;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};

use super::credentials::{Clients, clients};
use super::error::StorageError;
use super::policy::{intake_policy, workspace_policy};
use super::settings::{Identities, StorageSettings};
use super::{
    Access, Ensured, Erased, Guarantees, StorageProvider, TenantStorage, bucket, erase, identity, session, trial,
};

/// How long a tenant whose storage was found in order is left alone. Also how long a replaced
/// access key still serves: pods have long taken the new one up by then.
const REVISIT: Duration = Duration::from_mins(10);

/// Identity calls that are under way at a time: some stores answer them one after the other,
/// and a call that waits inside the store runs into its time limit.
const IDENTITY_CALLS: usize = 2;
/// Tenants that may wait for their turn. Less than the tenants that are reconciled at a time:
/// a permit that is revoked must not wait behind new tenants.
const IDENTITY_QUEUE: usize = 4;
/// The longest name of an IAM user.
const LONGEST_USER: usize = 64;

/// Buckets and identities through the AWS SDK.
#[derive(Debug)]
pub struct S3Storage {
    settings: StorageSettings,
    region: String,
    person_index_bucket: String,
    clients: Clients,
    revisit: Duration,
    /// What the store was found to guard by itself, once the race was won by one and the
    /// bucket of the person index made.
    shared: OnceCell<Guarantees>,
    identity_calls: Semaphore,
    identity_queue: Semaphore,
    /// When each tenant was found in order, and under which settings.
    visits: Mutex<BTreeMap<String, Visit>>,
}

#[derive(Debug, Clone, Copy)]
struct Visit {
    at: Instant,
    landing_retention_days: u32,
}

/// How what a tenant has at the store is called.
#[derive(Debug)]
struct Names {
    bucket: String,
    workspace: String,
    intake: String,
}

impl Names {
    /// The names that begin with `prefix`, or with what the bucket was given when it was made.
    fn of(tenant: &TenantStorage, prefix: &str) -> Result<Self, StorageError> {
        let bucket = tenant.bucket(prefix);
        let Some(prefix) = bucket.strip_suffix(&tenant.bucket_end()) else {
            return Err(StorageError::Misrecorded(bucket));
        };
        let user = |zone| user_name(prefix, tenant.tenant.as_str(), &tenant.tag, zone);
        let (workspace, intake) = (user("workspace"), user("intake"));
        Ok(Self { bucket, workspace, intake })
    }
}

impl S3Storage {
    /// A provider for the store that `store` names, with whatever credentials the SDK finds:
    /// environment, profile, web identity.
    pub async fn new(settings: StorageSettings, store: &ObjectStore) -> Self {
        Self::with_credentials(settings, store, None).await
    }

    /// The same with given credentials.
    pub async fn with_credentials(
        settings: StorageSettings,
        store: &ObjectStore,
        credentials: Option<Credentials>,
    ) -> Self {
        let endpoint = settings.endpoint.as_deref().unwrap_or(&store.endpoint);
        let clients = clients(endpoint, &store.region, credentials).await;
        Self {
            settings,
            region: store.region.clone(),
            person_index_bucket: store.person_index_bucket.clone(),
            clients,
            revisit: REVISIT,
            shared: OnceCell::new(),
            identity_calls: Semaphore::new(IDENTITY_CALLS),
            identity_queue: Semaphore::new(IDENTITY_QUEUE),
            visits: Mutex::default(),
        }
    }

    /// Looks at a tenant's storage anew after another time than ten minutes.
    #[must_use]
    pub fn revisiting_after(self, revisit: Duration) -> Self {
        Self { revisit, ..self }
    }

    /// Whether a bucket was in order a short while ago, under the same settings.
    fn recent(&self, bucket: &str, tenant: &TenantStorage) -> bool {
        self.visits.lock().get(bucket).is_some_and(|visit| {
            visit.at.elapsed() < self.revisit && visit.landing_retention_days == tenant.landing_retention_days
        })
    }

    fn names(&self, tenant: &TenantStorage) -> Result<Names, StorageError> {
        Names::of(tenant, &self.settings.bucket_prefix)
    }

    /// Whether the tenant has users, or may still have some of the time before sessions.
    fn may_have_users(&self, tenant: &TenantStorage) -> bool {
        matches!(self.settings.identities, Identities::Users { .. })
            || tenant.made.as_ref().is_some_and(|made| made.users)
    }

    async fn remove_users(&self, names: &Names) -> Result<(), StorageError> {
        for user in [&names.workspace, &names.intake] {
            identity::remove_user(&self.clients.iam, user).await?;
        }
        Ok(())
    }

    /// Makes the bucket, once; later it is there or lost.
    async fn ensure_bucket(&self, name: &str, tenant: &TenantStorage) -> Result<(), StorageError> {
        match tenant.made {
            None => bucket::create(&self.clients.s3, name, &self.region).await,
            Some(_) if erase::exists(&self.clients.s3, name).await? => Ok(()),
            Some(_) => Err(StorageError::Gone(name.to_owned())),
        }
    }

    /// The bucket of the person index is the installation's, made once; no tenant's storage is
    /// ready at a store that has not passed its trial.
    async fn ensure_shared(&self) -> Result<Guarantees, StorageError> {
        let make = || async {
            let (s3, person_index) = (&self.clients.s3, &self.person_index_bucket);
            let trial = &trial::bucket_of(person_index);
            for bucket in [person_index, trial] {
                bucket::create(s3, bucket, &self.region).await?;
                bucket::configure_shared(s3, bucket, &self.settings.encryption).await?;
            }
            trial::run(s3, trial).await
        };
        self.shared.get_or_try_init(make).await.copied()
    }

    async fn ensure_access(
        &self,
        names: &Names,
        tenant: &TenantStorage,
        known: Option<&Access>,
    ) -> Result<Access, StorageError> {
        let Names { bucket, workspace, intake } = names;
        let zones = [
            ("workspace", workspace, workspace_policy(bucket)),
            ("intake", intake, intake_policy(bucket, &tenant.person_index_bucket)),
        ];
        let due = known.and_then(|known| known.renew_at).is_some_and(|at| at <= SystemTime::now());
        let mut keys = Vec::with_capacity(2);
        let mut renew_at = known.and_then(|known| known.renew_at).filter(|_| !due);
        for (zone, user, policy) in &zones {
            let before = known.map(|known| if *zone == "workspace" { &known.workspace } else { &known.intake });
            let key = match &self.settings.identities {
                Identities::Users { rotate_after_days } => {
                    identity::ensure_user(&self.clients.iam, user, policy).await?;
                    let key = identity::ensure_key(&self.clients.iam, user, before, due).await?;
                    if before != Some(&key) {
                        renew_at = Some(identity::renew_at(*rotate_after_days));
                    }
                    key
                }
                Identities::Sessions { role_arn, session_seconds } => match before.filter(|_| !due) {
                    Some(before) if before.session_token.is_some() => before.clone(),
                    Some(_) | None => {
                        let name = format!("{}-{zone}", tenant.tenant);
                        let (key, at) =
                            session::open(&self.clients.sts, role_arn, &name, policy, *session_seconds).await?;
                        renew_at = Some(at);
                        key
                    }
                },
            };
            keys.push(key);
        }
        match <[_; 2]>::try_from(keys) {
            Ok([workspace, intake]) => Ok(Access { workspace, intake, renew_at }),
            Err(_) => Err(StorageError::Call {
                what: "making identities",
                why: "two were wanted".to_owned(),
                transient: false,
            }),
        }
    }
}

/// The name of a tenant's user. Where it would be too long the tenant's name is cut: its tag
/// tells it from others.
fn user_name(prefix: &str, tenant: &str, tag: &str, zone: &str) -> String {
    let rest = format!("-{tag}-{zone}");
    let room = LONGEST_USER.saturating_sub(prefix.len() + 1 + rest.len());
    let tenant: String = tenant.chars().take(room).collect();
    format!("{prefix}-{tenant}{rest}")
}

#[async_trait]
impl StorageProvider for S3Storage {
    async fn ensure(&self, tenant: &TenantStorage, known: Option<&Access>) -> Result<Ensured, StorageError> {
        let names = self.names(tenant)?;
        let (bucket, mut users) = (names.bucket.clone(), self.may_have_users(tenant));
        let due = known.is_none_or(|known| known.renew_at.is_some_and(|at| at <= SystemTime::now()));
        let recent = self.recent(&bucket, tenant);
        let guarantees = self.ensure_shared().await?;
        if let (true, Some(access), false) = (recent, known, due) {
            return Ok(Ensured { bucket, users, access: access.clone(), guarantees });
        }
        // First of all: whoever comes again soon would only do the rest in vain.
        let _place = match (self.identity_queue.try_acquire(), known) {
            (Ok(place), _) => place,
            // Only looked after: that has time until the next reconcile.
            (Err(_), Some(access)) if !due => return Ok(Ensured { bucket, users, access: access.clone(), guarantees }),
            (Err(_), _) => return Err(StorageError::Queued),
        };
        let (s3, days) = (&self.clients.s3, tenant.landing_retention_days);
        if !recent {
            self.ensure_bucket(&bucket, tenant).await?;
            bucket::configure(s3, &bucket, days, &self.settings.encryption, guarantees).await?;
        }
        let _turn = self.identity_calls.acquire().await.map_err(|_| StorageError::Queued)?;
        let access = self.ensure_access(&names, tenant, known).await?;
        // Pods have sessions since the visit before this one, and hold no user's key any more.
        if users && !access.is_of_users() && known.is_some_and(|known| !known.is_of_users()) {
            match self.remove_users(&names).await {
                Ok(()) => users = false,
                // The tenant's storage is in order without it; it does not go before they do.
                Err(error) => tracing::warn!(bucket, %error, "a tenant's users of before could not be removed"),
            }
        }
        self.visits.lock().insert(bucket.clone(), Visit { at: Instant::now(), landing_retention_days: days });
        Ok(Ensured { bucket, users, access, guarantees })
    }

    async fn retire(&self, tenant: &TenantStorage) -> Result<(), StorageError> {
        if self.may_have_users(tenant) { self.remove_users(&self.names(tenant)?).await } else { Ok(()) }
    }

    async fn erase(&self, tenant: &TenantStorage) -> Result<Erased, StorageError> {
        // Identities first: nobody writes any more while the bucket is emptied.
        self.retire(tenant).await?;
        let Names { bucket, workspace, intake } = self.names(tenant)?;
        let erased = erase::bucket(&self.clients.s3, &bucket).await?;
        self.visits.lock().remove(&bucket);
        let remains = usize::from(erase::exists(&self.clients.s3, &bucket).await?);
        let mut identities = 0;
        if self.may_have_users(tenant) {
            for user in [&workspace, &intake] {
                identities += usize::from(identity::exists(&self.clients.iam, user).await?);
            }
        }
        if remains + identities > 0 {
            return Err(StorageError::Remains { objects: remains, identities });
        }
        Ok(erased)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_users_fit_and_tell_tenants_apart() {
        assert_eq!(user_name("oscar", "acme", "1a2b3c4d", "workspace"), "oscar-acme-1a2b3c4d-workspace");
        let longest = "a".repeat(40);
        let (one, other) =
            ["1a2b3c4d", "5e6f7a8b"].map(|tag| user_name("twelve-chars", &longest, tag, "workspace")).into();
        assert!(one.len() <= LONGEST_USER && one != other, "{one}");
        assert!(one.ends_with("-1a2b3c4d-workspace"), "{one}");
    }
}
