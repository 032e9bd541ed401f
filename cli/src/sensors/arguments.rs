//! What can be said to `varde sensors`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ingest_event::{OrganizationNumber, SensorId, Zone};

/// `varde sensors …`.
#[derive(Debug, Subcommand)]
pub enum SensorsCommand {
    /// Make the files of the authority, the gateway and the keys under bundles
    #[command(long_about = AUTHORITY_HELP)]
    Authority(AuthorityArguments),
    /// Print a code that enrols one sensor, good for an hour
    Enrol(EnrolArguments),
    /// Show who waits to be let in, and how each sensor fares against what it is to run
    List(ListArguments),
    /// Let a waiting sensor in, under an organisation and a name
    #[command(long_about = APPROVE_HELP)]
    Approve(ApproveArguments),
    /// Turn a waiting sensor down
    Refuse(RefuseArguments),
    /// Let a sensor in no more; it holds within a minute
    Revoke(RevokeArguments),
    /// Sign a folder of configuration, rules and indicators, and hand it to sensors
    #[command(long_about = PUBLISH_HELP)]
    Publish(PublishArguments),
}

const AUTHORITY_HELP: &str = "\
Make the files of the authority, the gateway and the keys under bundles.

DIR gets authority.crt and authority.key, which vouch for sensors; gateway.crt and gateway.key, under the names and \
addresses of --host; bundles.key, which signs what sensors run, and bundles.pub. The gateway needs all but bundles.key: \
take that one to where bundles are made. Nothing that is there is written over.

With --gateway-only the authority that is there makes gateway.crt and gateway.key anew: each year, or for other names.";

const APPROVE_HELP: &str = "\
Let a waiting sensor in, under an organisation and a name.

Compare the fingerprint with whoever stands at the sensor, over the telephone: `varde-sensor` prints it while it waits, \
`varde sensors list` shows it here. A name that is in use means new hardware for that sensor: say so with --replace; the \
former key is refused from then on.";

const PUBLISH_HELP: &str = "\
Sign a folder of configuration, rules and indicators, and hand it to sensors.

DIR may hold configuration.yml and the folders rules and indicators; other files are refused. What did not change since \
the last bundle does not travel again. Check rules with `varde rules check` first. A sensor takes a bundle as a whole, \
watches itself, and goes back by itself when it fares worse; `varde sensors list` shows which.";

/// Which bus.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct BusArguments {
    /// The bus that this service's configuration names, for example gateway.yml
    #[arg(long, value_name = "FILE")]
    pub bus: Option<PathBuf>,
    /// This Kafka, without login
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// The embedded bus in this folder
    #[arg(long, value_name = "DIR")]
    pub embedded: Option<PathBuf>,
}

/// `varde sensors authority`.
#[derive(Args, Clone, Debug)]
pub struct AuthorityArguments {
    /// Where the files are put; made when it is not there
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Names and addresses that sensors reach the gateway by
    #[arg(long = "host", value_name = "HOST", num_args = 1.., default_values = ["localhost", "127.0.0.1", "::1"])]
    pub hosts: Vec<String>,
    /// Make the gateway's certificate and key anew, with the authority that is there
    #[arg(long)]
    pub gateway_only: bool,
}

/// `varde sensors enrol`.
#[derive(Args, Clone, Debug)]
pub struct EnrolArguments {
    /// Where the sensor reaches the gateway
    #[arg(long, value_name = "HOST:PORT")]
    pub gateway: String,
    /// The authority's certificate, authority.crt
    #[arg(long, value_name = "FILE")]
    pub authority: PathBuf,
    /// The keys under bundles that the gateway names; bundles.pub beside the authority's certificate if not given
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// For whom it is, as a reminder for whoever approves
    #[arg(long, value_name = "NUMBER")]
    pub organization: Option<OrganizationNumber>,
    /// Which bus.
    #[command(flatten)]
    pub bus: BusArguments,
}

/// `varde sensors list`.
#[derive(Args, Clone, Debug)]
pub struct ListArguments {
    /// One JSON document instead of tables
    #[arg(long)]
    pub json: bool,
    /// Which bus.
    #[command(flatten)]
    pub bus: BusArguments,
}

/// `varde sensors approve`.
#[derive(Args, Clone, Debug)]
pub struct ApproveArguments {
    /// How the fingerprint begins, 8 digits or more, as 1a2b-3c4d
    #[arg(value_name = "FINGERPRINT")]
    pub fingerprint: String,
    /// Whose it is
    #[arg(long, value_name = "NUMBER")]
    pub organization: OrganizationNumber,
    /// Its name, one of its own among all sensors
    #[arg(long, value_name = "NAME")]
    pub sensor: SensorId,
    /// Where it listens
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<Zone>,
    /// It is new hardware for a sensor of that name
    #[arg(long)]
    pub replace: bool,
    /// Which bus.
    #[command(flatten)]
    pub bus: BusArguments,
}

/// `varde sensors refuse`.
#[derive(Args, Clone, Debug)]
pub struct RefuseArguments {
    /// How the fingerprint begins, 8 digits or more, as 1a2b-3c4d
    #[arg(value_name = "FINGERPRINT")]
    pub fingerprint: String,
    /// Which bus.
    #[command(flatten)]
    pub bus: BusArguments,
}

/// `varde sensors revoke`.
#[derive(Args, Clone, Debug)]
pub struct RevokeArguments {
    /// Its name
    #[arg(value_name = "NAME")]
    pub sensor: SensorId,
    /// Which bus.
    #[command(flatten)]
    pub bus: BusArguments,
}

/// `varde sensors publish`.
#[derive(Args, Clone, Debug)]
pub struct PublishArguments {
    /// The folder
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The key that signs, bundles.key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// For whom.
    #[command(flatten)]
    pub audience: AudienceArguments,
    /// The version of the sensor's program that is wanted
    #[arg(long, value_name = "VERSION")]
    pub program: Option<String>,
    /// The key of restricted indicators, which the detector has too; made if it is missing
    #[arg(long, value_name = "FILE")]
    pub restricted_key: Option<PathBuf>,
    /// Write the signed bundle into this new folder too, to be carried to `varde-sensor import`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Believe the keys in these files, as in bundles.pub, from now on, and no others
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub believe: Vec<PathBuf>,
    /// Which bus.
    #[command(flatten)]
    pub bus: BusArguments,
}

/// For whom a bundle is.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct AudienceArguments {
    /// For all sensors
    #[arg(long)]
    pub all: bool,
    /// For those of an organisation
    #[arg(long, value_name = "NUMBER")]
    pub organization: Option<OrganizationNumber>,
    /// For these, of one organisation: some first, before the others
    #[arg(long = "sensor", value_name = "NAME", num_args = 1..)]
    pub sensors: Vec<SensorId>,
}
