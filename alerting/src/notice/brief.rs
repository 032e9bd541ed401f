//! A notice in a few lines: for chats and collectors of syslog.

use alerting_incident::Taxon;

use super::{Notices, full_name, of_rule, plain::plain, reads, sentence, subject, words::words};
use crate::{
    state::State,
    store::{Stored, StoredNotification},
};

/// Characters of a line: a few sentences of a rule's; all of it is behind the link.
const LINE_CHARS_MAX: usize = 600;
/// Characters of the title: Slack takes 150.
const TITLE_CHARS_MAX: usize = 140;

/// What is told in a few lines, as text: whoever sends it writes it so that nothing in it is taken for markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    /// What it is, how grave, and of whom; of an exercise with its mark.
    pub(crate) title: String,
    /// What is said, each with what it is.
    pub(crate) lines: Vec<(String, String)>,
    /// What the link does.
    pub(crate) button: String,
    /// Where the responder answers.
    pub(crate) link: String,
    /// Whether it is an exercise.
    pub(crate) is_exercise: bool,
}

impl Notices {
    /// Writes the few lines for a notification.
    pub(crate) fn brief(&self, state: &State, notification: &StoredNotification, stored: &Stored) -> Brief {
        let language = notification.language;
        let words = words(language);
        let (incident, alert) = (&stored.incident, &stored.incident.lead);
        let organization = match state.organization(stored.owner) {
            Some(organization) => full_name(&organization, language, words),
            None => stored.owner.to_string(),
        };
        let said = |label: &str, text: &str| (label.to_owned(), clipped(text, LINE_CHARS_MAX));
        let summary = sentence(&alert.producer.summary, language, &alert.producer.name);
        // What the rule says where it can be read, else what is said of this kind of incident.
        let rules_step = of_rule(&alert.producer.first_step, language).filter(|step| reads(language, step.1));
        let of_kind = || {
            let said = self.said(state, Taxon::of(alert), notification, stored, &organization);
            let step = said.ok().and_then(|said| said.get_attr("do_first").ok());
            step.map(|step| step.to_string()).unwrap_or_default()
        };
        let first_step = rules_step.map_or_else(of_kind, |step| plain(step.0));
        let mut lines = vec![
            said(words.what_seen, &plain(summary.0)),
            said(words.when, &self.local(incident.last_seen)),
            said(words.do_first, &first_step),
            said(words.why_you, words.reason(notification.reason)),
            said(words.call, &format!("{}, {}", state.cert.name, state.cert.phone)),
        ];
        if alert.exercise {
            lines.insert(0, said(words.exercise, words.exercise_long));
        }
        Brief {
            title: clipped(&subject(words, alert, language, &organization), TITLE_CHARS_MAX),
            lines,
            button: words.answer_button.to_owned(),
            link: state.link(&notification.id),
            is_exercise: alert.exercise,
        }
    }
}

/// No longer than so many characters.
fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
