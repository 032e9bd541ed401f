//! What the alerting service counts. Names are an interface.
//!
//! | name | meaning |
//! |---|---|
//! | `alerting_alerts_applied_total` | alerts that opened or joined an incident |
//! | `alerting_alerts_repeated_total` | alerts passed over since they were applied before |
//! | `alerting_alerts_refused_total{reason}` | records that are no alert this version can read, or that the store refuses |
//! | `alerting_alerts_aside` | records that were put aside, until a person has looked at them |
//! | `alerting_aside_full_total{then}` | records for which no place was left there: `passed_over`, or attempts while all behind it is `held_up` |
//! | `alerting_incidents_opened_total` | incidents opened |
//! | `alerting_notifications_decided_total` | notifications put into the outbox |
//! | `alerting_notifications_sent_total{channel}` | notifications handed over |
//! | `alerting_notifications_retried_total{channel}` | attempts that failed and will be repeated |
//! | `alerting_notifications_failed_total{channel}` | notifications given up |
//! | `alerting_mails_total{protection}` | attempts of mails by how they were protected: `clear`, `smime`, `pgp`; `unsealable` had to be and could not |
//! | `alerting_letters_sent_total{kind}` | mails handed over that are not about one incident |
//! | `alerting_dead_letters` | notifications and letters that were given up, and that nobody has set aside |
//! | `alerting_notification_delay_seconds` | from the alert's place on the bus to the hand-over |
//! | `alerting_escalations_total{to}` | incidents that nobody answered in time, by who was told next |
//! | `alerting_answers_total{kind}` | seen, acknowledged and verdicts that came in |
//! | `alerting_links_refused_total{reason}` | links that were unknown, expired or used up |
//! | `alerting_logins_total{how}` | logins by how they were made, and attempts that were refused |
//! | `alerting_reveals_total{step}` | steps of requests to reveal what pseudonyms stand for |
//! | `alerting_reveal_answers_refused_total{why}` | answers of sites that were not taken |
//! | `alerting_rows_passed_over_total{of}` | rows of the store that can't be read, and hold up no others: requests to reveal, mails that came back, notifications, letters |
//! | `alerting_retries_total{of}` | polls, commits and writes that had to be repeated |
//! | `alerting_canary_timestamp_seconds` | when the last canary came out, seconds since 1970 |
//! | `alerting_registry_rows_left_out` | imported and manual rows that the files contradict, and that say nothing |
//! | `alerting_incidents_open`, `alerting_notifications_pending` | how many there are now |
//!
//! No organisation, address or rule is ever a label: labels are bounded by lists in the code.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::intake::REFUSED_BY_STORE;
/// The kinds of letters.
pub(crate) const LETTERS: [&str; 6] = ["digest", "group", "given_up", "address_off", "check", "not_me"];

/// Counters of one service.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Alerts applied.
    pub alerts_applied: IntCounter,
    /// Alerts passed over.
    pub alerts_repeated: IntCounter,
    /// Records refused.
    pub alerts_refused: IntCounterVec,
    /// Records for which no place was left.
    pub aside_full: IntCounterVec,
    /// Incidents opened.
    pub incidents_opened: IntCounter,
    /// Notifications decided.
    pub notifications_decided: IntCounter,
    /// Notifications handed over.
    pub notifications_sent: IntCounterVec,
    /// Attempts to be repeated.
    pub notifications_retried: IntCounterVec,
    /// Notifications given up.
    pub notifications_failed: IntCounterVec,
    /// Mails by their protection.
    pub mails: IntCounterVec,
    /// Letters handed over.
    pub letters_sent: IntCounterVec,
    /// What was given up and not set aside.
    pub dead_letters: IntGauge,
    /// From bus to hand-over.
    pub notification_delay: Histogram,
    /// Who was told next.
    pub escalations: IntCounterVec,
    /// Answers that came in.
    pub answers: IntCounterVec,
    /// Links refused.
    pub links_refused: IntCounterVec,
    /// Logins and attempts.
    pub logins: IntCounterVec,
    /// Steps of requests to reveal.
    pub reveals: IntCounterVec,
    /// Answers of sites that were not taken.
    pub reveal_answers_refused: IntCounterVec,
    /// Rows of the store passed over.
    pub rows_passed_over: IntCounterVec,
    /// Operations repeated.
    pub retries: IntCounterVec,
    /// Last canary.
    pub canary_seconds: IntGauge,
    /// Rows of the registry that say nothing now.
    pub registry_rows_left_out: IntGauge,
    /// Records put aside now.
    pub alerts_aside: IntGauge,
    /// Incidents open now.
    pub incidents_open: IntGauge,
    /// Notifications waiting now.
    pub notifications_pending: IntGauge,
}

