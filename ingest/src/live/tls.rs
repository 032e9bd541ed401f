//! Syslog over TLS (RFC 5425): the sensor's certificate, and, where a CA for clients is configured, only senders with a
//! certificate of it. Inside it is [`super::tcp`]: octet counting, or lines as many senders write them.
//!
//! Certificates that were renewed are taken with the next connection; if they can't be read, the ones before go on.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use openssl::ssl::{Ssl, SslAcceptor, SslFiletype, SslMethod, SslVerifyMode};
use openssl::x509::X509;
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;

use super::tcp::{self, Door, Limits};
use crate::agent::Intake;
use crate::config::SyslogTlsSource;

/// How long greeting may take: a round trip or two, from far away.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Accepts until told to stop.
///
/// # Errors
/// If certificate, key or CA can't be read, or the listener fails.
pub async fn serve_tls(
    listener: TcpListener,
    source: SyslogTlsSource,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let utc_offset_secs = source.utc_offset_secs;
    let door = Door::Tls(Arc::new(Greeter::new(source)?));
    tcp::serve(listener, door, Limits::default(), utc_offset_secs, intake, stop).await
}

/// Whether certificate, key and CA can be used.
///
/// # Errors
/// What can't, and what would mend it.
pub fn check_tls(source: &SyslogTlsSource) -> anyhow::Result<()> {
    acceptor(source).map(|_| ())
}

/// Greets senders with the certificate that holds.
pub(super) struct Greeter {
    source: SyslogTlsSource,
    held: Mutex<Held>,
}

struct Held {
    acceptor: SslAcceptor,
    changed: Vec<Option<SystemTime>>,
}

impl Greeter {
    pub(super) fn new(source: SyslogTlsSource) -> anyhow::Result<Self> {
        let changed = changed(&source);
        let acceptor = acceptor(&source)?;
        let held = Mutex::new(Held { acceptor, changed });
        Ok(Self { source, held })
    }

    /// Greets one sender.
    ///
    /// # Errors
    /// If it speaks no TLS, has no certificate where one is asked for, or takes too long.
    pub(super) async fn greet(&self, stream: TcpStream) -> anyhow::Result<SslStream<TcpStream>> {
        let ssl = Ssl::new(self.current().context()).context("greet a sender")?;
        let mut stream = SslStream::new(ssl, stream).context("greet a sender")?;
        tokio::time::timeout(HANDSHAKE_MAX, Pin::new(&mut stream).accept())
            .await
            .context("greet a sender: it took too long")?
            .context("greet a sender")?;
        Ok(stream)
    }

    /// With certificates as they are on the disk now.
    fn current(&self) -> SslAcceptor {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = changed(&self.source);
        if now != held.changed {
            match acceptor(&self.source) {
                Ok(acceptor) => held.acceptor = acceptor,
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "renewed certificates can't be used; the ones before go on"
                    );
                }
            }
            held.changed = now;
        }
        held.acceptor.clone()
    }
}

fn files(source: &SyslogTlsSource) -> impl Iterator<Item = &PathBuf> {
    [&source.certificate, &source.key]
        .into_iter()
        .chain(&source.client_ca)
}

fn changed(source: &SyslogTlsSource) -> Vec<Option<SystemTime>> {
    let changed = |path: &PathBuf| std::fs::metadata(path).ok()?.modified().ok();
    files(source).map(changed).collect()
}

/// TLS 1.2 and 1.3 with the ciphers that Mozilla calls intermediate.
fn acceptor(source: &SyslogTlsSource) -> anyhow::Result<SslAcceptor> {
    let mut builder =
        SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).context("prepare syslog over TLS")?;
    builder
        .set_certificate_chain_file(&source.certificate)
        .with_context(|| {
            format!(
                "read the certificate {}: it must be PEM, the server's own first",
                source.certificate.display()
            )
        })?;
    builder
        .set_private_key_file(&source.key, SslFiletype::PEM)
        .with_context(|| {
            format!(
                "read the key {}: it must be PEM, without a password, and that of the certificate",
                source.key.display()
            )
        })?;
    builder
        .check_private_key()
        .context("use the key: it is not that of the certificate")?;
    if let Some(path) = &source.client_ca {
        let told = || format!("read the CA of senders {}: it must be PEM", path.display());
        let pem = std::fs::read(path).with_context(told)?;
        let authorities = X509::stack_from_pem(&pem).with_context(told)?;
        anyhow::ensure!(!authorities.is_empty(), "{}: no certificate is in it", told());
        for authority in authorities {
            builder.add_client_ca(&authority).with_context(told)?;
            builder.cert_store_mut().add_cert(authority).with_context(told)?;
        }
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        // Without it OpenSSL refuses senders that come back with a ticket.
        builder
            .set_session_id_context(b"varde")
            .context("prepare syslog over TLS")?;
    }
    Ok(builder.build())
}
