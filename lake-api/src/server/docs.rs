//! The interactive documentation page: Swagger UI from the binary, nothing from elsewhere.

use axum::Router;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Routes below `/docs`; the page reads the description from `/v1/openapi.json`.
pub(crate) fn routes() -> Router {
    let config = Config::new(["/v1/openapi.json"]).persist_authorization(false).validator_url("none");
    SwaggerUi::new("/docs").config(config).into()
}