impl Metrics {
    /// Registers all of them, at zero.
    ///
    /// # Errors
    /// Only if two have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let labelled = |name: &str, help: &str, label: &str, values: &[&str]| {
            let vector = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(vector.clone()))?;
            for value in values {
                vector.with_label_values(&[value]).inc_by(0);
            }
            Ok::<_, prometheus::Error>(vector)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let channels = &["email", "webhook", "chat", "syslog"];
        let notification_delay = Histogram::with_opts(
            HistogramOpts::new(
                "alerting_notification_delay_seconds",
                "From the alert's place on the bus to the hand-over.",
            )
            .buckets(prometheus::exponential_buckets(0.005, 2.0, 16)?),
        )?;
        registry.register(Box::new(notification_delay.clone()))?;
        Ok(Self {
            alerts_applied: counter(
                "alerting_alerts_applied_total",
                "Alerts that opened or joined an incident.",
            )?,
            alerts_repeated: counter(
                "alerting_alerts_repeated_total",
                "Alerts passed over: applied before.",
            )?,
            alerts_refused: labelled(
                "alerting_alerts_refused_total",
                "Records that are no alert this version can read, or that the store refuses.",
                "reason",
                &["not_json", "bad_field", "schema_too_new", REFUSED_BY_STORE],
            )?,
            aside_full: labelled(
                "alerting_aside_full_total",
                "Records that could not be put aside, since too many are.",
                "then",
                &["passed_over", "held_up"],
            )?,
            incidents_opened: counter("alerting_incidents_opened_total", "Incidents opened.")?,
            notifications_decided: counter(
                "alerting_notifications_decided_total",
                "Notifications put into the outbox.",
            )?,
            notifications_sent: labelled(
                "alerting_notifications_sent_total",
                "Notifications handed over.",
                "channel",
                channels,
            )?,
            notifications_retried: labelled(
                "alerting_notifications_retried_total",
                "Attempts to be repeated.",
                "channel",
                channels,
            )?,
            notifications_failed: labelled(
                "alerting_notifications_failed_total",
                "Notifications given up.",
                "channel",
                channels,
            )?,
            mails: labelled(
                "alerting_mails_total",
                "Attempts of mails by how they were protected.",
                "protection",
                &["clear", "smime", "pgp", "unsealable"],
            )?,
            letters_sent: labelled(
                "alerting_letters_sent_total",
                "Mails handed over that are not about one incident.",
                "kind",
                &LETTERS,
            )?,
            dead_letters: gauge(
                "alerting_dead_letters",
                "Notifications and letters that were given up and not set aside.",
            )?,
            notification_delay,
            escalations: labelled(
                "alerting_escalations_total",
                "Incidents that nobody answered in time, by who was told next.",
                "to",
                &["turn", "duty", "beyond", "reminder", "ended"],
            )?,
            answers: labelled(
                "alerting_answers_total",
                "Answers that came in.",
                "kind",
                &["seen", "acknowledged", "verdict", "closed"],
            )?,
            links_refused: labelled(
                "alerting_links_refused_total",
                "Links refused.",
                "reason",
                &["unknown", "expired", "too_many", "used_up"],
            )?,
            reveals: labelled(
                "alerting_reveals_total",
                "Steps of requests to reveal what pseudonyms stand for.",
                "step",
                &alerting_incident::RevealStep::ALL
                    .iter()
                    .map(|step| step.as_str())
                    .collect::<Vec<_>>(),
            )?,
            reveal_answers_refused: labelled(
                "alerting_reveal_answers_refused_total",
                "Answers of sites that were not taken.",
                "why",
                &["unreadable", "unknown", "foreign", "other", "late", "broken"],
            )?,
            rows_passed_over: labelled(
                "alerting_rows_passed_over_total",
                "Rows of the store that can't be read, and that were passed over.",
                "of",
                &["reveal", "bounce", "notification", "letter"],
            )?,
            logins: labelled(
                "alerting_logins_total",
                "Logins by how they were made, and attempts that were refused.",
                "how",
                &["local", "passkey", "break_glass", "wrong", "guarded"],
            )?,
            retries: labelled(
                "alerting_retries_total",
                "Operations that had to be repeated.",
                "of",
                &["poll", "apply", "commit", "tick", "letters"],
            )?,
            canary_seconds: gauge(
                "alerting_canary_timestamp_seconds",
                "When the last canary came out, seconds since 1970.",
            )?,
            registry_rows_left_out: gauge(
                "alerting_registry_rows_left_out",
                "Rows of the registry that the files contradict, and that say nothing.",
            )?,
            alerts_aside: gauge(
                "alerting_alerts_aside",
                "Records that were put aside, until a person has looked at them.",
            )?,
            incidents_open: gauge("alerting_incidents_open", "Incidents that are not closed.")?,
            notifications_pending: gauge(
                "alerting_notifications_pending",
                "Notifications that wait to leave.",
            )?,
            registry,
        })
    }

    /// The text exposition format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to a Vec does not fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_at_the_top_names_every_metric() {
        let source = include_str!("metrics.rs");
        let table: String = source
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        for family in Metrics::new().expect("registered").registry.gather() {
            assert!(
                table.contains(&format!("`{}", family.name())),
                "{}",
                family.name()
            );
        }
    }
}
