//! The master copy of every tenant's secrets, in the operator's own namespace.
//!
//! Keys are made once. A tenant whose keys are gone while its bucket is there is not given
//! new ones: they would not open what the old ones sealed, so a person has to restore them.
//! Tenants' namespaces hold copies, each zone its own part; the operator never reads those.
//!
//! Beside the keys is recorded what was made at the object store: a bucket is found again by
//! what it was called when it was made, not by settings that may have changed since.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, PostParams};
use oscar_blueprint::AccessKey;
use oscar_blueprint::names::{MANAGED_BY, TENANT_LABEL};
use oscar_permit::TenantName;

use crate::pki::{Authority, Certificate};
use crate::storage::{Access, Made};

/// Key files of the workspace.
const WORKSPACE_KEYS: [&str; 3] = ["journal.key", "ledger.key", "draw.key"];
/// Key files of the intake that are the tenant's own.
const INTAKE_KEYS: [&str; 2] = ["journal.key", "pseudonyms.key"];
/// The key of the spoke-wide person index, and of erasure certificates.
const PERSON_INDEX_KEY: &str = "person-index.key";
const ERASURE_KEY: &str = "erasure.key";
/// What was made at the object store.
const BUCKET: &str = "bucket";
const USERS: &str = "users";
/// The Secret of the installation's own keys.
const SPOKE: &str = "oscar-spoke";
/// The Secret of the certificate authority.
const AUTHORITY: &str = "oscar-ca";

/// Why secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The API server.
    #[error("the Secret {name} cannot be {action}: {source}")]
    Api {
        /// Which Secret.
        name: String,
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// A Secret that lacks something.
    #[error("the Secret {name} has no usable {field}; restore it from a backup")]
    Damaged {
        /// Which Secret.
        name: String,
        /// What is missing.
        field: String,
    },
    /// The bucket is there and its keys are not.
    #[error(
        "the Secret {0} is gone while the tenant's bucket is there; restore it from a backup: new keys would not open what the old ones sealed"
    )]
    Gone(String),
}

impl KeysError {
    /// A `CamelCase` word for conditions and events.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Api { .. } => "SecretsUnavailable",
            Self::Damaged { .. } => "KeysDamaged",
            Self::Gone(_) => "KeysGone",
        }
    }

    /// Whether it may pass by itself.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Api { .. })
    }
}

/// All secrets of one tenant.
#[derive(Clone, PartialEq)]
pub struct TenantKeys {
    version: Option<String>,
    /// Key files by name.
    files: BTreeMap<String, String>,
    /// What was made at the object store; `None` until the storage was in order once.
    pub made: Option<Made>,
    /// The identities at the object store.
    pub access: Option<Access>,
    /// The lake-api's certificate.
    pub certificate: Option<Certificate>,
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TenantKeys(hidden)")
    }
}

impl TenantKeys {
    fn generate() -> Self {
        let names = WORKSPACE_KEYS.iter().chain(&INTAKE_KEYS);
        let files = names.map(|name| ((*name).to_owned(), new_key())).collect();
        Self { version: None, files, made: None, access: None, certificate: None }
    }

    /// The workspace's key files.
    #[must_use]
    pub fn workspace_files(&self) -> BTreeMap<String, String> {
        self.some(&WORKSPACE_KEYS)
    }

    /// The intake's key files, with the installation's key of the person index.
    #[must_use]
    pub fn intake_files(&self, spoke: &SpokeKeys) -> BTreeMap<String, String> {
        let mut files = self.some(&INTAKE_KEYS);
        files.insert(PERSON_INDEX_KEY.to_owned(), spoke.person_index.clone());
        files
    }

    fn some(&self, names: &[&str]) -> BTreeMap<String, String> {
        let file = |name: &&str| self.files.get(*name).map(|key| ((*name).to_owned(), key.clone()));
        names.iter().filter_map(file).collect()
    }
}

/// The installation's own keys.
#[derive(Clone, PartialEq, Eq)]
pub struct SpokeKeys {
    /// The key of the person index: 64 hexadecimal digits.
    pub person_index: String,
    /// The seed that signs erasure certificates: 64 hexadecimal digits.
    pub erasure: String,
}

impl std::fmt::Debug for SpokeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpokeKeys(hidden)")
    }
}

/// The Secrets of the operator's namespace.
#[derive(Debug, Clone)]
pub struct KeyStore {
    secrets: Api<Secret>,
}

