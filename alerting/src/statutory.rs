//! The clocks of the law: declared by a person, warned of by the service, ended by a person who sent the notice.
//!
//! Nothing is sent to an authority by the service. What a person wrote stands once for each incident, and every notice is made of it
//! (`report`).

use std::time::Duration;

use alerting_incident::{
    Actor, Change, ChangeKind, Incident, IncidentId, Question, Regime, Stage, TimelineEntry, TimelineKind,
    Warning, obligations, route, warned,
};
use ingest_event::Timestamp;
use serde_json::json;

use crate::{
    access::Seen,
    arrange::Refused,
    audit::Deed,
    intake::{search_text, steps},
    report::{self, Ask},
    state::State,
    store::{Declaration, Entered, Running, Sent, Store, Stored, Write},
};

/// Warnings in one look.
const LOOK_MAX: u32 = 64;
/// Awareness further back than this is a slip of the pen: every deadline is long over.
pub(crate) const AWARE_MAX: Duration = Duration::from_hours(366 * 24);

/// What is declared of an incident, how far its notices are, and what was written for them.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The incident.
    pub(crate) stored: Stored,
    /// Under which rules.
    pub(crate) declarations: Vec<Declaration>,
    /// The notices.
    pub(crate) running: Vec<Running>,
    /// By a person.
    pub(crate) entered: Entered,
}

/// How things stand with an incident.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn standing(state: &State, reach: &Seen, id: &IncidentId) -> Result<Standing, Refused> {
    let mut write = state.store.begin().await?;
    read(&mut write, reach, id).await
}

async fn read(write: &mut Write, reach: &Seen, id: &IncidentId) -> Result<Standing, Refused> {
    let stored = Store::incident_in(write, reach, id).await?;
    let stored = stored.ok_or(Refused::NotThere)?;
    let (declarations, running) = Store::declared(write, id).await?;
    let entered = Store::entered(write, id).await?;
    Ok(Standing {
        stored,
        declarations,
        running,
        entered,
    })
}

/// Says that an authority must be told: the clocks run from when somebody was aware.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn declare(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    regime: Regime,
    aware_at: Timestamp,
    actor: &Actor,
) -> Result<(), Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let standing = read(&mut write, reach, id).await?;
    let declaration = Declaration {
        regime,
        aware_at,
        declared_at: now,
        declared_by: actor.name().to_owned(),
        withdrawn_at: None,
    };
    let due = obligations(regime, aware_at, report::month_after(aware_at));
    if !Store::declare(&mut write, id, &declaration, &due).await? {
        return Err(Refused::Conflict("it is declared already".to_owned()));
    }
    let after = json!({ "regime": regime.as_str(), "aware_at": aware_at.to_string() });
    let text = regime.to_string();
    note(
        state,
        &mut write,
        &standing.stored,
        (actor, TimelineKind::Declared, text),
        now,
    )
    .await?;
    let deed = Deed::by(actor, now, "incident.declared", format!("incident/{id}"));
    Store::audit(&mut write, deed.after(Some(&after))).await?;
    Ok(state.store.commit(write).await?)
}

/// Says that an authority need not be told after all. What was sent stays sent.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn withdraw(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    regime: Regime,
    reason: &str,
    actor: &Actor,
) -> Result<(), Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let standing = read(&mut write, reach, id).await?;
    if !Store::withdraw_declaration(&mut write, id, regime, now).await? {
        return Err(Refused::Conflict("it is not declared".to_owned()));
    }
    let text = format!("{regime} –: {reason}");
    note(
        state,
        &mut write,
        &standing.stored,
        (actor, TimelineKind::Declared, text),
        now,
    )
    .await?;
    let before = json!({ "regime": regime.as_str() });
    let deed = Deed::by(
        actor,
        now,
        "incident.declaration_withdrawn",
        format!("incident/{id}"),
    );
    let after = json!({ "reason": reason });
    Store::audit(&mut write, deed.before(Some(&before)).after(Some(&after))).await?;
    Ok(state.store.commit(write).await?)
}

/// Writes what goes into every notice; fields that are not named stay. `version` is the one that was changed.
///
/// # Errors
/// [`Refused`]; a conflict if somebody else wrote since.
pub(crate) async fn enter(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    version: u64,
    fields: serde_json::Map<String, serde_json::Value>,
    actor: &Actor,
) -> Result<(), Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let standing = read(&mut write, reach, id).await?;
    let before = standing.entered;
    if before.version != version {
        let detail = format!(
            "somebody wrote version {} meanwhile: read it, and write over that",
            before.version
        );
        return Err(Refused::Conflict(detail));
    }
    let named: Vec<String> = fields.keys().cloned().collect();
    let mut after = Entered {
        version: version + 1,
        fields: before.fields,
    };
    after.fields.extend(fields);
    after.fields.retain(|_, value| !value.is_null());
    Store::save_entered(&mut write, id, &after, actor.name(), now).await?;
    // What is said of people's data stands in the entry; the log says who wrote which of its fields.
    let told = json!({ "version": after.version, "fields": named });
    let deed = Deed::by(actor, now, "incident.report_written", format!("incident/{id}"));
    Store::audit(&mut write, deed.after(Some(&told))).await?;
    Ok(state.store.commit(write).await?)
}

