//! The thread that keeps the ruleset current: it looks at the files, compiles what changed, and publishes or refuses.
//!
//! Compiling takes long and has time: the thread runs at a low priority, and the loops of events see nothing of it but
//! another ruleset in [`Live`]. What they let go of is freed here too.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use detect_rules::{Diagnostic, Level};
use ingest_event::Timestamp;

use crate::{
    cache::Unused,
    live::Live,
    load::{Loaded, Loader, Refusal, Reload, Sources},
    metrics::Metrics,
    watch::Watch,
};

/// Steps of the scheduler's priority that the thread gives way (`nice(2)`): enough that a busy loop keeps its core.
const NICENESS: i32 = 10;

/// How often the thread cleans up when it does not watch.
const IDLE: Duration = Duration::from_secs(1);

/// Someone may be writing several files: they are read when nothing changed for so long.
const SETTLE: Duration = Duration::from_millis(50);

/// Files that never stand still are read all the same, after so many waits.
const SETTLE_ROUNDS: u32 = 20;

/// After so many events the ruleset is compiled once more, trained on some of them.
const TRAINING_EVENTS: u64 = 20_000;

/// At most so many errors of a refused change are logged.
const LOGGED_MAX: usize = 20;

/// Why the files are not in use as they are; nothing if they are.
#[derive(Clone, Debug, Default)]
pub struct Status(Arc<Mutex<Option<Refusal>>>);

/// Keeps one [`Live`] current.
#[derive(Debug)]
pub struct Reloader {
    loader: Loader,
    watch: Watch,
    live: Live,
    status: Status,
    metrics: Metrics,
    clock: fn() -> Timestamp,
    /// Something changed and was not compiled yet.
    is_due: bool,
    is_trained: bool,
}

/// Asks the thread; when the last one is gone, it ends.
#[derive(Clone, Debug)]
pub struct Asks(SyncSender<()>);

impl Status {
    /// Why the files were refused, if they were.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, refusal: Option<Refusal>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

impl Asks {
    /// Has the files looked at now. An ask that still waits is enough for both.
    pub fn look(&self) {
        match self.0.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

impl Reloader {
    /// Loads for the first time.
    ///
    /// # Errors
    /// If a limit of the engine is met, or there is nothing to load.
    pub fn open(
        sources: &Sources,
        metrics: Metrics,
        status: Status,
        clock: fn() -> Timestamp,
    ) -> anyhow::Result<Self> {
        // Looked at first: what changes while it is being read is read again.
        let mut watch = Watch::new(sources.paths());
        watch.look();
        let (loader, loaded) = Loader::open(sources.clone())?;
        tell(&loaded.diagnostics, usize::MAX);
        anyhow::ensure!(
            0 < loaded.ruleset.rule_count() + loaded.ruleset.indicator_count(),
            "no rule and no indicator could be loaded: see the messages above, or check the paths under `rules`"
        );
        if let Some(outcome) = &loaded.cache {
            metrics.cache_read(outcome.as_ref().map_or_else(Unused::reason, |()| "used"));
        }
        if let Some(Err(unused)) = &loaded.cache {
            tracing::info!(reason = unused.reason(), "the cache of rules is not used");
        }
        metrics.loaded(&loaded, clock());
        log(&loaded, "ruleset loaded");
        Ok(Self {
            loader,
            watch,
            live: Live::new(Arc::new(loaded.ruleset)),
            status,
            metrics,
            clock,
            is_due: false,
            is_trained: false,
        })
    }

    /// What is kept current.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Starts the thread, which looks every `interval`, or only when asked if that is zero.
    ///
    /// # Errors
    /// If there is no room for a thread.
    pub fn spawn(self, interval: Duration) -> io::Result<Asks> {
        let (sender, asked) = sync_channel(1);
        thread::Builder::new()
            .name("ruleset".to_owned())
            .spawn(move || self.run(interval, &asked))?;
        Ok(Asks(sender))
    }

    fn run(mut self, interval: Duration, asked: &Receiver<()>) {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "the thread that compiles runs at the priority of the others");
        }
        self.finish();
        let watches = !interval.is_zero();
        let wait = if watches { interval } else { IDLE };
        loop {
            let is_asked = match asked.recv_timeout(wait) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if is_asked || watches && self.watch.look() {
                self.settle();
                self.is_due = true;
            }
            self.step();
        }
    }

