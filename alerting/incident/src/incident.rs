//! An incident, its parts, and a change to it.

use detect_alert::{Alert, AlertId, Entity, Severity};
use ingest_event::{OrganizationNumber, Timestamp, derive_id};

use crate::{Assignee, Escalation, Part, SilenceId};

/// At most this many events are kept with an incident: the five earliest and the five latest, since a person
/// reads a handful and wants the beginning and the end.
pub const SAMPLES_MAX: usize = detect_alert::SAMPLES_MAX;

/// Stands for the value of an incident's thing where it is about many.
pub const MANY: &str = "*";

/// Names an incident for good: 32 hexadecimal digits, derived from its key and the alert that opened it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(String);

/// What alerts are grouped by: rule or indicator, organisation, entity. Never across organisations, and an
/// exercise is never mixed with the real thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupKey {
    /// The rule's id or what it shares with other rules, or the kind and value of the indicator.
    pub producer: String,
    /// Whose network.
    pub organization: OrganizationNumber,
    /// What it is about.
    pub entity: Entity,
    /// Whether it belongs to an exercise.
    pub exercise: bool,
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident as $what:literal { $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The code in the store and the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $code),+ } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl std::str::FromStr for $name {
            type Err = ingest_event::UnknownCode;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or_else(|| ingest_event::UnknownCode {
                    what: $what,
                    text: text.chars().take(64).collect(),
                    known: Self::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// How far an incident has come; ordered.
    State as "state" {
        /// Opened; nobody has been told yet.
        New = "new",
        /// At least one notification has left.
        Notified = "notified",
        /// A responder has opened the link.
        Seen = "seen",
        /// A responder or an analyst has taken it.
        Acknowledged = "acknowledged",
        /// Done; further alerts open a new incident that refers to this one.
        Closed = "closed",
    }
}

codes! {
    /// What a person concluded.
    Verdict as "verdict" {
        /// It was what the rule says.
        TruePositive = "true_positive",
        /// It was harmless.
        FalsePositive = "false_positive",
        /// The responder asks the CERT for help.
        NeedHelp = "need_help",
    }
}

codes! {
    /// How soon a person should look, among incidents of equal severity; ordered.
    Priority as "priority" {
        /// In its turn.
        Normal = "normal",
        /// First: a responder has asked for help.
        Raised = "raised",
    }
}

codes! {
    /// What a line of the timeline tells.
    TimelineKind as "timeline kind" {
        /// The incident was opened.
        Opened = "opened",
        /// A further alert changed what the incident says.
        Alert = "alert",
        /// A notification left.
        Notified = "notified",
        /// A responder opened the link.
        Seen = "seen",
        /// Someone took it.
        Acknowledged = "acknowledged",
        /// Someone concluded.
        Verdict = "verdict",
        /// Nobody answered in time: others were told.
        Escalated = "escalated",
        /// A silence covers it: nobody is told.
        Silenced = "silenced",
        /// Another explains it: nobody is told while that one is open.
        Inhibited = "inhibited",
        /// It goes on beyond the silence, or what explained it is over.
        Woken = "woken",
        /// Someone, or the service, remarked something.
        Comment = "comment",
        /// Someone remarked something that the owner and the CERT both read.
        Shared = "shared",
        /// It was closed.
        Closed = "closed",
        /// It was given to someone, or to nobody.
        Assigned = "assigned",
        /// Others became part of it, or it of another.
        Merged = "merged",
        /// A part of it became an incident of its own, or it was such a part.
        Split = "split",
        /// Someone took back what they did last.
        Undone = "undone",
        /// Someone said that an authority must be told, or need not after all.
        Declared = "declared",
        /// A statutory deadline comes near, or has passed.
        Deadline = "deadline",
        /// An authority was told.
        Reported = "reported",
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Someone at the CERT.
    Analyst {
        /// As shown in the timeline: others may be called the same.
        name: String,
        /// The id of their account, which nobody else has and which stays; `None` where nobody logs in.
        account: Option<String>,
    },
    /// Someone who was notified.
    Responder {
        /// As in the registry.
        name: String,
        /// The id of their account; `None` for whoever answers by a link.
        account: Option<String>,
    },
    /// This service.
    Varde,
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: TimelineKind,
    /// Who.
    pub actor: Actor,
    /// In their words; may be empty.
    pub text: String,
}

/// Alerts about one thing in one organisation, with a life.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// What its alerts have in common.
    pub key: DedupKey,
    /// The closed incident of the same key that came before.
    pub relapse_of: Option<IncidentId>,
    /// What explains it: the gravest alert, the earliest among equals. Its `events` are samples of all alerts
    /// (at most [`SAMPLES_MAX`]), its markings the strictest of all.
    pub lead: Alert,
    /// How many alerts.
    pub count: u64,
    /// Time of the earliest event.
    pub first_seen: Timestamp,
    /// Time of the latest event.
    pub last_seen: Timestamp,
    /// How far it has come.
    pub state: State,
    /// What a person concluded, last.
    pub verdict: Option<Verdict>,
    /// How soon to look.
    pub priority: Priority,
    /// The silence because of which nobody is told.
    pub silence: Option<SilenceId>,
    /// The open incident that explains it, because of which nobody is told.
    pub inhibited_by: Option<IncidentId>,
    /// How far up it was told, and what happens if nobody answers; `None` if nobody was told.
    pub escalation: Option<Escalation>,
    /// Who works on it.
    pub assignee: Option<Assignee>,
    /// The incident that it became part of; then it is closed.
    pub merged_into: Option<IncidentId>,
    /// What it is without those that became part of it; `None` if none did.
    pub own: Option<Box<Part>>,
    /// Of what is about many: how many alerts it had when somebody took it; `None` if nobody has, or they were told since that it grew.
    pub grows_from: Option<u64>,
    /// When it was opened, by the service's clock.
    pub opened_at: Timestamp,
    /// When it was last changed, by the service's clock.
    pub updated_at: Timestamp,
    /// Grows by one with every change.
    pub version: u64,
}

/// What kind of change; decides who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The first of its key.
    Opened,
    /// Opened after an incident of the same key was closed.
    Relapsed,
    /// One more alert, nothing graver.
    Added,
    /// One more alert, and it is graver than before.
    Raised {
        /// The severity before.
        from: Severity,
    },
    /// It is beyond the silence that kept it from being told, or what explained it is over.
    Woken,
    /// A responder asks for help.
    HelpNeeded,
    /// What somebody took is about many, and about many more now.
    Grown {
        /// Alerts when it was taken.
        from: u64,
    },
    /// Any other answer or progress: nobody is told.
    Progressed,
}

/// An incident as it is after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The incident now.
    pub incident: Incident,
    /// What kind of change it was.
    pub kind: ChangeKind,
    /// What to add to its timeline.
    pub timeline: Vec<TimelineEntry>,
}

