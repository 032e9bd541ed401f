//! Which bus, and where: what every service's configuration has under `bus`. It can be written for an adapter that is not
//! built in, so that a program can say so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::OpenError;

/// Which bus, and where; in every service's configuration under `bus`, for example
/// `{ kafka: { bootstrap: "127.0.0.1:9092" } }` or `{ embedded: { directory: /var/lib/varde/bus } }`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum BusConfig {
    /// A Kafka cluster.
    Kafka(KafkaConfig),
    /// A log in a directory of this machine, made when it is not there.
    Embedded {
        /// Where the file is kept.
        directory: PathBuf,
    },
    /// A gateway, for sensors.
    Gateway {
        /// `https://host:port`.
        url: String,
        /// Where key, certificate and authority are: [`crate::uplink::KEY_FILE`] and its neighbours.
        directory: PathBuf,
    },
}

impl BusConfig {
    /// The same, with the name that the client gives itself to the brokers, unless it has one.
    #[must_use]
    pub fn named(mut self, client_id: &str) -> BusConfig {
        if let BusConfig::Kafka(config) = &mut self
            && config.client_id.is_empty()
        {
            client_id.clone_into(&mut config.client_id);
        }
        self
    }

    /// Its key in a configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            BusConfig::Kafka(_) => "kafka",
            BusConfig::Embedded { .. } => "embedded",
            BusConfig::Gateway { .. } => "gateway",
        }
    }

    /// Says before anything is opened whether this program can.
    ///
    /// # Errors
    /// [`OpenError::NotBuilt`].
    pub const fn built_in(&self) -> Result<(), OpenError> {
        let is_there = match self {
            BusConfig::Kafka(_) => cfg!(feature = "kafka"),
            BusConfig::Embedded { .. } => cfg!(feature = "embedded"),
            BusConfig::Gateway { .. } => true,
        };
        if is_there {
            Ok(())
        } else {
            Err(OpenError::NotBuilt { name: self.name() })
        }
    }
}

/// Where a Kafka cluster is and how to talk to it.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap: String,
    /// How this client names itself to the brokers; see [`BusConfig::named`].
    #[serde(default)]
    pub client_id: String,
    /// Further properties of librdkafka, such as `security.protocol` and `ssl.*`. Those that the bus's promises
    /// depend on are refused with [`crate::OpenError::Reserved`].
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// Properties by name only: a value may be `sasl.password`.
impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("bootstrap", &self.bootstrap)
            .field("client_id", &self.client_id)
            .field("properties", &self.properties.keys())
            .finish()
    }
}
