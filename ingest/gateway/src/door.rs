//! The door: TLS 1.3 connections, bounded, each with a task of its own, and who the certificate says is there.
//!
//! Who comes without a certificate may only ask for one, a few times and not for long. Handshakes are timed and have places
//! of their own, so do strangers and sensors after them: a stranger who stays keeps no sensor from its handshake, none
//! takes a sensor's place, and no source and no sensor takes all.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ingest_event::Timestamp;
use ingest_trust::{Fingerprint, Subject, authority};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509VerifyResult};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Files;
use crate::knocks::{site, source};
use crate::metrics::Metrics;

/// Connections that shake hands: each for ten seconds at most.
const HANDSHAKES_MAX: usize = 8_192;

/// Connections without a certificate.
const STRANGERS_MAX: usize = 1_024;

/// Connections from one source that shake hands, and those without a certificate.
const OF_SOURCE_MAX: usize = 32;

/// The same of an IPv6 network of 48 bits, which one customer may have all of.
const OF_SITE_MAX: usize = 128;

/// How long a connection without a certificate may stand: what is under way is then ended, nothing more is taken.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an answer that is under way may take after that.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests of such a connection.
const STRANGER_REQUESTS_MAX: usize = 8;

/// Connections with a certificate: two for each sensor of a large CERT.
const SENSORS_MAX: usize = 8_192;

/// Connections of one sensor: one for records, one for the rest, and some that ended without a word.
const OF_SENSOR_MAX: usize = 16;

/// How long a handshake may take: a few round trips over the slowest line.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the head of a request may take, the pause before it among that.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait after an accept that failed, for example while there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where from.
    pub address: IpAddr,
    /// Who it is by its certificate, which the authority signed.
    pub identity: Option<Arc<Identity>>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose it is.
    pub subject: Subject,
    /// Of its key.
    pub fingerprint: Fingerprint,
    /// When it ends: a connection may stand longer.
    pub until: Timestamp,
}

/// The door of a gateway.
#[derive(Clone)]
pub struct Door {
    acceptor: SslAcceptor,
    metrics: Metrics,
    handshakes: Room,
    strangers: Room,
    sensors: Arc<Semaphore>,
    by_sensor: Counts<Fingerprint>,
}

/// How many connections there are of each; only of those that have some.
type Counts<K> = Arc<Mutex<BTreeMap<K, usize>>>;

/// One of a count; given back when it is dropped.
struct Counted<K: Ord> {
    counts: Counts<K>,
    key: K,
}

/// Places for those who are not known, few for each source.
#[derive(Clone)]
struct Room {
    all: Arc<Semaphore>,
    by_source: Counts<IpAddr>,
    by_site: Counts<IpAddr>,
}

/// What a connection holds while it stands.
enum Place {
    Unknown {
        _permit: OwnedSemaphorePermit,
        _of_source: Counted<IpAddr>,
        _of_site: Option<Counted<IpAddr>>,
    },
    Sensor {
        _permit: OwnedSemaphorePermit,
        _of_sensor: Counted<Fingerprint>,
    },
}

