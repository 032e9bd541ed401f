//! What a single event can't show: Sigma's correlations and anomaly rules, over event time.
//!
//! **Two stages (D7).** A rule whose groups are each in one partition is kept where events are scanned. The observations of
//! any other rule leave as [`Signal`]s and are taken by another correlator, where signals come together.
//!
//! **Order.** Observations wait until nothing can come before them ([`order`]), and are taken in order of time and id. So
//! alerts depend on the events and not on batches, partitions, restarts, or small delays on the way (D6). What is
//! later than that is taken when it comes, if its group's window still has a place for it, and is counted.
//!
//! **Groups.** Observations are held together per rule, organisation, exercise flag and values of `group-by`. An event
//! without one of these fields, or without the counted one, is not observed.
//!
//! **Limits.** Each table of groups has one ([`keeper`]) and lets no organisation push out another's ([`table`]), what waits has one ([`order`]), each group has one
//! ([`window`]). What goes because of a limit is counted in [`CorrelatorStats`].

mod adopt;
mod anomaly;
mod door;
mod explain;
mod extract;
mod family;
mod gather;
mod keeper;
mod observation;
mod order;
mod packed;
mod place;
mod signal;
mod snapshot;
mod table;
mod track;
mod verdict;
mod window;
mod work;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use detect_alert::Alert;
use ingest_event::{OrganizationNumber, Timestamp};

use crate::ruleset::Ruleset;
pub use explain::{Journey, Keeping, Travels};
pub(crate) use extract::{Extractor, Seen, of_indicator};
use gather::Gatherer;
use keeper::Keeper;
pub use keeper::Limits;
use observation::Observation;
use order::{LATENESS_NS, Order};
pub(crate) use packed::Packed;
pub use place::{Place, Reason};
pub use signal::{Signal, SignalError};
pub use snapshot::{Dropped, RestoreError};
use table::Gone;
pub(crate) use track::Tracks;
use work::Work;

/// An event that claims to be further ahead of the clock than this does not move time: it is taken as if it were as late
/// as the latest of the others.
const AHEAD_MAX_NS: i64 = 300_000_000_000;

/// Where nothing is observed, what nothing coming makes true is looked at each time that event time has come so far.
const PASS_NS: i64 = 10_000_000_000;

/// Where nothing but what overtakes others has been read for so long, that moves time too.
const OVERTAKEN_NS: i64 = 60_000_000_000;

/// When an event was, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The event's time.
    pub at: Timestamp,
    /// The clock's when it was read.
    pub read: Timestamp,
    /// Whether it left its sensor before what was read there earlier: an alert of another program, or what matched on site. Behind it an hour of logs may
    /// still be on its way, so its time is not how far time has come.
    pub overtakes: bool,
}

impl Moment {
    /// Of an event that is read when it happens, in its turn.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self {
            at,
            read: at,
            overtakes: false,
        }
    }
}

/// What happened that no alert tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CorrelatorStats {
    /// Groups that were put out because there were too many.
    pub groups_evicted: u64,
    /// Knocks that were forgotten, while they counted, since too many others knocked: a group may begin late for it.
    pub knocks_lost: u64,
    /// Events that came more than 60 seconds late.
    pub events_late: u64,
    /// Events that claimed to be more than five minutes ahead of the clock.
    pub events_ahead: u64,
    /// Events from before their group's window, which were not counted.
    pub events_outside: u64,
    /// Events that came again.
    pub events_repeated: u64,
    /// Events that were counted though older ones of their window had to go for them.
    pub windows_full: u64,
    /// Events of schools and health services that no rule may learn a device's habits from (R16).
    pub events_protected: u64,
}

impl CorrelatorStats {
    const fn count(&mut self, gone: Gone) {
        self.groups_evicted += gone.evicted;
        self.knocks_lost += gone.knocks_lost;
    }

    const fn and(self, other: Self) -> Self {
        Self {
            groups_evicted: self.groups_evicted + other.groups_evicted,
            knocks_lost: self.knocks_lost + other.knocks_lost,
            events_late: self.events_late + other.events_late,
            events_ahead: self.events_ahead + other.events_ahead,
            events_outside: self.events_outside + other.events_outside,
            events_repeated: self.events_repeated + other.events_repeated,
            windows_full: self.windows_full + other.windows_full,
            events_protected: self.events_protected + other.events_protected,
        }
    }
}

