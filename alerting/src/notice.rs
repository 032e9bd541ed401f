//! The words of a mail: what was seen, how sure, what to do first, how to answer, whom to call, why you.
//!
//! Templates hold the structure, [`words`] the sentences in each language, [`texts`] what is said by kind of incident; all are
//! checked by tests. A notice names one incident of one organisation and nothing else.

pub(crate) mod bare;
mod brief;
mod letters;
mod plain;
mod texts;
mod words;

use std::path::Path;

use alerting_incident::{Language, MANY, NotifyReason, Organization, Taxon};
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
use texts::{Part, Texts as ByKind};
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

/// Checks an operator's own texts.
///
/// # Errors
/// If one can't be used: the file, the line and the mend.
pub(crate) fn check(folder: &Path) -> Result<(), texts::TextError> {
    ByKind::open(Some(folder)).map(|_| ())
}

/// The templates, compiled once.
#[derive(Debug)]
pub(crate) struct Notices {
    environment: Environment<'static>,
    by_kind: ByKind,
    oslo: TimeZone,
}

impl Notices {
    /// Compiles the templates, with an operator's own texts.
    ///
    /// # Errors
    /// If one of them is broken: ours by a defect of this program.
    pub(crate) fn new(own: Option<&Path>) -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.add_template("letter.txt", include_str!("notice/letter.txt"))?;
        environment.add_template("letter.html", include_str!("notice/letter.html"))?;
        environment.add_template("mail.txt", include_str!("notice/mail.txt"))?;
        environment.add_template("mail.html", include_str!("notice/mail.html"))?;
        let oslo = TimeZone::posix(OSLO).context("read the time zone")?;
        let by_kind = ByKind::open(own)?;
        Ok(Self {
            environment,
            by_kind,
            oslo,
        })
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
        let taxon = Taxon::of(alert);
        let said = self.said(state, taxon, notification, stored, &organization)?;
        let rules_step = of_rule(&alert.producer.first_step, language);
        let context = context! {
            language => language.as_str(), w => minijinja::Value::from(minijinja::value::Serde(words)), subject => subject.clone(), organization => organization,
            severity => severity, severity_code => alert.severity.as_str(),
            exercise => alert.exercise,
            name => alert.producer.name.clone(), said => said, taxon => format!("{}: {taxon}", taxon.class()),
            summary => sentence(&alert.producer.summary, language, &alert.producer.name).0,
            summary_language => sentence(&alert.producer.summary, language, "").1,
            rules_step => rules_step.map(|step| step.0), rules_step_language => rules_step.map(|step| step.1),
            is_own_step => rules_step.is_none_or(|step| !reads(language, step.1)),
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

    /// What is said by kind of incident. A text is given what the notice tells its reader anyway, and nothing else.
    fn said(
        &self,
        state: &State,
        taxon: Taxon,
        notification: &StoredNotification,
        stored: &Stored,
        organization: &str,
    ) -> anyhow::Result<minijinja::Value> {
        let language = notification.language;
        let words = words(language);
        let (incident, alert) = (&stored.incident, &stored.incident.lead);
        let told = context! {
            organization => organization, responder => notification.responder_name.clone(),
            severity => words.severity(alert.severity), confidence => words.confidence(alert.confidence),
            thing => thing(words, alert), count => incident.count, first_seen => self.local(incident.first_seen),
            last_seen => self.local(incident.last_seen), exercise => alert.exercise,
            rule => plain(&alert.producer.name), cert_name => state.cert.name.clone(),
            cert_phone => state.cert.phone.clone(), cert_email => state.cert.email.clone(),
        };
        let say = |part| {
            self.by_kind
                .say(language, taxon, part, &told)
                .with_context(|| format!("render a text of {taxon} in {language}"))
        };
        Ok(context! {
            kind => say(Part::Kind)?, what => say(Part::What)?, sure => say(Part::Sure)?,
            do_first => say(Part::DoFirst)?, call => say(Part::Call)?,
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
        Language::Nb | Language::Nn | Language::Se => Vec::new(),
    }
}

fn subject(words: &Words, alert: &Alert, language: Language, organization: &str) -> String {
    let (summary, _) = sentence(&alert.producer.summary, language, &alert.producer.name);
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

/// A rule's text in the language, else in Bokmål, else in English, else `instead`; and in which it is.
fn sentence<'t>(texts: &'t Texts, language: Language, instead: &'t str) -> (&'t str, &'t str) {
    // A rule's own title is English.
    of_rule(texts, language).unwrap_or((instead, "en"))
}

fn of_rule(texts: &Texts, language: Language) -> Option<(&str, &'static str)> {
    let tried = [language.as_str(), "nb", "en"];
    tried
        .into_iter()
        .find_map(|code| Some((texts.get(code)?.as_str(), code)))
}

/// Whether who reads a language reads a text in the other as their own.
fn reads(language: Language, text: &str) -> bool {
    language.as_str() == text || matches!((language, text), (Language::Nn, "nb"))
}

fn full_name(organization: &Organization, language: Language, words: &Words) -> String {
    let name = organization.name(language.as_str());
    match organization.municipality {
        // Where there is no word, the name alone: the genitive would need another.
        Some(_) if !words.municipality.is_empty() => format!("{name} {}", words.municipality),
        Some(_) | None => name.to_owned(),
    }
}
