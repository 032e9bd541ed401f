//! The ways to a collector: TLS, TCP and UDP.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    task::{Context, Poll, Waker},
};

use anyhow::Context as _;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVersion};
use tokio::{
    io::{AsyncRead, AsyncWriteExt as _, ReadBuf},
    net::{TcpStream, UdpSocket, lookup_host},
};
use tokio_openssl::SslStream;

use crate::config::{SyslogSettings, SyslogTransport};

/// Where to, and how.
#[derive(Debug)]
pub(super) struct Way {
    host: String,
    port: u16,
    transport: SyslogTransport,
    tls: Option<Tls>,
}

/// What TLS needs.
struct Tls(SslConnector);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// A connection that is open, as far as is known.
#[derive(Debug)]
pub(super) enum Connection {
    Tls(SslStream<TcpStream>),
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Way {
    /// Reads what the transport needs.
    ///
    /// # Errors
    /// If a file can't be used.
    pub(super) fn of(settings: &SyslogSettings) -> anyhow::Result<Self> {
        let tls = match settings.transport {
            SyslogTransport::Tls => Some(connector(settings)?),
            SyslogTransport::Tcp | SyslogTransport::Udp => None,
        };
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port(),
            transport: settings.transport,
            tls,
        })
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> std::io::Result<Connection> {
        let place = (self.host.as_str(), self.port);
        match (&self.tls, self.transport) {
            (Some(Tls(connector)), _) => {
                let stream = TcpStream::connect(place).await?;
                let ssl = connector.configure().and_then(|one| one.into_ssl(&self.host));
                let mut stream = SslStream::new(ssl?, stream)?;
                let shaken = std::pin::Pin::new(&mut stream).connect().await;
                shaken.map_err(|error| std::io::Error::other(format!("shake hands: {error}")))?;
                Ok(Connection::Tls(stream))
            }
            (None, SyslogTransport::Udp) => {
                let to = lookup_host(place).await?.next();
                let to = to.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
                let socket = if to.is_ipv4() {
                    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?
                } else {
                    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?
                };
                socket.connect(to).await?;
                Ok(Connection::Udp(socket))
            }
            (None, _) => Ok(Connection::Tcp(TcpStream::connect(place).await?)),
        }
    }
}

impl Connection {
    /// Whether the collector has not closed it. What it sends is passed over: syslog goes one way.
    pub(super) fn is_open(&mut self) -> bool {
        match self {
            Self::Tls(stream) => is_open(std::pin::Pin::new(stream)),
            Self::Tcp(stream) => is_open(std::pin::Pin::new(stream)),
            Self::Udp(_) => true,
        }
    }

    /// Writes a line, as the transport tells lines apart.
    pub(super) async fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        let counted = || [line.len().to_string().as_bytes(), b" ", line].concat();
        match self {
            Self::Tls(stream) => {
                stream.write_all(&counted()).await?;
                stream.flush().await
            }
            Self::Tcp(stream) => {
                stream.write_all(&counted()).await?;
                stream.flush().await
            }
            Self::Udp(socket) => socket.send(line).await.map(|_| ()),
        }
    }
}

/// Reads what came, as far as it is there now: an end is a farewell.
fn is_open(mut stream: std::pin::Pin<&mut impl AsyncRead>) -> bool {
    let mut now = Context::from_waker(Waker::noop());
    loop {
        let mut some = [0; 512];
        let mut some = ReadBuf::new(&mut some);
        match stream.as_mut().poll_read(&mut now, &mut some) {
            Poll::Pending => return true,
            Poll::Ready(Ok(())) if !some.filled().is_empty() => {}
            Poll::Ready(Ok(()) | Err(_)) => return false,
        }
    }
}

fn connector(settings: &SyslogSettings) -> anyhow::Result<Tls> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).context("prepare TLS")?;
    builder
        .set_min_proto_version(Some(SslVersion::TLS1_2))
        .context("prepare TLS")?;
    if let Some(file) = &settings.ca_file {
        // Those alone, and not the machine's beside them.
        let text = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let authorities = openssl::x509::X509::stack_from_pem(&text)
            .with_context(|| format!("understand {} as certificates in PEM", file.display()))?;
        anyhow::ensure!(
            !authorities.is_empty(),
            "find a certificate in {}",
            file.display()
        );
        let mut store = openssl::x509::store::X509StoreBuilder::new().context("prepare TLS")?;
        for authority in authorities {
            store.add_cert(authority).context("prepare TLS")?;
        }
        builder.set_cert_store(store.build());
    }
    if let (Some(certificate), Some(key)) = (&settings.certificate_file, &settings.key_file) {
        builder
            .set_certificate_chain_file(certificate)
            .with_context(|| format!("use {}", certificate.display()))?;
        builder
            .set_private_key_file(key, SslFiletype::PEM)
            .with_context(|| format!("use {}", key.display()))?;
        builder.check_private_key().with_context(|| {
            format!(
                "use {}: it is not the key of {}",
                key.display(),
                certificate.display()
            )
        })?;
    }
    Ok(Tls(builder.build()))
}
