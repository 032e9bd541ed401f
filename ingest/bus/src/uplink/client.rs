//! The connection to the gateway: TLS with the sensor's own certificate, believing one authority and no other; made
//! again when one of the files changed, so that a renewed certificate is used without a restart.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, redirect, tls};
use tokio::sync::Mutex;

use super::pace::Pace;
use super::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, UplinkError};

/// Until a connection stands: slow lines of small sites, and no longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Until an answer: 4 MiB over one Mbit/s, and half a minute that the gateway waits for the bus. A line that is slower gets
/// smaller requests ([`Pace`]).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a connection is kept for the next request: shorter than the gateway keeps it, so that it is closed here.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The most that is read of key, certificate or authority: each takes one or two KiB.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Where the gateway is and what the sensor shows to it.
#[derive(Debug)]
pub(super) struct Uplink {
    url: String,
    directory: PathBuf,
    made: Mutex<Option<(Stamps, Client)>>,
    pace: std::sync::Mutex<Pace>,
}

/// Of each file: device's number for it, size, and when it changed. A file that is put in place of another has others.
type Stamps = [(u64, u64, i64, i64); 3];

impl Uplink {
    pub(super) fn new(url: String, directory: PathBuf) -> Uplink {
        Uplink {
            url,
            directory,
            made: Mutex::new(None),
            pace: std::sync::Mutex::default(),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How much the line takes at once.
    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client, with the identity that the files have now.
    pub(super) async fn client(&self) -> Result<Client, UplinkError> {
        let mut made = self.made.lock().await;
        let directory = self.directory.clone();
        let stamps = blocking(&self.directory, move || stamps(&directory)).await?;
        if let Some((of, client)) = &*made
            && *of == stamps
        {
            return Ok(client.clone());
        }
        let directory = self.directory.clone();
        let client = blocking(&self.directory, move || build(&directory)).await?;
        *made = Some((stamps, client.clone()));
        Ok(client)
    }
}

fn stamps(directory: &Path) -> Result<Stamps, UplinkError> {
    let of = |name| {
        let file = directory.join(name);
        let data = std::fs::metadata(&file).map_err(|source| unread(file, source))?;
        Ok((data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
    };
    Ok([of(KEY_FILE)?, of(CERTIFICATE_FILE)?, of(AUTHORITY_FILE)?])
}

fn build(directory: &Path) -> Result<Client, UplinkError> {
    let read = |name| {
        let file = directory.join(name);
        let data = std::fs::metadata(&file).and_then(|data| {
            if FILE_BYTES_MAX < data.len() {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            std::fs::read(&file)
        });
        data.map_err(|source| unread(file, source))
    };
    let (key, certificate, authority) = (read(KEY_FILE)?, read(CERTIFICATE_FILE)?, read(AUTHORITY_FILE)?);
    let made = || {
        Client::builder()
            .identity(Identity::from_pkcs8_pem(&certificate, &key)?)
            .tls_certs_only([Certificate::from_pem(&authority)?])
            .https_only(true)
            .tls_version_min(tls::Version::TLS_1_3)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
    };
    made().map_err(|source| UplinkError::Identity {
        directory: directory.to_owned(),
        source,
    })
}

fn unread(file: PathBuf, source: io::Error) -> UplinkError {
    if source.kind() == io::ErrorKind::NotFound {
        return UplinkError::NotEnrolled { file };
    }
    UplinkError::Read { file, source }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    directory: &Path,
    work: impl FnOnce() -> Result<T, UplinkError> + Send + 'static,
) -> Result<T, UplinkError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(UplinkError::Read {
            file: directory.to_owned(),
            source: io::Error::other(error),
        })
    })
}
