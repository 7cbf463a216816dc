//! Released files and their receipts. Only what the journal says is released is served,
//! and only bytes that have the digest the journal names.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use oscar_journal::{Event, Published, ReleaseRecord, ReleaseState};
use oscar_permit::Sha256Digest;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems;
use crate::api::problem::Problem;
use crate::api::release::{ContentFormat, ContentTable};
use crate::server::accept::negotiate;
use crate::server::app::Shared;
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, NoParameters, StrictQuery, not_acceptable};
use crate::server::rejection::Rejection;

/// Which form of the content.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContentParameters {
    /// The format; when left out, the header Accept decides, and CSV without it.
    format: Option<ContentFormat>,
}

/// The released table. The reading is recorded.
#[utoipa::path(
    get, path = "/v1/releases/{id}/content", tag = "releases", operation_id = "getContent",
    params(("id" = String, Path, description = "The release", max_length = 64), ContentParameters),
    responses(
        (status = 200, description = "The released table", content(
            (String = "text/csv"), (ContentTable = "application/json"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn content(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(parameters): StrictQuery<ContentParameters>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let format = choose(parameters.format, &headers)?;
    let (record, grant) = caller.release(&app, &id).await?;
    let (published, content) = released(&record)?;
    let file = published.outputs.get(format.extension()).ok_or_else(not_acceptable)?;
    let bytes = app.platform.vault.output(record.id(), &content, format, &file.digest).await;
    let bytes = bytes.map_err(|error| problems::of_service(&error.into()))?;
    let event = Event::ExportRead { release: record.id().clone(), format: format.extension().to_owned() };
    app.record(caller.actor(&grant), event).await?;
    let name = format!("{}.{}", record.id(), format.extension());
    Ok(file_response(bytes, &file.digest, format.media_type(), &name))
}

/// The signed receipt.
#[utoipa::path(
    get, path = "/v1/releases/{id}/receipt", tag = "releases", operation_id = "getReceipt",
    params(("id" = String, Path, description = "The release", max_length = 64)),
    responses(
        (status = 200, description = "The receipt, as `oscar verify` reads it", body = serde_json::Value),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receipt(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Response, Rejection> {
    let (record, _) = caller.release(&app, &id).await?;
    let (published, content) = released(&record)?;
    let bytes = app.platform.vault.receipt(record.id(), &content, &published.receipt).await;
    let bytes = bytes.map_err(|error| problems::of_service(&error.into()))?;
    let name = format!("{}.receipt.json", record.id());
    Ok(file_response(bytes, &published.receipt, "application/json", &name))
}

/// The parameter decides alone; else the header.
fn choose(format: Option<ContentFormat>, headers: &HeaderMap) -> Result<ContentFormat, Rejection> {
    let plain = |format: ContentFormat| format.media_type().split(';').next().unwrap_or_default();
    if let Some(format) = format {
        return negotiate(headers, &[plain(format)]).map(|_| format).ok_or_else(not_acceptable);
    }
    let offers = ContentFormat::ALL.map(plain);
    let chosen = negotiate(headers, &offers).ok_or_else(not_acceptable)?;
    ContentFormat::ALL.into_iter().find(|format| plain(*format) == chosen).ok_or_else(not_acceptable)
}

fn released(record: &ReleaseRecord) -> Result<(&Published, Sha256Digest), Rejection> {
    let published = record.published().filter(|_| record.state() == ReleaseState::Released);
    published.zip(record.content()).ok_or_else(|| {
        Rejection::conflict("not-released", "The release is not published.")
            .remedy("GET the release: its field next says what happens now.")
    })
}

fn file_response(bytes: Vec<u8>, digest: &Sha256Digest, media_type: &'static str, name: &str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Release ids are plain tokens, so the name needs no quoting rules.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(digest.as_bytes()));
    if let Ok(value) = HeaderValue::from_str(&digest) {
        headers.insert(HeaderName::from_static("repr-digest"), value);
    }
    response
}
