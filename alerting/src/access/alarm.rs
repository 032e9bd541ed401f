//! What the CERT is told of logins: an incident of its own, of which its duty contact is told.

use std::collections::BTreeMap;

use alerting_incident::{Decision, History, Route, apply, decide};
use detect_alert::{
    Alert, AlertId, Confidence, Entity, Pap, Producer, ProducerKind, RuleId, RulesetVersion, Severity, Tlp,
};
use ingest_event::{Marking, SensorId, Zone};
use serde_json::json;

use crate::{
    config::AccessSettings,
    intake::search_text,
    state::State,
    store::{Store, Write},
};

/// What an incident about a login says; texts in bokmål, nynorsk and English.
pub(super) struct Alarm {
    /// The rule that it says it is of.
    pub(super) rule: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) summary: [&'static str; 3],
    pub(super) first_step: [&'static str; 3],
}

/// Opens an incident about the account called `name`, in the transaction of what it tells of; another `occasion` is another
/// incident.
pub(super) async fn raise(
    state: &State,
    settings: &AccessSettings,
    write: &mut Write,
    alarm: &Alarm,
    name: &str,
    occasion: &str,
) -> sqlx::Result<()> {
    let now = state.now();
    let producer = producer(alarm);
    let alert = Alert {
        id: AlertId::derive(&producer.id, settings.organization, &[occasion]),
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

fn producer(alarm: &Alarm) -> Producer {
    let texts = |[nb, nn, en]: [&str; 3]| {
        let each = [("nb", nb), ("nn", nn), ("en", en)];
        each.map(|(code, text)| (code.to_owned(), text.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    };
    Producer {
        kind: ProducerKind::Integrity,
        id: RuleId(alarm.rule.to_owned()),
        name: alarm.name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ruleset: RulesetVersion("varde".to_owned()),
        authors: vec!["Varde".to_owned()],
        license: None,
        description: alarm.description.to_owned(),
        references: vec![],
        tags: vec![],
        false_positives: vec![],
        incident: None,
        summary: texts(alarm.summary),
        first_step: texts(alarm.first_step),
    }
}
