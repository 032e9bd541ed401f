//! `varde sensors` beside a running gateway: from nothing to a sensor that is let in, told what to run, and revoked.
//!
//! The command is a process of its own each time and shares the embedded bus with the gateway, as on a small machine.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's support fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ingest::config::Plan;
use ingest::control::identity::{Before, Identity, Trust};
use ingest::control::import::import;
use ingest_bus::{Bus, BusConfig};
use ingest_event::restricted::RestrictedList;
use ingest_gateway::config::Config;
use ingest_gateway::{clock, service};
use ingest_trust::wire::{Ask, Certified, RefusedBundle, Report};
use ingest_trust::{EnrolmentCode, Manifest, SensorKey};
use openssl::x509::X509;
use reqwest::{Certificate, Client, Response};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The minute within which a decision holds.
const PATIENCE: Duration = Duration::from_secs(60);

struct Centre {
    folder: TempDir,
}

/// What a command ended with: exit code, standard output, standard error.
type Said = (Option<i32>, String, String);

impl Centre {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn varde(&self, words: &str) -> Said {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_varde"))
            .current_dir(self.folder.path())
            .arg("sensors")
            .args(words.split_whitespace())
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// A command that does what it should; what it printed.
    #[track_caller]
    fn done(&self, words: &str) -> String {
        let (code, out, err) = self.varde(words);
        assert_eq!(code, Some(0), "{words}: {out}{err}");
        out
    }

    /// A command that does not, and says why.
    #[track_caller]
    fn fails(&self, words: &str, code: i32, part: &str) {
        let (found, out, err) = self.varde(words);
        assert_eq!(found, Some(code), "{words}: {out}{err}");
        assert!(err.contains(part), "{words}: {err}");
    }

    fn list(&self) -> Json {
        serde_json::from_str(&self.done("list --json --embedded bus")).expect("JSON")
    }

    fn authority(&self) -> reqwest::ClientBuilder {
        let pem = fs::read(self.path("ca/authority.crt")).expect("there");
        let root = Certificate::from_pem(&pem).expect("a certificate");
        Client::builder().tls_certs_only([root]).no_proxy()
    }
}

async fn start(centre: &Centre, stop: CancellationToken) -> String {
    let text = format!(
        "bus: {{ embedded: {{ directory: {} }} }}\ndirectory: {}\nlisten: 127.0.0.1:0\n",
        centre.path("bus").display(),
        centre.path("ca").display()
    );
    fs::write(centre.path("gateway.yml"), text).expect("written");
    let config = Config::read(&centre.path("gateway.yml")).expect("a configuration");
    let bus = BusConfig::Embedded {
        directory: centre.path("bus"),
    };
    let bus = Bus::open(&bus).await.expect("a bus");
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let ready = |running: service::Running| tell.send(running.address).expect("heard");
        service::run(config, bus, clock::machine(), stop, ready)
            .await
            .expect("runs");
    });
    format!("https://{}", told.await.expect("it starts"))
}

fn ask(key: &SensorKey, code: Option<&EnrolmentCode>) -> Ask {
    Ask {
        request: key.request().expect("a request"),
        secret: code.map(EnrolmentCode::secret),
        host: "pumphouse".to_owned(),
        program: "0.1.0".to_owned(),
    }
}

