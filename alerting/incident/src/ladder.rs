//! Who is told after whom, and how long each has to answer.

use std::time::Duration;

use detect_alert::Severity;
use ingest_event::Timestamp;

use crate::Responder;

/// Reminders to the last who can be told, before an incident that nobody answers is left to the console: a month of days.
pub const REMINDERS_MAX: u32 = 30;

/// How an incident that nobody answers climbs: contacts by turn, the CERT's duty contact, and on.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// How long each rung has to answer, by severity from informational to critical; `None` climbs never.
    pub within: [Option<Duration>; 5],
    /// The CERT's own contact.
    pub duty: Responder,
    /// Who is told after the duty contact, one after the other.
    pub beyond: Vec<Responder>,
    /// How long after the last rung it is told again.
    pub remind_after: Duration,
}

/// How far up an incident was told; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// The organisation's contacts up to this turn.
    Turn(u8),
    /// The CERT's duty contact.
    Duty,
    /// Those after the duty contact, up to this place in the list.
    Beyond(u8),
}

/// How far up an incident was told, and what happens if nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// Who was told last.
    pub rung: Rung,
    /// When the next are told, in [steady](crate::Steady) time; `None` if nobody is waited for.
    pub due: Option<Timestamp>,
    /// How often the last rung was told again.
    pub reminders: u32,
}

/// The two times that a decision is made at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the service's clock: what people read.
    pub now: Timestamp,
    /// By the [steady](crate::Steady) clock: what deadlines count.
    pub steady: Timestamp,
}

impl Ladder {
    /// How long a rung has to answer for an incident of a severity.
    #[must_use]
    pub fn within(&self, severity: Severity) -> Option<Duration> {
        let place = usize::from(severity.number()).saturating_sub(1);
        self.within.get(place).copied().flatten()
    }

    /// The longest time that any severity gives.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.within.iter().flatten().max().copied()
    }

    /// Those of the CERT that a rung tells.
    pub(crate) fn of_the_cert(&self, rung: Rung) -> Option<&Responder> {
        match rung {
            Rung::Turn(_) => None,
            Rung::Duty => Some(&self.duty),
            Rung::Beyond(place) => self.beyond.get(usize::from(place)),
        }
    }
}

impl Escalation {
    /// Told up to a rung, which has so long to answer.
    pub(crate) fn waiting(rung: Rung, moment: Moment, within: Option<Duration>) -> Self {
        Self {
            rung,
            due: within.map(|within| moment.steady.saturating_add(within)),
            reminders: 0,
        }
    }
}

impl Rung {
    /// As one number that keeps the order: turns are 0 to 255, the duty contact 256, those beyond from 257 on.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Turn(turn) => u16::from(turn),
            Self::Duty => 256,
            Self::Beyond(place) => 257 + u16::from(place),
        }
    }

    /// The rung with a number; `None` for a number that no rung has.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        match (u8::try_from(number), number.checked_sub(257)) {
            (Ok(turn), _) => Some(Self::Turn(turn)),
            (Err(_), None) => Some(Self::Duty),
            (Err(_), Some(place)) => u8::try_from(place).ok().map(Self::Beyond),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_order_and_lead_back() {
        let rungs = (0..=255).map(Rung::Turn).chain([Rung::Duty]);
        let rungs: Vec<Rung> = rungs.chain((0..=255).map(Rung::Beyond)).collect();
        assert!(rungs.is_sorted());
        for (place, rung) in rungs.iter().enumerate() {
            assert_eq!(usize::from(rung.number()), place);
            assert_eq!(Rung::of_number(rung.number()), Some(*rung));
        }
        assert_eq!(Rung::of_number(257 + 256), None);
    }
}
