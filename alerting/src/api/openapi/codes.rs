//! Codes and formats, as the document names them: made of the lists that the code itself reads and writes by.

use alerting_incident::{
    Language as Languages, NotifyReason, Priority as Priorities, RevealState as RevealStates,
    RevealStep as RevealSteps, RouteResult, State as States, StepKind, TimelineKind, Verdict as Verdicts,
    access::{Action as Actions, Login as Logins},
};
use detect_alert::{Pap as Paps, ProducerKind, Severity as Severities, Tlp as Tlps};
use ingest_event::Zone as Zones;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type},
    },
};

use crate::registry::Layer;

macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => { $(
        $(#[doc = $doc])+
        pub(crate) struct $name;
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let mut schema: Object = $schema;
                schema.description = Some(concat!($($doc),+).trim().to_owned());
                schema.into()
            }
        }
        impl ToSchema for $name {}
    )+
        /// All of them, by their names: those that only a parameter has are found nowhere else.
        pub(super) fn all() -> Vec<(&'static str, RefOr<Schema>)> {
            vec![$((stringify!($name), $name::schema())),+]
        }
    };
}

schemas! {
    /// How grave, the least first.
    Severity = one_of(Severities::ALL.iter().map(|code| code.as_str()));
    /// How sure the detection is.
    Confidence = one_of(["low", "medium", "high"]);
    /// How far a request to reveal has come.
    RevealState = one_of(RevealStates::ALL.iter().map(|code| code.as_str()));
    /// What happened to a request to reveal.
    RevealStep = one_of(RevealSteps::ALL.iter().map(|code| code.as_str()));
    /// How far an incident has come.
    State = one_of(States::ALL.iter().map(|code| code.as_str()));
    /// What a person concluded: it was what the rule says; it was harmless; the responder asks the CERT for help.
    Verdict = one_of(Verdicts::ALL.iter().map(|code| code.as_str()));
    /// How soon a person should look; `raised` where a responder asked for help.
    Priority = one_of(Priorities::ALL.iter().map(|code| code.as_str()));
    /// With whom it may be shared (Traffic Light Protocol 2.0).
    Tlp = one_of(Tlps::ALL.iter().map(|code| code.as_str()));
    /// What may be done with it (Permissible Actions Protocol).
    Pap = one_of(Paps::ALL.iter().map(|code| code.as_str()));
    /// What kind of detection found it.
    SourceKind = one_of(ProducerKind::ALL.iter().map(|code| code.as_str()));
    /// What a step of the routing looked at.
    Step = one_of(StepKind::ALL.iter().map(|code| code.as_str()));
    /// What a step of the routing came to.
    StepResult = one_of(RouteResult::ALL.iter().map(|code| code.as_str()));
    /// Who answers: the owner itself, its operator, a body above, the sector's CERT, the CERT's duty contact, nobody.
    Answers = one_of(["own", "operator", "parent", "sector", "duty", "nobody"]);
    /// What a line of a timeline tells.
    LineKind = one_of(TimelineKind::ALL.iter().map(|code| code.as_str()));
    /// Why a responder is told.
    Reason = one_of(NotifyReason::ALL.iter().map(|code| code.as_str()));
    /// How far a notification has come.
    Delivery = one_of(["pending", "sent", "failed"]);
    /// By whom an incident was told last: those whose turn it was, the duty contact, those beyond.
    ToldUpTo = one_of(["turn", "duty", "beyond"]);
    /// The language a responder reads.
    Language = one_of(Languages::ALL.iter().map(|code| code.as_str()));
    /// What one may be trusted to do.
    Action = one_of(Actions::ALL.iter().map(|code| code.as_str()));
    /// How someone showed who they are.
    Login = one_of(Logins::ALL.iter().map(|code| code.as_str()));
    /// A part of a network.
    Zone = one_of(Zones::ALL.iter().map(|code| code.as_str()));
    /// How the registry is exported.
    ExportFormat = one_of(["json", "csv"]);
    /// Why a record was put aside: what it is not, or that the store refuses it.
    AsideReason = one_of(["not_json", "bad_field", "schema_too_new", "store"]);
    /// How a report is given.
    ReportFormat = one_of(["json", "text"]);
    /// Which rows a value comes from.
    RegistryLayer = one_of([Layer::File, Layer::Import, Layer::Manual].map(Layer::as_str));
    /// A moment, in UTC (RFC 3339).
    Time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build();
    /// Names an incident for good: 32 hexadecimal digits.
    IncidentId = text().pattern(Some("^[0-9a-f]{32}$")).build();
    /// Names a notification for good: 32 hexadecimal digits.
    NotificationId = text().pattern(Some("^[0-9a-f]{32}$")).build();
    /// Names a record that was put aside: 32 hexadecimal digits.
    AsideId = text().pattern(Some("^[0-9a-f]{32}$")).build();
    /// Names a silence for good: 32 hexadecimal digits.
    SilenceId = text().pattern(Some("^[0-9a-f]{32}$")).build();
    /// The id of a request to reveal.
    RevealId = text().pattern(Some("^[0-9a-f]{32}$")).build();
    /// An organisation number: nine digits, the last of which checks the others.
    OrganizationNumber = text().pattern(Some("^[0-9]{9}$")).build();
    /// The key of a responder's link, as it stands in the notice.
    LinkToken = text().min_length(Some(1)).max_length(Some(200)).build();
    /// Where a list goes on: `next_cursor` of the answer before, as it was. Its content is nobody's to rely on.
    Cursor = text().min_length(Some(1)).max_length(Some(200)).build();
    /// A SHA-256 digest in hexadecimal.
    Digest = text().pattern(Some("^[0-9a-f]{64}$")).build();
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn one_of(codes: impl IntoIterator<Item = &'static str>) -> Object {
    text().enum_values(Some(codes)).build()
}
