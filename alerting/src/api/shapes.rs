//! The shapes of incidents in answers, which the document promises. What is put into them is in `view`.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::openapi::codes;
use crate::registry::question::Step;

/// An incident, as in the list and in the stream of changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Incident {
    #[schema(value_type = codes::IncidentId)]
    pub(super) id: String,
    /// The rule's title.
    pub(super) title: String,
    /// What was seen, in plain words.
    pub(super) summary: Worded,
    #[schema(value_type = codes::Severity)]
    pub(super) severity: &'static str,
    #[schema(value_type = codes::State)]
    pub(super) state: &'static str,
    #[schema(value_type = Option<codes::Verdict>)]
    pub(super) verdict: Option<&'static str>,
    #[schema(value_type = codes::Priority)]
    pub(super) priority: &'static str,
    /// Whose it is.
    pub(super) organization: OrganizationName,
    pub(super) entity: Entity,
    pub(super) source: Source,
    /// How many alerts.
    pub(super) count: u64,
    /// Time of the earliest event.
    #[schema(value_type = codes::Time)]
    pub(super) first_seen: String,
    /// Time of the latest event.
    #[schema(value_type = codes::Time)]
    pub(super) last_seen: String,
    #[schema(value_type = codes::Tlp)]
    pub(super) tlp: &'static str,
    #[schema(value_type = codes::Pap)]
    pub(super) pap: &'static str,
    /// Whether it belongs to an exercise: then it is none.
    pub(super) exercise: bool,
    /// When the first alert came in.
    #[schema(value_type = codes::Time)]
    pub(super) opened_at: String,
    /// When it last changed.
    #[schema(value_type = codes::Time)]
    pub(super) updated_at: String,
    /// Grows by one with each change; the `ETag` begins with it.
    pub(super) version: u64,
    /// The incident that it is part of.
    #[schema(value_type = Option<codes::IncidentId>)]
    pub(super) merged_into: Option<String>,
}

/// The same sentence in each of the console's languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Worded {
    /// Bokmål.
    pub(super) nb: String,
    /// Nynorsk.
    pub(super) nn: String,
    /// English.
    pub(super) en: String,
}

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationName {
    #[schema(value_type = codes::OrganizationNumber)]
    pub(super) number: String,
    pub(super) name: String,
}

/// What an incident is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entity {
    /// The field (Elastic Common Schema), or `group` for several.
    pub(super) field: String,
    /// Its value; `*` where the incident is about many.
    pub(super) value: String,
}

/// What found it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Source {
    #[schema(value_type = codes::SourceKind)]
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) author: Vec<String>,
}

/// An incident with why it fired: what a responder may see.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explained {
    #[serde(flatten)]
    pub(super) incident: Incident,
    /// What to do first.
    pub(super) first_step: Worded,
    #[schema(value_type = codes::Confidence)]
    pub(super) confidence: &'static str,
    /// What the rule looks for.
    pub(super) description: String,
    /// Further reading.
    pub(super) references: Vec<String>,
    /// Sigma's tags.
    pub(super) tags: Vec<String>,
    /// Known harmless causes.
    pub(super) false_positives: Vec<String>,
    /// Which field of which event held what was looked for.
    pub(super) evidence: Vec<Evidence>,
    /// Samples of its events.
    pub(super) events: Vec<Event>,
    /// What was counted, where several events raised it.
    pub(super) window: Option<CountedWindow>,
    /// What was remarked for all who see it, the oldest first.
    #[schema(value_type = Vec<Remark>)]
    pub(super) remarks: Vec<Value>,
    /// Only of an incident about many things: those with the most alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) members: Option<Vec<Member>>,
    /// Only of an incident about many things: how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) members_total: Option<i64>,
}

/// One reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Evidence {
    /// The event that it was seen in.
    pub(super) event_id: String,
    pub(super) field: String,
    pub(super) value: String,
    /// What matched.
    pub(super) matched: String,
}

/// An event that took part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    pub(super) id: String,
    #[schema(value_type = codes::Time)]
    pub(super) timestamp: String,
    /// What was seen, by field (Elastic Common Schema).
    #[schema(value_type = Object)]
    pub(super) fields: Value,
}

