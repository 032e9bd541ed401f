//! A small centre: an authority, who is approved, a bundle, and all that came. It answers as `wire` says, over TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use ingest::clock::Clock;
use ingest_bus::uplink;
use ingest_event::{OrganizationNumber, SensorId, Timestamp};
use ingest_trust::authority::{SENSOR_VALIDITY, subject};
use ingest_trust::key::Fingerprint;
use ingest_trust::manifest::{Audience, FORMAT, File, Manifest};
use ingest_trust::signing::{SigningKey, pin};
use ingest_trust::wire::{Ask, Certified, Reason, Refused, Report, Wait};
use ingest_trust::{Authority, EnrolmentCode, Request, Subject};
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::X509;

pub(crate) const SENSOR: &str = "sensor-vardedal-1";
pub(crate) const ORGANIZATION: &str = "964965226";

/// How long a condition may take to come true, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Centre {
    pub(crate) code: EnrolmentCode,
    pub(crate) key: SigningKey,
    inner: Arc<Inner>,
}

struct Inner {
    authority: Authority,
    state: Mutex<State>,
    changed: Condvar,
}

/// What the centre knows and saw.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) waiting: BTreeSet<Fingerprint>,
    /// By key: whether it is let in.
    pub(crate) known: BTreeMap<Fingerprint, bool>,
    pub(crate) refuses: Option<Reason>,
    /// Certificates begin so long ago.
    pub(crate) aged: Duration,
    pub(crate) issued: usize,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) authority_asked: usize,
    pub(crate) certificate_asked: usize,
    /// Events, as fields, in the order they came.
    pub(crate) events: Vec<ingest_event::Fields>,
    /// Attempts that were turned away.
    pub(crate) turned_away: usize,
    pub(crate) envelope: Option<Vec<u8>>,
    pub(crate) parts: BTreeMap<String, Vec<u8>>,
    pub(crate) parts_sent: Vec<String>,
    pub(crate) reports: Vec<Report>,
    /// Numbers of certificates that events came under.
    pub(crate) serials: BTreeSet<String>,
    pub(crate) keys: Vec<ingest_trust::signing::VerifyingKey>,
    /// The name that it certifies; [`SENSOR`] unless said.
    pub(crate) name: Option<SensorId>,
    /// It does not know any key that comes without a code's secret.
    pub(crate) has_forgotten: bool,
}

impl Centre {
    /// On a free port of an address.
    pub(crate) fn at(address: &str) -> Self {
        Self::speaking(address, None)
    }

