//! Rules that ask who else calls.

use super::{HOUR_NS, check_all, document, numbered, only, said};
use crate::AnomalyKind;

#[test]
fn who_calls_is_the_entity_and_learning_may_be_longer_than_the_time_span() {
    let body = "type: beacon\nrules: [flow]\ngroup-by: [destination.ip, source.ip]\ntimespan: 24h\nlearning: 7d\ncondition: { gte: 0.8, minimum: 20, at-most-callers: 5 }";
    let mut checked = check_all(&[numbered(1, body, "varde: { entity: source.ip }\n")]);
    assert_eq!(said(&checked), Vec::<String>::new());
    let found = checked.rules.anomalies.pop().expect("it loads");
    let kind = AnomalyKind::Beacon {
        score: 0.8,
        minimum: 20,
    };
    assert_eq!(
        (&found.kind, found.callers, found.caller()),
        (&kind, Some(5), Some(1))
    );
    assert_eq!(
        (found.timespan_ns, found.learning_ns),
        (24 * HOUR_NS, 168 * HOUR_NS)
    );
    let without = only(
        "type: beacon\nrules: [flow]\ngroup-by: [source.ip]\ntimespan: 24h\ncondition: { gte: 0.8, minimum: 20 }",
    );
    assert_eq!(without.caller(), None);
}

#[test]
fn who_calls_and_what_is_called_must_be_known() {
    for group in ["source.ip", "source.ip, destination.ip"] {
        let condition = "condition: { gte: 0.8, minimum: 20, at-most-callers: 3 }";
        let body = format!("type: beacon\nrules: [flow]\ngroup-by: [{group}]\ntimespan: 1h\n{condition}");
        let expected = format!(
            "R026 {condition}: `at-most-callers` does not know who calls and what is called; name in `varde.entity` \
             the member of `group-by` that calls; the others are what is called"
        );
        assert_eq!(said(&check_all(&[document(&body)])), [expected], "{group}");
    }
}
