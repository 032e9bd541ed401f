//! A whole Varde as separate processes on loopback, for tests: sensor, detector, alerting, a bus, an SMTP listener.
//!
//! Everything is real: the three binaries as built, an Apache Kafka node or the embedded bus, `aiosmtpd` as the mail
//! server. Processes are waited for by what they say, never by sleeping a fixed time; all have an end.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// Nothing here takes longer on a busy machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// The municipality of the tests' sensor: Vardedal's stand-in, an organisation number that is in the registry.
pub(crate) const ORGANIZATION: &str = "964965226";

/// One whole Varde; ends all its processes when dropped.
pub(crate) struct Station {
    folder: TempDir,
    bus: String,
    kafka: Option<PathBuf>,
    pub(crate) sensor: Process,
    pub(crate) detector: Process,
    pub(crate) alerting: Process,
    smtp: Process,
    api: SocketAddr,
    sensor_state: SocketAddr,
}

/// One process that can be killed and started again with the same command.
pub(crate) struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Station {
    /// On the embedded bus, or on a Kafka node of its own; `None`, with a word, where no Kafka is provisioned.
    pub(crate) fn start(on_kafka: bool, input: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let kafka = if on_kafka {
            if std::env::var_os("VARDE_TEST_KAFKA").is_none() {
                eprintln!("skipped: VARDE_TEST_KAFKA is not set (scripts/kafka start prints it)");
                return None;
            }
            Some(folder.path().join("kafka"))
        } else {
            None
        };
        let bus = match &kafka {
            Some(directory) => format!("{{ kafka: {{ bootstrap: \"{}\" }} }}", start_kafka(directory)),
            None => format!(
                "{{ embedded: {{ directory: {} }} }}",
                folder.path().join("bus").display()
            ),
        };
        let api = free_address();
        let mail = free_address();
        let station = Self {
            smtp: Process::smtp(folder.path(), mail),
            sensor: Process::new(folder.path(), "varde-sensor", "sensor"),
            detector: Process::new(folder.path(), "varde-detector", "detector"),
            alerting: Process::new(folder.path(), "varde-alerting", "alerting"),
            folder,
            bus,
            kafka,
            api,
            sensor_state: free_address(),
        };
        station.write_configs(input, mail);
        let mut station = station;
        station.smtp.start();
        wait("the SMTP listener", || TcpStream::connect(mail).is_ok());
        for process in [&mut station.alerting, &mut station.detector, &mut station.sensor] {
            process.start();
        }
        Some(station)
    }

    fn write_configs(&self, input: &Path, mail: SocketAddr) {
        let root = workspace();
        let write = |name: &str, text: String| {
            fs::write(self.folder.path().join(name), text).expect("written");
        };
        let Self { bus, api, .. } = self;
        let (sensor_listen, detector_listen) = (self.sensor_state, free_address());
        write(
            "sensor.yml",
            format!(
                "sensor: sensor-test-1\norganization: \"{ORGANIZATION}\"\nzone: administration\n\
                 home_networks: [10.20.0.0/24, \"2001:db8:20::/64\"]\nstate: {}\nbus: {bus}\nlisten: {sensor_listen}\n\
                 spool_bytes_max: 268435456\nsources:\n  - file: {{ path: {} }}\n",
                self.folder.path().join("sensor").display(),
                input.display(),
            ),
        );
        write(
            "detector.yml",
            format!(
                "bus: {bus}\nlisten: {detector_listen}\ncheckpoint_interval_ms: 50\nrules: [{root}/rulesets/sigma, {root}/rulesets/correlations, {root}/rulesets/anomaly]\n\
                 indicators: [{root}/rulesets/indicators/example.csv, {root}/rulesets/indicators/plain.txt]\n",
                root = root.display(),
            ),
        );
        write(
            "alerting.yml",
            format!(
                "bus: {bus}\ndata: {}\nlisten: {api}\npublic_url: http://{api}\nregistry:\n  municipalities: {root}/rulesets/routing/municipalities.csv\n  \
                 responders: {root}/rulesets/routing/responders.example.yml\nmail:\n  from: \"Varde <varde@cert.example>\"\n  \
                 transport: {{ smtp: {{ host: {}, port: {}, tls: none }} }}\n\
                 cert: {{ name: Eksempel-CERT, phone: \"+47 22 00 00 00\", email: vakt@cert.example }}\n\
                 grouping: {{ wait_seconds: {{}} }}\n",
                self.folder.path().join("alerting").display(),
                mail.ip(),
                mail.port(),
                root = root.display(),
            ),
        );
    }

    /// A counter of the sensor.
    pub(crate) fn sensor_counter(&self, name: &str) -> u64 {
        answer(self.sensor_state, "GET", "/metrics", None)
            .unwrap_or_default()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or(0)
    }

    /// GET of the API as JSON; `None` while the service is down.
    pub(crate) fn get(&self, path: &str) -> Option<Json> {
        request(self.api, "GET", path, None)
    }

    /// POST to the API; the answer as JSON.
    pub(crate) fn post(&self, path: &str, body: &Json) -> Option<Json> {
        request(self.api, "POST", path, Some(body))
    }

    /// Waits until the API's answer for `path` satisfies `done`, and gives it.
    pub(crate) fn until(&self, what: &str, path: &str, done: impl Fn(&Json) -> bool) -> Json {
        let mut last = None;
        let found = attempt(|| {
            last = self.get(path);
            last.as_ref().is_some_and(&done)
        });
        assert!(
            found,
            "waited in vain for {what}; the last answer was {last:?}\n{}",
            self.logs()
        );
        last.expect("just found")
    }

    /// Every mail that has arrived, raw.
    pub(crate) fn mails(&self) -> Vec<String> {
        let folder = self.folder.path().join("mailbox/new");
        let mut names: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        names.sort();
        names
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned())
            .collect()
    }

    /// The ends of all logs, for a failed test.
    pub(crate) fn logs(&self) -> String {
        [&self.sensor, &self.detector, &self.alerting, &self.smtp]
            .map(|process| {
                let text = fs::read_to_string(&process.log).unwrap_or_default();
                let start = text.len().saturating_sub(3_000);
                let start = (start..text.len())
                    .find(|at| text.is_char_boundary(*at))
                    .unwrap_or(0);
                format!("--- {}\n{}\n", process.log.display(), &text[start..])
            })
            .concat()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        for process in [
            &mut self.sensor,
            &mut self.detector,
            &mut self.alerting,
            &mut self.smtp,
        ] {
            process.kill();
        }
        if let Some(directory) = &self.kafka {
            let _ = kafka(directory, "stop").status();
        }
    }
}

