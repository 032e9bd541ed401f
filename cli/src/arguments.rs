//! What can be said on the command line, and the help that explains it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use ingest_event::{OrganizationNumber, SensorId};
use ipnet::IpNet;

use crate::audit::arguments::AuditCommand;
use crate::sensors::arguments::SensorsCommand;

/// Options of `varde replay` that take one value or more.
const SEVERAL: [&str; 3] = ["rules", "indicators", "home"];

/// Reads the command line.
///
/// `--indicators A B` and `--indicators A INPUT` look alike. The first reading wins if it leaves an input; if not,
/// each of these options takes one value only.
///
/// # Errors
/// If it can't be understood, or help or the version was asked for.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let read = |command: clap::Command| {
        let matches = command.try_get_matches_from(&arguments)?;
        Arguments::from_arg_matches(&matches)
    };
    let first = read(Arguments::command());
    let Err(error) = &first else { return first };
    if !matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::ValueValidation
    ) {
        return first;
    }
    let single = Arguments::command().mut_subcommand("replay", |replay| {
        SEVERAL.iter().fold(replay, |replay, name| {
            replay.mut_arg(name, |option| option.num_args(1))
        })
    });
    read(single).or(first)
}

/// Detects attacks in a municipality's telemetry and tells the person who can act.
#[derive(Debug, Parser)]
#[command(
    name = "varde",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the outcome differs from what was expected; 64 wrong usage; 65 an input can't be read; \
70 a part failed; 78 wrong rules, indicators or configuration.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process: sensor, detector, alerting and console.
    #[command(long_about = UP_HELP, after_help = EXIT_CODES)]
    Up(UpArguments),
    /// Read captures and logs, and print the alerts that they raise.
    #[command(long_about = REPLAY_HELP, after_help = EXIT_CODES, after_long_help = REPLAY_AFTER)]
    Replay(ReplayArguments),
    /// Check, test and explain Sigma rules, correlations and anomaly rules.
    Rules {
        /// What to do with them.
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Check indicator files.
    Indicators {
        /// What to do with them.
        #[command(subcommand)]
        command: IndicatorsCommand,
    },
    /// Train and check models, and compute their verdicts again.
    Models {
        /// What to do with them.
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Check, print and export the audit log of the alerting service.
    #[command(after_help = crate::audit::arguments::EXIT_CODES)]
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Enrol sensors, decide who is let in, and hand out what they are to run.
    #[command(after_help = EXIT_CODES)]
    Sensors {
        /// What to do.
        #[command(subcommand)]
        command: SensorsCommand,
    },
}

const UP_HELP: &str = "\
Run everything in one process: sensor agents, detector, alerting with its console, and the bus between them.

With --demo it plays the bundled captures of a small lab municipality into a fresh temporary folder, and within a \
minute the console shows the incidents that they raise. Mails are written to DIR/mail and sent nowhere.

Ctrl-C stops it within a few seconds; a second Ctrl-C at once.";

const REPLAY_HELP: &str = "\
Read captures and logs, and print the alerts that they raise.

The same code as in production, in one process and without a bus: read, normalise, scan, correlate, raise. Reads pcap \
and pcapng, Suricata EVE JSON, Zeek logs (TSV and JSON), syslog (RFC 3164 and 5424), Windows event logs (EVTX), Linux \
audit logs, access logs of web servers and any JSON with one object a line, plain, gzip or Zstandard. The format is \
recognised by content. Memory does not grow with the input.

Alerts go to standard output, everything else to standard error. Two runs over the same inputs print the same bytes.";

const REPLAY_AFTER: &str = "\
Alerts as ndjson:
  One JSON object a line with ECS names, the fields of the event that completed the alert among them: @timestamp,
  event.id, event.severity (1 to 5), rule.id, rule.name, source.ip, destination.ip, log.file.path, and
  threat.indicator.* for indicators. varde.alert.* says why: evidence, entity, window. See docs/wire-format.md.

Expectations (--expect FILE):
  YAML, with the alerts that are expected, these and no others. The `expect:` list of a case.yml will do:
      expect:
        - { rule: \"Port scan\", count: 1, entity: 203.0.113.7 }
  `rule` is a rule's id or title (indicator:ip and the like for indicators); `entity` may be left out.
  Or NDJSON (a name that ends in .ndjson or .jsonl): one line for each expected alert, compared on the names that the
  line gives and no others:
      {\"rule.name\":\"Port scan\",\"source.ip\":\"203.0.113.7\"}
  An empty file expects no alert. If anything differs, a diff is printed and the exit code is 1.

Exit codes:
  0 done   1 --expect differs   64 wrong usage   65 an input can't be read (the others have been)
  78 wrong rules or indicators";

/// `varde up`.
#[derive(Args, Clone, Debug)]
pub struct UpArguments {
    /// Play the bundled cases, so that there is something to see
    #[arg(long)]
    pub demo: bool,
    /// A sensor's configuration (YAML), to read your own sources
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Use this Kafka instead of the embedded bus
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Where the console listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep everything in this folder [default: .varde/up, with --demo a fresh temporary folder]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// `varde replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArguments {
    /// Files, folders (every file in them), or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Rules: folders or files; the bundled rules and indicators are not loaded then
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub rules: Vec<PathBuf>,
    /// Indicators: plain lists or CSV; the bundled indicators are not loaded then
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub indicators: Vec<PathBuf>,
    /// Dataset of records that do not say theirs, for example windows.security
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Whose network it is: an organisation number [default: as the events say, else 999999999, which is nobody's]
    #[arg(long, value_name = "NUMBER")]
    pub organization: Option<OrganizationNumber>,
    /// Which sensor saw it
    #[arg(long, value_name = "NAME", default_value = "replay")]
    pub sensor: SensorId,
    /// Your own networks, for network.direction, for example 10.0.0.0/8 2001:db8::/32
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub home: Vec<IpNet>,
    /// Year of syslog times, which have none [default: by the file's modification time]
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=2261))]
    pub year: Option<i16>,
    /// How alerts are printed [default: table on a terminal, else ndjson]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Compare the alerts with this file (YAML or NDJSON); exit 1 and print a diff if they differ
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Write what was refused to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub quarantine: Option<PathBuf>,
    /// A sensor's configuration: replay events as that sensor would send them, under the pseudonyms of its key
    #[arg(long, value_name = "FILE")]
    pub privacy: Option<PathBuf>,
    /// Refuse to start if any rule or indicator is refused
    #[arg(long)]
    pub strict: bool,
    /// Switch the bundled models off: rules of type dga and flow are silent
    #[arg(long)]
    pub no_models: bool,
    /// Show no progress bar
    #[arg(long)]
    pub no_progress: bool,
    /// Print the summary on standard error whatever the format
    #[arg(long)]
    pub summary: bool,
}

/// Stands for an organisation that nobody named. Its check digit is right; it is the last number of all, and numbers
/// are given out from the beginning (Brønnøysundregistrene), so nobody has it.
pub const PLACEHOLDER_ORGANIZATION: &str = "999999999";

/// How alerts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: one row for each rule and entity, and a summary
    Table,
    /// One JSON document: all alerts and a summary
    Json,
    /// One alert a line, as soon as it is raised
    Ndjson,
}

