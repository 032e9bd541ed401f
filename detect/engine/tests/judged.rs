//! Rules that ask a model: labelled as such, computed again bit for bit, and silent when the model is switched off.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "unusual/unusual.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod unusual;

use detect_alert::{Alert, ProducerKind};
use detect_engine::{Models, Stage};
use detect_models::{DomainModel, Record};

use unusual::{Run, V6, question, ruleset_with};

const DGA: &str = "anomaly:
  type: dga
  rules: [question]
  group-by: [source.ip]
  timespan: 1h
  condition: { field: dns.question.name, score: 0.9, names: 5 }";

fn bundled_models() -> Models {
    let mut models = Models::off();
    for name in ["domain-names", "flows"] {
        let path = format!(
            "{}/../../rulesets/models/{name}.model",
            env!("CARGO_MANIFEST_DIR")
        );
        models.add(&std::fs::read(path).expect("a model")).expect("loads");
    }
    models
}

fn judged(anomaly: &str, models: Models, events: &[(i64, String)]) -> Vec<Alert> {
    let mut run = Run::new(&ruleset_with(anomaly, models), Stage::Whole);
    events.iter().for_each(|(_, event)| run.feed(event));
    run.finish()
}

#[test]
fn a_model_names_itself_its_verdict_can_be_computed_again_and_it_can_be_switched_off() {
    let mut draw = 5_u64;
    let mut name = || -> String {
        (0..17)
            .map(|_| {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'a' + (draw >> 33) as u8 % 26)
            })
            .collect()
    };
    let drawn: Vec<_> = (0..40)
        .map(|n| question(n * 10, V6, &format!("{}.com", name())))
        .collect();
    let found = judged(DGA, bundled_models(), &drawn);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].producer.kind, ProducerKind::Model);
    let record = found[0]
        .evidence
        .iter()
        .find(|line| line.field == "varde.model.record")
        .expect("a record");
    let record: Record = record.value.parse().expect("a record");
    let path = format!(
        "{}/../../rulesets/models/domain-names.model",
        env!("CARGO_MANIFEST_DIR")
    );
    let model = DomainModel::load(&std::fs::read(path).expect("a model")).expect("loads");
    model.verify(&record).expect("the same again");

    assert_eq!(judged(DGA, Models::off(), &drawn), [], "switched off");
    let words = [
        "kommune",
        "barnehage",
        "bibliotek",
        "skole",
        "helse",
        "vann",
        "avfall",
        "kultur",
        "idrett",
        "plan",
    ];
    let ordinary: Vec<_> = words
        .iter()
        .zip(0..)
        .map(|(word, n)| question(n * 10, V6, &format!("www.{word}portalen.no")))
        .collect();
    assert_eq!(judged(DGA, bundled_models(), &ordinary), [], "ordinary names");
}
