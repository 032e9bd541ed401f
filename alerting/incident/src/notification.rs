//! One decision to tell one responder by one channel, with its reason.

use ingest_event::{Timestamp, derive_id};

use crate::{Channel, IncidentId, Language, ResponderId, incident::codes};

/// Names a notification for good: 32 hexadecimal digits, derived from what it decides, so that deciding twice
/// makes one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(String);

codes! {
    /// Why a responder is told.
    NotifyReason as "notify reason" {
        /// A new incident.
        Opened = "opened",
        /// It came back after it was closed.
        Relapsed = "relapsed",
        /// It is graver than when the responder was told.
        Raised = "raised",
        /// Those who were told before have not answered in time.
        Escalated = "escalated",
        /// A responder asks the CERT for help.
        HelpNeeded = "help_needed",
        /// What the responder was told was taken back.
        Corrected = "corrected",
        /// An authority must be told by law, and the time for it runs out.
        Deadline = "deadline",
        /// What the responder took is about many, and about many more now.
        Grown = "grown",
    }
}

/// Tells one responder about one incident, by one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its name.
    pub id: NotificationId,
    /// About which incident.
    pub incident: IncidentId,
    /// To whom.
    pub responder: ResponderId,
    /// Their name, as in the registry when it was decided.
    pub responder_name: String,
    /// How, and where to.
    pub channel: Channel,
    /// In which language.
    pub language: Language,
    /// Why.
    pub reason: NotifyReason,
    /// When it was decided, by the service's clock.
    pub created_at: Timestamp,
    /// Whether the responder had a key for mail then: what is lost meanwhile must not make it leave in clear.
    pub is_sealed: bool,
}

impl NotificationId {
    /// From what is decided; `occasion` tells two of the same kind apart.
    #[must_use]
    pub fn derive(
        incident: &IncidentId,
        responder: &ResponderId,
        channel: &Channel,
        reason: NotifyReason,
        occasion: &str,
    ) -> Self {
        Self(derive_id(&[
            b"notification",
            incident.as_str().as_bytes(),
            responder.as_str().as_bytes(),
            channel.kind().as_bytes(),
            channel.address().as_bytes(),
            reason.as_str().as_bytes(),
            occasion.as_bytes(),
        ]))
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        IncidentId::parse(text).map(|_| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for NotificationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
