//! What goes on beside the agent: asking for bundles, applying them, watching, reporting, renewing the certificate.
//!
//! Time is counted in looks, so a clock that is set does no harm; only the certificate's end is a time of the clock.

use std::time::Duration;

use ingest_event::Timestamp;
use ingest_trust::manifest;
use ingest_trust::signing::VerifyingKey;
use ingest_trust::wire::{Reason, Report};
use ingest_trust::{EnrolmentCode, Manifest};
use tokio::sync::watch as channel;
use tokio::time::MissedTickBehavior;

use super::bundle::{BundleError, Origin, Store};
use super::enrol::Enrolled;
use super::gateway::{Gateway, GatewayError, Offer};
use super::identity::{Identity, Trust};
use super::overlay::Overlay;
use super::renew::{self, RenewError};
use super::reveals::Reveals;
use super::standing::Standing;
use super::watch::Figures;
use super::{ControlError, Pace, check, import};
use crate::agent::{self, Bundles, Steered};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Plan};
use crate::metrics::Metrics;

/// How long parts of a bundle are brought at a time: then the watch, the certificate and the report have their turn. One
/// part has more time than its answer may take.
const FETCH_MAX: Duration = Duration::from_secs(2 * 60);

/// What makes the inside of the sensor start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Another configuration, or another identity.
    Again,
}

/// Whether a bundle has to be looked at once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Considered {
    /// Taken soon, or refused.
    Settled,
    /// It could not be brought whole yet.
    Later,
}

pub(super) struct Keeper {
    plan: Plan,
    trust: Trust,
    store: Store,
    identity: Identity,
    gateway: Gateway,
    standing: Standing,
    /// Why it is not known which bundles were taken: none is run or taken then, and nothing is written over.
    unknown: Option<String>,
    clock: Clock,
    metrics: Metrics,
    pace: Pace,
    bundles: channel::Sender<Bundles>,
    open: channel::Sender<bool>,
    configuration: String,
    reveals: Reveals,
    /// What the bundle adds to the configuration that the inside runs with.
    applied: Overlay,
    /// Before the inside started: what fails at once counts too. `None` where that is not known.
    started: Option<Figures>,
    /// Of the envelope that was settled last.
    tag: Option<String>,
    /// In place, and applied when the sensor has run for a while.
    ready: Option<Manifest>,
    ask_in: Duration,
    renew_in: Duration,
    renew_failures: u32,
    /// When the certificate is renewed; `None` for now.
    due: Option<Timestamp>,
    /// Whether the gateway was reached the last time: told at changes.
    is_reached: bool,
}

impl Keeper {
    /// Begins where the last process ended.
    pub(super) fn start(
        plan: Plan,
        enrolled: Enrolled,
        clock: Clock,
        metrics: Metrics,
        pace: Pace,
    ) -> Result<Self, ControlError> {
        let state = plan.state().to_owned();
        let store = Store::at(&state);
        let (mut standing, unknown) = match Standing::load(store.folder()) {
            Ok(standing) => (standing, None),
            Err(error) => {
                let why = told(error.into());
                tracing::error!(why, "it is not known which bundle runs: going on without any");
                let mut standing = Standing::default();
                standing.refuse(0, &why);
                (standing, Some(why))
            }
        };
        let (bundles, _) = channel::channel(Bundles::default());
        let (open, _) = channel::channel(true);
        let before = standing.clone();
        if standing.started() {
            tracing::error!(
                bundle = before.current,
                "the sensor ended by itself twice with this bundle; going back"
            );
        }
        let mut keeper = Self {
            trust: Trust::at(plan.state()),
            plan,
            store,
            identity: enrolled.identity,
            gateway: enrolled.gateway,
            standing,
            unknown,
            reveals: Reveals::at(&state, metrics.clone()),
            clock,
            started: Some(Figures::of(&metrics)),
            metrics,
            pace,
            bundles,
            open,
            configuration: String::new(),
            applied: Overlay::default(),
            tag: None,
            ready: None,
            ask_in: Duration::ZERO,
            renew_in: Duration::ZERO,
            renew_failures: 0,
            due: None,
            is_reached: true,
        };
        keeper.sweep();
        if keeper.standing != before {
            keeper.save();
        }
        keeper.due = keeper.renewal();
        keeper.say();
        Ok(keeper)
    }

    /// The configuration with the current bundle. A bundle that can't be used any more is gone back from.
    pub(super) fn config(&mut self) -> Result<Config, ConfigError> {
        while self.standing.current != 0 {
            let made = self
                .store
                .overlay(self.standing.current)
                .map_err(|error| told(error.into()));
            let made = made.and_then(|overlay| {
                let config = self.plan.config(Some(&self.identity), &overlay);
                Ok((config.map_err(|error| told(error.into()))?, overlay))
            });
            match made {
                Ok((config, overlay)) => {
                    self.applied = overlay;
                    self.configuration = agent::configuration_digest(&config);
                    return Ok(config);
                }
                Err(detail) => self.go_back(&detail),
            }
        }
        let config = self.plan.config(Some(&self.identity), &Overlay::default())?;
        self.applied = Overlay::default();
        self.configuration = agent::configuration_digest(&config);
        Ok(config)
    }

