//! What pseudonyms of an incident stand for: who asks, agrees, says no, and looks (decision 0022).
//!
//! The CERT sees every request; those who act for the organisation that is asked see those that reached their site, with
//! everything that happened to them. What was revealed is told one request at a time, and each look is written down.

use std::collections::BTreeSet;

use alerting_incident::{
    IncidentId, RevealState, RevealStep,
    access::{Action, Login, may},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use ingest_event::OrganizationNumber;
use ingest_trust::reveal::Revealed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api, body::read_body, incidents::read_note, openapi::codes, problem::Problem, routes::Routes,
    shapes::OrganizationName, who::Who,
};
use crate::{
    reveal::{self, Refusal},
    store::{Stored, StoredReveal, StoredStep},
};

/// What someone asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevealBody {
    /// Of those that are `askable`, made with one key.
    #[schema(min_items = 1, max_items = 20)]
    pseudonyms: Vec<String>,
    /// Why: the site reads it.
    #[schema(min_length = 10, max_length = 1000)]
    reason: String,
}

/// Why someone says no.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusalBody {
    /// Everybody who sees the request reads it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Requests to reveal of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevealList {
    /// The oldest first, without what was revealed.
    reveals: Vec<RevealView>,
    /// The pseudonyms in the incident's events, for whoever may ask.
    askable: Vec<String>,
}

/// A request to reveal what pseudonyms stand for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevealView {
    #[schema(value_type = codes::RevealId)]
    id: String,
    #[schema(value_type = codes::IncidentId)]
    incident: String,
    /// Whose site is asked.
    organization: OrganizationName,
    #[schema(value_type = codes::RevealState)]
    state: &'static str,
    pseudonyms: Vec<String>,
    reason: String,
    asked_by: String,
    #[schema(value_type = codes::Time)]
    asked_at: String,
    /// From when on no answer counts.
    #[schema(value_type = codes::Time)]
    ends_at: String,
    /// Until when what was revealed is kept.
    #[schema(value_type = Option<codes::Time>)]
    kept_until: Option<String>,
    /// The digest of the line in the site's own log.
    site_log: Option<String>,
    /// What happened to it, in order.
    log: Vec<RevealLine>,
    /// What was revealed: in the answer about one request, to whoever may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    revealed: Option<Vec<RevealedValue>>,
}

/// Something that happened to a request to reveal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevealLine {
    #[schema(value_type = codes::Time)]
    at: String,
    who: String,
    #[schema(value_type = codes::RevealStep)]
    step: &'static str,
    note: String,
}

/// What a pseudonym stood for.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealedValue {
    pseudonym: String,
    /// Left out where the site does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    stood_for: Option<String>,
}

impl std::fmt::Debug for RevealedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevealedValue").finish_non_exhaustive()
    }
}

/// All routes of it.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route(__path_list, list)
        .route(__path_ask, ask)
        .route(__path_one, one)
        .route(__path_approve, approve)
        .route(__path_refuse, refuse)
}

/// Lists an incident's requests to reveal.
///
/// With what may be asked for. An organisation sees those that reached its site.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/reveals", params(("id" = codes::IncidentId, Path)),
    responses((status = 200, body = RevealList), (status = 404, description = "there is no such incident or request, or none that the asker may see")))]
pub(super) async fn list(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<RevealList>, Problem> {
    let stored = incident(&api, &who, &id).await?;
    let mut shown = Vec::new();
    for reveal in api.state.store.reveals(&stored.incident.id).await? {
        if is_shown(&who, &reveal) {
            shown.push(view(&api, &reveal).await?);
        }
    }
    let mut there = BTreeSet::new();
    if api.state.reveal.is_some() {
        for (site, pseudonyms) in reveal::sites(&api.state, &stored).await? {
            if may(&who.principal, Action::AskReveal, Some(site)) {
                there.extend(pseudonyms.into_keys());
            }
        }
    }
    Ok(Json(RevealList {
        reveals: shown,
        askable: there.into_iter().collect(),
    }))
}

/// Asks what pseudonyms stand for.
///
/// The site is asked when a second person agrees. The same question while it is open is the same request.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/reveals", params(("id" = codes::IncidentId, Path)), request_body = RevealBody,
    responses(
        (status = 201, body = RevealView),
        (status = 404, description = "there is no such incident or request, or none that the asker may see"),
        (status = 409, description = "sites are not asked here, or too many requests to this organisation are open"),
        (status = 422, description = "a pseudonym is not in the incident, or too much or too little is said"),
    ),
    extensions(("x-varde-action" = json!("ask_reveal"))))]