impl Process {
    /// `<binary> run --config <folder>/<name>.yml`.
    pub(crate) fn new(folder: &Path, binary: &str, name: &str) -> Self {
        let program = binaries().join(binary);
        assert!(
            program.exists(),
            "{} is missing: run `cargo build --workspace` first",
            program.display()
        );
        let config = folder.join(format!("{name}.yml")).display().to_string();
        Self {
            program,
            arguments: vec!["run".to_owned(), "--config".to_owned(), config],
            log: folder.join(format!("{name}.log")),
            child: None,
        }
    }

    fn smtp(folder: &Path, listen: SocketAddr) -> Self {
        let mailbox = folder.join("mailbox").display().to_string();
        let arguments = [
            "-m",
            "aiosmtpd",
            "-n",
            "-l",
            &listen.to_string(),
            "-c",
            "aiosmtpd.handlers.Mailbox",
            &mailbox,
        ];
        Self {
            // Debian's package aiosmtpd belongs to Debian's Python.
            program: "/usr/bin/python3".into(),
            arguments: arguments.map(str::to_owned).to_vec(),
            log: folder.join("smtp.log"),
            child: None,
        }
    }

    /// Starts it; its output goes to its log.
    pub(crate) fn start(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a log");
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", self.program.display()));
        self.child = Some(child);
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGKILL on Unix.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

/// Waits until `done`, or fails the test after [`PATIENCE`].
pub(crate) fn wait(what: &str, done: impl FnMut() -> bool) {
    assert!(attempt(done), "waited in vain for {what}");
}

fn attempt(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if done() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    false
}

/// The project's root.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("inside the workspace")
        .to_owned()
}

/// Where cargo put the binaries: two folders above this test's own.
fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.parent()
        .and_then(Path::parent)
        .expect("target/debug")
        .to_owned()
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

pub(crate) fn kafka(directory: &Path, verb: &str) -> Command {
    let mut command = Command::new(workspace().join("scripts/kafka"));
    command
        .arg(verb)
        .env("VARDE_KAFKA_DIR", directory)
        .stdin(Stdio::null());
    command
}

/// Starts a node of its own, so that tests do not see each other's topics; the jars are those of scripts/kafka.
pub(crate) fn start_kafka(directory: &Path) -> String {
    fs::create_dir_all(directory).expect("a folder");
    let provisioned = workspace().join(".varde/kafka");
    for entry in fs::read_dir(&provisioned).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("lib-") {
            std::os::unix::fs::symlink(entry.path(), directory.join(entry.file_name())).expect("a link");
        }
    }
    // The controller takes the next port: ask for two neighbours.
    let port = (0..100)
        .map(|_| free_address().port())
        .find(|port| {
            port.checked_add(1)
                .is_some_and(|next| TcpListener::bind(("127.0.0.1", next)).is_ok())
        })
        .expect("two free ports");
    let output = kafka(directory, "start")
        .env("VARDE_KAFKA_PORT", port.to_string())
        .output()
        .expect("scripts/kafka");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    format!("127.0.0.1:{port}")
}

/// As [`answer`], read as JSON.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, body: Option<&Json>) -> Option<Json> {
    serde_json::from_str(&answer(address, method, path, body)?).ok()
}

/// The body of the answer to a small HTTP request over a fresh connection; `None` if there is no answer.
pub(crate) fn answer(address: SocketAddr, method: &str, path: &str, body: Option<&Json>) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let body = body.map(Json::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nx-requested-with: varde\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// A Kafka node of its own, stopped when it goes.
pub(crate) struct Node {
    directory: PathBuf,
    pub(crate) bootstrap: String,
}

impl Node {
    pub(crate) fn start(folder: &Path) -> Self {
        let directory = folder.join("kafka");
        let bootstrap = start_kafka(&directory);
        Self { directory, bootstrap }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = kafka(&self.directory, "stop").status();
    }
}
