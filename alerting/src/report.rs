//! A statutory notice: what an authority asks to know of an incident, as text and as JSON, from what is known and what a person wrote.
//!
//! One entry, many notices (R9): each regime and stage asks for some of the same [`Field`]s. What nobody wrote is said to be missing, and
//! nothing is a notice until a person has sent it: before that it says that it is a draft.

mod fields;
mod words;

use alerting_incident::{MANY, Regime, Stage, Verdict};
use anyhow::Context;
use ingest_event::Timestamp;
use jiff::{ToSpan, tz::TimeZone};
use minijinja::{Environment, UndefinedBehavior, context, syntax::SyntaxConfig, value::Serde};
use serde_json::{Map, Value as Json, json};

pub(crate) use fields::{Field, VALUE_CHARS_MAX, asked};
pub(crate) use words::Tongue;

use crate::{
    state::State,
    statutory::Standing,
    store::{Running, Sent},
};

/// Central European time as POSIX writes it, as in notices to responders.
const OSLO: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// Which notice, in which language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Under which rules.
    pub(crate) regime: Regime,
    /// Which of them.
    pub(crate) stage: Stage,
    /// In which language.
    pub(crate) tongue: Tongue,
}

/// A notice.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    /// To be read.
    pub(crate) text: String,
    /// To be read in.
    pub(crate) json: Json,
}

/// The same day and time of the next calendar month, in Norway, or its last day if it is shorter.
pub(crate) fn month_after(time: Timestamp) -> Timestamp {
    let later = zoned(time).and_then(|zoned| zoned.checked_add(1.month()).ok());
    let nanos = later.and_then(|later| i64::try_from(later.timestamp().as_nanosecond()).ok());
    // Beyond the end of the calendar nothing is due.
    Timestamp::from_nanos(nanos.unwrap_or(i64::MAX))
}

