//! The figures of a sensor's trust: which bundle runs, until when it is certified, whether it is let in.

use ingest_event::Timestamp;
use prometheus::{IntCounter, IntGauge, Registry};

/// All figures of trust; clones share them. At zero where no centre keeps the sensor.
#[derive(Clone, Debug)]
pub struct ControlMetrics {
    bundle: IntGauge,
    bundle_refused: IntGauge,
    certificate_end: IntGauge,
    revoked: IntGauge,
    questions: IntGauge,
    questions_refused: IntCounter,
}

impl ControlMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let questions_refused = IntCounter::new(
            "ingest_control_reveals_refused_total",
            "Questions about pseudonyms that are not believed.",
        )?;
        registry.register(Box::new(questions_refused.clone()))?;
        Ok(Self {
            questions: gauge(
                "ingest_control_reveals_waiting",
                "Questions about pseudonyms that wait for a person on site.",
            )?,
            questions_refused,
            bundle: gauge("ingest_control_bundle", "The control bundle that runs.")?,
            bundle_refused: gauge(
                "ingest_control_bundle_refused",
                "The newest control bundle that was refused or gone back from.",
            )?,
            certificate_end: gauge(
                "ingest_control_certificate_end_timestamp_seconds",
                "When the certificate ends.",
            )?,
            revoked: gauge(
                "ingest_control_revoked",
                "1 while the centre does not let the sensor in.",
            )?,
        })
    }

    /// The versions of the bundle that runs, and of the newest that does not; 0 for none.
    pub(crate) fn runs(&self, bundle: u64, refused: u64) {
        let number = |version| i64::try_from(version).unwrap_or(i64::MAX);
        self.bundle.set(number(bundle));
        self.bundle_refused.set(number(refused));
    }

    /// When the certificate ends.
    pub(crate) fn is_certified_until(&self, end: Timestamp) {
        self.certificate_end.set(end.as_millis().div_euclid(1_000));
    }

    /// Whether the centre lets the sensor in.
    pub(crate) fn is_let_in(&self, is_let_in: bool) {
        self.revoked.set(i64::from(!is_let_in));
    }

    /// How many questions wait for a person on site.
    pub(crate) fn questions_wait(&self, waiting: usize) {
        self.questions.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// A question is not believed.
    pub(crate) fn refuse_question(&self) {
        self.questions_refused.inc();
    }

    /// Questions that were not believed.
    #[must_use]
    pub fn questions_refused(&self) -> u64 {
        self.questions_refused.get()
    }

    /// Whether the centre does not let the sensor in.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.get() != 0
    }
}
