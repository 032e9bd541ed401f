//! Routes that are in the document, and the document of the routes: one cannot be without the other.
//!
//! A new route takes three things:
//!
//! 1. `#[utoipa::path(get, path = "/api/v1/things/{id}", responses((status = 200, body = Thing), (status = 404)))]` above its handler.
//!    The first sentence of the handler's doc comment is its summary, the rest its description. Bodies are types with
//!    `#[derive(utoipa::ToSchema)]`; codes and formats are in `openapi/codes.rs`. Parameters, if any: `params(…)`.
//! 2. `.route(things::__path_one, things::one)` in a list of routes. The address and the method are those of the attribute.
//! 3. Its place in `door.rs`, unless it is the CERT's alone; its entry in `tests/end_to_end/isolation.rs`; and the document
//!    anew: `varde-alerting openapi >docs/openapi.json`.
//!
//! What every route has is added by `openapi/finish.rs`, and is not written at the handler: who may, the refusals of the door, of
//! the body's reading and of the store, `x-requested-with`, and `application/problem+json` for whatever is 400 or more.
//! Where a route behind [`super::door`] asks for an action that the door does not know of, name it:
//! `extensions(("x-varde-action" = json!("acknowledge")))`.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::{
    __dev::SchemaReferences,
    openapi::{
        RefOr, Schema,
        path::{HttpMethod, Operation},
    },
};

use super::Api;

/// A router with the description of each of its routes.
pub(super) struct Routes {
    pub(super) router: Router<Api>,
    pub(super) operations: Vec<(String, HttpMethod, Operation)>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            operations: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// With another list's.
    pub(super) fn merge(mut self, others: Self) -> Self {
        self.operations.extend(others.operations);
        self.schemas.extend(others.schemas);
        self.router = self.router.merge(others.router);
        self
    }

    /// A handler at the address and for the method that its `#[utoipa::path]` says; `described` is the `__path_…` beside it.
    pub(super) fn route<P, H, T>(self, described: P, handler: H) -> Self
    where
        P: utoipa::Path + SchemaReferences,
        H: Handler<T, Api>,
        T: 'static,
    {
        self.layered(described, handler, |methods| methods)
    }

    /// As [`Routes::route`], with layers of its own.
    pub(super) fn layered<P, H, T>(
        mut self,
        _: P,
        handler: H,
        layers: impl FnOnce(MethodRouter<Api>) -> MethodRouter<Api>,
    ) -> Self
    where
        P: utoipa::Path + SchemaReferences,
        H: Handler<T, Api>,
        T: 'static,
    {
        P::schemas(&mut self.schemas);
        let path = P::path();
        let method = P::methods().into_iter().next().unwrap_or(HttpMethod::Get);
        self.router = self.router.route(&path, layers(on(filter(&method), handler)));
        self.operations.push((path, method, P::operation()));
        self
    }
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}