/// Which rules a correlator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All: one correlator sees every event, as in a replay. It finds what the others find together.
    Whole,
    /// All but those over several organisations: one correlator sees every event of an organisation. Only what is held
    /// together over organisations leaves as signals.
    Organization,
    /// Those whose groups are each in one partition; the others' observations leave as signals.
    Scan,
    /// The others.
    Signals,
}

/// What came of some observations.
#[derive(Debug, Default)]
pub struct Correlated {
    /// In order of time.
    pub alerts: Vec<Alert>,
    /// For correlators where signals come together: none from [`Stage::Whole`], and from [`Stage::Organization`] only
    /// those of rules over several organisations.
    pub signals: Vec<Signal>,
}

/// The groups of every rule about several events.
#[derive(Debug)]
pub struct Correlator {
    ruleset: Arc<Ruleset>,
    stage: Stage,
    /// One for each rule, by its number.
    keepers: Vec<Box<dyn Keeper>>,
    lanes: BTreeMap<Option<OrganizationNumber>, Lane>,
    /// What is put together before it leaves as signals.
    gatherer: Gatherer,
    /// Where signals come together, if this one takes everything.
    together: Option<Box<Self>>,
    /// What waits to be taken there.
    local: Packed,
    stats: CorrelatorStats,
    /// Of what it was restored from.
    dropped: Option<Dropped>,
    /// Where observations are put together that are taken, one after another.
    shown: Option<Observation>,
}

/// What is in order by itself: what is scanned, or one organisation's signals.
#[derive(Debug)]
struct Lane {
    order: Order,
    /// How far each stream has come that this is made of, in nanoseconds.
    streams: BTreeMap<u64, i64>,
    /// How many streams there are, as far as is known; none where events are scanned.
    expected: usize,
    /// The latest of all.
    latest: i64,
    /// Event time has come this far.
    passed: i64,
    /// Since when nothing has been read but what overtakes others, by the clock.
    overtaken: Option<i64>,
}

impl Lane {
    fn new() -> Self {
        Self {
            order: Order::new(),
            streams: BTreeMap::new(),
            expected: 0,
            latest: i64::MIN,
            passed: i64::MIN,
            overtaken: None,
        }
    }

    /// Whether an event says how far time has come.
    fn is_led_by(&mut self, moment: Moment) -> bool {
        if !moment.overtakes {
            self.overtaken = None;
            return true;
        }
        let read = moment.read.as_nanos();
        let since = *self.overtaken.get_or_insert(read);
        OVERTAKEN_NS <= read.saturating_sub(since)
    }

    /// How far event time has come. Where nothing is under way at all, it has come to the latest.
    const fn reached(&self, watermark: i64) -> i64 {
        match watermark {
            i64::MAX => self.latest,
            watermark => watermark,
        }
    }

    /// Whether something is to be done though nothing may be given out.
    const fn is_passing(&self, watermark: i64) -> bool {
        PASS_NS <= self.reached(watermark).saturating_sub(self.passed)
    }

    /// Nothing comes before this any more.
    fn watermark(&self) -> i64 {
        // What is scanned is one stream.
        if self.expected == 0 {
            return self.latest.saturating_sub(LATENESS_NS);
        }
        if self.streams.len() < self.expected {
            return i64::MIN;
        }
        self.streams.values().min().copied().unwrap_or(i64::MIN)
    }
}

impl Correlator {
    /// Nothing known yet; for everything.
    #[must_use]
    pub fn new(ruleset: Arc<Ruleset>) -> Self {
        Self::for_stage(ruleset, Stage::Whole)
    }

    /// Nothing known yet; for the rules of one stage.
    #[must_use]
    pub fn for_stage(ruleset: Arc<Ruleset>, stage: Stage) -> Self {
        let together = match stage {
            Stage::Whole | Stage::Organization => {
                Some(Box::new(Self::for_stage(Arc::clone(&ruleset), Stage::Signals)))
            }
            Stage::Scan | Stage::Signals => None,
        };
        Self {
            keepers: ruleset.tracks.all.iter().map(keeper::of).collect(),
            ruleset,
            stage,
            lanes: BTreeMap::new(),
            gatherer: Gatherer::default(),
            together,
            local: Packed::default(),
            stats: CorrelatorStats::default(),
            dropped: None,
            shown: None,
        }
    }

