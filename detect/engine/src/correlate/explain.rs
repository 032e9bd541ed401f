//! How a rule about several events is kept, for its author.
//!
//! Decides nothing: reads what [`super::place`], [`super::family`], [`super::gather`] and [`super::keeper`] decided.

use super::{
    gather,
    keeper::{self, Limits},
    place::{Place, Reason},
    track::{Track, Tracks},
};

/// How the groups of a rule about several events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Where, in an organisation whose events are in several partitions.
    pub place: Place,
    /// Why there.
    pub reason: Reason,
    /// How its observations come there, if it is elsewhere than they are made; or how what its groups find comes to where
    /// it is decided what that means, if that is elsewhere.
    pub journey: Option<Journey>,
    /// Whether events of schools and health services are withheld from it (R16).
    pub is_per_device: bool,
    /// How much of it.
    pub limits: Limits,
}

/// How the observations of a rule come to where its groups are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// What leaves the partition that is scanned.
    pub travels: Travels,
    /// The other rules that are kept in the same place, since they are chained by taking alerts: by place in
    /// [`crate::Ruleset::keeping`].
    pub family: Vec<usize>,
    /// The members of the group that decide where a signal goes, beside the organisation.
    pub meets_by: Vec<String>,
    /// Whether organisations are counted, by this rule or by one of its family: then signals of all of them meet, and
    /// travel though each has a single partition.
    pub is_national: bool,
}

/// What a rule whose groups are kept elsewhere sends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travels {
    /// One signal for each observation.
    Each,
    /// One signal for all observations of a group within so many nanoseconds, or a few where its values are many.
    Parts {
        /// How long a part is.
        length_ns: i64,
    },
    /// The groups stay where events are scanned. One signal when a group begins, and for what it finds: where these meet,
    /// it is decided whether too many call the same.
    Found {
        /// Besides, one again after so many nanoseconds while the group goes on.
        again_ns: i64,
    },
}

impl Keeping {
    /// Where it is decided what the groups find, in an organisation whose events are in several partitions.
    #[must_use]
    pub const fn decided(&self) -> Place {
        match self.journey {
            None => Place::Scan,
            Some(_) => Place::Signals,
        }
    }
}

impl Tracks {
    /// How each of them is kept, by number.
    pub(crate) fn keeping(&self) -> impl Iterator<Item = (&Track, Keeping)> {
        self.all.iter().enumerate().map(|(number, track)| {
            let journey = has_journey(track).then(|| self.journey(number, track));
            let keeping = Keeping {
                place: track.place,
                reason: track.reason.clone(),
                journey,
                is_per_device: track.asked.is_per_device(),
                limits: keeper::of(track).limits(track),
            };
            (track, keeping)
        })
    }

    fn journey(&self, number: usize, track: &Track) -> Journey {
        let is_relative = |(other, of): &(usize, &Track)| {
            *other != number && of.family.first == track.family.first && has_journey(of)
        };
        let relatives = self.all.iter().enumerate().filter(is_relative);
        let names = &track.about.group_by;
        let meets_by = track.family.shared.iter().filter_map(|at| names.get(*at));
        Journey {
            travels: match track.place {
                Place::Scan => Travels::Found {
                    again_ns: track.asked.told_again_ns(),
                },
                Place::Signals if gather::takes_parts(track) => Travels::Parts {
                    length_ns: gather::PART_NS,
                },
                Place::Signals => Travels::Each,
            },
            family: relatives.map(|(other, _)| other).collect(),
            meets_by: meets_by.cloned().collect(),
            is_national: track.family.is_national,
        }
    }
}

/// Whether anything of it travels.
fn has_journey(track: &Track) -> bool {
    match track.place {
        Place::Scan => track.asked.caller().is_some(),
        Place::Signals => true,
    }
}
