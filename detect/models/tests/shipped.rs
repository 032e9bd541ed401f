//! The shipped models: they load, judge as recorded here to the last digit, and come out of the training again.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

use detect_models::train::{DomainTraining, FlowTraining};
use detect_models::{
    DomainModel, FlowDirection, FlowFeatures, FlowModel, FlowState, FlowTransport, Record, RecordError, Score,
};
use proptest::prelude::*;

const DOMAINS: &[u8] = include_bytes!("../../../rulesets/models/domain-names.model");
const FLOWS: &[u8] = include_bytes!("../../../rulesets/models/flows.model");

/// The seed of the shipped models.
const SEED: u64 = 20_261_122;

fn domains() -> DomainModel {
    DomainModel::load(DOMAINS).expect("the shipped model")
}

fn flows() -> FlowModel {
    FlowModel::load(FLOWS).expect("the shipped model")
}

/// Names, and their scores in ten-thousandths.
const NAMES: [(&str, Option<u16>); 20] = [
    ("www.skatteetaten.no", Some(1230)),
    ("nrk.no", None),
    ("helsenorge.no", Some(1348)),
    ("kongsberg-kommune.no", Some(987)),
    ("lillevikbarnehage.no", Some(1176)),
    ("xn--blbrgrt-fxak7p.no", Some(2108)),
    ("wikipedia.org", Some(1377)),
    ("stackoverflow.com", Some(1417)),
    ("thyssenkrupp.com", Some(3111)),
    ("1password.com", Some(1789)),
    ("qxvkzjhwpfmrt.com", Some(9030)),
    ("kq3v9z7x1m5t.net", Some(9058)),
    ("9f86d081884c7d65.info", Some(9144)),
    ("jfkdmeoapbhgclni.biz", Some(9026)),
    ("wuqezamirotyxuv.org", Some(8967)),
    ("bridgewinter.com", Some(1184)),
    ("d111111abcdef8.cloudfront.net", None),
    ("printer-7f3a91.lan", None),
    ("203.0.113.7", None),
    ("2001:db8::7", None),
];

#[test]
fn verdicts_are_these_to_the_last_digit() {
    let model = domains();
    let found = NAMES.map(|(name, _)| (name, model.score(name).map(Score::get)));
    assert_eq!(found, NAMES);
}

#[test]
fn a_name_is_judged_by_its_registered_label_alone() {
    let model = domains();
    for name in [
        "QXVKZJHWPFMRT.com",
        "mail.qxvkzjhwpfmrt.com.",
        "a.b.qxvkzjhwpfmrt.co.uk",
        "qxvkzjhwpfmrt.no",
    ] {
        assert_eq!(model.score(name), model.score("qxvkzjhwpfmrt.com"), "{name}");
    }
}

#[test]
fn the_less_a_name_looks_like_words_the_higher_it_scores() {
    let model = domains();
    for names in [
        ["sparebanken.no", "sparebxqken.no", "spxrqbzqkwn.no"],
        ["hospital.com", "hospi7al.com", "h0q917zl.com"],
    ] {
        let scores = names.map(|name| model.score(name).expect("judged"));
        assert!(
            scores[0] < scores[1] && scores[1] < scores[2],
            "{names:?}: {scores:?}"
        );
    }
}

/// Flows with their scores.
fn golden_flows() -> [(FlowFeatures, u16); 4] {
    let base = FlowFeatures {
        duration_ms: 900,
        source_bytes: 2_100,
        destination_bytes: 48_000,
        source_packets: 20,
        destination_packets: 38,
        destination_port: 443,
        direction: FlowDirection::Outbound,
        state: FlowState::Answered,
        transport: FlowTransport::Tcp,
    };
    let exfiltration = FlowFeatures {
        duration_ms: 900_000,
        source_bytes: 900_000_000,
        destination_bytes: 90_000,
        source_packets: 640_000,
        destination_packets: 2_000,
        destination_port: 8_531,
        ..base
    };
    let scan = FlowFeatures {
        duration_ms: 3,
        source_bytes: 44,
        destination_bytes: 40,
        source_packets: 1,
        destination_packets: 1,
        destination_port: 3_389,
        state: FlowState::Rejected,
        ..base
    };
    [
        (base, 1_156),
        (exfiltration, 6_757),
        (scan, 8_428),
        (FlowFeatures::default(), 1_387),
    ]
}

#[test]
fn verdicts_on_flows_are_these_to_the_last_digit() {
    let model = flows();
    let found = golden_flows().map(|(flow, _)| (flow, model.score(&flow).get()));
    assert_eq!(found, golden_flows());
}