impl Door {
    /// A door with the gateway's certificate, that lets in who has one of the authority's.
    ///
    /// # Errors
    /// OpenSSL's, for files that are not what they should be.
    pub fn new(files: &Files, metrics: Metrics) -> Result<Self, ErrorStack> {
        // TLS 1.3 only: both ends are ours.
        let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server())?;
        let certificate = X509::from_pem(&files.certificate)?;
        let key = PKey::private_key_from_pem(&files.key)?;
        builder.set_certificate(&certificate)?;
        builder.set_private_key(&key)?;
        builder.check_private_key()?;
        let authority = X509::from_pem(files.authority_pem.as_bytes())?;
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(authority.clone())?;
        builder.set_verify_cert_store(store.build())?;
        builder.add_client_ca(&authority)?;
        builder.set_verify(SslVerifyMode::PEER);
        // A resumed session would bring a certificate that nobody looks at again.
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_num_tickets(0)?;
        Ok(Self {
            acceptor: builder.build(),
            metrics,
            handshakes: Room::new(HANDSHAKES_MAX),
            strangers: Room::new(STRANGERS_MAX),
            sensors: Arc::new(Semaphore::new(SENSORS_MAX)),
            by_sensor: Arc::default(),
        })
    }

    /// Lets in who comes until `stop`; then ends when all that is under way is done.
    pub async fn serve(self, listener: TcpListener, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, address)) => {
                    if let Some(place) = self.place(&self.handshakes, address.ip()) {
                        let work =
                            self.clone()
                                .connection(stream, address, place, router.clone(), stop.clone());
                        connections.spawn(work);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    /// A place for somebody unknown, or none.
    fn place(&self, room: &Room, address: IpAddr) -> Option<Place> {
        let place = room.place(address);
        place.map_err(|why| self.metrics.turn_away(why)).ok()
    }

    /// A place for a sensor, or none.
    fn sensor(&self, fingerprint: &Fingerprint) -> Option<Place> {
        let of_sensor = Counted::one(&self.by_sensor, fingerprint.clone(), OF_SENSOR_MAX);
        let Some(of_sensor) = of_sensor else {
            self.metrics.turn_away("sensor");
            return None;
        };
        let Ok(permit) = Arc::clone(&self.sensors).try_acquire_owned() else {
            self.metrics.turn_away("full");
            return None;
        };
        Some(Place::Sensor {
            _permit: permit,
            _of_sensor: of_sensor,
        })
    }

    async fn connection(
        self,
        stream: TcpStream,
        address: SocketAddr,
        place: Place,
        router: Router,
        stop: CancellationToken,
    ) {
        let stream = tokio::select! {
            stream = self.handshake(stream) => stream,
            () = stop.cancelled() => None,
        };
        let Some(stream) = stream else { return };
        let identity = identity(stream.ssl());
        drop(place);
        let place = match &identity {
            Some(identity) => self.sensor(&identity.fingerprint),
            None => self.place(&self.strangers, address.ip()),
        };
        let Some(place) = place else { return };
        let is_stranger = identity.is_none();
        let peer = Peer {
            address: address.ip(),
            identity: identity.map(Arc::new),
        };
        self.metrics.connections.inc();
        let mut router = router.layer(Extension(peer));
        if is_stranger {
            let asked = Arc::new(AtomicUsize::new(0));
            router = router.layer(map_response(move |response| few(Arc::clone(&asked), response)));
        }
        let service = TowerToHyperService::new(router);
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
        );
        let served = tokio::select! {
            served = connection.as_mut() => Ok(served),
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                Ok(connection.await)
            }
            () = tokio::time::sleep(STRANGER_TIMEOUT), if is_stranger => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(LAST_ANSWER_TIMEOUT, connection).await
            }
        };
        if let Ok(Err(error)) = served {
            tracing::debug!(%error, "a connection ended");
        }
        self.metrics.connections.dec();
        drop(place);
    }

    async fn handshake(&self, stream: TcpStream) -> Option<SslStream<TcpStream>> {
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        let ssl = Ssl::new(self.acceptor.context());
        let mut stream = ssl.and_then(|ssl| SslStream::new(ssl, stream)).ok()?;
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, Pin::new(&mut stream).accept()).await;
        match shaken {
            Ok(Ok(())) => return Some(stream),
            Ok(Err(error)) => {
                let verdict = stream.ssl().verify_result();
                let is_certificate = verdict != X509VerifyResult::OK;
                self.metrics
                    .turn_away(if is_certificate { "certificate" } else { "protocol" });
                tracing::debug!(%error, %verdict, "a handshake failed");
            }
            Err(_) => self.metrics.turn_away("timeout"),
        }
        None
    }
}