/// Asks until the answer has a status. The gateway looks at the bus every five seconds and lets an address ask 60 times a
/// minute, so there is a pause between two asks.
async fn until(status: u16, mut send: impl AsyncFnMut() -> Response) -> Response {
    let start = Instant::now();
    loop {
        let answer = send().await;
        if answer.status() == status {
            return answer;
        }
        let (found, said) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(start.elapsed() < PATIENCE, "{found}, not {status}: {said}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn client(centre: &Centre, key: &SensorKey, certificate: &str) -> Client {
    let key = key.to_pem().expect("PEM");
    let identity = reqwest::Identity::from_pkcs8_pem(certificate.as_bytes(), &key).expect("an identity");
    centre.authority().identity(identity).build().expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_is_enrolled_told_what_to_run_replaced_and_revoked() {
    let centre = Centre::new();
    centre.done("authority ca --host 127.0.0.1 localhost");
    let stop = CancellationToken::new();
    let url = start(&centre, stop.clone()).await;
    let enrol = "enrol --gateway 127.0.0.1:8443 --authority ca/authority.crt --organization 964965226 --bus gateway.yml";
    let code: EnrolmentCode = centre.done(enrol).parse().expect("a code");
    assert_eq!(code.gateway, "127.0.0.1:8443");
    centre.fails(&format!("{enrol} --keys none.pub"), 65, "none.pub");

    let stranger = centre.authority().build().expect("a client");
    let post = async |ask: Ask| {
        let sent = stranger.post(format!("{url}/v1/certificate")).json(&ask).send();
        sent.await.expect("answers")
    };
    let key = SensorKey::generate().expect("a key");
    let fingerprint = key.fingerprint().expect("a name");
    until(202, async || post(ask(&key, Some(&code))).await).await;
    let waiting = centre.list()["waiting"][0].clone();
    assert_eq!(waiting["spoken"], fingerprint.spoken().as_str());
    assert_eq!(
        (&waiting["host"], &waiting["organization"]),
        (&"pumphouse".into(), &"964965226".into())
    );
    let (_, table, _) = centre.varde("list --embedded bus");
    assert!(
        table.contains(&fingerprint.spoken()) && table.contains("1 sensor waits"),
        "{table}"
    );

    let start = &fingerprint.spoken()[..9];
    let approve = |start: &str, name: &str| {
        format!("approve {start} --organization 964965226 --sensor {name} --zone school --embedded bus")
    };
    centre.fails(&approve("1a2b", "s1"), 64, "8 digits");
    centre.fails(&approve("00000000", "s1"), 64, "nobody waits");
    centre.done(&approve(start, "s1"));
    let answer = until(200, async || post(ask(&key, None)).await).await;
    let certified: Certified = answer.json().await.expect("certified");
    assert_eq!(
        (certified.sensor.as_str(), certified.organization.as_str()),
        ("s1", "964965226")
    );
    assert_eq!(
        ingest_trust::signing::pin(&certified.keys).expect("a pin"),
        code.keys
    );
    let sensor = client(&centre, &key, &certified.certificate);

    let second = publishes(&centre, &url, &sensor, &certified).await;
    carried(&centre, &key, &certified, second);

    // New hardware under the same name.
    let code: EnrolmentCode = centre.done(enrol).parse().expect("a code");
    let new = SensorKey::generate().expect("a key");
    until(202, async || post(ask(&new, Some(&code))).await).await;
    let start = new.fingerprint().expect("a name").spoken();
    centre.fails(&approve(&start, "s1"), 64, "--replace");
    centre.done(&format!("{} --replace", approve(&start, "s1")));
    assert_eq!(
        centre.list()["sensors"].as_array().map(Vec::len),
        Some(1),
        "not twice"
    );
    let answer = until(200, async || post(ask(&new, None)).await).await;
    let certified: Certified = answer.json().await.expect("certified");
    let replaced = client(&centre, &new, &certified.certificate);
    let control = async |client: &Client| {
        client
            .get(format!("{url}/v1/control"))
            .send()
            .await
            .expect("answers")
    };
    assert_eq!(control(&replaced).await.status(), 200);
    assert_eq!(control(&sensor).await.status(), 403, "the former key is refused");

    centre.fails("revoke s2 --embedded bus", 64, "no sensor s2");
    centre.done("revoke s1 --embedded bus");
    until(403, async || control(&replaced).await).await;
    assert_eq!(centre.list()["sensors"][0]["revoked"], true);
    stop.cancel();
}

/// What was written to be carried is taken by the sensor that it is for, as a whole, and has nothing in clear that is restricted.
fn carried(centre: &Centre, key: &SensorKey, certified: &Certified, version: u64) {
    let state = centre.path("state");
    let trust = Trust::at(&state);
    fs::create_dir_all(trust.folder()).expect("made");
    fs::write(trust.folder().join("sensor.key"), key.to_pem().expect("PEM")).expect("written");
    let authority = X509::from_pem(certified.authority.as_bytes()).expect("a certificate");
    trust.keep_authority(&authority).expect("kept");
    let pin = ingest_trust::signing::pin(&certified.keys).expect("a pin");
    let identity = Identity::checked(certified, key, &authority, Before::Code(pin)).expect("believed");
    trust.keep(identity, &certified.certificate).expect("kept");
    let code = EnrolmentCode::make(
        "127.0.0.1:8443",
        ingest_trust::authority::pin(&authority).expect("a pin"),
        pin,
    );
    let code = code.expect("chance").expect("a gateway");
    let text = format!("enrolment: {code}\nstate: {}\nsources: []\n", state.display());
    let plan = Plan::parse(&text, "sensor.yml").expect("reads");
    let stick = centre.path("stick/new");
    assert_eq!(
        import(&plan, std::slice::from_ref(&stick)).expect("believed"),
        version
    );
    assert_eq!(
        fs::read_to_string(stick.join("rules/a.yml")).expect("there"),
        "# B\n"
    );
    let mut texts = Vec::new();
    let mut folders = vec![stick];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).expect("there") {
            let path = entry.expect("one").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                texts.push(fs::read_to_string(&path).expect("reads"));
            }
        }
    }
    assert!(texts.iter().any(|text| text.contains("open.example")));
    for restricted in ["red", "quiet", "named"] {
        assert!(
            !texts.iter().any(|text| text.contains(restricted)),
            "{restricted}"
        );
    }
}