    /// Takes what one scanned event brings, and lets time go on to the event's, unless it overtook others.
    ///
    /// An event from the future does not move time, or nothing would be told of who is silent until then, and all that
    /// comes after it would be late.
    pub(crate) fn observe(&mut self, observations: &mut Packed, moment: Moment, out: &mut Correlated) {
        let mut at = moment.at.as_nanos();
        let is_empty = observations.is_empty();
        let lane = self.lanes.entry(None).or_insert_with(Lane::new);
        at = at.max(observations.latest_at().unwrap_or(at));
        let limit = moment.read.as_nanos().saturating_add(AHEAD_MAX_NS);
        if limit < at {
            self.stats.events_ahead += 1;
            at = match lane.latest {
                i64::MIN => moment.read.as_nanos(),
                latest => latest,
            };
            observations.set_right(limit, at);
        }
        let leads = lane.is_led_by(moment);
        lane.order.put(observations);
        if is_empty && (at <= lane.latest || !leads) {
            return;
        }
        if leads {
            lane.latest = lane.latest.max(at);
        }
        let watermark = lane.watermark();
        if observations.is_empty() && !lane.order.is_due(watermark) && !lane.is_passing(watermark) {
            return;
        }
        self.give_out(None, observations, None, out);
        observations.clear();
        self.join(out);
    }

    /// So many events were not observed, for whose they are.
    pub(crate) fn protect(&mut self, events: u64) {
        self.stats.events_protected += events;
    }

    /// Takes what came together of one organisation from one of its streams of signals.
    pub fn receive(&mut self, signals: Vec<Signal>, stream: Stream, out: &mut Correlated) {
        let tracks = &self.ruleset.tracks;
        let mut observations = Packed::default();
        for observation in signals.into_iter().filter_map(|signal| signal.read(tracks)) {
            observations.push(&observation);
        }
        self.come_together(&mut observations, stream, out);
    }

    fn come_together(&mut self, observations: &mut Packed, stream: Stream, out: &mut Correlated) {
        let name = Some(stream.organization);
        let lane = self.lanes.entry(name).or_insert_with(Lane::new);
        lane.latest = lane.latest.max(observations.latest_at().unwrap_or(i64::MIN));
        let mut late = Packed::default();
        observations.each(&mut self.shown, |observation| {
            if !lane.order.put_one(observation) {
                late.push(observation);
            }
        });
        lane.expected = lane.expected.max(stream.count).max(1);
        // One that was quiet and speaks again goes back to its own time.
        lane.streams.insert(stream.number, stream.watermark);
        let watermark = lane.watermark();
        if late.is_empty() && !lane.order.is_due(watermark) && !lane.is_passing(watermark) {
            lane.order.pass(watermark);
            return;
        }
        self.give_out(name, &mut late, None, out);
    }

    /// Gives out everything that waits: the input is at its end, or nothing has come for a while.
    pub fn flush(&mut self, out: &mut Correlated) {
        let lanes: Vec<_> = self.lanes.keys().copied().collect();
        for name in lanes {
            self.give_out(name, &mut Packed::default(), Some(i64::MAX), out);
        }
        // What comes next may be the end of an outage: how long nothing else has come is counted from there.
        self.lanes.values_mut().for_each(|lane| lane.overtaken = None);
        let mut parts = Vec::new();
        self.gatherer.flush(i64::MAX, &mut parts);
        self.work(out).send_parts(&parts);
        self.join(out);
        if let Some(together) = &mut self.together {
            together.flush(out);
        }
    }

    /// What comes together here need not travel: it is taken as it would be elsewhere.
    fn join(&mut self, out: &mut Correlated) {
        let watermark = match self.together {
            Some(_) => self.watermark().map_or(i64::MIN, Timestamp::as_nanos),
            None => return,
        };
        let Some(together) = &mut self.together else {
            return;
        };
        let mut of: BTreeMap<OrganizationNumber, Packed> = BTreeMap::new();
        self.local.each(&mut self.shown, |observation| {
            of.entry(observation.head.organization)
                .or_default()
                .push(observation);
        });
        self.local.clear();
        for organization in together.lanes.keys().flatten() {
            of.entry(*organization).or_default();
        }
        for (organization, mut observations) in of {
            let stream = Stream {
                organization,
                number: 0,
                count: 1,
                watermark,
            };
            together.come_together(&mut observations, stream, out);
        }
    }