pub(super) async fn ask(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<RevealView>), Problem> {
    let stored = incident(&api, &who, &id).await?;
    let sites = reveal::sites(&api.state, &stored).await?;
    let may_ask = |site: OrganizationNumber| may(&who.principal, Action::AskReveal, Some(site));
    if !may_ask(stored.incident.lead.organization) && !sites.keys().copied().any(may_ask) {
        return Err(Problem::not_allowed(Action::AskReveal));
    }
    is_person(&who)?;
    let body: RevealBody = read_body(&body)?;
    if api.state.reveal.is_none() {
        return Err(Refusal::NotSet.into());
    }
    // What is said of a site that they may not ask is what is said of none.
    let own: reveal::Sites = sites.into_iter().filter(|(site, _)| may_ask(*site)).collect();
    let chosen = reveal::choose(&own, body.pseudonyms)?;
    let asked = reveal::ask(&api.state, &stored, chosen, &body.reason, &who.actor).await?;
    let shown = reread(&api, &who, &stored, &asked).await?;
    Ok((StatusCode::CREATED, shown))
}

/// Shows a request to reveal, with what was revealed.
///
/// What was revealed is shown to whoever may read it, and each look is in the audit log.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/reveals/{reveal}",
    params(("id" = codes::IncidentId, Path), ("reveal" = codes::RevealId, Path)),
    responses((status = 200, body = RevealView), (status = 404, description = "there is no such incident or request, or none that the asker may see")))]
pub(super) async fn one(
    Shared(api): Shared<Api>,
    who: Who,
    Path((id, reveal)): Path<(String, String)>,
) -> Result<Json<RevealView>, Problem> {
    let stored = incident(&api, &who, &id).await?;
    let reveal = found(&api, &who, &stored, &reveal).await?;
    let mut shown = view(&api, &reveal).await?;
    if !may(&who.principal, Action::ReadRevealed, Some(reveal.organization)) {
        return Ok(Json(shown));
    }
    let read = reveal::read(&api.state, &stored, &reveal.id, &who.actor).await?;
    let revealed =
        read.and_then(|read| serde_json::from_str::<Vec<Revealed>>(read.revealed.as_deref()?).ok());
    shown.revealed = revealed.map(|values| values.into_iter().map(value).collect());
    Ok(Json(shown))
}

/// Agrees, as the second person, that a site is asked.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/reveals/{reveal}/approve",
    params(("id" = codes::IncidentId, Path), ("reveal" = codes::RevealId, Path)),
    responses((status = 200, body = RevealView), (status = 404, description = "there is no such incident or request, or none that the asker may see"),
        (status = 409, description = "it is not waiting for a second person"), (status = 422, description = "it can't be signed")),
    extensions(("x-varde-action" = json!("approve_reveal"))))]
pub(super) async fn approve(
    Shared(api): Shared<Api>,
    who: Who,
    Path((id, reveal)): Path<(String, String)>,
) -> Result<Json<RevealView>, Problem> {
    let stored = incident(&api, &who, &id).await?;
    let reveal = found(&api, &who, &stored, &reveal).await?;
    who.require(Action::ApproveReveal, Some(reveal.organization))?;
    is_person(&who)?;
    let done = reveal::approve(&api.state, &stored, &reveal.id, &who.actor).await?;
    done.ok_or_else(no_reveal)?;
    reread(&api, &who, &stored, &reveal.id).await
}

/// Says no to a request to reveal.
///
/// The second person denies it, the CERT withdraws it, the organisation that is asked refuses it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/reveals/{reveal}/refuse",
    params(("id" = codes::IncidentId, Path), ("reveal" = codes::RevealId, Path)), request_body = RefusalBody,
    responses((status = 200, body = RevealView), (status = 404, description = "there is no such incident or request, or none that the asker may see"),
        (status = 409, description = "it is over"), (status = 422, description = "there is no reason")),
    extensions(("x-varde-action" = json!("refuse_reveal"))))]
