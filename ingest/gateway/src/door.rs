//! The door: TLS 1.3 connections, bounded, each with a task of its own, and who the certificate says is there.
//!
//! Who comes without a certificate may only ask for one. Handshakes are timed; a source without certificates has few
//! connections, and those with certificates have places of their own, so that strangers never take them, and
//! no sensor takes them all.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
use crate::knocks::source;
use crate::metrics::Metrics;

/// Connections without a certificate, those that shake hands among them.
const STRANGERS_MAX: usize = 1_024;

/// Those of them from one source.
const STRANGERS_OF_SOURCE_MAX: usize = 32;

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
    strangers: Arc<Semaphore>,
    sensors: Arc<Semaphore>,
    by_source: Counts<IpAddr>,
    by_sensor: Counts<Fingerprint>,
}

/// How many connections there are of each; only of those that have some.
type Counts<K> = Arc<Mutex<BTreeMap<K, usize>>>;

/// One of a count; given back when it is dropped.
struct Counted<K: Ord> {
    counts: Counts<K>,
    key: K,
}

/// What a connection holds while it stands.
enum Place {
    Stranger {
        _permit: OwnedSemaphorePermit,
        _of_source: Counted<IpAddr>,
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
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            sensors: Arc::new(Semaphore::new(SENSORS_MAX)),
            by_source: Arc::default(),
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
                    if let Some(place) = self.stranger(address.ip()) {
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
    fn stranger(&self, address: IpAddr) -> Option<Place> {
        let of_source = Counted::one(&self.by_source, source(address), STRANGERS_OF_SOURCE_MAX);
        let Some(of_source) = of_source else {
            self.metrics.turn_away("source");
            return None;
        };
        let Ok(permit) = Arc::clone(&self.strangers).try_acquire_owned() else {
            self.metrics.turn_away("full");
            return None;
        };
        Some(Place::Stranger {
            _permit: permit,
            _of_source: of_source,
        })
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
        mut place: Place,
        router: Router,
        stop: CancellationToken,
    ) {
        let stream = tokio::select! {
            stream = self.handshake(stream) => stream,
            () = stop.cancelled() => None,
        };
        let Some(stream) = stream else { return };
        let identity = identity(stream.ssl());
        if let Some(identity) = &identity {
            let Some(of_sensor) = self.sensor(&identity.fingerprint) else {
                return;
            };
            place = of_sensor;
        }
        let peer = Peer {
            address: address.ip(),
            identity: identity.map(Arc::new),
        };
        self.metrics.connections.inc();
        let service = TowerToHyperService::new(router.layer(Extension(peer)));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
        );
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
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
