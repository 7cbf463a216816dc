//! Strict reading of requests: unknown is wrong.
//!
//! | what is wrong | answer |
//! |---|---|
//! | unknown, repeated or malformed query parameter | 400 `query-parameter` |
//! | `Accept` that excludes JSON | 406 `not-acceptable` |
//! | body without `application/json` | 415 `content-type` |
//! | compressed body | 415 `content-encoding` |
//! | body above the limit | 413 `body-too-large` |
//! | body that is not UTF-8 | 400 `body-encoding` |
//! | body that is not JSON | 400 `json-syntax` |
//! | JSON of another shape: unknown, missing, repeated field, wrong type | 422 `json-shape` |
//!
//! The texts give line and column, never what stands there.

use std::fmt;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::accept::negotiate;
use super::rejection::Rejection;

/// The query string as `T`, which must deny unknown fields.
#[derive(Debug)]
pub(crate) struct StrictQuery<T>(pub(crate) T);

/// For routes without query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|_| {
            Rejection::bad_request("query-parameter", "A query parameter is unknown, repeated or malformed.")
                .remedy("The OpenAPI file lists the parameters of every path: GET /v1/openapi.json.")
        })
    }
}

/// A caller who takes JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptsJson;

impl<S: Sync> FromRequestParts<S> for AcceptsJson {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        negotiate(&parts.headers, &["application/json"]).map(|_| Self).ok_or_else(not_acceptable)
    }
}

/// The caller takes none of the media types there are.
pub(crate) fn not_acceptable() -> Rejection {
    Rejection::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "The header Accept excludes every form of the answer.")
        .remedy("Leave Accept out, or name a media type that the OpenAPI file lists.")
}

/// A JSON body as `T`, which must deny unknown fields.
#[derive(Debug)]
pub(crate) struct StrictJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        if !is_json(request.headers()) {
            return Err(Rejection::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .remedy("Send the header Content-Type: application/json."));
        }
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Rejection::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content-encoding",
                "The body must not be compressed.",
            ));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Rejection::bad_request("body-broken", "The body could not be read to its end."))?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Rejection::bad_request("body-encoding", "The body is not UTF-8."))?;
        parse(text).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let media_type = value.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json")
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Rejection> {
    serde_json::from_str(text).map(|Object(value)| value).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => Rejection::unprocessable("json-shape", "")
                .detail(format!("The body's JSON does not have the required shape at {place}."))
                .remedy("Fields must be those of the OpenAPI file, no others, each once: GET /v1/openapi.json."),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => {
                Rejection::bad_request("json-syntax", "").detail(format!("The body is not JSON at {place}."))
            }
        }
    })
}

/// A JSON object. A structure alone would also be read from a list, by position.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(OfObject(PhantomData)).map(Object)
    }
}

/// The value of a header that may be given once, as text.
///
/// # Errors
/// When it is given twice or is not visible ASCII.
pub(crate) fn single_header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let malformed = || Rejection::bad_request("header", "A header is repeated or malformed.");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}
