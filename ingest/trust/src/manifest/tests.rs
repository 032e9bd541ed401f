//! What is taken for a bundle, and what is not.

use super::*;

fn sensor() -> SensorId {
    SensorId::parse("sensor-vardedal-1").expect("valid")
}

fn number(text: &str) -> OrganizationNumber {
    OrganizationNumber::parse(text).expect("valid")
}

fn manifest(version: u64, audience: Audience, files: Vec<File>) -> Manifest {
    Manifest {
        format: FORMAT,
        version,
        audience,
        issued: "2026-03-02T08:00:00Z".parse().expect("a time"),
        program: None,
        keys: Vec::new(),
        files,
    }
}

#[test]
fn a_sealed_manifest_is_read_by_whoever_believes_its_key() {
    let key = SigningKey::generate().expect("a key");
    let (file, parts) = File::of("rules/scan.yml", &vec![7; PART_BYTES + 1]);
    assert_eq!(parts.len(), 2);
    let written = manifest(7, Audience::All, vec![file]);
    let sealed = written.seal(&key).expect("sealed").to_bytes();
    let keys = [key.verifying().expect("a key")];
    assert_eq!(Manifest::open(&sealed, &keys).expect("believed"), written);
    assert_eq!(Manifest::unverified(&sealed).expect("read"), written);
    let other = [SigningKey::generate().expect("a key").verifying().expect("a key")];
    assert!(matches!(
        Manifest::open(&sealed, &other),
        Err(Untrusted::Signature(SigningError::Untrusted))
    ));
}

#[test]
fn a_bundle_is_for_its_audience_and_newer_than_the_last() {
    let (ours, others) = (number("964965226"), number("958935420"));
    let to = |organization, names: &[&str]| Audience::Sensors {
        organization,
        sensors: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    for (audience, meant) in [
        (Audience::All, true),
        (Audience::Organization(ours), true),
        (Audience::Organization(others), false),
        (to(ours, &["sensor-vardedal-2", "sensor-vardedal-1"]), true),
        (to(ours, &["sensor-vardedal-2"]), false),
        (to(others, &["sensor-vardedal-1"]), false),
    ] {
        let sensor = sensor();
        let standing = |version| Standing {
            organization: ours,
            sensor: &sensor,
            version,
        };
        let offered = manifest(7, audience.clone(), Vec::new());
        match offered.accept(&standing(6)) {
            Ok(newer) => assert!(meant && newer, "{audience:?}"),
            Err(error) => assert!(!meant && matches!(error, Untrusted::Audience), "{audience:?}"),
        }
        if meant {
            assert!(matches!(offered.accept(&standing(7)), Ok(false)));
            let older = offered.accept(&standing(8));
            assert!(matches!(older, Err(Untrusted::Older { offered: 7, taken: 8 })));
        }
    }
}

#[test]
fn only_files_of_a_bundle_are_files_of_a_bundle() {
    for (path, good) in [
        ("configuration.yml", true),
        ("rules/sigma/scan.yml", true),
        ("indicators/national.csv", true),
        ("configuration.yml.d/x", false),
        ("rules", false),
        ("rules/", false),
        ("rules/../../etc/passwd", false),
        ("/rules/x.yml", false),
        ("rules//x.yml", false),
        ("rules/.hidden", false),
        ("rules/bø.yml", false),
        ("keys/site.key", false),
    ] {
        let (file, _) = File::of(path, b"x");
        let checked = manifest(1, Audience::All, vec![file]).check();
        assert_eq!(checked.is_ok(), good, "{path}");
    }
}

#[test]
fn a_list_that_contradicts_itself_is_refused() {
    let file = |path: &str| File::of(path, b"x").0;
    let twice = vec![file("rules/a.yml"), file("rules/a.yml")];
    let unordered = vec![file("rules/b.yml"), file("rules/a.yml")];
    let short = File {
        bytes: PART_BYTES as u64 + 1,
        ..file("rules/a.yml")
    };
    let odd = File {
        parts: vec!["../../x".to_owned()],
        ..file("rules/a.yml")
    };
    for files in [twice, unordered, vec![short], vec![odd]] {
        let checked = manifest(1, Audience::All, files).check();
        assert!(matches!(checked, Err(Untrusted::Path(_))), "{checked:?}");
    }
    let parts = BYTES_MAX / PART_BYTES as u64 + 1;
    let huge = File {
        path: "rules/a.yml".to_owned(),
        bytes: parts * PART_BYTES as u64,
        parts: vec![digest(b"x"); usize::try_from(parts).expect("small")],
    };
    let checked = manifest(1, Audience::All, vec![huge]).check();
    assert!(matches!(checked, Err(Untrusted::TooLarge(_))));
}

#[test]
fn a_newer_format_says_so() {
    let key = SigningKey::generate().expect("a key");
    let sealed = key
        .seal(KIND, br#"{"format":2,"something":"new"}"#)
        .expect("sealed");
    let opened = Manifest::open(&sealed.to_bytes(), &[key.verifying().expect("a key")]);
    assert!(matches!(opened, Err(Untrusted::Format(2))));
}

#[test]
fn a_file_in_the_place_of_a_folder_is_refused() {
    for (paths, is_good) in [
        (&["rules/a", "rules/a/b"][..], false),
        (&["rules/a", "rules/a-b", "rules/a.yml", "rules/a/b/c"], false),
        (&["rules/a-b", "rules/a/b", "rules/a/c"], true),
        (&["indicators/a", "rules/a/b"], true),
    ] {
        let files = paths.iter().map(|path| File::of(path, b"x").0).collect();
        let sealed = manifest(1, Audience::All, files).seal(&SigningKey::generate().expect("a key"));
        assert_eq!(sealed.is_ok(), is_good, "{paths:?}");
    }
}

#[test]
fn an_audience_covers_those_that_it_has() {
    let [own, other] = ["964965226", "958935420"].map(number);
    let some = |organization, names: &[&str]| Audience::Sensors {
        organization,
        sensors: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    for (one, another, expected) in [
        (Audience::All, Audience::All, true),
        (Audience::All, Audience::Organization(own), true),
        (Audience::All, some(own, &["s1"]), true),
        (Audience::Organization(own), Audience::All, false),
        (Audience::Organization(own), Audience::Organization(own), true),
        (Audience::Organization(own), Audience::Organization(other), false),
        (Audience::Organization(own), some(own, &["s1", "s2"]), true),
        (Audience::Organization(own), some(other, &["s1"]), false),
        (some(own, &["s1", "s2"]), some(own, &["s2"]), true),
        (some(own, &["s1", "s2"]), some(own, &["s2", "s3"]), false),
        (some(own, &["s1"]), some(other, &["s1"]), false),
        (some(own, &["s1"]), Audience::Organization(own), false),
        (some(own, &["s1"]), Audience::All, false),
    ] {
        assert_eq!(one.covers(&another), expected, "{one:?} {another:?}");
    }
}
