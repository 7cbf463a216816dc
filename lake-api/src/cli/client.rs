//! The HTTP client of `/v1`. Bodies are the server's own types, so the two cannot drift.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oscar_access::is_loopback;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::exit::Exit;
use crate::api::audit::AuditPage;
use crate::api::catalogue::{Catalogue, Dataset};
use crate::api::keys::VerifyingKeys;
use crate::api::permit::Permits;
use crate::api::problem::Problem;
use crate::api::query::{QueryCheck, QueryCheckRequest};
use crate::api::release::{ContentFormat, Release, ReleasePage, ReleaseRequest, WithdrawRequest};
use crate::api::review::{ReviewPack, VoteRequest, Votes};

/// An answer larger than this is not read into memory.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// One person's view of one server.
#[derive(Clone)]
pub(crate) struct ApiClient {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke.
    #[error("the server cannot be reached at {server}")]
    Unreachable {
        /// The address that was tried.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server said no and why.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// An answer that is none of this API's.
    #[error("the server's answer (status {status}) is not one of this API; is the address right?")]
    Foreign {
        /// The HTTP status.
        status: u16,
    },
    /// An address that a token must not be sent to.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

/// Why an address is not a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a web address.
    #[error("the server's address must begin with https://, or with http:// on this machine")]
    Form,
    /// Not encrypted, and not this machine.
    #[error("the server's address must begin with https://: over http:// others could read the token")]
    Plain,
}

/// Checks that a token may be sent to `server`.
pub(crate) fn check_address(server: &Url) -> Result<(), AddressError> {
    match server.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(server) => Ok(()),
        "http" => Err(AddressError::Plain),
        _ => Err(AddressError::Form),
    }
}

impl ClientError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unavailable,
            Self::Problem(problem) => match problem.status {
                401 => Exit::LoginNeeded,
                403 | 404 => Exit::NotFound,
                429 | 503 | 504 => Exit::Unavailable,
                _ => Exit::Failure,
            },
            Self::Foreign { .. } | Self::Setup(_) => Exit::Failure,
            Self::Address(_) => Exit::Usage,
        }
    }

    /// The rule that spoke.
    #[must_use]
    pub fn rule(&self) -> Option<String> {
        match self {
            Self::Problem(problem) => Some(problem.code.clone()),
            Self::Unreachable { .. } | Self::Foreign { .. } | Self::Address(_) | Self::Setup(_) => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Problem(problem) if problem.status == 401 => Some("run 'oscar login', or set OSCAR_TOKEN".into()),
            Self::Problem(problem) if problem.status == 404 && problem.remedy.is_none() => {
                Some("check the name; 'oscar permit' shows what your permits let you see".into())
            }
            Self::Problem(problem) => problem.remedy.clone(),
            Self::Unreachable { .. } | Self::Foreign { .. } => {
                Some("check --server (or OSCAR_SERVER), and that the server is running".into())
            }
            Self::Address(_) | Self::Setup(_) => None,
        }
    }
}

type Answer<T> = Result<T, ClientError>;

