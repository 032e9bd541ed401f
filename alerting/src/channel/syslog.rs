//! Syslog: a line (RFC 5424) for each notification, over TLS (RFC 5425), or on site over TCP with lengths (RFC 6587, 3.4.1) or UDP
//! (RFC 5426).
//!
//! A collector has one connection, taken by one line after the other. Syslog knows no receipt: that a line was handed over says that
//! the machine took it for a connection that was open. A connection that the collector closed is seen before the next line, and made
//! anew.

mod line;
mod wire;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use tokio::sync::Mutex;

use super::DeliveryError;
use crate::{
    config::SyslogSettings,
    state::State,
    store::{Stored, StoredNotification},
};
pub(crate) use line::message;
use line::of;
use wire::{Connection, Way};

/// To connect, to shake hands and to write: a collector on site takes a part of a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes to collectors.
#[derive(Debug)]
pub(crate) struct Collectors(BTreeMap<String, Collector>);

/// One of them. What waits for its connection is bounded by the outbox, which has two lines under way for one address.
#[derive(Debug)]
struct Collector {
    way: Way,
    connection: Mutex<Option<Connection>>,
}

impl Collectors {
    /// Reads their certificates; connects only when there is something to write.
    ///
    /// # Errors
    /// If a file can't be used.
    pub(crate) fn open(settings: &BTreeMap<String, SyslogSettings>) -> anyhow::Result<Self> {
        let mut collectors = BTreeMap::new();
        for (name, settings) in settings {
            let way = Way::of(settings).with_context(|| format!("use the collector `{name}`"))?;
            let connection = Mutex::new(None);
            collectors.insert(name.clone(), Collector { way, connection });
        }
        Ok(Self(collectors))
    }

    /// Hands a notification over.
    pub(crate) async fn send(
        &self,
        state: &State,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> Result<String, DeliveryError> {
        let text = of(state, notification, stored);
        self.write(notification.channel.address(), &text).await
    }

    /// Writes a line to a collector.
    pub(crate) async fn write(&self, name: &str, text: &str) -> Result<String, DeliveryError> {
        let collector = self.0.get(name).ok_or_else(|| {
            DeliveryError::Permanent(format!("the configuration has no collector `{name}` any more"))
        })?;
        let written = tokio::time::timeout(TIMEOUT, collector.write(text)).await;
        let failed = |error: String| DeliveryError::Transient(format!("the collector: {error}"));
        match written {
            Ok(Ok(())) => Ok("written to the connection".to_owned()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("it took longer than {} s", TIMEOUT.as_secs()))),
        }
    }
}

impl Collector {
    /// On the connection that is there, if it is still open, else on a new one. A line that is cut off by a timeout takes its
    /// connection with it: what would follow could not be told apart.
    async fn write(&self, text: &str) -> std::io::Result<()> {
        let mut place = self.connection.lock().await;
        let mut kept = place.take();
        let is_open = kept.as_mut().is_some_and(Connection::is_open);
        let mut connection = match kept.filter(|_| is_open) {
            Some(kept) => kept,
            None => self.way.connect().await?,
        };
        connection.write(text.as_bytes()).await?;
        *place = Some(connection);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
