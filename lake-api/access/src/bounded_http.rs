//! A client for small documents of a provider that may be broken or hostile.
//!
//! Every request has an end in time and in bytes. Redirects are never followed: they
//! would move the trust in an address that was checked to one that was not. Loopback
//! providers are reached without a proxy.

use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use crate::endpoint::is_loopback;

/// Longest time to open a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Why a document could not be fetched. Messages name the rule, never the content.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client itself could not be built (no certificates on this machine, for example).
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// No connection, a broken one, or no answer in time.
    #[error("no complete answer in time")]
    Transport(#[source] reqwest::Error),
    /// The answer is a redirect.
    #[error("the answer is a redirect, and redirects are not followed")]
    Redirect,
    /// The answer is not 200.
    #[error("the answer has status {0} instead of 200")]
    Status(u16),
    /// More bytes than a document of this kind has.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// A request that cannot be sent.
    #[error("the request cannot be sent")]
    Request(#[source] http::Error),
}

/// A client with limits.
#[derive(Debug, Clone)]
pub(crate) struct BoundedHttp {
    client: reqwest::Client,
    limit: usize,
}

impl BoundedHttp {
    /// A client for the provider at `issuer`: answers end after `timeout` and `limit` bytes.
    pub(crate) fn new(issuer: &Url, timeout: Duration, limit: usize) -> Result<Self, HttpError> {
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout)
            .pool_max_idle_per_host(1);
        if is_loopback(issuer) {
            builder = builder.no_proxy();
        }
        if issuer.scheme() == "http" {
            // Plain loopback: the machine's certificates are not needed, so they are not loaded.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build().map_err(HttpError::Client)?, limit })
    }

    /// The body of a document, and how long it may be kept (`Cache-Control: max-age`).
    pub(crate) async fn document(&self, url: &Url) -> Result<(Vec<u8>, Option<Duration>), HttpError> {
        let request = self.client.get(url.clone()).header(http::header::ACCEPT, "application/json");
        let response = self.body(request).await?;
        if response.status().is_redirection() {
            return Err(HttpError::Redirect);
        }
        if response.status() != http::StatusCode::OK {
            return Err(HttpError::Status(response.status().as_u16()));
        }
        let max_age =
            response.headers().get(http::header::CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
        Ok((response.into_body(), max_age))
    }

    /// Sends any request and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, HttpError> {
        let (parts, body) = request.into_parts();
        let builder = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        self.body(builder).await
    }

    async fn body(&self, request: reqwest::RequestBuilder) -> Result<http::Response<Vec<u8>>, HttpError> {
        let mut response = request.send().await.map_err(HttpError::Transport)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(HttpError::Transport)? {
            if body.len() + chunk.len() > self.limit {
                return Err(HttpError::TooLong(self.limit));
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

/// The `max-age` of a `Cache-Control` header; `no-store` and `no-cache` are an age of zero.
fn max_age(header: &str) -> Option<Duration> {
    let mut directives = header.split(',').map(|part| part.trim().to_ascii_lowercase());
    directives.find_map(|directive| match directive.as_str() {
        "no-store" | "no-cache" => Some(Duration::ZERO),
        other => other.strip_prefix("max-age=")?.trim_matches('"').parse().ok().map(Duration::from_secs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_document_is_read_from_its_header() {
        assert_eq!(max_age("public, max-age=300"), Some(Duration::from_mins(5)));
        assert_eq!(max_age("Max-Age=\"7\""), Some(Duration::from_secs(7)));
        assert_eq!(max_age("no-store, max-age=300"), Some(Duration::ZERO));
        assert_eq!(max_age("public, max-age=soon"), None);
    }
}