#[test]
fn a_recorded_verdict_is_computed_again_and_a_changed_one_is_not() {
    let model = domains();
    let verdict = model.verdict("qxvkzjhwpfmrt.com").expect("judged");
    let text = model.record(&verdict).to_string();
    let verify = |text: &str| model.verify(&text.parse::<Record>().expect("a record"));
    assert_eq!(verify(&text), Ok(()));
    assert!(!text.contains("qxv"), "{text}");
    let other_score = text.replace(&format!(" {}", verdict.score.get()), " 1");
    assert_eq!(
        verify(&other_score),
        Err(RecordError::Differs {
            recorded: Score::new(1),
            computed: verdict.score
        })
    );
    let fewer = text.replacen("13,", "", 1);
    assert_eq!(
        verify(&fewer),
        Err(RecordError::Features {
            found: 19,
            wanted: 20
        })
    );
    let flow = flows();
    let record = flow.record(&flow.verdict(&FlowFeatures::default()));
    assert_eq!(flow.verify(&record), Ok(()));
    assert!(matches!(
        model.verify(&record),
        Err(RecordError::OtherModel { .. })
    ));
}

#[test]
fn an_explanation_names_what_pushed_and_adds_up() {
    let model = domains();
    let random = model.verdict("qxvkzjhwpfmrt.com").expect("judged");
    let pushes = model.explain(&random);
    assert_eq!(pushes[0].feature, "cost_mean", "{pushes:?}");
    assert!(0 < pushes[0].milli_nats);
    let ordinary = model.verdict("stackoverflow.com").expect("judged");
    let sum = |verdict| {
        model
            .explain(verdict)
            .iter()
            .map(|push| push.milli_nats)
            .sum::<i32>()
    };
    assert!(sum(&ordinary) < sum(&random));
}

#[test]
fn the_flow_model_comes_out_of_its_training_again() {
    assert_eq!(FlowTraining::new(SEED).train().file.as_bytes(), FLOWS);
}

/// What is trained with drawn names alone, so that nothing but this repository is needed. The shipped model is trained
/// with lists, too; that it comes out again is tested where they are (`cli/tests/models.rs`).
#[test]
fn the_training_gives_the_same_bytes_on_every_machine() {
    let trained = DomainTraining::new(SEED, "Norwegian names drawn by Varde", []).train();
    let model = DomainModel::load(trained.file.as_bytes()).expect("its own model");
    assert_eq!(
        model.identity().digest,
        "01b443c2cf72135a0a98c1b65e25410f0861220393c4531d50cb246c48106725"
    );
    let card = include_str!("../../../rulesets/models/domain-names.card.md");
    assert!(card.contains(&model.identity().digest), "the card names it");
}

#[test]
fn cards_name_the_models_that_they_are_of() {
    for (card, digest) in [
        (
            include_str!("../../../rulesets/models/domain-names.card.md"),
            &domains().identity().digest,
        ),
        (
            include_str!("../../../rulesets/models/flows.card.md"),
            &flows().identity().digest,
        ),
    ] {
        assert!(card.contains(digest.as_str()), "{digest}");
        for heading in [
            "## Purpose",
            "## Data",
            "## Figures",
            "## Limits",
            "## Whom it may harm",
            "## Off switch",
        ] {
            assert!(card.contains(heading), "{heading}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(name in any::<String>(), label in "[a-zæøå0-9-]{0,70}") {
        let model = domains();
        for name in [name, format!("{label}.no"), format!("xn--{label}.com"), label] {
            if let Some(verdict) = model.verdict(&name) {
                prop_assert!(verdict.score <= Score::MAX);
                prop_assert_eq!(model.verify(&model.record(&verdict)), Ok(()));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_model_or_refused(bytes in any::<Vec<u8>>(), at in 0..DOMAINS.len(), byte in any::<u8>()) {
        prop_assert!(DomainModel::load(&bytes).is_err());
        let mut changed = DOMAINS.to_vec();
        changed[at] = byte;
        prop_assert_eq!(DomainModel::load(&changed).is_ok(), changed == DOMAINS);
        prop_assert!(DomainModel::load(&DOMAINS[..at]).is_err());
    }

    #[test]
    fn any_record_is_verified_or_refused(text in any::<String>(), features in prop::collection::vec(any::<i16>(), 0..40)) {
        prop_assert!(text.parse::<Record>().is_err());
        let model = domains();
        let features: Vec<String> = features.iter().map(i16::to_string).collect();
        let text = format!("varde-verdict 1 domain-names {} {} 5000", model.identity().digest, features.join(","));
        if let Ok(record) = text.parse::<Record>() {
            let _ = model.verify(&record);
        }
    }
}
