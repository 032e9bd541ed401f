//! What the parts of the service share.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use alerting_incident::{Inhibition, Ladder, Moment, NotificationId, Organization};
use arc_swap::ArcSwap;
use ingest_event::{OrganizationNumber, Timestamp};
use serde::Serialize;
use tokio::sync::Notify;

use crate::{
    access::{login::Gate, oidc::Providers, passkeys::RelyingParty},
    clock::Clock,
    config::{AccessSettings, CertSettings, IncidentSettings},
    letters::Post,
    link::LinkKey,
    metrics::Metrics,
    notice::Notices,
    registry::Loaded,
    reveal::Desk,
    store::Store,
    ticker::Steadily,
};

/// Mails kept for the demo's mailbox; the oldest leave.
const MAILBOX_MAX: usize = 100;

/// Shared by intake, outbox and API.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    /// What holds now; changed as a whole.
    pub(crate) registry: ArcSwap<Loaded>,
    pub(crate) key: LinkKey,
    pub(crate) clock: Clock,
    /// What happens when nobody answers.
    pub(crate) ladder: Ladder,
    /// What is not told of while what explains it is open.
    pub(crate) inhibitions: Vec<Inhibition>,
    /// How people work on incidents.
    pub(crate) incidents: IncidentSettings,
    /// The clock that deadlines go by.
    pub(crate) steadily: Mutex<Steadily>,
    pub(crate) metrics: Metrics,
    pub(crate) notices: Notices,
    /// What letters go by.
    pub(crate) post: Post,
    pub(crate) cert: CertSettings,
    /// Who logs in; without it nobody does.
    pub(crate) access: Option<AccessSettings>,
    /// How sites are asked what pseudonyms stand for; without it they are not.
    pub(crate) reveal: Option<Desk>,
    /// What attempts to log in share.
    pub(crate) gate: Gate,
    /// Who vouches for people.
    pub(crate) providers: Providers,
    /// What passkeys are held to; without it nobody has any.
    pub(crate) passkeys: Option<RelyingParty>,
    pub(crate) public_url: String,
    /// Wakes the outbox.
    pub(crate) decided: Wake,
    /// When this process began.
    pub(crate) started_at: Timestamp,
    /// When the bus was last asked, in nanoseconds since 1970.
    pub(crate) polled_at: AtomicI64,
    /// When what nobody answered was last looked for, in milliseconds of the monotonic clock.
    pub(crate) ticked_ms: AtomicU64,
    /// Metrics of services in the same process.
    pub(crate) neighbours: Neighbours,
    /// The mails that left, if this is a demo.
    pub(crate) mailbox: Option<Mutex<VecDeque<DemoMail>>>,
}

/// Gives the metrics, as text, of services that share this process and its port.
#[derive(Clone)]
pub struct Neighbours(pub Arc<dyn Fn() -> String + Send + Sync>);

impl Default for Neighbours {
    fn default() -> Self {
        Self(Arc::new(String::new))
    }
}

impl std::fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Neighbours")
    }
}

/// One bell per channel, so that none takes another's.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) email: Notify,
    pub(crate) webhook: Notify,
    pub(crate) chat: Notify,
    pub(crate) syslog: Notify,
}

/// A mail as the demo shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DemoMail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) link: String,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Now, by both times that decisions are made at.
    pub(crate) fn moment(&self) -> Moment {
        let reading = self.clock.read();
        Moment {
            now: reading.wall,
            steady: self.steadily().now(reading),
        }
    }

    pub(crate) fn steadily(&self) -> MutexGuard<'_, Steadily> {
        self.steadily.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a responder answers a notification.
    pub(crate) fn link(&self, notification: &NotificationId) -> String {
        format!("{}/r/{}", self.public_url, self.key.token(notification))
    }

    /// Where the CERT sees what was given up.
    pub(crate) fn dead_letters_url(&self) -> String {
        format!("{}/dead-letters", self.public_url)
    }

    /// Where a contact says whether they are still right.
    pub(crate) fn check_link(&self, letter: &str) -> String {
        format!("{}/c/{}", self.public_url, self.key.check_token(letter))
    }

    /// The organisation to show for a number.
    pub(crate) fn organization_name(&self, number: OrganizationNumber) -> String {
        let loaded = self.registry.load();
        let name = loaded.routes.registry().display_name(number, "nb");
        name.map_or_else(|| number.to_string(), str::to_owned)
    }

    /// The organisation with a number now.
    pub(crate) fn organization(&self, number: OrganizationNumber) -> Option<Organization> {
        let loaded = self.registry.load();
        loaded.routes.registry().find(number, self.now()).cloned()
    }

    pub(crate) fn ticked(&self) {
        let millis = self.clock.read().monotonic.as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.ticked_ms.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn polled(&self) {
        self.polled_at.store(self.now().as_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn keep_for_demo(&self, mail: DemoMail) {
        let Some(mailbox) = &self.mailbox else { return };
        let mut mailbox = mailbox.lock().unwrap_or_else(PoisonError::into_inner);
        if mailbox.len() == MAILBOX_MAX {
            mailbox.pop_front();
        }
        mailbox.push_back(mail);
    }
}

impl Wake {
    pub(crate) fn all(&self) {
        self.email.notify_one();
        self.webhook.notify_one();
        self.chat.notify_one();
        self.syslog.notify_one();
    }
}