impl KeyStore {
    /// Keys in the namespace that `secrets` is bound to.
    #[must_use]
    pub const fn new(secrets: Api<Secret>) -> Self {
        Self { secrets }
    }

    /// A tenant's secrets, made when there are none yet. `has_bucket`: there were some before.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn tenant(&self, tenant: &TenantName, tag: &str, has_bucket: bool) -> Result<TenantKeys, KeysError> {
        let name = tenant_secret(tenant, tag);
        match self.get(&name).await? {
            Some(secret) => tenant_keys(&name, secret),
            None if has_bucket => Err(KeysError::Gone(name)),
            None => {
                let keys = TenantKeys::generate();
                let made = self.create(&name, Some(tenant), data_of(&keys)).await?;
                tenant_keys(&name, made)
            }
        }
    }

    /// What was made for a tenant at the object store, as far as its Secret is there and says
    /// so, and whether the identities in it may be users': also one whose keys are damaged can be
    /// taken down.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn made(&self, tenant: &TenantName, tag: &str) -> Result<(Option<Made>, bool), KeysError> {
        let name = tenant_secret(tenant, tag);
        let Some(secret) = self.get(&name).await? else { return Ok((None, true)) };
        let data = secret.data.unwrap_or_default().into_iter();
        let mut texts =
            data.filter_map(|(field, ByteString(bytes))| Some((field, String::from_utf8(bytes).ok()?))).collect();
        Ok((take_made(&mut texts), may_be_of_users(&texts)))
    }

    /// Keeps what was made, changed identities or a new certificate. Key files are never written again.
    ///
    /// # Errors
    /// When somebody else was faster, too: the next run looks anew.
    pub async fn keep(&self, tenant: &TenantName, tag: &str, keys: &TenantKeys) -> Result<(), KeysError> {
        let name = tenant_secret(tenant, tag);
        let mut secret = secret(&name, Some(tenant), data_of(keys));
        secret.metadata.resource_version.clone_from(&keys.version);
        let kept = self.secrets.replace(&name, &PostParams::default(), &secret).await;
        kept.map(drop).map_err(|source| KeysError::Api { name, action: "written", source: Box::new(source) })
    }

    /// Destroys a tenant's keys: what they sealed is unreadable from then on, wherever copies are.
    ///
    /// # Errors
    /// See [`KeysError`]; keys that are gone are fine.
    pub async fn shred(&self, tenant: &TenantName, tag: &str) -> Result<(), KeysError> {
        let name = tenant_secret(tenant, tag);
        match self.secrets.delete(&name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(KeysError::Api { name, action: "deleted", source: Box::new(source) }),
        }
    }

    /// The installation's own keys, made when there are none yet.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn spoke(&self) -> Result<SpokeKeys, KeysError> {
        let secret = if let Some(secret) = self.get(SPOKE).await? {
            secret
        } else {
            let data = [(PERSON_INDEX_KEY, new_key()), (ERASURE_KEY, new_key())];
            let data = data.into_iter().map(|(name, key)| (name.to_owned(), key)).collect();
            self.create(SPOKE, None, data).await?
        };
        let texts = texts(SPOKE, secret)?;
        let key =
            |field: &str| texts.get(field).filter(|key| is_key(key)).cloned().ok_or_else(|| damaged(SPOKE, field));
        Ok(SpokeKeys { person_index: key(PERSON_INDEX_KEY)?, erasure: key(ERASURE_KEY)? })
    }

    /// The certificate authority, made when there is none; the flag says whether it is ours
    /// to replace.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn authority(
        &self,
        make: impl Fn() -> Option<Authority>,
    ) -> Result<Option<(Authority, bool)>, KeysError> {
        let secret = match self.get(AUTHORITY).await? {
            Some(secret) => secret,
            None => match make() {
                Some(authority) => self.create(AUTHORITY, None, authority_data(&authority)).await?,
                None => return Ok(None),
            },
        };
        let ours = secret.metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/managed-by"));
        let ours = ours.is_some_and(|by| by == MANAGED_BY);
        let mut texts = texts(AUTHORITY, secret)?;
        let mut field = |name: &str| texts.remove(name).ok_or_else(|| damaged(AUTHORITY, name));
        Ok(Some((Authority { certificate: field("tls.crt")?, key: field("tls.key")? }, ours)))
    }

    /// Puts a new authority in the place of one of ours.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn replace_authority(&self, authority: &Authority) -> Result<(), KeysError> {
        let secret = secret(AUTHORITY, None, authority_data(authority));
        let replaced = self.secrets.replace(AUTHORITY, &PostParams::default(), &secret).await;
        replaced.map(drop).map_err(|source| KeysError::Api {
            name: AUTHORITY.to_owned(),
            action: "written",
            source: Box::new(source),
        })
    }

    async fn get(&self, name: &str) -> Result<Option<Secret>, KeysError> {
        self.secrets.get_opt(name).await.map_err(|source| KeysError::Api {
            name: name.to_owned(),
            action: "read",
            source: Box::new(source),
        })
    }

    /// Makes a Secret; when another process was faster, its keys are the keys.
    async fn create(
        &self,
        name: &str,
        tenant: Option<&TenantName>,
        data: BTreeMap<String, String>,
    ) -> Result<Secret, KeysError> {
        match self.secrets.create(&PostParams::default(), &secret(name, tenant, data)).await {
            Ok(made) => Ok(made),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.get(name).await?.ok_or_else(|| damaged(name, "content"))
            }
            Err(source) => Err(KeysError::Api { name: name.to_owned(), action: "made", source: Box::new(source) }),
        }
    }
}