impl ApiClient {
    /// A client for `base`, with a bearer token where there is one.
    pub(crate) fn new(base: Url, token: Option<String>) -> Answer<Self> {
        check_address(&base)?;
        let mut builder = reqwest::Client::builder();
        if is_loopback(&base) {
            // The token stays on this machine, whatever the environment says of proxies.
            builder = builder.no_proxy();
        }
        // A redirect could carry the token to another host: none is followed.
        let http = builder
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(5))
            .user_agent(concat!("oscar/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self { http, base, token })
    }

    /// What the caller's permits let them use.
    pub(crate) async fn catalogue(&self) -> Answer<Catalogue> {
        self.json(self.request(Method::GET, &["catalogue"])?).await
    }

    /// One dataset.
    pub(crate) async fn dataset(&self, name: &str) -> Answer<Dataset> {
        self.json(self.request(Method::GET, &["catalogue", name])?).await
    }

    /// The caller's permits.
    pub(crate) async fn permits(&self) -> Answer<Permits> {
        self.json(self.request(Method::GET, &["permit"])?).await
    }

    /// The gate's static answer.
    pub(crate) async fn check(&self, request: &QueryCheckRequest) -> Answer<QueryCheck> {
        self.json(self.request(Method::POST, &["queries", "check"])?.json(request)).await
    }

    /// Asks for a release; the same key asks for the same one again.
    pub(crate) async fn submit(&self, request: &ReleaseRequest, key: &str) -> Answer<Release> {
        let builder = self.request(Method::POST, &["releases"])?.header("Idempotency-Key", key);
        self.json(builder.json(request)).await
    }

    /// A page of releases.
    pub(crate) async fn releases(&self, after: Option<&str>, limit: u32) -> Answer<ReleasePage> {
        let builder = self.request(Method::GET, &["releases"])?.query(&[("limit", limit)]);
        self.json(match after {
            Some(after) => builder.query(&[("after", after)]),
            None => builder,
        })
        .await
    }

    /// One release.
    pub(crate) async fn release(&self, id: &str) -> Answer<Release> {
        self.json(self.request(Method::GET, &["releases", id])?).await
    }

    /// A released file.
    pub(crate) async fn content(&self, id: &str, format: ContentFormat) -> Answer<Bytes> {
        let builder = self.request(Method::GET, &["releases", id, "content"])?;
        self.bytes(builder.query(&[("format", format.extension())])).await
    }

    /// The signed receipt, as the bytes that were stored.
    pub(crate) async fn receipt(&self, id: &str) -> Answer<Bytes> {
        self.bytes(self.request(Method::GET, &["releases", id, "receipt"])?).await
    }

    /// What a steward sees.
    pub(crate) async fn review(&self, id: &str) -> Answer<ReviewPack> {
        self.json(self.request(Method::GET, &["releases", id, "review"])?).await
    }

    /// The votes as far as the caller may see them.
    pub(crate) async fn votes(&self, id: &str) -> Answer<Votes> {
        self.json(self.request(Method::GET, &["releases", id, "votes"])?).await
    }

    /// Votes.
    pub(crate) async fn vote(&self, id: &str, vote: &VoteRequest) -> Answer<Votes> {
        self.json(self.request(Method::POST, &["releases", id, "votes"])?.json(vote)).await
    }

    /// Takes a release back.
    pub(crate) async fn withdraw(&self, id: &str, request: &WithdrawRequest) -> Answer<Release> {
        self.json(self.request(Method::POST, &["releases", id, "withdraw"])?.json(request)).await
    }

    /// A page of the journal.
    pub(crate) async fn audit(&self, after: Option<u64>, limit: u32) -> Answer<AuditPage> {
        let builder = self.request(Method::GET, &["audit"])?.query(&[("limit", limit)]);
        self.json(match after {
            Some(after) => builder.query(&[("after", after)]),
            None => builder,
        })
        .await
    }

    /// The keys that verify receipts and journal.
    pub(crate) async fn keys(&self) -> Answer<VerifyingKeys> {
        self.json(self.request(Method::GET, &["keys"])?).await
    }

    fn request(&self, method: Method, path: &[&str]) -> Answer<RequestBuilder> {
        let mut url = self.base.clone();
        // Segments are percent-encoded one by one: an id cannot leave its place in the path.
        url.path_segments_mut().map_err(|()| AddressError::Form)?.pop_if_empty().push("v1").extend(path);
        let builder = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => builder.bearer_auth(token),
            None => builder,
        })
    }

    async fn json<T: DeserializeOwned>(&self, builder: RequestBuilder) -> Answer<T> {
        let response = self.send(builder).await?;
        let status = response.status().as_u16();
        let bytes = self.read(response).await?;
        serde_json::from_slice(&bytes).map_err(|_| ClientError::Foreign { status })
    }

    async fn bytes(&self, builder: RequestBuilder) -> Answer<Bytes> {
        let response = self.send(builder).await?;
        self.read(response).await
    }

    async fn send(&self, builder: RequestBuilder) -> Answer<Response> {
        let response = builder.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(self.refusal(response, status).await)
    }

    async fn refusal(&self, response: Response, status: StatusCode) -> ClientError {
        match self.read(response).await {
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => ClientError::Problem(Box::new(problem)),
                Err(_) => ClientError::Foreign { status: status.as_u16() },
            },
            Err(error) => error,
        }
    }

    async fn read(&self, mut response: Response) -> Answer<Bytes> {
        let status = response.status().as_u16();
        let mut answer = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LARGEST_ANSWER {
                return Err(ClientError::Foreign { status });
            }
        }
        Ok(answer.freeze())
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { server: self.base.to_string(), source }
    }
}
