//! Events to correlate, in chunks that are made one after another.

use ingest_event::{OrganizationNumber, encode};

use crate::{
    quality::{
        benign::{self, Day},
        happening::{Happening, Teller, What},
    },
    workload::benign_flows,
};

/// Machines of the generated day.
const HOSTS: u64 = 2_000;

const SEED: u64 = 20_261_122;

/// Where events come from.
pub(super) enum Corpus {
    /// Flows of two thousand hosts that all are ordinary use of the internet: nearly each is observed by some rule.
    Outbound,
    /// A generated day, in the order in which it is told; see `quality`.
    Day {
        happenings: Vec<Happening>,
        teller: Box<Teller>,
    },
}

impl Corpus {
    /// A Tuesday from seven o'clock on: its flows alone, or everything.
    pub(super) fn day(organization: OrganizationNumber, flows_only: bool) -> Self {
        let mut day = Day::new(1);
        benign::fill(&mut day, SEED, 1, 0..HOSTS);
        benign::fill_common(&mut day, SEED, 1, HOSTS);
        let start = day.nanos(7.0 * 3_600.0);
        let (mut happenings, _) = day.in_order();
        happenings.retain(|happening| {
            start <= happening.told && (!flows_only || matches!(happening.what, What::Flow(_)))
        });
        Self::Day {
            happenings,
            teller: Box::new(Teller::new(organization)),
        }
    }

    /// How many events there are; as many as are asked for where they are made up on the way.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Outbound => u64::MAX,
            Self::Day { happenings, .. } => happenings.len() as u64,
        }
    }

    /// The events from the `first` on, at most `count`.
    pub(super) fn chunk(&mut self, organization: OrganizationNumber, first: u64, count: u64) -> Vec<Vec<u8>> {
        match self {
            Self::Outbound => benign_flows(organization, 1 + first, first, count),
            Self::Day { happenings, teller } => {
                let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
                let told = happenings.iter().skip(index(first)).take(index(count));
                let payload = |happening: &Happening| {
                    let mut payload = Vec::with_capacity(768);
                    encode(&teller.tell(happening), &mut payload);
                    payload
                };
                told.map(payload).collect()
            }
        }
    }
}
