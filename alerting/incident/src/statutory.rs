//! Which authority must be told by when, once a person has said that an incident is one of which the law wants to know.
//!
//! Legal time is the calendar's: a deadline is a moment of the machine's clock, not of the [steady](crate::Steady) one, since an authority
//! reads its own clock on the wall. Hours are hours, also over a change of summer time; a month is a calendar month.
//!
//! Sources: loven om digital sikkerhet, in force since 1 October 2025 (24 hours, nsm.no/aktuelt/ny-digitalsikkerhetslov-i-norge); directive (EU)
//! 2022/2555, article 23(4) (24 hours, 72 hours, one month); regulation (EU) 2016/679, article 33(1) (72 hours). That directive counts its month
//! from the notification; counted from awareness, as here, it is never later.

use std::time::Duration;

use ingest_event::Timestamp;

use crate::{
    Incident, Ladder, Moment, Notification, NotifyReason, Route, decide::addressed, incident::codes,
};

codes! {
    /// Under which rules an authority must be told.
    Regime as "regime" {
        /// The act on digital security: services that society depends on.
        DigitalSecurity = "digital_security",
        /// Personal data: the data protection authority.
        PersonalData = "personal_data",
        /// The sector's response team and the national one; by agreement, with no hours in law.
        ResponseTeam = "response_team",
    }
}

codes! {
    /// What they must be told; ordered.
    Stage as "stage" {
        /// That there is something.
        EarlyWarning = "early_warning",
        /// What it is.
        Notification = "notification",
        /// What it was.
        FinalReport = "final_report",
    }
}

codes! {
    /// How far the time has run; ordered.
    Warning as "warning" {
        /// Half of it.
        Half = "half",
        /// Four fifths.
        Near = "near",
        /// All of it.
        Overdue = "overdue",
    }
}

/// One notice that must be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Which.
    pub stage: Stage,
    /// The last moment at which it is in time.
    pub due_at: Timestamp,
}

const DAY: Duration = Duration::from_hours(24);

/// What must be sent, and by when, from the moment at which somebody was aware of what happened; `month_later` is a calendar month after it, of
/// the calendar that the authority reads.
#[must_use]
pub fn obligations(regime: Regime, aware_at: Timestamp, month_later: Timestamp) -> Vec<Obligation> {
    let early = (Stage::EarlyWarning, aware_at.saturating_add(DAY));
    let notification = (Stage::Notification, aware_at.saturating_add(DAY * 3));
    let all = match regime {
        Regime::DigitalSecurity => vec![early, notification, (Stage::FinalReport, month_later)],
        Regime::PersonalData => vec![notification],
        Regime::ResponseTeam => vec![early],
    };
    all.into_iter()
        .map(|(stage, due_at)| Obligation { stage, due_at })
        .collect()
}

/// Who is warned of a deadline: all contacts that accept the incident, whatever their turn, and the CERT's duty contact. `occasion` names the
/// notice and the warning.
#[must_use]
pub fn warned(
    incident: &Incident,
    route: &Route,
    ladder: &Ladder,
    occasion: &str,
    moment: Moment,
) -> Vec<Notification> {
    let theirs = route
        .responders
        .iter()
        .filter(|responder| responder.id != ladder.duty.id);
    theirs
        .chain([&ladder.duty])
        .flat_map(|responder| addressed(incident, responder, NotifyReason::Deadline, occasion, moment))
        .collect()
}

impl Warning {
    /// When it is given, of a deadline that runs from `aware_at` to `due_at`.
    #[must_use]
    pub fn at(self, aware_at: Timestamp, due_at: Timestamp) -> Timestamp {
        let whole = due_at.since(aware_at);
        match self {
            Self::Half => aware_at.saturating_add(whole / 2),
            Self::Near => aware_at.saturating_add(whole / 5 * 4),
            Self::Overdue => due_at,
        }
    }

    /// The warning that is to be given now; of several that nobody was there to give, the last. `given` is the last that was.
    #[must_use]
    pub fn due(aware_at: Timestamp, due_at: Timestamp, given: Option<Self>, now: Timestamp) -> Option<Self> {
        let mut waiting = Self::ALL.iter().filter(|warning| given < Some(**warning));
        waiting
            .rfind(|warning| warning.at(aware_at, due_at) <= now)
            .copied()
    }

    /// When the next is to be given; `None` after the last.
    #[must_use]
    pub fn next(aware_at: Timestamp, due_at: Timestamp, given: Option<Self>) -> Option<Timestamp> {
        let next = Self::ALL.iter().find(|warning| given < Some(**warning))?;
        Some(next.at(aware_at, due_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(count: i64) -> Timestamp {
        Timestamp::from_millis(1_772_438_400_000 + count * 3_600_000)
    }

    #[test]
    fn each_regime_has_its_deadlines_from_awareness() {
        let due = |regime| {
            let all = obligations(regime, hours(0), hours(700));
            all.iter().map(|one| (one.stage, one.due_at)).collect::<Vec<_>>()
        };
        use Stage::{EarlyWarning, FinalReport, Notification};
        let nis = [
            (EarlyWarning, hours(24)),
            (Notification, hours(72)),
            (FinalReport, hours(700)),
        ];
        assert_eq!(due(Regime::DigitalSecurity), nis);
        assert_eq!(due(Regime::PersonalData), [(Notification, hours(72))]);
        assert_eq!(due(Regime::ResponseTeam), [(EarlyWarning, hours(24))]);
    }

    #[test]
    fn each_warning_is_given_once_and_of_those_missed_the_last() {
        let at = |hour, given| Warning::due(hours(0), hours(100), given, hours(hour));
        let (half, near, over) = (Some(Warning::Half), Some(Warning::Near), Some(Warning::Overdue));
        for (hour, given, due) in [
            (49, None, None),
            (50, None, half),
            (50, half, None),
            (80, None, near),
            (80, half, near),
            (99, near, None),
            (100, near, over),
            (500, None, over),
            (500, over, None),
        ] {
            assert_eq!(at(hour, given), due, "{hour} {given:?}");
        }
        let next = |given| Warning::next(hours(0), hours(100), given);
        assert_eq!(
            [next(None), next(half), next(near), next(over)],
            [Some(hours(50)), Some(hours(80)), Some(hours(100)), None]
        );
    }
}