    /// Nothing has come for so long: what nothing coming makes true is told of. Time that passes without events is added
    /// to the latest event's, so that a capture of last year is not silent since last year.
    pub fn elapse(&mut self, elapsed: Duration, out: &mut Correlated) {
        self.flush(out);
        let elapsed = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
        let lanes: Vec<_> = self
            .lanes
            .iter()
            .map(|(name, lane)| (*name, lane.latest))
            .collect();
        for (name, latest) in lanes.into_iter().filter(|(_, latest)| i64::MIN < *latest) {
            self.work(out).due(name, latest.saturating_add(elapsed));
        }
        self.join(out);
        if let Some(together) = &mut self.together {
            together.elapse(Duration::from_nanos(elapsed.unsigned_abs()), out);
        }
    }

    /// No signal leaves any more that is before this. Nothing while no event has come.
    #[must_use]
    pub fn watermark(&self) -> Option<Timestamp> {
        let passed = |lane: &Lane| lane.order.first_ns().unwrap_or(i64::MAX).min(lane.watermark());
        let passed = self.lanes.values().map(passed).min()?;
        let watermark = self
            .gatherer
            .earliest()
            .map_or(passed, |earliest| earliest.min(passed));
        (i64::MIN < watermark).then(|| Timestamp::from_nanos(watermark))
    }

    /// What happened that no alert tells.
    #[must_use]
    pub fn stats(&self) -> CorrelatorStats {
        self.together
            .as_ref()
            .map_or(self.stats, |together| self.stats.and(together.stats))
    }

    /// How many groups are held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        let own: usize = self.keepers.iter().map(|keeper| keeper.len()).sum();
        own + self
            .together
            .as_ref()
            .map_or(0, |together| together.group_count())
    }

    /// How many observations wait for their turn.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        let own: usize = self.lanes.values().map(|lane| lane.order.held()).sum();
        own + self.gatherer.len()
            + self
                .together
                .as_ref()
                .map_or(0, |together| together.waiting_count())
    }

    /// Takes what is late, and what nothing can come before any more; everything up to `until`, if it is given.
    fn give_out(
        &mut self,
        name: Option<OrganizationNumber>,
        late: &mut Packed,
        until: Option<i64>,
        out: &mut Correlated,
    ) {
        let Some(mut lane) = self.lanes.remove(&name) else {
            return;
        };
        self.stats.events_late += late.len() as u64;
        let mut shown = self.shown.take();
        let mut work = self.work(out);
        late.each(&mut shown, |observation| work.take(observation));
        let watermark = until.unwrap_or_else(|| lane.watermark());
        while let Some(mut observations) = lane.order.take(watermark) {
            if let Some(first) = observations.first_at() {
                work.pass(name, first);
            }
            if observations.has_merged() {
                let mut merged = observations.iter().collect();
                gather::merge(&mut merged);
                merged.iter().for_each(|observation| work.take(observation));
            } else {
                observations.each(&mut shown, |observation| work.take(observation));
            }
            lane.order.give_back(observations);
        }
        // Nothing comes before this any more, whether something was observed or not.
        lane.passed = lane.reached(watermark).max(lane.passed);
        work.pass(name, lane.passed);
        self.shown = shown;
        self.lanes.insert(name, lane);
    }

    fn work<'w>(&'w mut self, out: &'w mut Correlated) -> Work<'w> {
        Work {
            ruleset: &self.ruleset,
            stage: self.stage,
            keepers: &mut self.keepers,
            gatherer: &mut self.gatherer,
            local: self.together.is_some().then_some(&mut self.local),
            stats: &mut self.stats,
            out,
        }
    }
}

/// How far one stream of an organisation's signals has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whose.
    pub organization: OrganizationNumber,
    /// Which of its event partitions.
    pub number: u64,
    /// How many of them there are.
    pub count: usize,
    /// Nothing comes from it before this any more, in nanoseconds.
    pub watermark: i64,
}