impl Room {
    fn new(most: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most)),
            by_source: Arc::default(),
            by_site: Arc::default(),
        }
    }

    /// A place, or what there is too much of.
    fn place(&self, address: IpAddr) -> Result<Place, &'static str> {
        let of_source = Counted::one(&self.by_source, source(address), OF_SOURCE_MAX).ok_or("source")?;
        let of_site = match site(address) {
            Some(site) => Some(Counted::one(&self.by_site, site, OF_SITE_MAX).ok_or("source")?),
            None => None,
        };
        let permit = Arc::clone(&self.all).try_acquire_owned().map_err(|_| "full")?;
        Ok(Place::Unknown {
            _permit: permit,
            _of_source: of_source,
            _of_site: of_site,
        })
    }
}

/// Ends a connection after some answers.
async fn few(answered: Arc<AtomicUsize>, mut response: Response) -> Response {
    if STRANGER_REQUESTS_MAX <= answered.fetch_add(1, Ordering::Relaxed) + 1 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

impl<K: Ord + Clone> Counted<K> {
    /// One more, unless there are `most`.
    fn one(counts: &Counts<K>, key: K, most: usize) -> Option<Self> {
        let mut held = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&key).copied().unwrap_or(0);
        if most <= count {
            return None;
        }
        held.insert(key.clone(), count + 1);
        drop(held);
        Some(Self {
            counts: Arc::clone(counts),
            key,
        })
    }
}

impl<K: Ord> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

/// Who a connection's certificate says is there. That the authority signed it, TLS has checked.
fn identity(ssl: &SslRef) -> Option<Identity> {
    let certificate = ssl.peer_certificate()?;
    let (subject, fingerprint) = authority::subject(&certificate).ok()?;
    let (_, until) = authority::validity(&certificate).ok()?;
    Some(Identity {
        subject,
        fingerprint,
        until,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_and_a_customers_network_have_few_places_and_others_theirs() {
        let of = |room: &Room, addresses: &mut dyn Iterator<Item = String>| -> Vec<Place> {
            let places = addresses.map(|address| room.place(address.parse().expect("an address")));
            places.filter_map(Result::ok).collect()
        };
        for (mine, theirs) in [("192.0.2.7", "192.0.2.8"), ("2001:db8::7", "2001:db8:0:1::7")] {
            let room = Room::new(HANDSHAKES_MAX);
            let held = of(&room, &mut (0..100).map(|_| mine.to_owned()));
            assert_eq!(held.len(), OF_SOURCE_MAX, "{mine}");
            assert_eq!(
                of(&room, &mut [theirs.to_owned()].into_iter()).len(),
                1,
                "{theirs}"
            );
        }
        let room = Room::new(HANDSHAKES_MAX);
        let networks = |first: &'static str| (0..1_000).map(move |n| format!("{first}:{n:x}::1"));
        let held = of(&room, &mut networks("2001:db8:1"));
        assert_eq!(held.len(), OF_SITE_MAX, "one of 48 bits");
        assert_eq!(of(&room, &mut networks("2001:db8:2").take(9)).len(), 9, "another");
        let nets = (0..200).map(|n| format!("198.51.100.{n}"));
        assert_eq!(
            of(&room, &mut nets.into_iter()).len(),
            200,
            "IPv4 has no such networks"
        );
        drop(held);
        assert!(room.by_site.lock().expect("held").is_empty());
    }

    #[test]
    fn a_place_is_given_back_and_nothing_is_kept_of_who_left() {
        let counts: Counts<u8> = Counts::default();
        let [first, second] = [(); 2].map(|()| Counted::one(&counts, 7, 2).expect("a place"));
        assert!(Counted::one(&counts, 7, 2).is_none());
        let other = Counted::one(&counts, 8, 2).expect("another's place");
        drop(first);
        let again = Counted::one(&counts, 7, 2).expect("the place that was given back");
        drop((second, again, other));
        assert!(counts.lock().expect("held").is_empty());
    }
}