/// `varde rules …`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Say which rules load, which are refused and why
    Check(RulesArguments),
    /// Run the examples in RULE.test.yml beside each rule
    #[command(long_about = TEST_HELP)]
    Test(RulesArguments),
    /// Say what each rule asks, what wakes it, where its groups are kept and why, and its limits
    #[command(long_about = EXPLAIN_HELP)]
    Explain(ExplainArguments),
}

const TEST_HELP: &str = "\
Run the examples in RULE.test.yml beside each rule.

The file has two lists of events, flat or nested, with at least event.dataset:
    match:
      - { event.dataset: network.dns, dns.question.name: long.tunnel.example }
    no_match:
      - { event.dataset: network.dns, dns.question.name: www.example.no }
An example of a correlation is a list of events in order. Exit code 1 if any example fails.";

const EXPLAIN_HELP: &str = "\
Say what each rule asks, what wakes it, where its groups are kept and why, and its limits.

Without a path the bundled rules are explained. Exit code 1 if any rule is refused; standard error says which.";

/// What `varde rules explain` works on.
#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// A folder or a file with rules [default: the bundled rules]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only this rule, by its id or `name`; may be given several times
    #[arg(long, value_name = "ID|NAME")]
    pub rule: Vec<String>,
    /// Apply a processing pipeline: a file, or the name of a bundled one; may be given several times
    #[arg(long, value_name = "FILE|NAME")]
    pub pipeline: Vec<String>,
    /// Lists for the placeholders of `expand`: a YAML file; may be given several times
    #[arg(long, value_name = "FILE")]
    pub placeholders: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

