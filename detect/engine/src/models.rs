//! The models that rules of type `dga` and `flow` ask. Without one, its rules are silent: that is the off switch.

use std::sync::Arc;

use detect_models::{
    DomainModel, DomainVerdict, FlowDirection, FlowFeatures, FlowModel, FlowState, FlowTransport,
    FlowVerdict, LoadError, Push,
};

/// What a person is shown of why: so many features, the furthest first.
const PUSHES_SHOWN: usize = 3;

/// The models in use.
#[derive(Clone, Debug, Default)]
pub struct Models {
    domain: Option<Arc<DomainModel>>,
    flow: Option<Arc<FlowModel>>,
}

/// A verdict that reached what its rule asks, as an alert tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// In ten-thousandths.
    pub(crate) score: u16,
    /// What it can be computed from again, bit for bit.
    pub(crate) record: String,
    /// Why, in features.
    pub(crate) pushes: String,
}

impl Models {
    /// None: every rule that asks one is silent.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Takes a model of either kind; a later one of a kind replaces an earlier one.
    ///
    /// # Errors
    /// If the bytes are no model, a damaged one, or one that this program does not know.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        match DomainModel::load(bytes) {
            Ok(model) => {
                self.domain = Some(Arc::new(model));
                Ok(())
            }
            Err(LoadError::Other { .. }) => {
                self.flow = Some(Arc::new(FlowModel::load(bytes)?));
                Ok(())
            }
            Err(refused) => Err(refused),
        }
    }

    /// What the models are: part of the ruleset's version.
    pub(crate) fn digests(&self) -> Vec<[u8; 32]> {
        let domain = self.domain.as_ref().map(|model| model.identity());
        let flow = self.flow.as_ref().map(|model| model.identity());
        let identities = domain.into_iter().chain(flow);
        identities
            .map(|identity| *blake3::hash(identity.digest.as_bytes()).as_bytes())
            .collect()
    }

    /// What the model says of a name, if that is at least so many ten-thousandths.
    pub(crate) fn name(&self, name: &str, least: u16) -> Option<Told> {
        let model = self.domain.as_ref()?;
        let verdict: DomainVerdict = model.verdict(name)?;
        (least <= verdict.score.get()).then(|| Told {
            score: verdict.score.get(),
            record: model.record(&verdict).to_string(),
            pushes: pushes(&model.explain(&verdict)),
        })
    }

    /// What the model says of a flow, if that is at least so many ten-thousandths.
    pub(crate) fn flow(&self, flow: &FlowFeatures, least: u16) -> Option<Told> {
        let model = self.flow.as_ref()?;
        let verdict: FlowVerdict = model.verdict(flow);
        (least <= verdict.score.get()).then(|| Told {
            score: verdict.score.get(),
            record: model.record(&verdict).to_string(),
            pushes: pushes(&model.explain(&verdict)),
        })
    }
}

fn pushes(pushes: &[Push]) -> String {
    let shown = pushes.iter().take(PUSHES_SHOWN);
    let shown = shown.map(|push| {
        format!(
            "{} {} ({:+.1})",
            push.feature,
            push.value,
            f64::from(push.milli_nats) / 1000.0
        )
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// As `network.direction` says.
pub(crate) fn direction(text: &str) -> FlowDirection {
    match text {
        "outbound" => FlowDirection::Outbound,
        "inbound" => FlowDirection::Inbound,
        "internal" => FlowDirection::Internal,
        _ => FlowDirection::Other,
    }
}

/// As `varde.flow.state` says.
pub(crate) fn state(text: &str) -> FlowState {
    match text {
        "established" | "closed" => FlowState::Answered,
        "rejected" => FlowState::Rejected,
        "attempted" => FlowState::Attempted,
        "reset" => FlowState::Reset,
        _ => FlowState::Other,
    }
}

/// As `network.transport` says.
pub(crate) fn transport(text: &str) -> FlowTransport {
    match text {
        "tcp" => FlowTransport::Tcp,
        "udp" => FlowTransport::Udp,
        "icmp" | "ipv6-icmp" => FlowTransport::Icmp,
        _ => FlowTransport::Other,
    }
}
