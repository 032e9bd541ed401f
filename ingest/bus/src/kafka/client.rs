//! What all clients have in common: settings, and librdkafka's messages in our log.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use super::KafkaConfig;
use crate::error::OpenError;

/// How long a question to the cluster (metadata, offsets, topics) may take before it counts as unreachable.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Topics made later are found this fast; the price is one metadata request per client.
const METADATA_REFRESH_MS: &str = "3000";

/// What the bus sets itself, because its promises depend on it.
const RESERVED: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "request.required.acks",
    "transactional.id",
];

/// Sends librdkafka's messages to `tracing`. Their texts hold addresses, so they stay at debug.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log;

impl ClientContext for Log {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Log {}

/// See [`Log`].
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "librdkafka cannot go on; its reason is at debug level");
            tracing::debug!(facility, message, "librdkafka");
        }
        RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning
        | RDKafkaLogLevel::Notice
        | RDKafkaLogLevel::Info
        | RDKafkaLogLevel::Debug => tracing::debug!(facility, message, "librdkafka"),
    }
}

/// The settings every client starts from: the passed-through properties, then ours.
pub(super) fn settings(config: &KafkaConfig) -> Result<ClientConfig, OpenError> {
    let mut settings = ClientConfig::new();
    for (name, value) in &config.properties {
        if RESERVED.contains(&name.as_str()) {
            return Err(OpenError::Reserved { name: name.clone() });
        }
        settings.set(name, value);
    }
    for (name, value) in [
        ("bootstrap.servers", config.bootstrap.as_str()),
        ("client.id", config.client_id.as_str()),
        ("topic.metadata.refresh.interval.ms", METADATA_REFRESH_MS),
        // A broker that comes back is found within seconds; the default waits up to ten.
        ("reconnect.backoff.max.ms", "2000"),
    ] {
        settings.set(name, value);
    }
    // Everything of note; what of it is shown is decided in `log`.
    settings.set_log_level(RDKafkaLogLevel::Info);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn properties_that_would_break_a_promise_are_refused() {
        for (name, refused) in [
            ("acks", true),
            ("enable.idempotence", true),
            ("ssl.ca.location", false),
        ] {
            let config = KafkaConfig {
                bootstrap: "127.0.0.1:1".to_owned(),
                client_id: "test".to_owned(),
                properties: BTreeMap::from([(name.to_owned(), "x".to_owned())]),
            };
            let found = settings(&config);
            assert_eq!(
                matches!(found, Err(OpenError::Reserved { .. })),
                refused,
                "{name}"
            );
        }
    }
}
