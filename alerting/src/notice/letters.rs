//! Mails that are not about one incident: digests, what the CERT's duty officer is told of delivery, and the yearly question to
//! contacts. A digest holds what is one reader's, each incident read through the notification that is theirs.

use alerting_incident::{Incident, MANY, State as IncidentState};
use anyhow::Context;
use minijinja::context;

use super::{Notice, Notices, full_name, plain::plain, sentence, words::words};
use crate::{
    state::State,
    store::{Stored, StoredLetter, StoredNotification},
};

mod words;
use words::{LetterWords, letter_words};

/// Incidents that a digest names in its text; the attachment has all of it.
const ROWS_MAX: usize = 50;

/// A letter's content, with a file.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) notice: Notice,
    /// Name and content of a CSV file.
    pub(crate) attachment: Option<(String, Vec<u8>)>,
}

/// What a letter says, before it is laid out.
struct Page {
    title: String,
    paragraphs: Vec<String>,
    rows: Vec<minijinja::Value>,
    link: Option<(String, String)>,
    closing: Vec<String>,
}

impl Notices {
    /// A digest of what one reader is told, or what belongs together of one owner's.
    ///
    /// # Errors
    /// If a template asks for something that is not there: a defect of this program.
    pub(crate) fn digest(
        &self,
        state: &State,
        letter: &StoredLetter,
        told: &[(StoredNotification, Stored)],
    ) -> anyhow::Result<Written> {
        let own = letter_words(letter.language);
        let is_group = letter.kind == "group";
        let (intro, why) = if is_group {
            (own.group_intro, own.group_why)
        } else {
            (own.digest_intro, own.digest_why)
        };
        let gravest = told.iter().map(|(_, stored)| stored.incident.severity()).max();
        let title = match gravest.filter(|_| is_group) {
            Some(gravest) => format!(
                "{}: {}",
                words(letter.language).severity(gravest),
                own.group_title
            ),
            None => own.digest_title.to_owned(),
        };
        let closed = told
            .iter()
            .filter(|(_, stored)| is_closed(&stored.incident))
            .count();
        let mut paragraphs = vec![
            intro.to_owned(),
            format!(
                "{}: {}. {}: {closed}.",
                own.incidents,
                told.len(),
                own.of_them_closed
            ),
        ];
        if ROWS_MAX < told.len() {
            paragraphs.push(format!("{} {ROWS_MAX}.", own.the_first));
        }
        let rows = told.iter().take(ROWS_MAX);
        let page = Page {
            title: format!("{title}: {}", told.len()),
            paragraphs,
            rows: rows
                .map(|(notification, stored)| self.row(state, letter, own, notification, stored))
                .collect(),
            link: None,
            closing: vec![own.attached.to_owned(), why.to_owned()],
        };
        let notice = self.laid_out(state, letter, page)?;
        let file = self.csv(state, letter, told)?;
        let day = state.post.calendar.date(letter.created_at);
        let day = day.map(|day| format!("-{day}")).unwrap_or_default();
        let attachment = Some((format!("varde{day}.csv"), file));
        Ok(Written { notice, attachment })
    }

    /// A letter that is a few sentences and a link.
    ///
    /// # Errors
    /// If a template asks for something that is not there: a defect of this program.
    pub(crate) fn letter(
        &self,
        state: &State,
        letter: &StoredLetter,
        link: Option<String>,
    ) -> anyhow::Result<Written> {
        let own = letter_words(letter.language);
        let about: serde_json::Value =
            serde_json::from_str(&letter.about).context("read what the letter is about")?;
        let text = |name: &str| about.get(name).map(said).unwrap_or_default();
        let page = match letter.kind.as_str() {
            "given_up" => Page {
                title: format!("{}: {}", own.given_up_title, text("count")),
                paragraphs: vec![own.given_up.to_owned()],
                rows: vec![],
                link: Some((own.given_up_button.to_owned(), state.dead_letters_url())),
                closing: vec![],
            },
            "address_off" => Page {
                title: own.address_off_title.to_owned(),
                paragraphs: vec![
                    format!("{}: {} ({})", own.address, text("address"), text("bounces")),
                    own.address_off.to_owned(),
                ],
                rows: vec![],
                link: Some((own.given_up_button.to_owned(), state.dead_letters_url())),
                closing: vec![],
            },
            "not_me" => Page {
                title: own.not_me_title.to_owned(),
                paragraphs: vec![
                    format!("{}: {} ({})", own.contact, text("contact"), text("organization")),
                    own.not_me.to_owned(),
                ],
                rows: vec![],
                link: None,
                closing: vec![],
            },
            _ => {
                let is_reminder = about.get("reminder").is_some_and(|value| value == true);
                let mut paragraphs = vec![format!("{} {}.", own.check, text("organization"))];
                if is_reminder {
                    paragraphs.insert(0, own.check_reminder.to_owned());
                }
                Page {
                    title: own.check_title.to_owned(),
                    paragraphs,
                    rows: vec![],
                    link: link.map(|link| (own.check_button.to_owned(), link)),
                    closing: vec![own.check_why.to_owned()],
                }
            }
        };
        let notice = self.laid_out(state, letter, page)?;
        Ok(Written {
            notice,
            attachment: None,
        })
    }