/// Publishes two bundles; the sensor reads the newest, and says how it fares. Gives the newest.
async fn publishes(centre: &Centre, url: &str, sensor: &Client, certified: &Certified) -> u64 {
    fs::create_dir_all(centre.path("bundle/rules")).expect("made");
    let put = |name: &str, text: &str| fs::write(centre.path("bundle").join(name), text).expect("written");
    put("configuration.yml", "home_networks: [10.0.0.0/8]\n");
    put("rules/a.yml", "# A\n");
    let publish = "publish bundle --key ca/bundles.key --embedded bus";
    let first: u64 = centre
        .done(&format!("{publish} --all"))
        .trim()
        .parse()
        .expect("a version");
    put("rules/a.yml", "title: no rule\n");
    centre.fails(&format!("{publish} --all"), 65, "rules/a.yml:1");
    put("rules/a.yml", "# B\n");
    fs::create_dir_all(centre.path("bundle/indicators")).expect("made");
    put(
        "indicators/a.csv",
        "value,tlp,pap,description\nopen.example,TLP:GREEN,,\"seen, once\"\nred.example,TLP:RED,,\nquiet.example,,PAP:RED,\n",
    );
    put("indicators/b.txt", "named.example\nred.example\n");
    put("indicators/b.txt.feed.yml", "without_reveal: true\n");
    centre.fails(&format!("{publish} --all"), 64, "--restricted-key");
    let publish = format!("{publish} --restricted-key ca/restricted.key");
    centre.fails(&format!("{publish} --sensor s1 s2"), 64, "no sensor s2");
    fs::create_dir_all(centre.path("stick/full")).expect("made");
    centre.fails(&format!("{publish} --sensor s1 --out stick"), 65, "not empty");
    let second = centre.done(&format!("{publish} --sensor s1 --program 0.2.0 --out stick/new"));
    let second: u64 = second.trim().parse().expect("a version");
    assert!(first < second);
    centre.fails(
        &format!("{publish} --all --believe ca/bundles.key"),
        65,
        "bundles.key",
    );
    put("secret.txt", "x");
    centre.fails(&format!("{publish} --all"), 65, "secret.txt");

    let get = async |path: &str| sensor.get(format!("{url}{path}")).send().await.expect("answers");
    let start = Instant::now();
    let manifest = loop {
        let envelope = get("/v1/control").await.bytes().await.expect("bytes");
        match Manifest::open(&envelope, &certified.keys) {
            Ok(manifest) if manifest.version == second => break manifest,
            other => assert!(start.elapsed() < PATIENCE, "{other:?}"),
        }
    };
    let paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "configuration.yml",
            "indicators/open.csv",
            "indicators/open.csv.feed.yml",
            "restricted.json",
            "rules/a.yml"
        ]
    );
    let mut texts = Vec::new();
    for file in &manifest.files {
        let part = get(&format!("/v1/parts/{}", file.parts[0])).await;
        texts.push(part.text().await.expect("text"));
    }
    assert_eq!(texts[4], "# B\n");
    assert!(
        texts[1].contains("\"open.example\"") && texts[1].contains("\"seen, once\""),
        "{}",
        texts[1]
    );
    let list = RestrictedList::parse(texts[3].as_bytes()).expect("a list");
    let key = fs::read_to_string(centre.path("ca/restricted.key")).expect("made");
    let (read, hashes) = list.read().expect("reads");
    assert_eq!(key.trim(), read.to_hex());
    let names = ["red.example", "quiet.example", "named.example"];
    assert_eq!(hashes.len(), names.len());
    for name in names {
        assert!(hashes.contains(&read.hash("domain", name)), "{name}");
        let told = texts
            .iter()
            .filter(|text| text.contains(name.split('.').next().unwrap_or_default()));
        assert_eq!(told.count(), 0, "{name} travels in clear");
    }

    let report = Report {
        program: "0.1.0".to_owned(),
        configuration: "c0ffee".to_owned(),
        bundle: first,
        wanted: second,
        refused: Some(RefusedBundle {
            version: second,
            detail: "went back: drops doubled".to_owned(),
        }),
        ..Report::default()
    };
    let sent = sensor.post(format!("{url}/v1/status")).json(&report).send().await;
    assert_eq!(sent.expect("answers").status(), 204);
    let line = centre.list()["sensors"][0].clone();
    assert_eq!(line["desired"]["bundle"], second);
    assert_eq!(line["desired"]["program"], "0.2.0");
    assert_eq!(line["actual"]["bundle"], first);
    assert_eq!(line["zone"], "school");
    let (_, table, _) = centre.varde("list --embedded bus");
    for part in [
        format!("{first}, wanted {second}"),
        "0.1.0, wanted 0.2.0".to_owned(),
        format!("refused bundle {second}: went back: drops doubled"),
    ] {
        assert!(table.contains(&part), "{part} is not in\n{table}");
    }
    second
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn keys_are_for_nobody_else_and_nothing_is_written_over() {
    let centre = Centre::new();
    centre.done("authority ca");
    for (name, expected) in [
        ("authority.key", 0o600),
        ("gateway.key", 0o600),
        ("bundles.key", 0o600),
        ("authority.crt", 0o644),
        ("gateway.crt", 0o644),
        ("bundles.pub", 0o644),
    ] {
        assert_eq!(mode(&centre.path("ca").join(name)), expected, "{name}");
    }
    assert_eq!(mode(&centre.path("ca")), 0o700);
    let read = |name: &str| fs::read(centre.path("ca").join(name)).expect("there");
    let (authority, gateway) = (read("authority.key"), read("gateway.crt"));
    centre.fails("authority ca", 64, "is there already");
    assert_eq!(
        (read("authority.key"), read("gateway.crt")),
        (authority.clone(), gateway.clone())
    );
    centre.done("authority ca --gateway-only --host gateway.cert.example");
    assert_eq!(
        (read("authority.key"), read("gateway.crt.old")),
        (authority, gateway)
    );
}