    pub(super) fn steered(&self) -> Steered {
        Steered {
            open: self.open.subscribe(),
            bundles: self.bundles.subscribe(),
        }
    }

    /// The process is told to stop, or can't go on for a reason that is not the bundle's.
    pub(super) fn stopped(&mut self) {
        if self.standing.watch.is_some() {
            self.standing.stopped();
            self.save();
        }
    }

    /// Whether the inside ended while a bundle is watched: then it is gone back from.
    pub(super) fn has_worsened(&mut self, error: &anyhow::Error) -> bool {
        let is_watched = self.standing.watch.is_some();
        if is_watched {
            self.go_back(&format!("the sensor could not run with it: {error:#}"));
        }
        is_watched
    }

    /// Whether the inside runs with what the current bundle says: then it need not start again. Rules and indicators it takes
    /// by itself, while it runs.
    fn is_in_place(&self) -> bool {
        let overlay = self.store.overlay(self.standing.current);
        overlay.is_ok_and(|overlay| overlay == self.applied)
    }

    /// Keeps everything going until the inside, which runs with `config`, has to start again. Dropped, it leaves nothing half
    /// done that matters.
    pub(super) async fn until_changed(&mut self, config: &Config) -> Change {
        let mut looks = tokio::time::interval(self.pace.look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut start = self.started.take().unwrap_or_else(|| Figures::of(&self.metrics));
        let mut age = Duration::ZERO;
        loop {
            looks.tick().await;
            age = age.saturating_add(self.pace.look);
            let is_time = self.pace.settle <= age;
            if self.is_worse(&start, age) || is_time && self.apply(&start) {
                let now = Figures::of(&self.metrics);
                self.tell().await;
                if !self.is_in_place() {
                    self.started = Some(now);
                    return Change::Again;
                }
                start = now;
                age = Duration::ZERO;
            }
            if self.renew().await {
                self.started = Some(Figures::of(&self.metrics));
                return Change::Again;
            }
            self.ask_in = self.ask_in.saturating_sub(self.pace.look);
            if self.ask_in.is_zero() {
                self.ask_in = self.pace.ask;
                self.ask().await;
                self.reveal(config).await;
                self.tell().await;
            }
        }
    }

    /// Looks at the current bundle while it is watched; whether it was gone back from.
    fn is_worse(&mut self, start: &Figures, age: Duration) -> bool {
        let Some(watched) = &self.standing.watch else {
            return false;
        };
        if let Some(why) = Figures::of(&self.metrics).worse(start, watched) {
            self.go_back(&why);
            return true;
        }
        if self.pace.watch <= age {
            self.standing.is_good();
            self.save();
            tracing::info!(bundle = self.standing.current, "the bundle is found good");
        }
        false
    }

    fn go_back(&mut self, why: &str) {
        let from = self.standing.current;
        self.standing.go_back(why);
        tracing::error!(from, to = self.standing.current, why, "going back from a bundle");
        self.save();
        self.say();
    }

    /// Applies a bundle that is in place; whether there was one. What fails now already is not its fault.
    fn apply(&mut self, start: &Figures) -> bool {
        let Some(manifest) = self.ready.take() else {
            return false;
        };
        let mut standing = self.standing.clone();
        let watched = Figures::of(&self.metrics).since(start);
        standing.take(manifest.version, &manifest.keys, watched);
        if let Err(error) = standing.save(self.store.folder()) {
            tracing::error!(error = told(error.into()), "take a bundle; trying again");
            self.tag = None;
            return false;
        }
        tracing::info!(bundle = manifest.version, "a bundle is applied and watched");
        self.standing = standing;
        self.sweep();
        self.say();
        true
    }

    /// Asks for a bundle: first in the folder of those brought by hand, then at the gateway.
    async fn ask(&mut self) {
        if let Some((bytes, folder)) = import::waiting(&self.store) {
            if self.consider(&bytes, Some(folder)).await == Considered::Settled {
                import::done(&self.store);
            }
            if self.ready.is_some() {
                return;
            }
        }
        if !*self.open.borrow() {
            return;
        }
        match self.gateway.offer(self.tag.as_deref()).await {
            Ok(Offer::Same | Offer::None) => self.reached(),
            Ok(Offer::Envelope { bytes, tag }) => {
                self.reached();
                if self.consider(&bytes, None).await == Considered::Settled {
                    self.tag = tag;
                }
            }
            Err(error) => self.trouble(error).await,
        }
    }

    /// Decides about an envelope, and brings what it names into place if it is to be taken.
    async fn consider(&mut self, envelope: &[u8], folder: Option<std::path::PathBuf>) -> Considered {
        if let Some(why) = self.unknown.clone() {
            let version = Manifest::unverified(envelope).map_or(0, |manifest| manifest.version);
            return self.refuse(version, &why);
        }
        let manifest = match Manifest::open(envelope, self.keys()) {
            Ok(manifest) => manifest,
            Err(error) => {
                let version = Manifest::unverified(envelope).map_or(0, |manifest| manifest.version);
                return self.refuse(version, &told(error.into()));
            }
        };
        let standing = manifest::Standing {
            organization: self.identity.organization,
            sensor: &self.identity.sensor,
            version: self.standing.taken,
        };
        match manifest.accept(&standing) {
            Ok(true) => {}
            Ok(false) => return Considered::Settled,
            Err(error) => return self.refuse(manifest.version, &told(error.into())),
        }
        self.standing.wanted = manifest.version;
        self.standing.wanted_program.clone_from(&manifest.program);
        self.say();
        let kept = self.kept();
        let is_by_hand = folder.is_some();
        let origin = match folder {
            Some(folder) => Origin::Folder(folder),
            None => Origin::Gateway(&mut self.gateway),
        };
        let fetched = tokio::time::timeout(FETCH_MAX, self.store.fetch(&manifest, origin, kept)).await;
        let put = match fetched {
            Ok(Ok(())) => self.store.put(&manifest, kept).await,
            Ok(Err(error)) => Err(error),
            Err(_) => {
                tracing::info!(bundle = manifest.version, "the bundle is still being brought");
                self.ask_in = self.pace.look;
                return Considered::Later;
            }
        };
        let usable = put.and_then(|()| {
            let overlay = self.store.overlay(manifest.version)?;
            self.suits(&overlay).map_err(BundleError::Configuration)?;
            let config = self.plan.config(Some(&self.identity), &overlay);
            config.map_err(|error| BundleError::Configuration(told(error.into())))
        });
        match usable {
            Ok(_) => {
                self.ready = Some(manifest);
                Considered::Settled
            }
            Err(error @ (BundleError::Configuration(_) | BundleError::Rules(_))) => {
                self.refuse(manifest.version, &told(error.into()))
            }
            Err(error @ BundleError::Part(_)) => {
                self.refuse(manifest.version, &told(error.into()));
                // The gateway may have it right the next time; a folder is brought again.
                if is_by_hand {
                    Considered::Settled
                } else {
                    Considered::Later
                }
            }
            Err(BundleError::Gateway(error)) => {
                if let GatewayError::Odd(detail) = &error {
                    self.refuse(manifest.version, detail);
                }
                self.trouble(error).await;
                Considered::Later
            }
            Err(error @ BundleError::File { .. }) => {
                tracing::error!(error = told(error.into()), "keep a bundle; trying again");
                Considered::Later
            }
        }
    }

    /// Whether the disk has room for what a bundle says of the spool, where the file does not win. A disk that can't be
    /// looked at is not the bundle's fault.
    fn suits(&self, overlay: &Overlay) -> Result<(), String> {
        let is_heeded = self.plan.spool_bytes_max(overlay) != self.plan.spool_bytes_max(&Overlay::default());
        match check::room(self.plan.state()) {
            Ok((held, free)) if is_heeded => overlay.suits(held, free),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn refuse(&mut self, version: u64, why: &str) -> Considered {
        if self.standing.refuse(version, why) {
            tracing::error!(bundle = version, why, "a bundle is refused");
            self.save();
            self.say();
        }
        Considered::Settled
    }

    /// Renews the certificate when it is time; whether the centre now says something else of who the sensor is.
    async fn renew(&mut self) -> bool {
        self.renew_in = self.renew_in.saturating_sub(self.pace.look);
        let is_open = *self.open.borrow();
        let is_time = !is_open || self.due.is_none_or(|due| due <= self.clock.now());
        if !is_time || !self.renew_in.is_zero() {
            return false;
        }
        let secret = self.plan.enrolment().map(EnrolmentCode::secret);
        match renew::renew(&self.gateway, &self.trust, secret).await {
            Ok(identity) => {
                self.renew_failures = 0;
                self.due = self.renewal();
                tracing::info!("the certificate is renewed");
                // One that is due again at once is a matter of our clock, not of the certificate.
                self.renew_in = self.pace.revoked;
                if !is_open {
                    self.open.send_replace(true);
                    self.metrics.control.is_let_in(true);
                    tracing::warn!("the centre lets this sensor in again; what waits is sent");
                }
                let is_other = identity != self.identity;
                self.identity = identity;
                is_other
            }
            Err(RenewError::Refused {
                reason: Reason::Revoked | Reason::Denied,
                detail,
            }) => {
                self.close(&detail);
                self.renew_in = self.pace.revoked;
                false
            }
            Err(error) => {
                self.renew_failures = self.renew_failures.saturating_add(1);
                self.renew_in = if is_open {
                    renew::pause(self.renew_failures)
                } else {
                    self.pace.revoked
                };
                tracing::warn!(
                    error = told(error.into()),
                    "the certificate can't be renewed yet; trying again"
                );
                false
            }
        }
    }

    /// Sends nothing more until the centre has changed its mind.
    fn close(&mut self, detail: &str) {
        self.metrics.control.is_let_in(false);
        if self.open.send_replace(false) {
            tracing::error!(
                detail,
                "the centre does not let this sensor in any more: nothing is sent, what comes is spooled. Asking again every hour"
            );
        }
    }

    /// What follows from an answer that is none.
    async fn trouble(&mut self, error: GatewayError) {
        match error.reason() {
            Some(Reason::Revoked | Reason::Denied) => {
                let was_open = *self.open.borrow();
                self.close(&error.to_string());
                if was_open {
                    self.renew_in = Duration::ZERO;
                }
            }
            // Out of date, most likely; the key is still ours.
            Some(Reason::Certificate) => {
                self.due = None;
                self.renew_in = self.renew_in.min(self.pace.ask);
            }
            Some(
                Reason::Code
                | Reason::Request
                | Reason::Forbidden
                | Reason::TooLarge
                | Reason::Body
                | Reason::Busy
                | Reason::Away,
            ) => {}
            // It answers, only not to our certificate: that ended, by its clock if not by ours.
            None if matches!(error, GatewayError::Away(_)) && self.gateway.answers().await.is_ok() => {
                self.due = None;
            }
            None => {}
        }
        if std::mem::replace(&mut self.is_reached, false) {
            tracing::warn!(error = told(error.into()), "ask the gateway; trying again");
        }
    }

    fn reached(&mut self) {
        if !std::mem::replace(&mut self.is_reached, true) {
            tracing::info!("the gateway answers again");
        }
    }

    /// Tells the centre how the sensor fares.
    async fn tell(&mut self) {
        if !*self.open.borrow() {
            return;
        }
        let report = Report {
            program: crate::VERSION.to_owned(),
            configuration: self.configuration.clone(),
            bundle: self.standing.current,
            wanted: self.standing.wanted,
            wanted_program: self.standing.wanted_program.clone(),
            refused: self.standing.refused.clone(),
        };
        if let Err(error) = self.gateway.tell(&report).await {
            self.trouble(error).await;
        }
    }

    /// Brings questions to the site and answers from it.
    async fn reveal(&mut self, config: &Config) {
        if *self.open.borrow()
            && let Err(error) = self
                .reveals
                .turn(&mut self.gateway, config, self.clock.now())
                .await
        {
            self.trouble(error).await;
        }
    }

    /// Tells the heartbeats.
    fn say(&self) {
        let refused = self.standing.refused.as_ref();
        let refused = refused.map_or(0, |refused| refused.version);
        self.metrics.control.runs(self.standing.current, refused);
        self.bundles.send_replace(Bundles {
            running: self.standing.current,
            wanted: self.standing.wanted,
            refused,
        });
    }

    fn save(&self) {
        if self.unknown.is_some() {
            return;
        }
        if let Err(error) = self.standing.save(self.store.folder()) {
            tracing::error!(error = told(error.into()), "note which bundle runs");
        }
    }

    /// Removes what no version needs that is kept; what can't be removed is tried again by the next one.
    fn sweep(&self) {
        if self.unknown.is_some() {
            return;
        }
        let swept = self.store.sweep(self.kept());
        if let Err(error) = swept.and_then(|()| self.forget_parts()) {
            tracing::warn!(error = told(error.into()), "remove old bundles");
        }
    }

    /// Parts stay while a newer bundle is being brought: a slow line goes on where it was.
    fn forget_parts(&self) -> Result<(), BundleError> {
        if self.standing.wanted <= self.standing.taken {
            self.store.forget_parts()?;
        }
        Ok(())
    }

    fn kept(&self) -> [u64; 2] {
        [self.standing.current, self.standing.previous]
    }

    fn keys(&self) -> &[VerifyingKey] {
        if self.standing.keys.is_empty() {
            &self.identity.keys
        } else {
            &self.standing.keys
        }
    }

    fn renewal(&self) -> Option<Timestamp> {
        let (start, end) = self.trust.validity().ok().flatten()?;
        self.metrics.control.is_certified_until(end);
        Some(renew::due(start, end, self.identity.sensor.as_str()))
    }
}

fn told(error: anyhow::Error) -> String {
    format!("{error:#}")
}