    /// Cleans up, and compiles if something changed since the last step.
    fn step(&mut self) {
        self.live.sweep();
        self.live.samples().sort();
        if !self.live.has_room() {
            return;
        }
        if std::mem::take(&mut self.is_due) {
            self.reload();
        } else if !self.is_trained && TRAINING_EVENTS <= self.live.samples().seen() {
            self.train();
        } else {
            return;
        }
        self.finish();
    }

    /// What can wait until a ruleset is in use: the programs that a cache left for later, and the cache itself.
    pub fn finish(&mut self) {
        let in_use = self.live.current();
        in_use.compile_the_rest();
        match self.loader.keep(&in_use) {
            None => {}
            Some(Ok(())) => self.metrics.cache_written("written"),
            Some(Err(error)) => {
                self.metrics.cache_written("failed");
                tracing::warn!(%error, "writing the cache of rules failed, which makes the next start slower; check `rules_cache`");
            }
        }
    }

    /// Reads the files and takes what they say, or refuses it.
    pub fn reload(&mut self) {
        let timer = self.metrics.reload_seconds.start_timer();
        let samples = self.live.samples().recent();
        let outcome = self.loader.reload(self.live.current(), &samples);
        timer.observe_duration();
        match outcome {
            Reload::Same => {
                self.metrics.reloaded("same");
                self.status.set(None);
            }
            Reload::Ready(loaded) => {
                self.metrics.reloaded("taken");
                // What was taken over was built without what is new: once more, as a whole, when there is time.
                self.is_trained = false;
                self.status.set(None);
                tell(&loaded.diagnostics, LOGGED_MAX);
                self.publish(*loaded, "another ruleset taken");
            }
            Reload::Refused(refusal) => {
                self.metrics.reloaded("refused");
                tell(&refusal.diagnostics, LOGGED_MAX);
                tracing::error!(
                    reason = refusal.reason,
                    in_use = self.live.current().version().0,
                    "the changed rules and indicators are refused as a whole, those in use stay"
                );
                self.status.set(Some(refusal));
            }
        }
    }

    /// The same rules once more, compiled with a view of the events that come here.
    fn train(&mut self) {
        self.is_trained = true;
        // Otherwise what is compiled would not be what is in use.
        if !self.loader.is_in_use() {
            return;
        }
        match self.loader.retrain(&self.live.samples().recent()) {
            Ok(loaded) => self.publish(loaded, "ruleset trained on events"),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "training failed, which costs speed only"
            ),
        }
    }

    fn publish(&self, loaded: Loaded, what: &str) {
        self.metrics.loaded(&loaded, (self.clock)());
        log(&loaded, what);
        self.live.publish(Arc::new(loaded.ruleset));
        self.live.sweep();
    }

    /// Waits until nothing changes any more.
    fn settle(&mut self) {
        for _ in 0..SETTLE_ROUNDS {
            thread::sleep(SETTLE);
            if !self.watch.look() {
                return;
            }
        }
    }
}

fn log(loaded: &Loaded, what: &str) {
    let ruleset = &loaded.ruleset;
    tracing::info!(
        rules = ruleset.rule_count(),
        correlations = ruleset.correlation_count(),
        indicators = ruleset.indicator_count(),
        version = ruleset.version().0,
        "{what}"
    );
}

fn tell(diagnostics: &[Diagnostic], most: usize) {
    for diagnostic in diagnostics.iter().take(most) {
        match diagnostic.level {
            Level::Error => tracing::error!("{diagnostic}"),
            Level::Warning => tracing::warn!("{diagnostic}"),
        }
    }
    if most < diagnostics.len() {
        tracing::warn!(more = diagnostics.len() - most, "and more of these");
    }
}
