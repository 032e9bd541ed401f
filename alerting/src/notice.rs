//! The words of a mail: what was seen, how sure, what to do first, how to answer, whom to call, why you.
//!
//! Templates hold the structure, [`words`] the sentences in each language; both are checked by the tests below. A
//! notice names one incident of one organisation and nothing else.

pub(crate) mod bare;
mod brief;
mod plain;
mod words;

use alerting_incident::{Language, MANY, NotifyReason, Organization};
use anyhow::Context;
use detect_alert::{Alert, Texts};
use ingest_event::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Environment, UndefinedBehavior, context, syntax::SyntaxConfig};

use crate::{
    state::State,
    store::{Stored, StoredNotification},
};
pub(crate) use brief::Brief;
use plain::plain;
use words::{Words, words};

/// A summary that is longer than this doesn't fit a subject: the rule's name stands there instead.
const SUBJECT_CHARS_MAX: usize = 90;

/// Central European time with its summer time, as POSIX writes it: valid for Norway since 1996, so that no time-zone
/// files are needed.
const OSLO: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// A mail's content.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) link: String,
}

/// The templates, compiled once.
#[derive(Debug)]
pub(crate) struct Notices {
    environment: Environment<'static>,
    oslo: TimeZone,
}

impl Notices {
    /// Compiles the templates.
    ///
    /// # Errors
    /// If one of them is broken: a defect of this program.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.add_template("mail.txt", include_str!("notice/mail.txt"))?;
        environment.add_template("mail.html", include_str!("notice/mail.html"))?;
        let oslo = TimeZone::posix(OSLO).context("read the time zone")?;
        Ok(Self { environment, oslo })
    }

    /// Writes the notice for a notification.
    ///
    /// # Errors
    /// If a template asks for something that is not there: a defect of this program.
    pub(crate) fn render(
        &self,
        state: &State,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> anyhow::Result<Notice> {
        let language = notification.language;
        let words = words(language);
        let (incident, alert) = (&stored.incident, &stored.incident.lead);
        let organization = match state.organization(stored.owner) {
            Some(organization) => full_name(&organization, language, words),
            None => stored.owner.to_string(),
        };
        let severity = words.severity(alert.severity);
        let subject = subject(words, alert, language, &organization);
        let link = state.link(&notification.id);
        let context = context! {
            language => language.as_str(), w => minijinja::Value::from(minijinja::value::Serde(words)), subject => subject.clone(), organization => organization,
            severity => severity, severity_code => alert.severity.as_str(),
            confidence => words.confidence(alert.confidence), exercise => alert.exercise,
            name => alert.producer.name.clone(), summary => sentence(&alert.producer.summary, language, &alert.producer.name),
            first_step => sentence(&alert.producer.first_step, language, words.first_step_default),
            entity_field => alert.entity.field.clone(), entity_value => thing(words, alert), count => incident.count,
            events => alert.window.as_ref().map(|window| window.count),
            first_seen => self.local(incident.first_seen), last_seen => self.local(incident.last_seen),
            evidence => alert.evidence.iter().take(10).map(|one| context! {
                field => one.field.clone(), value => plain(&one.value), matched => plain(&one.matched),
            }).collect::<Vec<_>>(),
            harmless => harmless(&alert.producer.false_positives, language),
            reason => words.reason(notification.reason), is_relapse => notification.reason == NotifyReason::Relapsed,
            responder => notification.responder_name.clone(), tlp => alert.tlp.as_str(), pap => alert.pap.as_str(), incident_id => incident.id.as_str(),
            rule_id => alert.producer.id.0.clone(), rule_version => alert.producer.version.clone(),
            authors => alert.producer.authors.join(", "), sensor => alert.sensor.as_str(), link => link.clone(),
            cert_name => state.cert.name.clone(), cert_phone => state.cert.phone.clone(), cert_email => state.cert.email.clone(),
        };
        let render = |name| -> anyhow::Result<String> {
            let template = self.environment.get_template(name)?;
            template
                .render(&context)
                .with_context(|| format!("render {name}"))
        };
        Ok(Notice {
            subject,
            text: render("mail.txt")?,
            html: render("mail.html")?,
            link,
        })
    }

    /// Local time, to the second.
    fn local(&self, time: Timestamp) -> String {
        let utc = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap_or_default();
        utc.to_zoned(self.oslo.clone())
            .strftime("%d.%m.%Y %H:%M:%S")
            .to_string()
    }
}

/// Rules tell their harmless causes in English only; half a mail in another language helps nobody.
fn harmless(causes: &[String], language: Language) -> Vec<String> {
    match language {
        Language::En => causes.to_vec(),
        Language::Nb | Language::Nn => Vec::new(),
    }
}

fn subject(words: &Words, alert: &Alert, language: Language, organization: &str) -> String {
    let summary = sentence(&alert.producer.summary, language, &alert.producer.name);
    let short = summary.trim_end_matches('.');
    let what = if short.chars().count() <= SUBJECT_CHARS_MAX {
        short
    } else {
        alert.producer.name.as_str()
    };
    let exercise = if alert.exercise {
        format!("{}: ", words.exercise)
    } else {
        String::new()
    };
    let severity = words.severity(alert.severity);
    // A line break in a value of the network's must not start a header.
    format!(
        "{exercise}[Varde] {severity}: {what} – {} ({organization})",
        thing(words, alert)
    )
    .replace(|c: char| c.is_control(), " ")
}

/// What it is about, made harmless.
fn thing(words: &Words, alert: &Alert) -> String {
    if alert.entity.value == MANY {
        words.many.to_owned()
    } else {
        plain(&alert.entity.value)
    }
}

/// The text in the language, else in Bokmål, else in English, else `instead`.
fn sentence<'t>(texts: &'t Texts, language: Language, instead: &'t str) -> &'t str {
    let tried = [language.as_str(), "nb", "en"];
    tried
        .into_iter()
        .find_map(|code| texts.get(code))
        .map_or(instead, String::as_str)
}

fn full_name(organization: &Organization, language: Language, words: &Words) -> String {
    let name = organization.name(language.as_str());
    match organization.municipality {
        Some(_) => format!("{name} {}", words.municipality),
        None => name.to_owned(),
    }
}
