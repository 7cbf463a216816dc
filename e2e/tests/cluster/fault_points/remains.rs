//! What there is of a tenant, at the API server and at the object store.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_sdk_iam::config::{BehaviorVersion, Region};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use oscar_crds::Tenant;
use oscar_crds::condition::{READY, STORAGE_READY};
use oscar_e2e::cluster::HOME;
use oscar_journal::verifying_key_from_hex;
use oscar_operator::settings::Settings;
use oscar_permit::ErasureCertificate;
use serde_json::{Value, json};

/// The kinds that lie in a tenant's namespaces.
const KINDS: [(&str, &str, &str); 13] = [
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "LimitRange"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "Secret"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Service"),
    ("", "v1", "Pod"),
    ("", "v1", "PersistentVolumeClaim"),
    ("apps", "v1", "Deployment"),
    ("batch", "v1", "CronJob"),
    ("batch", "v1", "Job"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
];

/// Master keys that are made once.
const KEY_FILES: [&str; 4] = ["journal.key", "ledger.key", "draw.key", "pseudonyms.key"];

type Files = BTreeMap<String, Vec<u8>>;

/// Keys of a tenant that were used at least once.
#[derive(Debug, Default)]
pub(super) struct Kept {
    uid: String,
    secrets: BTreeMap<String, Files>,
}

impl Kept {
    /// The first eight digits of the UID, which tell the tenant from another of its name.
    fn tag(&self) -> &str {
        self.uid.get(..8).unwrap()
    }

    pub(super) fn bucket(&self, name: &str) -> String {
        format!("oscar-{name}-{}", self.tag())
    }

    /// What was seen once is the same for ever.
    fn hold(&mut self, secret: &str, files: Files) {
        if let Some(before) = self.secrets.get(secret) {
            assert!(*before == files, "{secret} was made anew");
        } else {
            self.secrets.insert(secret.to_owned(), files);
        }
    }
}

/// Looks with the eyes of both administrators.
#[derive(Clone)]
pub(super) struct Remains {
    client: Client,
    iam: aws_sdk_iam::Client,
    s3: aws_sdk_s3::Client,
}

impl Remains {
    pub(super) async fn new(client: Client, settings: &Settings, (id, secret): (&str, &str)) -> Self {
        let store = &settings.installation.object_store;
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(store.region.clone()))
            .endpoint_url(&store.endpoint)
            .credentials_provider(Credentials::new(id, secret, None, None, "test"))
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
        Self { client, iam: aws_sdk_iam::Client::new(&shared), s3: aws_sdk_s3::Client::from_conf(s3) }
    }

    async fn tenant(&self, name: &str) -> Option<Tenant> {
        Api::<Tenant>::all(self.client.clone()).get_opt(name).await.unwrap()
    }

    /// Whether the operator says that all is built, for the present spec.
    pub(super) async fn is_built(&self, name: &str) -> bool {
        let tenant = self.tenant(name).await.unwrap();
        let Some(status) = &tenant.status else { return false };
        let says = |kind: &str, reason: &str| {
            status.conditions.iter().any(|condition| {
                condition.type_ == kind
                    && condition.reason == reason
                    && condition.observed_generation == tenant.metadata.generation
            })
        };
        says(STORAGE_READY, "InOrder") && says(READY, "Suspended")
    }

    pub(super) async fn is_gone(&self, name: &str) -> bool {
        self.tenant(name).await.is_none()
    }

    /// Looks whether any key that was used is another one now.
    pub(super) async fn look(&self, name: &str, kept: &mut Kept) {
        kept.uid = self.tenant(name).await.unwrap().uid().unwrap();
        if let Some(mut master) = self.files(HOME, &format!("oscar-tenant-{name}-{}", kept.tag())).await {
            // Identities and certificate may change until a tenant's namespace has them.
            master.retain(|file, _| KEY_FILES.contains(&file.as_str()));
            kept.hold("master", master);
        }
        for (zone, names) in [("", &["storage", "keys", "tls"][..]), ("-intake", &["storage", "keys"])] {
            for secret in names {
                if let Some(files) = self.files(&format!("oscar-{name}{zone}"), secret).await {
                    kept.hold(&format!("{secret}{zone}"), files);
                }
            }
        }
    }

    async fn files(&self, namespace: &str, name: &str) -> Option<Files> {
        let found = Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await.unwrap()?;
        Some(found.data.unwrap_or_default().into_iter().map(|(file, bytes)| (file, bytes.0)).collect())
    }

    /// Everything of a tenant, in words that are the same for every tenant.
    pub(super) async fn state(&self, name: &str, kept: &Kept) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        for zone in ["", "-intake"] {
            let namespace = format!("oscar-{name}{zone}");
            let found = Api::<Namespace>::all(self.client.clone()).get(&namespace).await.unwrap();
            let mut found = serde_json::to_value(found).unwrap();
            found["metadata"]["labels"].as_object_mut().unwrap().remove("kubernetes.io/metadata.name");
            state.insert(format!("Namespace{zone}"), told("Namespace", &found, name, kept));
            for (group, version, kind) in KINDS {
                let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
                let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
                for object in api.list(&ListParams::default()).await.unwrap() {
                    let object_name = object.name_any();
                    let object = serde_json::to_value(object).unwrap();
                    state.insert(format!("{kind}{zone} {object_name}"), told(kind, &object, name, kept));
                }
            }
        }
        state.insert("master Secrets".to_owned(), json!(self.masters(name).await));
        state.insert("buckets".to_owned(), json!(self.buckets(name).await.len()));
        state.insert("identities".to_owned(), json!(self.identities(name, kept).await));
        state
    }

    /// What the tenant's Secrets of the operator's namespace hold.
    async fn masters(&self, name: &str) -> Vec<Vec<String>> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), HOME).list(&ListParams::default()).await.unwrap();
        let is_its = |secret: &Secret| {
            secret.name_any().strip_prefix("oscar-tenant-").is_some_and(|rest| is_of(&format!("oscar-{rest}"), name))
        };
        let its = secrets.into_iter().filter(is_its);
        its.map(|secret| secret.data.unwrap_or_default().into_keys().collect()).collect()
    }

    /// Names of buckets of tenants that are called so, and not longer.
    async fn buckets(&self, name: &str) -> Vec<String> {
        let listed = self.s3.list_buckets().send().await.unwrap();
        let names = listed.buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned));
        names.filter(|bucket| is_of(bucket, name)).collect()
    }

    async fn users(&self, name: &str) -> Vec<String> {
        let listed = self.iam.list_users().send().await.unwrap();
        let names = listed.users().iter().map(|user| user.user_name().to_owned());
        names.filter(|user| is_of(user.rsplit_once('-').map_or("", |(user, _)| user), name)).collect()
    }

    /// The zones of the tenant's identities; each has the one key that its namespace knows.
    async fn identities(&self, name: &str, kept: &Kept) -> Vec<String> {
        let mut zones = Vec::new();
        for user in self.users(name).await {
            let zone = user.rsplit_once('-').unwrap().1.to_owned();
            let listed = self.iam.list_access_keys().user_name(&user).send().await.unwrap();
            let keys: Vec<&str> = listed.access_key_metadata().iter().filter_map(|key| key.access_key_id()).collect();
            let suffix = if zone == "intake" { "-intake" } else { "" };
            let known = kept.secrets.get(&format!("storage{suffix}")).unwrap().get("access-key-id").unwrap();
            assert_eq!(keys, [String::from_utf8_lossy(known)], "{user}");
            zones.push(zone);
        }
        zones
    }

    /// Nothing is left but one certificate, which verifies.
    pub(super) async fn assert_erased(&self, name: &str, bucket: &str) {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        for zone in ["", "-intake"] {
            assert!(namespaces.get_opt(&format!("oscar-{name}{zone}")).await.unwrap().is_none(), "a namespace is left");
        }
        assert_eq!((self.buckets(name).await, self.users(name).await), (Vec::new(), Vec::new()));
        assert!(self.masters(name).await.is_empty(), "keys are left");
        let certified = format!("erasure-{}", bucket.trim_start_matches("oscar-"));
        let kept = Api::<ConfigMap>::namespaced(self.client.clone(), HOME).get(&certified).await.unwrap();
        let data = kept.data.unwrap();
        let key = verifying_key_from_hex(&data["public-key"]).unwrap();
        let certificate = ErasureCertificate::from_json(data["certificate.json"].as_bytes()).unwrap();
        let erasure = certificate.verify(&key).unwrap();
        assert!(erasure.bucket == bucket && erasure.keys_destroyed && erasure.namespaces.len() == 2, "{erasure:?}");
    }
}

