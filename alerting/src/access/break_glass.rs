//! Every use of the break-glass account is an alert: an incident of the CERT's own, of which its duty contact is told.

use std::collections::BTreeMap;

use alerting_incident::{Decision, History, Route, apply, decide};
use detect_alert::{
    Alert, AlertId, Confidence, Entity, Pap, Producer, ProducerKind, RuleId, RulesetVersion, Severity, Tlp,
};
use ingest_event::{Marking, SensorId, Zone};
use serde_json::json;

use super::Secret;
use crate::{
    config::AccessSettings,
    intake::search_text,
    state::State,
    store::{Store, Write},
};

/// The rule that the incident says it is of.
const RULE: &str = "varde:break-glass";

/// Opens the incident, in the transaction that lets them in: neither is there without the other.
pub(super) async fn tell(
    state: &State,
    settings: &AccessSettings,
    write: &mut Write,
    name: &str,
    session: &Secret,
) -> sqlx::Result<()> {
    let now = state.now();
    // A use is an incident of its own: the digest tells two apart, and lets nobody in.
    let occasion: String = session.digest().chars().take(16).collect();
    let producer = producer();
    let alert = Alert {
        id: AlertId::derive(&producer.id, settings.organization, &[&occasion]),
        timestamp: now,
        organization: settings.organization,
        sensor: SensorId::parse("varde").map_err(|error| sqlx::Error::Encode(error.into()))?,
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        exercise: false,
        severity: Severity::Critical,
        confidence: Confidence::High,
        tlp: Tlp::Amber,
        pap: Pap::Amber,
        producer,
        indicator: None,
        entity: Entity {
            field: "user.name".to_owned(),
            value: format!("{name} ({occasion})"),
        },
        evidence: vec![],
        window: None,
        events: vec![],
    };
    let none_before = History {
        applied: false,
        latest: None,
        crowd: None,
        near: 0,
        silence: None,
    };
    let Some(change) = apply(none_before, &alert, now) else {
        return Ok(());
    };
    let registry = state.registry.load();
    let duty = registry.routes.registry().duty();
    let route = Route {
        owner: Some(settings.organization),
        responders: vec![duty.clone()],
        steps: vec![],
    };
    let steps = json!([{"step": "duty", "result": "told", "detail": duty.name}]);
    let search = search_text(state, &change.incident, settings.organization);
    let Decision {
        change,
        notifications,
    } = decide(change, &route, &state.ladder, state.moment());
    Store::save_change(write, &change, settings.organization, &steps, &search).await?;
    Store::save_alert(write, &alert.id, &change.incident.id).await?;
    for notification in &notifications {
        Store::add_notification(write, notification, alert.severity, now.as_millis()).await?;
    }
    Ok(())
}

fn producer() -> Producer {
    let texts = |nb: &str, nn: &str, en: &str| {
        let each = [("nb", nb), ("nn", nn), ("en", en)];
        each.map(|(code, text)| (code.to_owned(), text.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    };
    Producer {
        kind: ProducerKind::Integrity,
        id: RuleId(RULE.to_owned()),
        name: "Break-glass account used".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ruleset: RulesetVersion("varde".to_owned()),
        authors: vec!["Varde".to_owned()],
        license: None,
        description: "Someone logged in to Varde with the account for emergencies.".to_owned(),
        references: vec![],
        tags: vec![],
        false_positives: vec![],
        incident: None,
        summary: texts(
            "Nødkontoen i Varde er brukt",
            "Nødkontoen i Varde er brukt",
            "The break-glass account of Varde was used",
        ),
        first_step: texts(
            "Finn ut hvem som logget inn, og hvorfor. Var det ingen av dere: steng kontoen med varde-alerting accounts revoke.",
            "Finn ut kven som logga inn, og kvifor. Var det ingen av dykk: steng kontoen med varde-alerting accounts revoke.",
            "Find out who logged in, and why. If it was none of you: close the account with varde-alerting accounts revoke.",
        ),
    }
}
