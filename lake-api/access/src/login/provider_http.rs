//! The bridge from openidconnect's client trait to our bounded client.

use std::pin::Pin;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::Url;

use crate::bounded_http::{BoundedHttp, HttpError};
use crate::endpoint::{EndpointError, announced_url};

/// Largest answer of a provider.
const LIMIT: usize = 1024 * 1024;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why a request to a provider failed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderHttpError {
    /// An address that must not be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No proper answer.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Sends requests of one login; each address is checked first.
#[derive(Debug)]
pub(super) struct ProviderHttp {
    http: BoundedHttp,
    issuer: Url,
}

impl ProviderHttp {
    pub(super) fn new(issuer: Url) -> Result<Self, HttpError> {
        Ok(Self { http: BoundedHttp::new(&issuer, TIMEOUT, LIMIT)?, issuer })
    }
}

impl<'c> AsyncHttpClient<'c> for ProviderHttp {
    type Error = ProviderHttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Self::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            announced_url(&request.uri().to_string(), &self.issuer, "an address of the provider")?;
            Ok(self.http.send(request).await?)
        })
    }
}
