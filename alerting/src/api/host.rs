//! Which names this service answers to.
//!
//! A stranger's page can give its own name this machine's address (DNS rebinding) and then read what loopback serves.
//! The browser still sends that name as `Host`: whatever is not ours is turned away.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Request, Uri, header, uri::Authority};

/// The names and addresses that are ours, whatever the port.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    listen: IpAddr,
    public: Option<String>,
}

impl Hosts {
    pub(super) fn new(listen: SocketAddr, public_url: &str) -> Self {
        let public = public_url.parse::<Uri>().ok();
        Self {
            listen: listen.ip(),
            public: public.and_then(|url| url.host().map(str::to_lowercase)),
        }
    }

    /// Whether a request is meant for us; one that names nobody is not.
    pub(super) fn are_asked_by<B>(&self, request: &Request<B>) -> bool {
        let named = request
            .headers()
            .get(header::HOST)
            .map(header::HeaderValue::as_bytes);
        let named = named.and_then(|name| Authority::try_from(name).ok());
        let named = request.uri().authority().or(named.as_ref());
        named.is_some_and(|named| self.contain(named.host()))
    }

    fn contain(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        if host == "localhost" || self.public.as_ref() == Some(&host) {
            return true;
        }
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback() || address == self.listen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let hosts = Hosts::new(
            "192.0.2.1:80".parse().expect("an address"),
            "https://Varde.cert.example/console",
        );
        for (host, is_ours) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.3.2.1", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("192.0.2.1", true),
            ("varde.cert.example:443", true),
            ("192.0.2.2", false),
            ("[2001:db8::1]", false),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
            ("a b", false),
        ] {
            let request = Request::builder()
                .header(header::HOST, host)
                .body(())
                .expect("a request");
            assert_eq!(hosts.are_asked_by(&request), is_ours, "{host}");
        }
        let request = Request::builder().body(()).expect("a request");
        assert!(!hosts.are_asked_by(&request), "no name at all");
    }
}
