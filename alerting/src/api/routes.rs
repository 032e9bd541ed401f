//! Routes that remember their addresses: what a test walks is what the router has.

use axum::{Router, routing::MethodRouter};

use super::Api;

/// A router with the list of its addresses.
pub(super) struct Routes {
    pub(super) router: Router<Api>,
    pub(super) paths: Vec<&'static str>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            paths: Vec::new(),
        }
    }

    /// With another list's.
    pub(super) fn merge(mut self, others: Self) -> Self {
        self.paths.extend(others.paths);
        self.router = self.router.merge(others.router);
        self
    }

    /// As [`Router::route`].
    pub(super) fn route(mut self, path: &'static str, methods: MethodRouter<Api>) -> Self {
        self.paths.push(path);
        self.router = self.router.route(path, methods);
        self
    }
}