    /// At most this version of TLS.
    pub(crate) fn speaking(address: &str, most: Option<SslVersion>) -> Self {
        let now = Clock::System.now();
        let authority = Authority::generate("Varde test", now).expect("an authority");
        let (certificate, key) = authority
            .issue_server(&["127.0.0.1", "::1"], now)
            .expect("issued");
        let listener = TcpListener::bind((address, 0)).expect("listens");
        let gateway: SocketAddr = listener.local_addr().expect("an address");
        let signing = SigningKey::generate().expect("a key");
        let keys = pin(&[signing.verifying().expect("a key")]).expect("a pin");
        let code = EnrolmentCode::make(&gateway.to_string(), authority.pin().expect("a pin"), keys);
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        let certificate = X509::from_pem(certificate.as_bytes()).expect("PEM");
        let own = X509::from_pem(authority.certificate_pem().expect("PEM").as_bytes()).expect("PEM");
        acceptor.set_certificate(&certificate).expect("fits");
        let key = PKey::private_key_from_pem(&key).expect("PEM");
        acceptor.set_private_key(&key).expect("fits");
        acceptor.cert_store_mut().add_cert(own).expect("fits");
        acceptor.set_verify(SslVerifyMode::PEER);
        acceptor.set_max_proto_version(most).expect("fits");
        acceptor.set_session_id_context(b"varde").expect("fits");
        let acceptor = acceptor.build();
        let state = State {
            keys: vec![signing.verifying().expect("a key")],
            ..State::default()
        };
        let inner = Arc::new(Inner {
            authority,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (inner, acceptor) = (Arc::clone(&serving), acceptor.clone());
                std::thread::spawn(move || inner.serve(&acceptor, stream));
            }
        });
        Self {
            code: code.expect("chance").expect("a gateway"),
            key: signing,
            inner,
        }
    }

    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1")
    }

    /// One that approves whoever asks.
    pub(crate) fn approving(key: &ingest_trust::SensorKey) -> Self {
        let centre = Self::new();
        centre.approve(&key.fingerprint().expect("a name"));
        centre
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("nobody panics")
    }

    /// Waits for what the centre sees; bounded.
    pub(crate) fn until<T>(&self, what: &str, mut seen: impl FnMut(&State) -> Option<T>) -> T {
        let mut state = self.state();
        loop {
            if let Some(found) = seen(&state) {
                return found;
            }
            let (next, waited) = self
                .inner
                .changed
                .wait_timeout(state, PATIENCE)
                .expect("nobody panics");
            assert!(
                !waited.timed_out(),
                "never came: {what}; reports {:?}",
                next.reports.last()
            );
            state = next;
        }
    }

    pub(crate) fn report(&self, what: &str, good: impl Fn(&Report) -> bool) -> Report {
        self.until(what, |state| {
            state.reports.last().filter(|report| good(report)).cloned()
        })
    }

    pub(crate) fn approve(&self, key: &Fingerprint) {
        let mut state = self.state();
        state.waiting.remove(key);
        // One sensor, one key.
        for is_in in state.known.values_mut() {
            *is_in = false;
        }
        state.known.insert(key.clone(), true);
    }

    pub(crate) fn revoke(&self) {
        self.state().known.values_mut().for_each(|is_in| *is_in = false);
    }

    pub(crate) fn asked(&self) -> Fingerprint {
        self.until("a sensor asks", |state| state.waiting.first().cloned())
    }

    /// Offers a bundle of these files, signed by the centre.
    pub(crate) fn offer(&self, version: u64, files: &[(&str, &[u8])]) {
        let sealed = self.sealed(&self.key, version, Audience::All, files);
        self.state().envelope = Some(sealed);
    }

    pub(crate) fn sealed(
        &self,
        key: &SigningKey,
        version: u64,
        audience: Audience,
        files: &[(&str, &[u8])],
    ) -> Vec<u8> {
        let mut list = Vec::new();
        for (path, bytes) in files {
            let (file, parts) = File::of(path, bytes);
            let mut state = self.state();
            state.parts.extend(file.parts.iter().cloned().zip(parts));
            list.push(file);
        }
        let manifest = Manifest {
            format: FORMAT,
            version,
            audience,
            issued: Clock::System.now(),
            program: None,
            keys: Vec::new(),
            files: list,
        };
        manifest.seal(key).expect("sealed").to_bytes()
    }

    /// The configuration of a sensor with this centre's code.
    pub(crate) fn config(&self, folder: &Path, rest: &str) -> String {
        format!(
            "enrolment: {}\nstate: {}/state\ncanary_secs: 0\n{rest}",
            self.code,
            folder.display()
        )
    }
}

pub(crate) fn number() -> OrganizationNumber {
    OrganizationNumber::parse(ORGANIZATION).expect("valid")
}

pub(crate) fn sensor() -> SensorId {
    SensorId::parse(SENSOR).expect("valid")
}

struct Reply(u16, Vec<u8>, Option<String>);

impl Reply {
    fn json(status: u16, value: &impl serde::Serialize) -> Self {
        Self(status, serde_json::to_vec(value).expect("JSON"), None)
    }

    fn no(status: u16, reason: Reason) -> Self {
        let detail = format!("{reason:?}");
        let record = None;
        Self::json(
            status,
            &Refused {
                reason,
                detail,
                record,
                record_bytes_max: None,
            },
        )
    }
}