#[test]
fn what_is_missing_is_named() {
    let centre = Centre::new();
    centre.fails("list", 64, "--embedded");
    centre.fails("list --bus none.yml", 65, "none.yml");
    fs::write(centre.path("bad.yml"), "bus: { nats: {} }\n").expect("written");
    centre.fails("list --bus bad.yml", 78, "bad.yml");
    centre.fails(
        "enrol --gateway host --authority none.crt --embedded bus",
        65,
        "none.crt",
    );
    assert!(
        centre
            .done("list --embedded bus")
            .contains("No sensor is known yet")
    );
}

/// Runs the sensor as it is, but for its pace.
fn sensor(config: &str, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let plan = ingest::config::Plan::parse(config, "sensor.yml").expect("a plan");
    let metrics = ingest::metrics::Metrics::new().expect("metrics");
    let pace = ingest::control::Pace {
        look: Duration::from_millis(200),
        ask: Duration::from_secs(1),
        settle: Duration::from_millis(400),
        watch: Duration::from_secs(3_600),
        revoked: Duration::from_secs(5),
    };
    let running = ingest::control::run(plan, ingest::clock::Clock::System, metrics, pace, stop.clone());
    tokio::spawn(async move {
        running.await.expect("runs");
    })
}

/// Asks `varde sensors list` until it says something.
async fn listed(centre: &Centre, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let start = Instant::now();
    loop {
        let list = centre.list();
        if is_so(&list) {
            return list;
        }
        assert!(start.elapsed() < PATIENCE, "not {what}: {list}");
        tokio::task::yield_now().await;
    }
}