/// What `varde rules check` and `varde rules test` work on.
#[derive(Args, Clone, Debug)]
pub struct RulesArguments {
    /// A folder or a file with rules
    #[arg(required = true, value_name = "DIR")]
    pub paths: Vec<PathBuf>,
    /// Apply a processing pipeline: a file, or the name of a bundled one; may be given several times
    #[arg(long, value_name = "FILE|NAME")]
    pub pipeline: Vec<String>,
    /// Lists for the placeholders of `expand`: a YAML file; may be given several times
    #[arg(long, value_name = "FILE")]
    pub placeholders: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// `varde indicators …`.
#[derive(Debug, Subcommand)]
pub enum IndicatorsCommand {
    /// Say which indicators load, which are refused and why
    Check(IndicatorsArguments),
}

/// What `varde indicators` works on.
#[derive(Args, Clone, Debug)]
pub struct IndicatorsArguments {
    /// Feeds (plain lists, CSV, MISP events, STIX 2.1 bundles), or folders of feeds
    #[arg(required = true, value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

/// `varde models …`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Train a model and measure it on what it was not trained with
    #[command(long_about = TRAIN_HELP)]
    Train(TrainArguments),
    /// Say which models load, and which are refused and why
    Check(ModelsCheckArguments),
    /// Print a model's card: purpose, data, figures, limits, off switch
    Card(CardArguments),
    /// Compute recorded verdicts again
    #[command(long_about = VERIFY_HELP)]
    Verify(VerifyArguments),
}

const TRAIN_HELP: &str = "\
Train a model and measure it on what it was not trained with.

Targets are drawn by generators in Varde; ordinary names are drawn Norwegian ones and those of --benign. The same \
seed and files give the same bytes. Figures go to standard output, the model to --output.";

const VERIFY_HELP: &str = "\
Compute recorded verdicts again.

Reads files with records, one a line (varde-verdict 1 MODEL DIGEST FEATURES SCORE), or alerts as JSON, one a line, with \
records anywhere in them. Exit code 1 if a verdict differs, its model is unknown, or no record is found.";

/// Which model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelName {
    /// Names that look drawn by a machine
    DomainNames,
    /// Flows that look like exfiltration, keep-alives, scans or tunnels
    Flows,
}

/// `varde models train`.
#[derive(Args, Clone, Debug)]
pub struct TrainArguments {
    /// The model
    pub model: ModelName,
    /// Ordinary names to train with: one a line, or a MISP warning list, plain or Zstandard; several times
    #[arg(long, value_name = "FILE")]
    pub benign: Vec<PathBuf>,
    /// Ordinary names to measure with; those that were trained with are left out; several times
    #[arg(long, value_name = "FILE")]
    pub ordinary: Vec<PathBuf>,
    /// Names of a family to measure with, one a line; several times
    #[arg(long, value_name = "FILE")]
    pub family: Vec<PathBuf>,
    /// What all draws begin with
    #[arg(long, value_name = "NUMBER", default_value_t = TRAINING_SEED)]
    pub seed: u64,
    /// Write the model here
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Train, measure nothing, and compare with the bundled model; exit 1 if they differ
    #[arg(long)]
    pub check: bool,
}

/// The seed of the bundled models: the day of the first training.
pub const TRAINING_SEED: u64 = 20_261_122;

/// `varde models check`.
#[derive(Args, Clone, Debug)]
pub struct ModelsCheckArguments {
    /// Models [default: the bundled ones]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `varde models card`.
#[derive(Args, Clone, Debug)]
pub struct CardArguments {
    /// The model [default: all]
    pub model: Option<ModelName>,
}

/// `varde models verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArguments {
    /// Files with records or alerts, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A model that verdicts may be by, beside the bundled ones; several times
    #[arg(long, value_name = "FILE")]
    pub model: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(line: &str) -> ReplayArguments {
        match parse(line.split(' ').map(OsString::from)).expect(line).command {
            Command::Replay(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn inputs_may_stand_before_and_after_options_with_several_values() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        for (line, inputs, indicators) in [
            (
                "varde replay a.pcap --indicators f.csv g.txt",
                &["a.pcap"][..],
                &["f.csv", "g.txt"][..],
            ),
            ("varde replay --indicators f.csv a.pcap", &["a.pcap"], &["f.csv"]),
            (
                "varde replay --indicators f.csv --rules r a.pcap b.pcap",
                &["a.pcap", "b.pcap"],
                &["f.csv"],
            ),
            (
                "varde replay --indicators f.csv --home 10.0.0.0/8 a.pcap",
                &["a.pcap"],
                &["f.csv"],
            ),
            (
                "varde replay a.pcap --indicators f.csv --indicators g.txt",
                &["a.pcap"],
                &["f.csv", "g.txt"],
            ),
        ] {
            let arguments = replay(line);
            assert_eq!(
                (arguments.inputs, arguments.indicators),
                (paths(inputs), paths(indicators)),
                "{line}"
            );
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_placeholder_is_a_valid_organization_number() {
        assert!(OrganizationNumber::parse(PLACEHOLDER_ORGANIZATION).is_ok());
    }
}
