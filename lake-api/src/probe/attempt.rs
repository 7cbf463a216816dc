//! One attempt and what it shows.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};
use oscar_lake::{Storage, StorageConfig};
use oscar_permit::{Attempt, ProbeStore};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// What an attempt shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody answered.
    Open,
    /// Nobody answered, or the store denied it.
    Closed,
    /// It cannot be told.
    Unclear(String),
}

/// A question for the root's name servers, with recursion (RFC 1035, section 4).
const QUESTION: [u8; 17] = [0x0b, 0x5c, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

/// Tries; takes no longer than `longest`.
pub(super) async fn attempt(what: &Attempt, store: &ProbeStore, longest: Duration) -> Outcome {
    match what {
        Attempt::Tcp { address, refusal_shows_path } => tcp(*address, *refusal_shows_path, longest).await,
        Attempt::Dns { address } => dns(*address, longest).await,
        Attempt::Resolve { host } => resolve(host, longest).await,
        Attempt::Bucket { bucket, prefix } => bucket_access(store, bucket, prefix, longest).await,
    }
}

async fn tcp(address: SocketAddr, refusal_shows_path: bool, longest: Duration) -> Outcome {
    match timeout(longest, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Outcome::Open,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if refusal_shows_path => Outcome::Open,
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            // A policy may answer with "administratively prohibited".
            | ErrorKind::PermissionDenied => Outcome::Closed,
            other => Outcome::Unclear(other.to_string()),
        },
        Err(_) => Outcome::Closed,
    }
}

async fn dns(address: SocketAddr, longest: Duration) -> Outcome {
    let asked = async {
        let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        let mut answer = [0; 512];
        // A datagram may get lost by itself: ask more than once.
        for _ in 0..3 {
            socket.send(&QUESTION).await?;
            if let Ok(received) = timeout(longest / 4, socket.recv(&mut answer)).await {
                return received.map(|_| ());
            }
        }
        Err(std::io::Error::from(ErrorKind::TimedOut))
    };
    match timeout(longest, asked).await {
        Ok(Ok(())) => Outcome::Open,
        // An ICMP refusal comes from the node where a service has no pods: it shows no path.
        Ok(Err(_)) | Err(_) => Outcome::Closed,
    }
}

async fn resolve(host: &str, longest: Duration) -> Outcome {
    let found = timeout(longest, tokio::net::lookup_host((host, 443))).await;
    let named = found.is_ok_and(|found| found.is_ok_and(|mut addresses| addresses.next().is_some()));
    if named { Outcome::Open } else { Outcome::Closed }
}

/// Asks to list and to read. Open as soon as one of them is allowed: "no such key" is the
/// answer to somebody who may read.
async fn bucket_access(store: &ProbeStore, bucket: &str, prefix: &str, longest: Duration) -> Outcome {
    let config = StorageConfig::S3 {
        endpoint: Some(store.endpoint.clone()),
        region: store.region.clone(),
        bucket: bucket.to_owned(),
        prefix: String::new(),
        allow_http: store.endpoint.starts_with("http://"),
        credentials: Some(store.credentials.clone().into()),
    };
    let opened = match Storage::open(&config) {
        Ok(storage) => storage.store(),
        Err(error) => return Outcome::Unclear(error.to_string()),
    };
    let folder = Path::from(prefix.trim_end_matches('/'));
    let asked = async {
        let listed = match opened.list(Some(&folder)).next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error),
        };
        let read = opened.head(&folder.clone().join(".probe")).await.map(drop);
        [answer(listed, false), answer(read, true)]
    };
    match timeout(longest, asked).await {
        // Without the bucket every key is missing, which shows nothing.
        Ok([Outcome::Unclear(why), _]) => Outcome::Unclear(why),
        Ok([listed, read]) if listed == Outcome::Open || read == Outcome::Open => Outcome::Open,
        Ok([_, read]) => read,
        Err(_) => Outcome::Unclear("the store does not answer in time".to_owned()),
    }
}

/// Whether the store denied a listing. For listings the client keeps the status to itself
/// and tells it in words only; other words make the attempt unclear, never closed.
fn is_denial(error: &StoreError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("status code: 403 Forbidden") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What the store's answer to one request shows.
fn answer(answer: object_store::Result<()>, missing_is_allowed: bool) -> Outcome {
    match answer {
        Ok(()) => Outcome::Open,
        Err(StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. }) => Outcome::Closed,
        Err(StoreError::NotFound { .. }) if missing_is_allowed => Outcome::Open,
        // The bucket itself is not there: nothing was denied.
        Err(StoreError::NotFound { .. }) => Outcome::Unclear("there is no such bucket".to_owned()),
        Err(error @ StoreError::Generic { .. }) if is_denial(&error) => Outcome::Closed,
        Err(_) => Outcome::Unclear("the store does not answer as it should".to_owned()),
    }
}
