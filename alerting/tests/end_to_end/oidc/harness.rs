//! A real identity provider in a process of its own, and what a browser does between it and the service.

use std::{
    collections::BTreeMap,
    io::BufRead,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    access::Answered,
    service::{Service, http},
    stores,
};

/// Ends with the test, whose end of its input closes then.
pub(crate) struct IdentityProvider {
    child: Child,
    pub(crate) issuer: String,
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl IdentityProvider {
    /// Starts one; over IPv6 beside PostgreSQL, over IPv4 beside SQLite.
    pub(crate) fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider/provider.js");
        let host = if stores::database().is_some() {
            "::1"
        } else {
            "127.0.0.1"
        };
        let mut child = Command::new(node())
            .arg(program)
            .arg(host)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node: scripts/provision test installs it");
        let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped")).lines();
        let issuer = lines
            .next()
            .expect("oidc-provider: scripts/provision test installs it")
            .expect("readable");
        Self { child, issuer }
    }

    /// Tells it who comes, which client asks, and what to change in tokens.
    pub(crate) async fn steer(&self, with: Value) {
        let (address, _) = place(&self.issuer);
        let answer = http(address, "PUT", "/steer", &[], &with.to_string()).await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    /// Registers the service, and with `with` how it shows that it is it.
    pub(crate) async fn register(&self, service: &Service, with: Value) {
        let here = format!("http://{}", service.address);
        self.steer(json!({
            "redirect_uris": [format!("{here}/api/v1/login/test/callback")],
            "post_logout_redirect_uris": [format!("{here}/login")],
        }))
        .await;
        self.steer(with).await;
    }

    /// As whom the next one comes.
    pub(crate) async fn user(&self, sub: &str, acr: &str, claims: Value) {
        self.steer(json!({ "user": { "sub": sub, "acr": acr, "claims": claims } }))
            .await;
    }

    /// What it was asked.
    pub(crate) async fn seen(&self) -> Value {
        let (address, _) = place(&self.issuer);
        let answer = http(address, "GET", "/seen", &[], "").await;
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }
}

/// Node as `scripts/provision` finds or puts it.
fn node() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.varde/node/node_modules/.bin/node");
    if own.exists() { own } else { PathBuf::from("node") }
}

/// What a browser keeps, host by host.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<SocketAddr, BTreeMap<String, String>>,
}

impl Browser {
    pub(crate) async fn get(&mut self, url: &str) -> Answered {
        let (address, path) = place(url);
        let held = self.cookies.entry(address).or_default();
        let cookies: Vec<_> = held
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let header = format!("cookie: {}", cookies.join("; "));
        let raw = http(address, "GET", &path, &[&header], "").await;
        let (head, body) = raw.split_once("\r\n\r\n").expect("a body");
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let pair = value.split(';').next().expect("a pair");
            let (name, content) = pair.split_once('=').expect("a pair");
            if value.contains("Max-Age=0") {
                held.remove(name);
            } else {
                held.insert(name.to_owned(), content.to_owned());
            }
        }
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answered {
            status: status.expect("a status"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Goes to the provider and stops where it sends the browser back: the address of that.
    pub(crate) async fn there(&mut self, service: &Service, back: &str) -> String {
        let start = format!(
            "http://{}/api/v1/login/test?back={back}&language=nn",
            service.address
        );
        let mut answer = self.get(&start).await;
        for _ in 0..6 {
            let next = location(&answer);
            if next.contains("/callback?") || next.starts_with("/login") {
                return next;
            }
            let next = if next.starts_with('/') {
                let (_, rest) = self.last_provider(service);
                format!("{rest}{next}")
            } else {
                next
            };
            answer = self.get(&next).await;
        }
        panic!("the provider does not send back: {answer:?}");
    }

    /// A whole login; the answer that has the session or sends to the login page.
    pub(crate) async fn log_in(&mut self, service: &Service) -> Answered {
        let back = self.there(service, "/incidents").await;
        assert!(back.starts_with("http://"), "the provider was reached: {back}");
        self.get(&back).await
    }

    /// Why the login page says that one was not let in.
    pub(crate) async fn refused(&mut self, service: &Service) -> Value {
        let ways = self
            .get(&format!("http://{}/api/v1/login", service.address))
            .await;
        ways.json()["refused"].clone()
    }

    /// The header of the session here.
    pub(crate) fn session(&self, service: &Service) -> Option<String> {
        let own = self.cookies.get(&service.address)?.get("varde")?;
        Some(format!("cookie: varde={own}"))
    }

    pub(crate) fn forget(&mut self, service: &Service) {
        self.cookies.remove(&service.address);
    }

    fn last_provider(&self, service: &Service) -> (SocketAddr, String) {
        let other = self.cookies.keys().find(|address| **address != service.address);
        let address = *other.expect("the provider");
        (address, format!("http://{address}"))
    }
}

pub(crate) fn location(answer: &Answered) -> String {
    let line = answer.head.lines().find_map(|line| {
        line.split_once(": ")
            .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
    });
    line.unwrap_or_else(|| panic!("no location in {answer:?}"))
        .1
        .to_owned()
}

fn place(url: &str) -> (SocketAddr, String) {
    let rest = url.strip_prefix("http://").expect("on this machine");
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    (address.parse().expect("an address"), format!("/{path}"))
}
