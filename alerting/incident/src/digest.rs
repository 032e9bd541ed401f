//! What is told at once and what is gathered for a business day, and what a digest then says of each incident.

use detect_alert::Severity;

use crate::{Incident, NotifyReason, State};

/// What is gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Up to this severity; `None` gathers nothing.
    pub up_to: Option<Severity>,
}

/// Why a person is told whatever the severity is, or not.
const AT_ONCE: [NotifyReason; 4] = [
    NotifyReason::Escalated,
    NotifyReason::HelpNeeded,
    // Whoever was told at once what was wrong is told at once that it was.
    NotifyReason::Corrected,
    // The law's clocks know no business days.
    NotifyReason::Deadline,
];

/// What becomes of a gathered notification when its day has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// The digest tells it.
    Told,
    /// The digest tells that it is over already.
    ToldAsClosed,
    /// Left out: nobody is told of what is silent.
    Silent,
    /// Left out: it became graver, and left by itself.
    LeftAlready,
}

impl Gathering {
    /// Whether a notification waits for the digest. Only mail does: a machine that is called wants to know at once.
    #[must_use]
    pub fn takes(&self, reason: NotifyReason, severity: Severity) -> bool {
        self.up_to.is_some_and(|most| severity <= most) && !AT_ONCE.contains(&reason)
    }

    /// The reasons that wait.
    pub fn reasons() -> impl Iterator<Item = NotifyReason> {
        NotifyReason::ALL
            .iter()
            .copied()
            .filter(|reason| !AT_ONCE.contains(reason))
    }

    /// What becomes of a notification about an incident as it is now.
    #[must_use]
    pub fn outcome(&self, incident: &Incident) -> Gathered {
        if self.up_to.is_none_or(|most| most < incident.severity()) {
            Gathered::LeftAlready
        } else if incident.silence.is_some() {
            Gathered::Silent
        } else if incident.state == State::Closed {
            Gathered::ToldAsClosed
        } else {
            Gathered::Told
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_wait_for_a_business_day_does_not() {
        let all = Gathering {
            up_to: Some(Severity::Critical),
        };
        let waits = |reason: &&NotifyReason| all.takes(**reason, Severity::Low);
        let waiting: Vec<_> = NotifyReason::ALL.iter().filter(waits).copied().collect();
        assert_eq!(
            waiting,
            [
                NotifyReason::Opened,
                NotifyReason::Relapsed,
                NotifyReason::Raised,
                NotifyReason::Grown
            ]
        );
        assert_eq!(Gathering::reasons().collect::<Vec<_>>(), waiting);
    }
}