impl IncidentId {
    /// From what its alerts have in common and the alert that opened it.
    #[must_use]
    pub fn derive(key: &DedupKey, first: &AlertId) -> Self {
        Self(derive_id(&[
            b"incident",
            key.digest().as_bytes(),
            first.as_str().as_bytes(),
        ]))
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for IncidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl DedupKey {
    /// The key of an alert.
    #[must_use]
    pub fn of(alert: &Alert) -> Self {
        let producer = match &alert.indicator {
            Some(indicator) => format!("indicator:{}:{}", indicator.kind.as_str(), indicator.value),
            None => match &alert.producer.incident {
                Some(incident) => format!("incident:{incident}"),
                None => alert.producer.id.0.clone(),
            },
        };
        Self {
            producer,
            organization: alert.organization,
            entity: alert.entity.clone(),
            exercise: alert.exercise,
        }
    }

    /// The key of the incident about many things that an alert may join.
    #[must_use]
    pub fn crowd(&self) -> Self {
        let mut crowd = self.clone();
        crowd.entity.value = MANY.to_owned();
        crowd
    }

    /// What incidents of one rule in one organisation have in common, as 32 hexadecimal digits.
    #[must_use]
    pub fn kin(&self) -> String {
        self.crowd().digest()
    }

    /// The key as 32 hexadecimal digits, to look up by.
    #[must_use]
    pub fn digest(&self) -> String {
        derive_id(&[
            self.producer.as_bytes(),
            self.organization.as_str().as_bytes(),
            self.entity.field.as_bytes(),
            self.entity.value.as_bytes(),
            &[u8::from(self.exercise)],
        ])
    }
}

impl Actor {
    /// As the timeline shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Analyst { name, .. } | Self::Responder { name, .. } => name,
            Self::Varde => "Varde",
        }
    }

    /// The id of their account, if they have one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Analyst { account, .. } | Self::Responder { account, .. } => account.as_deref(),
            Self::Varde => None,
        }
    }

    /// Whether it was they who did what is kept with this account and name. Names say so only where neither has an account:
    /// two may be called the same, and one may be called otherwise by now.
    #[must_use]
    pub fn is(&self, account: Option<&str>, name: &str) -> bool {
        match (self.account(), account) {
            (Some(own), Some(account)) => own == account,
            (None, None) => self.name() == name,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether it was surely another who did it. That is not the opposite of [`Actor::is`]: of what was done before accounts were kept,
    /// somebody with an account is neither.
    #[must_use]
    pub fn is_another_than(&self, account: Option<&str>, name: &str) -> bool {
        match (self.account(), account) {
            (Some(_), Some(_)) | (None, None) => !self.is(account, name),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Incident {
    /// Whether it is about many things of one kind.
    #[must_use]
    pub fn is_crowd(&self) -> bool {
        self.key.entity.value == MANY
    }

    /// How grave: the gravest of its alerts.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.lead.severity
    }

    /// The same incident one change later.
    pub(crate) fn changed(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.updated_at = now.max(self.updated_at);
        next.version += 1;
        next
    }

    /// Whether somebody has taken it, or it is over.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        State::Acknowledged <= self.state
    }

    /// Moves the state forward, never back. Who is answered waits for nobody.
    pub(crate) fn advance(&mut self, state: State) {
        let is_taken = self.state < State::Acknowledged && state == State::Acknowledged;
        if is_taken || state == State::Closed {
            self.grows_from = (is_taken && self.is_crowd()).then_some(self.count);
        }
        self.state = self.state.max(state);
        if State::Acknowledged <= state {
            self.rest();
        }
    }

    /// Waits for nobody.
    pub(crate) fn rest(&mut self) {
        if let Some(escalation) = &mut self.escalation {
            escalation.due = None;
        }
    }
}

impl Change {
    pub(crate) fn progressed(incident: Incident, entry: TimelineEntry) -> Self {
        Self {
            incident,
            kind: ChangeKind::Progressed,
            timeline: vec![entry],
        }
    }
}