/// Whether `oscar-<tenant>-<tag>` is of a tenant called `name`.
fn is_of(bucket: &str, name: &str) -> bool {
    let tag = bucket.strip_prefix(&format!("oscar-{name}-"));
    tag.is_some_and(|tag| tag.len() == 8 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What an object says, without what the server adds, what is secret and what is made of the
/// tenant's own name, address or time.
fn told(kind: &str, object: &Value, name: &str, kept: &Kept) -> Value {
    let mut told = json!({"labels": object["metadata"]["labels"], "owners": object["metadata"]["ownerReferences"]});
    for (field, value) in object.as_object().unwrap() {
        if !["metadata", "status", "apiVersion", "kind"].contains(&field.as_str()) {
            told[field] = value.clone();
        }
    }
    // Of what is secret, the names of the files: `look` compares the rest, with itself.
    let is_file_list = kind == "Secret"
        || ["isolation-probe", "kube-root-ca.crt"].iter().any(|known| object["metadata"]["name"] == *known);
    if let Some(data) = told.get_mut("data").filter(|_| is_file_list) {
        *data = json!(data.as_object().unwrap().keys().collect::<Vec<_>>());
    }
    if let Some(spec) = told.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, _| !field.starts_with("clusterIP"));
    }
    // Digests of what was compared already, or of names and addresses.
    for made_of_digests in
        ["/spec/template/metadata", "/spec/jobTemplate/metadata", "/spec/jobTemplate/spec/template/metadata"]
    {
        if let Some(metadata) = told.pointer_mut(made_of_digests).and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
    }
    let text = told.to_string().replace(&kept.uid, "UID").replace(kept.tag(), "TAG").replace(name, "NAME");
    serde_json::from_str(&text).unwrap()
}