/// Writes a notice. `sent` is by whom and when, if it is one that is sent now or was.
///
/// # Errors
/// If the template asks for something that is not there: a defect of this program.
pub(crate) fn write(
    state: &State,
    standing: &Standing,
    ask: Ask,
    sent: Option<&Sent>,
) -> anyhow::Result<Notice> {
    let words = words::words(ask.tongue);
    let (incident, owner) = (&standing.stored.incident, standing.stored.owner);
    let alert = &incident.lead;
    let declared = standing.declarations.iter().find(|one| one.regime == ask.regime);
    let running = standing
        .running
        .iter()
        .find(|one| one.regime == ask.regime && one.stage == ask.stage);
    let is_late =
        running.is_some_and(|one: &Running| one.due_at < sent.map_or_else(|| state.now(), |sent| sent.at));
    let time = |time: Option<Timestamp>| time.map_or_else(String::new, local);
    let fields = asked(ask.regime, ask.stage, is_late);
    let value = |field: Field| {
        let written = standing.entered.fields.get(field.as_str());
        written
            .and_then(Json::as_str)
            .filter(|text| !text.trim().is_empty())
    };
    let missing: Vec<&str> = fields
        .iter()
        .filter(|field| value(**field).is_none())
        .map(|field| field.as_str())
        .collect();
    let answers: Vec<_> = fields
        .iter()
        .map(|field| context! { question => words.field(*field), answer => value(*field).unwrap_or(words.missing) })
        .collect();
    let tongue = ask.tongue.as_str();
    let summary = [tongue, "nb", "en"]
        .into_iter()
        .find_map(|code| alert.producer.summary.get(code));
    let summary = summary.unwrap_or(&alert.producer.name);
    let thing = if alert.entity.value == MANY {
        words.many.to_owned()
    } else {
        alert.entity.value.clone()
    };
    let verdict = incident
        .verdict
        .map_or(words.unjudged, |verdict| words.verdict(verdict));
    let text = template()?
        .get_template("notice.txt")?
        .render(context! {
            w => minijinja::Value::from(Serde(words)), exercise => alert.exercise,
            regime => words.regime(ask.regime), recipient => words.recipient(ask.regime), stage => words.stage(ask.stage),
            sent_at => time(sent.map(|sent| sent.at)), sent_by => sent.map(|sent| sent.by.clone()),
            reference => sent.map(|sent| sent.reference.clone()),
            organization => state.organization_name(owner), number => owner.as_str(),
            incident_id => incident.id.as_str(), summary => summary, thing => thing, field => alert.entity.field.clone(),
            rule => alert.producer.name.clone(), severity => words.severity(alert.severity), verdict => verdict, count => incident.count,
            first_seen => local(incident.first_seen), last_seen => local(incident.last_seen),
            opened_at => local(incident.opened_at),
            aware_at => time(declared.map(|one| one.aware_at)), due_at => time(running.map(|one| one.due_at)), is_late => is_late,
            answers => answers, cert_name => state.cert.name.clone(), cert_phone => state.cert.phone.clone(), cert_email => state.cert.email.clone(),
            tlp => alert.tlp.as_str(),
        })
        .context("render notice.txt")?;
    let written: Map<String, Json> = fields
        .iter()
        .map(|field| (field.as_str().to_owned(), json!(value(*field))))
        .collect();
    let json = json!({
        "schema": "varde.statutory-notice.1",
        "status": if sent.is_some() { "sent" } else { "draft" },
        "exercise": alert.exercise,
        "regime": ask.regime.as_str(), "stage": ask.stage.as_str(), "language": tongue,
        "organization": { "number": owner, "name": state.organization_name(owner) },
        "incident": {
            "id": incident.id.as_str(), "summary": summary, "entity": { "field": alert.entity.field, "value": alert.entity.value },
            "rule": alert.producer.name, "severity": alert.severity.as_str(), "verdict": incident.verdict.map(Verdict::as_str),
            "alerts": incident.count, "first_seen": incident.first_seen.to_string(),
            "last_seen": incident.last_seen.to_string(), "detected_at": incident.opened_at.to_string(),
            "tlp": alert.tlp.as_str(),
        },
        "aware_at": declared.map(|one| one.aware_at.to_string()),
        "due_at": running.map(|one| one.due_at.to_string()),
        "sent_at": sent.map(|sent| sent.at.to_string()), "reference": sent.map(|sent| &sent.reference),
        "fields": written, "missing": missing,
        "contact": { "cert": state.cert.name, "phone": state.cert.phone, "email": state.cert.email },
    });
    Ok(Notice { text, json })
}

fn template() -> anyhow::Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.add_template("notice.txt", include_str!("report/notice.txt"))?;
    Ok(environment)
}

/// Norwegian local time, to the minute: what an authority's form asks for.
fn local(time: Timestamp) -> String {
    zoned(time).map_or_else(
        || time.to_string(),
        |zoned| zoned.strftime("%d.%m.%Y %H:%M").to_string(),
    )
}

fn zoned(time: Timestamp) -> Option<jiff::Zoned> {
    let oslo = TimeZone::posix(OSLO).ok()?;
    let utc = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).ok()?;
    Some(utc.to_zoned(oslo))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_a_calendar_month_by_the_clock_on_the_wall() {
        for (aware, later) in [
            ("2026-03-02T08:00:00Z", "2026-04-02T07:00:00Z"), // Summer time began.
            ("2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z"),
            ("2028-01-31T12:00:00Z", "2028-02-29T12:00:00Z"),
            // In Norway it was March already.
            ("2026-02-28T23:30:00Z", "2026-03-31T22:30:00Z"),
            ("2026-12-31T10:00:00Z", "2027-01-31T10:00:00Z"),
        ] {
            let aware: Timestamp = aware.parse().expect("a time");
            let later: Timestamp = later.parse().expect("a time");
            assert_eq!(month_after(aware), later, "{aware}");
        }
        assert_eq!(
            month_after(Timestamp::from_nanos(i64::MAX)),
            Timestamp::from_nanos(i64::MAX)
        );
    }

    #[test]
    fn the_template_is_well_formed() {
        let environment = template().expect("compiles");
        assert!(environment.get_template("notice.txt").is_ok());
    }
}