/// How many records an organisation's events have.
async fn events(bus: &Bus) -> u64 {
    let topic = ingest_bus::Topic::parse("varde.events.964965226").expect("a name");
    let ends = bus.end_positions(&topic).await;
    ends.map_or(0, |ends| ends.iter().map(|end| end.offset).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sensor_itself_enrols_sends_and_takes_a_bundle() {
    let centre = Centre::new();
    centre.done("authority ca --host 127.0.0.1 localhost");
    let stop = CancellationToken::new();
    let url = start(&centre, stop.clone()).await;
    let address = url.trim_start_matches("https://");
    let bus = BusConfig::Embedded {
        directory: centre.path("bus"),
    };
    let bus = Bus::open(&bus).await.expect("a bus");
    let code = centre.done(&format!(
        "enrol --gateway {address} --authority ca/authority.crt --embedded bus"
    ));
    let lines = centre.path("eve.json");
    let line = r#"{"timestamp":"2026-03-02T08:15:00Z","event_type":"flow","src_ip":"2001:db8::7","dest_ip":"2001:db8:1::9"}"#;
    fs::write(&lines, format!("{line}\n")).expect("written");
    let config = format!(
        "enrolment: {}\nstate: {}\nsources: [{{ file: {{ path: {}, follow: true }} }}]\n",
        code.trim(),
        centre.path("state").display(),
        lines.display()
    );
    let running = sensor(&config, &stop);
    let list = listed(&centre, "waiting", |list| list["waiting"][0].is_object()).await;
    let spoken = list["waiting"][0]["spoken"].as_str().expect("spoken").to_owned();
    centre.done(&format!(
        "approve {spoken} --organization 964965226 --sensor s1 --embedded bus"
    ));
    fs::create_dir(centre.path("bundle")).expect("made");
    fs::write(
        centre.path("bundle/configuration.yml"),
        "home_networks: [\"2001:db8::/32\"]\n",
    )
    .expect("written");
    centre.done("publish bundle --key ca/bundles.key --all --embedded bus");
    let list = listed(&centre, "running what it should", |list| {
        let line = &list["sensors"][0];
        line["actual"]["bundle"].is_u64() && line["actual"]["bundle"] == line["desired"]["bundle"]
    })
    .await;
    assert!(list["sensors"][0]["certificate_until"].is_string(), "{list}");
    let start = Instant::now();
    while events(&bus).await == 0 {
        assert!(start.elapsed() < PATIENCE, "no event has come");
    }
    stop.cancel();
    running.await.expect("no panic");
}
