//! The OpenAPI 3.1 description: taken from the handlers, completed here.
//!
//! What is the same for every operation is said once: every error is a [`Problem`], every
//! answer carries a request id, every operation but the public ones wants a bearer token.

use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Ref, RefOr};

use crate::api::problem::Problem;
use crate::api::release::ContentFormat;

const BEARER: &str = "bearer";
const PROBLEM: &str = "Problem";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "OSCAR HOST lake API",
        version = "1",
        description = "Queries on pseudonymised register data under a data permit; only vetted results leave. \
            What a caller may not see answers 404, exactly like what does not exist.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem, ContentFormat)),
    tags(
        (name = "catalogue", description = "What a permit lets its holder use"),
        (name = "queries", description = "The static check of a statement"),
        (name = "releases", description = "Statement in, vetted result out"),
        (name = "review", description = "Two stewards look at a result"),
        (name = "record", description = "Permits, journal and keys"),
    )
)]
pub(crate) struct Base;

/// Adds what all operations have in common.
pub(crate) fn complete(mut api: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = api.components.get_or_insert_default();
    components.responses.insert(PROBLEM.to_owned(), RefOr::T(problem_response()));
    components.security_schemes.insert(
        BEARER.to_owned(),
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build()).into(),
    );
    for item in api.paths.paths.values_mut() {
        complete_item(item);
    }
    api
}

fn complete_item(item: &mut PathItem) {
    let PathItem { get, post, .. } = item;
    for operation in [get, post].into_iter().flatten() {
        complete_operation(operation);
    }
}

fn complete_operation(operation: &mut Operation) {
    let mut statuses = vec!["400", "406", "500", "503", "504"];
    let public = operation.security.is_some();
    if !public {
        statuses.extend(["401", "404", "429"]);
        operation.security =
            Some(vec![utoipa::openapi::security::SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])]);
    }
    if operation.request_body.is_some() {
        statuses.extend(["408", "413", "415", "422"]);
    }
    for status in statuses {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::Ref(problem_reference()));
    }
}

/// A reference to the one error response.
fn problem_reference() -> Ref {
    Ref::from_response_name(PROBLEM)
}

fn problem_response() -> Response {
    let id = HeaderBuilder::new()
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(SchemaType::new(Type::String))
                .format(Some(SchemaFormat::Custom("uuid".to_owned()))),
        ))
        .description(Some("The id under which the request is found in the log"))
        .build();
    ResponseBuilder::new()
        .description("Why the request was not carried out (RFC 9457)")
        .header("x-request-id", id)
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        )
        .build()
}