pub(super) async fn refuse(
    Shared(api): Shared<Api>,
    who: Who,
    Path((id, reveal)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<RevealView>, Problem> {
    let stored = incident(&api, &who, &id).await?;
    let reveal = found(&api, &who, &stored, &reveal).await?;
    let site = Some(reveal.organization);
    let (is_askers, is_sites) = (
        may(&who.principal, Action::AskReveal, site),
        may(&who.principal, Action::RefuseReveal, site),
    );
    if !is_askers && !is_sites {
        return Err(Problem::not_allowed(Action::RefuseReveal));
    }
    is_person(&who)?;
    let body: RefusalBody = read_body(&body)?;
    let why = read_note(Some(body.reason))?;
    if why.is_empty() {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "`reason`: say why",
        ));
    }
    let is_theirs = |reveal: &StoredReveal| who.actor.is(reveal.asked_account.as_deref(), &reveal.asked_by);
    // Whose account was not noted yet can only take it back.
    let is_nobodys = |reveal: &StoredReveal| who.actor.account().is_some() && reveal.asked_account.is_none();
    let step = |reveal: &StoredReveal| match reveal.state {
        RevealState::Waiting if !(is_theirs(reveal) || is_askers && is_nobodys(reveal)) => RevealStep::Deny,
        _ if is_askers => RevealStep::Withdraw,
        _ => RevealStep::Refuse,
    };
    let done = reveal::refuse(&api.state, &stored, &reveal.id, &who.actor, step, &why).await?;
    done.ok_or_else(no_reveal)?;
    reread(&api, &who, &stored, &reveal.id).await
}

/// An incident that they see.
async fn incident(api: &Api, who: &Who, id: &str) -> Result<Stored, Problem> {
    let id = IncidentId::parse(id).ok_or_else(Problem::no_incident)?;
    let stored = api.state.store.incident(&who.sees(), &id).await?;
    stored.ok_or_else(Problem::no_incident)
}

/// A request of an incident that they see.
async fn found(api: &Api, who: &Who, stored: &Stored, id: &str) -> Result<StoredReveal, Problem> {
    let all = api.state.store.reveals(&stored.incident.id).await?;
    let found = all.into_iter().find(|reveal| reveal.id == id);
    found.filter(|reveal| is_shown(who, reveal)).ok_or_else(no_reveal)
}

async fn reread(api: &Api, who: &Who, stored: &Stored, id: &str) -> Result<Json<RevealView>, Problem> {
    let reveal = found(api, who, stored, id).await?;
    Ok(Json(view(api, &reveal).await?))
}

/// The CERT sees all; the organisation that is asked sees what reached it; whoever has the incident otherwise, nothing.
fn is_shown(who: &Who, reveal: &StoredReveal) -> bool {
    let site: Option<OrganizationNumber> = Some(reveal.organization);
    may(&who.principal, Action::ReadInternals, site)
        || may(&who.principal, Action::Read, site) && reveal.envelope.is_some()
}

async fn view(api: &Api, reveal: &StoredReveal) -> sqlx::Result<RevealView> {
    let steps = api.state.store.reveal_steps(&reveal.id).await?;
    Ok(RevealView {
        id: reveal.id.clone(),
        incident: reveal.incident.to_string(),
        organization: OrganizationName {
            number: reveal.organization.to_string(),
            name: api.state.organization_name(reveal.organization),
        },
        state: reveal.state.as_str(),
        pseudonyms: reveal.pseudonyms.clone(),
        reason: reveal.reason.clone(),
        asked_by: reveal.asked_by.clone(),
        asked_at: reveal.asked_at.to_string(),
        ends_at: reveal.ends_at.to_string(),
        kept_until: reveal.forget_at.map(|at| at.to_string()),
        site_log: reveal.digest.clone(),
        log: steps.into_iter().map(line).collect(),
        revealed: None,
    })
}

fn line(step: StoredStep) -> RevealLine {
    RevealLine {
        at: step.at.to_string(),
        who: step.who,
        step: step.step.as_str(),
        note: step.note,
    }
}

fn value(revealed: Revealed) -> RevealedValue {
    RevealedValue {
        pseudonym: revealed.pseudonym,
        stood_for: revealed.stood_for,
    }
}

/// Two people are two who logged in with an account of their own.
fn is_person(who: &Who) -> Result<(), Problem> {
    if matches!(
        who.principal.login,
        Login::Nobody | Login::Token | Login::BreakGlass
    ) {
        let detail =
            "this takes a person who logged in with an account of their own (`access` in the configuration)";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

fn no_reveal() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such request in this incident")
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::OnePerson => StatusCode::FORBIDDEN,
            Refusal::NotSet | Refusal::Open | Refusal::Over(_) => StatusCode::CONFLICT,
            Refusal::Several
            | Refusal::NotThere(_)
            | Refusal::Keys
            | Refusal::Sites
            | Refusal::Count
            | Refusal::Reason
            | Refusal::Seal(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        match refusal {
            Refusal::Store(error) => Self::from(error),
            other => Self::new(status, other.to_string()),
        }
    }
}