/// Notes that a person sent a notice, as it stands now.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn sent(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    ask: Ask,
    reference: &str,
    actor: &Actor,
) -> Result<(), Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let standing = read(&mut write, reach, id).await?;
    let sent = Sent {
        at: now,
        by: actor.name().to_owned(),
        reference: reference.to_owned(),
    };
    let notice = report::write(state, &standing, ask, Some(&sent)).map_err(|error| {
        tracing::error!(error = %error, "write a notice");
        Refused::Conflict("the notice can't be written".to_owned())
    })?;
    let document = json!({ "text": notice.text, "json": notice.json }).to_string();
    let which = (ask.regime, ask.stage);
    if !Store::save_sent(&mut write, id, which, &sent, &document).await? {
        return Err(Refused::Conflict(
            "it was sent before, or is not declared".to_owned(),
        ));
    }
    let text = format!("{} {}: {reference}", ask.regime, ask.stage);
    note(
        state,
        &mut write,
        &standing.stored,
        (actor, TimelineKind::Reported, text),
        now,
    )
    .await?;
    let deed = Deed::by(actor, now, "incident.reported", format!("incident/{id}"));
    let after = json!({ "regime": ask.regime.as_str(), "stage": ask.stage.as_str(), "reference": reference });
    Store::audit(&mut write, deed.after(Some(&after))).await?;
    Ok(state.store.commit(write).await?)
}

/// Warns of deadlines that come near or have passed, each in a transaction of its own, so that a warning is given once whoever dies in between
/// and however many instances look. Whether somebody was told.
///
/// # Errors
/// If the store is away.
pub(crate) async fn warn(state: &State) -> sqlx::Result<bool> {
    let mut has_told = false;
    for (id, regime, stage) in state.store.warnings_due(state.now(), LOOK_MAX).await? {
        match warn_of(state, &id, regime, stage).await {
            Ok(told) => has_told |= told,
            // One that can't be read holds up no other.
            Err(error) if crate::store::is_refused(&error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error, incident = %id,
                    "warn of a deadline of the law"
                );
                state.metrics.retries.with_label_values(&["tick"]).inc();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(has_told)
}

async fn warn_of(state: &State, id: &IncidentId, regime: Regime, stage: Stage) -> sqlx::Result<bool> {
    let mut write = state.store.begin().await?;
    let moment = state.moment();
    let Some(stored) = Store::incident_in(&mut write, &Seen::unasked(id), id).await? else {
        return Ok(false);
    };
    let (declarations, running) = Store::declared(&mut write, id).await?;
    let declared = declarations
        .iter()
        .find(|one| one.regime == regime && one.withdrawn_at.is_none());
    let notice = running
        .iter()
        .find(|one| one.regime == regime && one.stage == stage && one.sent.is_none());
    let (Some(declared), Some(notice)) = (declared, notice) else {
        Store::save_warning(&mut write, id, (regime, stage), None, None).await?;
        state.store.commit(write).await?;
        return Ok(false);
    };
    let given = notice.warned;
    let Some(warning) = Warning::due(declared.aware_at, notice.due_at, given, moment.now) else {
        return Ok(false);
    };
    let next = Warning::next(declared.aware_at, notice.due_at, Some(warning));
    Store::save_warning(&mut write, id, (regime, stage), Some(warning), next).await?;
    let to = route(&state.registry.load().routes, &Question::of(&stored.incident));
    let owner = to.owner.unwrap_or(stored.incident.key.organization);
    let change = changed(
        &stored.incident,
        (
            &Actor::Varde,
            TimelineKind::Deadline,
            format!("{regime} {stage}: {warning}"),
        ),
        moment.now,
    );
    let occasion = format!("{regime} {stage} {warning} {}", notice.due_at);
    let notifications = warned(&change.incident, &to, &state.ladder, &occasion, moment);
    let search = search_text(state, &change.incident, owner);
    Store::save_change(&mut write, &change, owner, &steps(&to), &search).await?;
    for notification in &notifications {
        Store::add_notification(&mut write, notification, change.incident.severity(), 0).await?;
    }
    state.store.commit(write).await?;
    Ok(!notifications.is_empty())
}

async fn note(
    state: &State,
    write: &mut Write,
    stored: &Stored,
    entry: (&Actor, TimelineKind, String),
    now: Timestamp,
) -> sqlx::Result<()> {
    let change = changed(&stored.incident, entry, now);
    let search = search_text(state, &change.incident, stored.owner);
    Store::save_change(write, &change, stored.owner, &stored.route, &search).await
}

/// The incident one change later, with a line that tells of it.
fn changed(
    incident: &Incident,
    (actor, kind, text): (&Actor, TimelineKind, String),
    now: Timestamp,
) -> Change {
    let mut next = incident.clone();
    next.version += 1;
    next.updated_at = now.max(incident.updated_at);
    Change {
        incident: next,
        kind: ChangeKind::Progressed,
        timeline: vec![TimelineEntry {
            at: now,
            kind,
            actor: actor.clone(),
            text,
        }],
    }
}
