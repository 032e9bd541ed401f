//! From a code to events; killed on the way, refused, and lied to.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ingest::control::enrol::{EnrolError, enrol};
use ingest::control::identity::Trust;
use ingest_trust::EnrolmentCode;
use ingest_trust::wire::Reason;
use tokio_util::sync::CancellationToken;

use super::centre::{Centre, ORGANIZATION, SENSOR, sensor};
use super::{all_ports, ports, until, write_lines};

fn write_config(centre: &Centre, folder: &Path, rest: &str) -> std::path::PathBuf {
    let path = folder.join("sensor.yml");
    std::fs::write(&path, centre.config(folder, rest)).expect("written");
    path
}

fn start(config: &Path) -> Child {
    let program = env!("CARGO_BIN_EXE_varde-sensor");
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg("--config")
        .arg(config)
        .stderr(Stdio::piped());
    command.spawn().expect("starts")
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut log = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut log).expect("text");
    (child.wait().expect("ends").code(), log)
}

#[test]
fn a_code_and_a_persons_word_are_all_it_takes() {
    for address in ["127.0.0.1", "::1"] {
        let (centre, folder) = (Centre::at(address), tempfile::tempdir().expect("a folder"));
        let lines = write_lines(folder.path(), 0..50);
        let rest = format!("exit_when_done: true\nsources: [{{ file: {{ path: {lines} }} }}]\n");
        let config = write_config(&centre, folder.path(), &rest);
        // Killed while it waits; the next one has the same key.
        let mut child = start(&config);
        let asked = centre.asked();
        child.kill().expect("killed");
        ended(child);
        let child = start(&config);
        centre.until("events", |state| state.events.is_empty().then_some(()));
        centre.state().waiting.clear();
        assert_eq!(centre.asked(), asked, "one key for good");
        centre.approve(&asked);
        let (code, log) = ended(child);
        assert_eq!(code, Some(0), "{log}");
        let told = format!("tell the centre this fingerprint: {}", asked.spoken());
        assert!(log.contains(&told), "{log}");
        assert!(!log.contains(&centre.code.secret()), "{log}");
        let state = centre.state();
        assert_eq!(ports(&state.events), all_ports(50));
        for event in &state.events {
            assert_eq!(event.text("observer.name"), Some(SENSOR));
            assert_eq!(event.text("organization.id"), Some(ORGANIZATION));
            assert_eq!(event.text("varde.zone"), Some("school"));
        }
        assert_eq!(state.secrets.len(), 1);
        let trust = folder.path().join("state/trust");
        for name in ["sensor.key", "sensor.crt", "authority.crt", "identity.json"] {
            let mode = std::fs::metadata(trust.join(name))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(std::fs::read_dir(&trust).expect("a folder").count(), 4);
    }
}

#[test]
fn who_is_refused_ends_and_says_why() {
    for (reason, code) in [(Reason::Code, 77), (Reason::Denied, 77)] {
        let (centre, folder) = (Centre::new(), tempfile::tempdir().expect("a folder"));
        centre.state().refuses = Some(reason);
        let config = write_config(&centre, folder.path(), "sources: []\n");
        let (ended, log) = ended(start(&config));
        assert_eq!(ended, Some(code), "{log}");
        assert!(log.contains("new enrolment code"), "{log}");
    }
    let (centre, folder) = (Centre::new(), tempfile::tempdir().expect("a folder"));
    let config = write_config(&centre, folder.path(), "sensor: sensor-other\nsources: []\n");
    let child = start(&config);
    centre.approve(&centre.asked());
    let (code, log) = ended(child);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("`sensor`") && log.contains(SENSOR), "{log}");
    // Enrolled there, and told the code of another centre.
    let config = write_config(&Centre::new(), folder.path(), "sources: []\n");
    let (code, log) = ended(start(&config));
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("another centre"), "{log}");
}