/// The name of a tenant's Secret.
#[must_use]
pub fn tenant_secret(tenant: &TenantName, tag: &str) -> String {
    format!("oscar-tenant-{tenant}-{tag}")
}

fn secret(name: &str, tenant: Option<&TenantName>, data: BTreeMap<String, String>) -> Secret {
    let mut labels = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned())]);
    labels.extend(tenant.map(|tenant| (TENANT_LABEL.to_owned(), tenant.to_string())));
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        data: Some(data.into_iter().map(|(name, text)| (name, ByteString(text.into_bytes()))).collect()),
        ..Secret::default()
    }
}

fn authority_data(authority: &Authority) -> BTreeMap<String, String> {
    let Authority { certificate, key } = authority;
    BTreeMap::from([("tls.crt".to_owned(), certificate.clone()), ("tls.key".to_owned(), key.clone())])
}

fn data_of(keys: &TenantKeys) -> BTreeMap<String, String> {
    let TenantKeys { version: _, files, made, access, certificate } = keys;
    let mut data = files.clone();
    if let Some(Made { bucket, users }) = made {
        data.insert(BUCKET.to_owned(), bucket.clone());
        data.insert(USERS.to_owned(), users.to_string());
    }
    if let Some(Access { workspace, intake, renew_at }) = access {
        for (zone, AccessKey { id, secret, session_token }) in [("workspace", workspace), ("intake", intake)] {
            data.insert(format!("{zone}.access-key-id"), id.clone());
            data.insert(format!("{zone}.secret-access-key"), secret.clone());
            data.extend(session_token.clone().map(|token| (format!("{zone}.session-token"), token)));
        }
        let seconds = renew_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
        data.extend(seconds.map(|seconds| ("renew-at".to_owned(), seconds.to_string())));
    }
    if let Some(Certificate { chain, key }) = certificate {
        data.insert("tls.crt".to_owned(), chain.clone());
        data.insert("tls.key".to_owned(), key.clone());
    }
    data
}

fn tenant_keys(name: &str, secret: Secret) -> Result<TenantKeys, KeysError> {
    let version = secret.metadata.resource_version.clone();
    let mut texts = texts(name, secret)?;
    let mut files = BTreeMap::new();
    for field in WORKSPACE_KEYS.iter().chain(&INTAKE_KEYS) {
        let key = texts.remove(*field).or_else(|| files.get(*field).cloned());
        let key = key.filter(|key: &String| is_key(key)).ok_or_else(|| damaged(name, field))?;
        files.insert((*field).to_owned(), key);
    }
    let made = take_made(&mut texts);
    let mut access_key = |zone: &str| -> Option<AccessKey> {
        Some(AccessKey {
            id: texts.remove(&format!("{zone}.access-key-id"))?,
            secret: texts.remove(&format!("{zone}.secret-access-key"))?,
            session_token: texts.remove(&format!("{zone}.session-token")),
        })
    };
    let both = access_key("workspace").zip(access_key("intake"));
    let renew_at = texts.remove("renew-at").and_then(|seconds| seconds.parse().ok());
    let renew_at: Option<SystemTime> = renew_at.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    let access = both.map(|(workspace, intake)| Access { workspace, intake, renew_at });
    let certificate = texts.remove("tls.crt").zip(texts.remove("tls.key"));
    let certificate = certificate.map(|(chain, key)| Certificate { chain, key });
    Ok(TenantKeys { version, files, made, access, certificate })
}