/// What was counted over which time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountedWindow {
    #[schema(value_type = codes::Time)]
    pub(super) start: String,
    #[schema(value_type = codes::Time)]
    pub(super) end: String,
    pub(super) count: u64,
    /// The number in `condition`, where there is one.
    pub(super) threshold: Option<u64>,
    /// As the rule says it: `>= 10`.
    pub(super) condition: String,
    /// The fields that were grouped by.
    pub(super) group_by: Vec<String>,
}

/// One of the things that an incident about many is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    pub(super) value: String,
    /// How many alerts.
    pub(super) count: i64,
    #[schema(value_type = codes::Time)]
    pub(super) first_seen: String,
    #[schema(value_type = codes::Time)]
    pub(super) last_seen: String,
}

/// A remark.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentRemark)]
pub(crate) struct Remark {
    #[schema(value_type = codes::Time)]
    at: String,
    /// Who says so.
    by: String,
    text: String,
}

/// What can be taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Undo {
    /// `acknowledge`, `verdict`, `close`, `assign`, `merge` or `split`.
    pub(super) what: String,
    /// Until when.
    #[schema(value_type = codes::Time)]
    pub(super) until: String,
}

/// Everything that the asker may see of an incident. Whoever may not see how it was routed and who was told gets empty lists and nulls there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    pub(super) explained: Explained,
    /// How the responder was found, step by step.
    #[schema(value_type = Vec<Step>)]
    pub(super) route: Value,
    /// Who was told.
    pub(super) notifications: Vec<Notified>,
    /// What happened, the oldest first; the newest 500 lines.
    #[schema(value_type = Vec<TimelineLine>)]
    pub(super) timeline: Vec<Value>,
    /// How far up it was told, while somebody's answer is waited for.
    pub(super) escalation: Option<Climbing>,
    /// The silence that covers it.
    #[schema(value_type = Option<codes::SilenceId>)]
    pub(super) silence: Option<String>,
    /// Who works on it.
    pub(super) assignee: Option<String>,
    /// Those that are part of it.
    #[schema(value_type = Vec<codes::IncidentId>)]
    pub(super) parts: Vec<String>,
    /// What the asker may take back.
    pub(super) undo: Option<Undo>,
    /// The open incident that explains it, because of which nobody is told.
    #[schema(value_type = Option<codes::IncidentId>)]
    pub(super) inhibited_by: Option<String>,
    /// The closed incident that it came back from, if the asker may see that one.
    #[schema(value_type = Option<codes::IncidentId>)]
    pub(super) relapse_of: Option<String>,
}

/// A line of the timeline. Only in the document: the lines come out of the store as they are shown.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields are read by the document alone")]
pub(crate) struct TimelineLine {
    #[schema(value_type = codes::Time)]
    at: String,
    #[schema(value_type = codes::LineKind)]
    kind: String,
    /// Who.
    actor: String,
    /// In their words; may be empty.
    text: String,
}

/// A notification to one responder by one channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notified {
    #[schema(value_type = codes::NotificationId)]
    pub(super) id: String,
    /// To whom.
    pub(super) responder: String,
    /// The kind of channel.
    pub(super) channel: &'static str,
    /// As much of the address as is needed to recognise it.
    pub(super) address_masked: String,
    #[schema(value_type = codes::Reason)]
    pub(super) reason: &'static str,
    #[schema(value_type = codes::Delivery)]
    pub(super) state: String,
    #[schema(value_type = codes::Time)]
    pub(super) created_at: String,
    #[schema(value_type = Option<codes::Time>)]
    pub(super) sent_at: Option<String>,
    /// Why it was not sent.
    pub(super) error: Option<String>,
    /// How often it was tried.
    pub(super) attempts: u32,
    #[schema(value_type = Option<codes::Time>)]
    pub(super) seen_at: Option<String>,
    #[schema(value_type = Option<codes::Time>)]
    pub(super) acknowledged_at: Option<String>,
    #[schema(value_type = Option<codes::Verdict>)]
    pub(super) verdict: Option<&'static str>,
}

/// How far up an incident was told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Climbing {
    #[schema(value_type = codes::ToldUpTo)]
    pub(super) told_up_to: &'static str,
    /// When the next are told, to the second.
    #[schema(value_type = Option<codes::Time>)]
    pub(super) next_at: Option<String>,
    /// How often the last were reminded.
    pub(super) reminders: u32,
}