#[test]
fn check_tells_what_stands_without_changing_it() {
    let (centre, folder) = (Centre::new(), tempfile::tempdir().expect("a folder"));
    let config = write_config(&centre, folder.path(), "sources: []\n");
    let check = || {
        let program = env!("CARGO_BIN_EXE_varde-sensor");
        let output = Command::new(program)
            .arg("check")
            .arg("--config")
            .arg(&config)
            .output();
        let output = output.expect("runs");
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let (code, told) = check();
    assert_eq!(code, Some(0), "{told}");
    for part in [
        "not enrolled yet",
        "`bus` is not in the file: the gateway at",
        "MiB left",
        "is the code's",
        "INFO nothing has to be mended",
    ] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    assert!(!folder.path().join("state").exists(), "nothing is made");
    let mut child = start(&config);
    let asked = centre.asked();
    let (_, told) = check();
    assert!(told.contains(&asked.spoken()), "{told}");
    centre.approve(&asked);
    centre.report("it runs", |_| true);
    child.kill().expect("killed");
    child.wait().expect("ends");
    let (code, told) = check();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("enrolled as `{SENSOR}`")), "{told}");
    assert!(told.contains("the certificate is good until"), "{told}");
}

/// Runs the enrolment in a state that a crash left.
async fn enrolled(centre: &Centre, state: &Path) -> Trust {
    let trust = Trust::at(state);
    let enrolled = enrol(&centre.code, &trust, &CancellationToken::new()).await;
    assert_eq!(enrolled.expect("enrolled").identity.sensor, sensor());
    trust
}

#[tokio::test]
async fn every_crash_on_the_way_is_gone_on_from() {
    let centre = Centre::new();
    let whole = tempfile::tempdir().expect("a folder");
    let key = Trust::at(whole.path()).key().expect("a key");
    let print = key.fingerprint().expect("a name");
    centre.approve(&print);
    enrolled(&centre, whole.path()).await;
    // What is there after each step, in their order, and what the step after it had half written.
    let steps = ["sensor.key", "authority.crt", "identity.json", "sensor.crt"];
    for done in 0..=steps.len() {
        for is_torn in [false, true] {
            let state = tempfile::tempdir().expect("a folder");
            let trust = state.path().join("trust");
            std::fs::create_dir_all(&trust).expect("made");
            for name in &steps[..done] {
                std::fs::copy(whole.path().join("trust").join(name), trust.join(name)).expect("copied");
            }
            if let (true, Some(next)) = (is_torn, steps.get(done)) {
                std::fs::write(trust.join(format!("{next}.new")), b"-----BEGIN").expect("written");
            }
            if done == 0 {
                // Nothing is kept of that key, so it is another sensor's that is approved.
                let key = Trust::at(state.path()).key().expect("a key");
                centre.approve(&key.fingerprint().expect("a name"));
                enrolled(&centre, state.path()).await;
                centre.approve(&print);
                continue;
            }
            let trust = enrolled(&centre, state.path()).await;
            let kept = trust.kept_key().expect("reads").expect("kept");
            assert_eq!(kept.fingerprint().expect("a name"), print, "after {done} steps");
        }
    }
}

#[tokio::test]
async fn nothing_is_shown_to_who_is_not_the_centre() {
    let (centre, imposter) = (Centre::new(), Centre::new());
    // The code of one centre, with the address of another.
    let other = EnrolmentCode::make(&imposter.code.gateway, centre.code.authority, centre.code.keys);
    let code = other.expect("chance").expect("a gateway");
    let state = tempfile::tempdir().expect("a folder");
    let stop = CancellationToken::new();
    let trust = Trust::at(state.path());
    let asking = enrol(&code, &trust, &stop);
    tokio::pin!(asking);
    let error = ingest::control::gateway::authority_of(&code)
        .await
        .expect_err("not believed");
    assert!(error.to_string().contains("not the centre"), "{error}");
    tokio::select! {
        ended = &mut asking => panic!("{ended:?}"),
        () = until("it goes on asking", || 3 <= imposter.state().authority_asked) => {}
    }
    stop.cancel();
    assert!(matches!(asking.await, Err(EnrolError::Stopped)));
    assert!(trust.authority().expect("reads").is_none());
    assert!(imposter.state().secrets.is_empty());
}