impl Inner {
    fn serve(&self, acceptor: &SslAcceptor, stream: TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream) else {
            return;
        };
        let mut buffer = Vec::new();
        while let Some((method, path, tag, body)) = next(&mut stream, &mut buffer) {
            let peer = stream.ssl().peer_certificate();
            let Reply(status, bytes, sent_tag) = self.answer(&method, &path, tag, &body, peer);
            self.changed.notify_all();
            let tag = sent_tag.map_or(String::new(), |tag| format!("etag: {tag}\r\n"));
            let length = match status {
                204 | 304 => String::new(),
                _ => format!("content-length: {}\r\n", bytes.len()),
            };
            let head = format!("HTTP/1.1 {status} X\r\n{tag}{length}\r\n");
            let sent = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&bytes));
            if sent.and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }

    fn answer(
        &self,
        method: &str,
        path: &str,
        tag: Option<String>,
        body: &[u8],
        peer: Option<X509>,
    ) -> Reply {
        match (method, path) {
            ("GET", "/v1/authority") => {
                self.state.lock().expect("nobody panics").authority_asked += 1;
                return Reply(
                    200,
                    self.authority.certificate_pem().expect("PEM").into_bytes(),
                    None,
                );
            }
            ("POST", "/v1/certificate") => return self.certificate(body),
            _ => {}
        }
        let Some(peer) = peer else {
            return Reply::no(403, Reason::Certificate);
        };
        let (_, key) = subject(&peer).expect("ours");
        let mut state = self.state.lock().expect("nobody panics");
        if state.known.get(&key) != Some(&true) {
            state.turned_away += 1;
            return Reply::no(403, Reason::Revoked);
        }
        match (method, path) {
            ("POST", "/v1/records/events") => {
                for record in uplink::decode(body).expect("a body") {
                    let fields = ingest_event::codec::flatten(&record.value).expect("an event");
                    state.events.push(fields);
                }
                let serial = peer.serial_number().to_bn().expect("a number");
                state.serials.insert(serial.to_string());
                Reply(204, Vec::new(), None)
            }
            ("POST", "/v1/records/quarantine") => Reply(204, Vec::new(), None),
            ("GET", "/v1/control") => match &state.envelope {
                None => Reply(204, Vec::new(), None),
                Some(envelope) => {
                    let own = format!("\"{}\"", ingest_trust::manifest::digest(envelope));
                    if tag.as_deref() == Some(&own) {
                        Reply(304, Vec::new(), None)
                    } else {
                        Reply(200, envelope.clone(), Some(own))
                    }
                }
            },
            ("POST", "/v1/status") => {
                state
                    .reports
                    .push(serde_json::from_slice(body).expect("a report"));
                Reply(204, Vec::new(), None)
            }
            (_, path) => match path
                .strip_prefix("/v1/parts/")
                .and_then(|name| state.parts.get(name).cloned())
            {
                Some(part) => {
                    state.parts_sent.push(path.to_owned());
                    Reply(200, part, None)
                }
                None => Reply::no(404, Reason::Forbidden),
            },
        }
    }

    fn certificate(&self, body: &[u8]) -> Reply {
        let ask: Ask = serde_json::from_slice(body).expect("a question");
        let request = Request::parse(&ask.request).expect("signed");
        let key = request.fingerprint().clone();
        let mut state = self.state.lock().expect("nobody panics");
        if std::mem::replace(&mut state.has_forgotten, false) && ask.secret.is_none() {
            state.has_forgotten = true;
            return Reply::no(403, Reason::Code);
        }
        state.secrets.extend(ask.secret);
        state.certificate_asked += 1;
        if let Some(reason) = state.refuses {
            return Reply::no(403, reason);
        }
        match state.known.get(&key) {
            None => {
                state.waiting.insert(key.clone());
                let again_secs = 0;
                let wait = Wait {
                    fingerprint: key,
                    again_secs,
                };
                Reply::json(202, &wait)
            }
            Some(false) => Reply::no(403, Reason::Revoked),
            Some(true) => {
                state.issued += 1;
                let start: Timestamp = Clock::System.now().saturating_sub(state.aged);
                let whose = Subject {
                    organization: number(),
                    sensor: state.name.clone().unwrap_or_else(sensor),
                };
                let issued = self.authority.issue(&request, &whose, start, SENSOR_VALIDITY);
                let certified = Certified {
                    certificate: issued.expect("issued"),
                    authority: self.authority.certificate_pem().expect("PEM"),
                    sensor: whose.sensor.to_string(),
                    organization: ORGANIZATION.to_owned(),
                    zone: Some(ingest_event::Zone::School),
                    keys: state.keys.clone(),
                };
                Reply::json(200, &certified)
            }
        }
    }
}

/// The next request of a connection: method, path, the tag that is shown, body.
fn next(
    stream: &mut SslStream<TcpStream>,
    buffer: &mut Vec<u8>,
) -> Option<(String, String, Option<String>, Vec<u8>)> {
    let mut chunk = vec![0; 64 << 10];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(start) = request.parse(buffer).expect("HTTP") {
            let header = |name: &str| {
                let found = request
                    .headers
                    .iter()
                    .find(|header| header.name.eq_ignore_ascii_case(name))?;
                Some(String::from_utf8_lossy(found.value).into_owned())
            };
            let length: usize = header("content-length").map_or(0, |text| text.parse().expect("a number"));
            if start + length <= buffer.len() {
                let whole = (
                    request.method.expect("one").to_owned(),
                    request.path.expect("one").to_owned(),
                    header("if-none-match"),
                    buffer[start..start + length].to_vec(),
                );
                buffer.drain(..start + length);
                return Some(whole);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}