/// What is said to have been made. Users may be there unless it is said that they are not.
fn take_made(texts: &mut BTreeMap<String, String>) -> Option<Made> {
    let users = texts.remove(USERS).is_none_or(|users| users != "false");
    texts.remove(BUCKET).map(|bucket| Made { bucket, users })
}

/// Whether identities may be users': those of sessions have a token each.
fn may_be_of_users(texts: &BTreeMap<String, String>) -> bool {
    !["workspace", "intake"].iter().all(|zone| texts.contains_key(&format!("{zone}.session-token")))
}

fn texts(name: &str, secret: Secret) -> Result<BTreeMap<String, String>, KeysError> {
    let data = secret.data.unwrap_or_default().into_iter();
    data.map(|(field, ByteString(bytes))| match String::from_utf8(bytes) {
        Ok(text) => Ok((field, text)),
        Err(_) => Err(damaged(name, &field)),
    })
    .collect()
}

fn damaged(name: &str, field: &str) -> KeysError {
    KeysError::Damaged { name: name.to_owned(), field: field.to_owned() }
}

/// 256 random bits as the key files hold them.
fn new_key() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<&str>) -> Access {
        let key = |id: &str| AccessKey {
            id: id.to_owned(),
            secret: format!("{id}-secret"),
            session_token: token.map(str::to_owned),
        };
        Access { workspace: key("W"), intake: key("I"), renew_at: Some(UNIX_EPOCH + Duration::from_hours(500_000)) }
    }

    fn round(keys: &TenantKeys) -> TenantKeys {
        tenant_keys("s", secret("s", None, data_of(keys))).unwrap()
    }

    #[test]
    fn secrets_come_back_as_they_were_kept() {
        let mut keys = TenantKeys::generate();
        assert_eq!(round(&keys), keys);
        for token in [None, Some("session")] {
            keys.access = Some(access(token));
            keys.certificate = Some(Certificate { chain: "c".to_owned(), key: "k".to_owned() });
            assert_eq!(round(&keys), keys);
        }
        for users in [true, false] {
            keys.made = Some(Made { bucket: "oscar-acme-1a2b3c4d".to_owned(), users });
            assert_eq!(round(&keys), keys);
        }
    }

    #[test]
    fn users_may_be_there_unless_it_is_recorded_that_they_are_not() {
        let bucket = || (BUCKET.to_owned(), "b".to_owned());
        let made = |users: &[&str]| {
            let users = users.iter().map(|users| (USERS.to_owned(), (*users).to_owned()));
            take_made(&mut users.chain([bucket()]).collect()).unwrap().users
        };
        assert!(made(&[]) && made(&["true"]) && made(&["what"]) && !made(&["false"]));
    }

    #[test]
    fn identities_without_a_token_each_may_be_users() {
        for (token, of_users) in [(None, true), (Some("session"), false)] {
            let keys = TenantKeys { access: Some(access(token)), ..TenantKeys::generate() };
            assert_eq!(may_be_of_users(&data_of(&keys)), of_users);
            assert_eq!(keys.access.is_none_or(|access| access.is_of_users()), of_users, "the same of what is read");
        }
        assert!(may_be_of_users(&data_of(&TenantKeys::generate())), "nobody knows");
    }

    #[test]
    fn two_tenants_never_share_a_key() {
        let (one, two) = (TenantKeys::generate(), TenantKeys::generate());
        let all: std::collections::BTreeSet<&String> = one.files.values().chain(two.files.values()).collect();
        assert_eq!(all.len(), one.files.len() + two.files.len());
    }

    #[test]
    fn a_damaged_key_is_said_to_be_so_and_never_replaced() {
        let mut data = data_of(&TenantKeys::generate());
        data.insert("ledger.key".to_owned(), "short".to_owned());
        let error = tenant_keys("s", secret("s", None, data)).unwrap_err();
        assert!(matches!(error, KeysError::Damaged { field, .. } if field == "ledger.key"));
    }

    #[test]
    fn the_zones_get_their_own_part() {
        let spoke = SpokeKeys { person_index: new_key(), erasure: new_key() };
        let keys = TenantKeys::generate();
        assert_eq!(keys.workspace_files().into_keys().collect::<Vec<_>>(), ["draw.key", "journal.key", "ledger.key"]);
        let intake: Vec<String> = keys.intake_files(&spoke).into_keys().collect();
        assert_eq!(intake, ["journal.key", "person-index.key", "pseudonyms.key"]);
    }
}
