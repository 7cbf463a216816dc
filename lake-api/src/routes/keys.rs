//! The public key of receipts and journal. Public: a receipt is verified by people who
//! have no account here.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use oscar_permit::Sha256Digest;

use crate::api::keys::{VerifyingKeyJwk, VerifyingKeys};
use crate::server::app::Shared;
use crate::server::extract::{AcceptsJson, NoParameters, StrictQuery};

/// The keys with which receipts and journal records are verified.
#[utoipa::path(
    get, path = "/v1/keys", tag = "record", operation_id = "showKeys", security(()),
    responses((status = 200, description = "The public keys", body = VerifyingKeys))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Json<VerifyingKeys> {
    let key = app.platform.signer.verifying_key();
    let jwk = VerifyingKeyJwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        usage: "sig".to_owned(),
        kid: Sha256Digest::of(key.as_bytes()).to_string(),
        x: BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes()),
    };
    Json(VerifyingKeys { keys: vec![jwk] })
}