    fn row(
        &self,
        state: &State,
        letter: &StoredLetter,
        own: &LetterWords,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> minijinja::Value {
        let language = letter.language;
        let words = words(language);
        let (incident, alert) = (&stored.incident, &stored.incident.lead);
        let (summary, _) = sentence(&alert.producer.summary, language, &alert.producer.name);
        let organization = match state.organization(stored.owner) {
            Some(organization) => full_name(&organization, language, words),
            None => stored.owner.to_string(),
        };
        let about = if alert.entity.value == MANY {
            words.many.to_owned()
        } else {
            plain(&alert.entity.value)
        };
        let lines = vec![
            format!("{}: {about} ({organization})", words.about),
            format!(
                "{}: {} {} {}. {}: {}.",
                words.when,
                self.local(incident.first_seen),
                words.until,
                self.local(incident.last_seen),
                words.times,
                incident.count
            ),
            if is_closed(incident) { own.closed } else { own.open }.to_owned(),
        ];
        context! {
            head => format!("{}: {summary}", words.severity(alert.severity)), lines => lines,
            link => state.link(&notification.id), label => words.answer_button,
        }
    }

    /// All of it as a table; a value that a spreadsheet would take for a formula is none.
    fn csv(
        &self,
        state: &State,
        letter: &StoredLetter,
        told: &[(StoredNotification, Stored)],
    ) -> anyhow::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "incident",
            "organization",
            "severity",
            "state",
            "rule",
            "field",
            "value",
            "count",
            "first_seen",
            "last_seen",
            "exercise",
            "link",
        ])?;
        for (notification, stored) in told {
            let (incident, alert) = (&stored.incident, &stored.incident.lead);
            writer.write_record([
                incident.id.as_str(),
                stored.owner.as_str(),
                alert.severity.as_str(),
                incident.state.as_str(),
                &harmless(&alert.producer.name),
                &harmless(&alert.entity.field),
                &harmless(&alert.entity.value),
                &incident.count.to_string(),
                &incident.first_seen.to_string(),
                &incident.last_seen.to_string(),
                if letter.exercise { "yes" } else { "no" },
                &state.link(&notification.id),
            ])?;
        }
        writer.into_inner().context("finish the table")
    }

    fn laid_out(&self, state: &State, letter: &StoredLetter, page: Page) -> anyhow::Result<Notice> {
        let words = words(letter.language);
        let exercise = letter.exercise.then_some(words.exercise_long);
        let mark = if letter.exercise {
            format!("{}: ", words.exercise)
        } else {
            String::new()
        };
        let subject =
            format!("{mark}[Varde] {}", page.title).replace(|letter: char| letter.is_control(), " ");
        let (button, link) = page.link.unzip();
        let context = context! {
            language => letter.language.as_str(), subject => subject.clone(), title => page.title,
            exercise => exercise, greeting => words.greeting, name => letter.name.clone(),
            paragraphs => page.paragraphs, rows => page.rows, button => button, link => link.clone(),
            closing => page.closing, cert_name => state.cert.name.clone(),
            cert_phone => state.cert.phone.clone(), cert_email => state.cert.email.clone(),
        };
        let render = |name| -> anyhow::Result<String> {
            let template = self.environment.get_template(name)?;
            template
                .render(&context)
                .with_context(|| format!("render {name}"))
        };
        Ok(Notice {
            subject,
            text: render("letter.txt")?,
            html: render("letter.html")?,
            link: link.unwrap_or_default(),
        })
    }
}

fn is_closed(incident: &Incident) -> bool {
    incident.state == IncidentState::Closed
}

/// Plain text of a JSON value, without line breaks and links.
fn said(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// Without what makes a formula of it (OWASP, CSV injection), and without line breaks.
fn harmless(value: &str) -> String {
    let text = plain(value);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_a_formula() {
        for (value, written) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("@x", "'@x"),
            ("10.1.2.3", "10.1.2.3"),
            ("a\nb", "a\u{2423}b"),
        ] {
            assert_eq!(harmless(value), written);
        }
    }
}
