//! Notifications leave: one worker per channel takes what is due, sends it, and notes what became of it.
//!
//! A channel that is dead delays no other, and an address that is dead takes at most [`PER_ADDRESS_MAX`] of its
//! channel's places. What is sent is claimed first, so that instances that share a store don't send it too. A crash between
//! hand-over and note sends again, when the claim's lease is over, with the same id: a mail's Message-ID, a webhook's
//! `x-varde-notification-id`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alerting_incident::{Actor, Channel, ResponderId, TimelineEntry, TimelineKind, notified, unreached};
use ingest_event::Timestamp;
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Seen,
    audit::Deed,
    channel::{Chats, Collectors, DeliveryError, Email, Receipt, Webhook},
    config::RetrySettings,
    intake::search_text,
    letters,
    state::State,
    store::{Outcome, Readable, Store, StoredNotification, Write},
};

/// At once on one channel: enough to hide a slow receiver behind others, few enough for a small mail server.
const IN_FLIGHT_MAX: usize = 8;
/// At once to one address, so that one slow receiver can't take all places.
const PER_ADDRESS_MAX: usize = 2;
/// Looked at for one address: as many as have a place.
const PER_ADDRESS_LOOK: u32 = 2;
/// Looked at in one go.
const LOOK_MAX: u32 = 64;
/// Attempts to note what the store refuses to note.
const NOTE_TRIES_MAX: u32 = 5;
/// Between two of them.
const NOTE_PAUSE: Duration = Duration::from_millis(500);
/// Why nothing is sent to an address.
pub(crate) const OFF: &str =
    "the address is switched off, as mail to it came back: find the right one, or switch it on";
/// Why nothing is sent to who was a contact when it was decided.
const GONE: &str = "they are no contact any more, or not to be reached so";
/// Between two looks at what can't be read: by then one of a newer version has had time to send it.
const UNREADABLE_REST: Duration = Duration::from_secs(30);
/// The longest rest: a bell that was missed costs no more than this.
const REST_MAX: Duration = Duration::from_secs(5);

/// Sends by one channel.
#[derive(Debug)]
pub(crate) enum Sender {
    /// By mail; `None` if none is configured.
    Email(Option<Arc<Email>>),
    /// By webhook.
    Webhook(Webhook),
    /// By chat.
    Chat(Chats),
    /// By syslog.
    Syslog(Collectors),
}

/// A receipt, or why there is none.
pub(crate) type Sent = Result<Receipt, DeliveryError>;

/// The notifications that are being sent, by the task that sends them: each has a place.
type Held = HashMap<tokio::task::Id, StoredNotification>;

/// What became of one attempt.
struct Attempt {
    notification: StoredNotification,
    result: Sent,
}

/// Runs until `shutdown`; what is under way then is finished first.
pub(crate) async fn run(
    state: Arc<State>,
    sender: Sender,
    retry: RetrySettings,
    shutdown: CancellationToken,
) {
    let sender = Arc::new(sender);
    let mut under_way = JoinSet::new();
    let mut held = Held::new();
    let mut elsewhere = state.store.elsewhere();
    loop {
        let rest = if shutdown.is_cancelled() {
            if under_way.is_empty() {
                return;
            }
            REST_MAX
        } else {
            match fill(&state, &sender, &retry, &mut under_way, &mut held).await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "look into the outbox; will try again"
                    );
                    REST_MAX
                }
            }
        };
        tokio::select! {
            Some(done) = under_way.join_next_with_id() => {
                if let Some(attempt) = finish(done, &mut held) {
                    note_until_stored(&state, &sender, &retry, &attempt, &shutdown).await;
                }
            }
            () = sender.bell(&state).notified() => {}
            Ok(()) = elsewhere.changed() => {}
            () = tokio::time::sleep(rest) => {}
            () = shutdown.cancelled(), if !shutdown.is_cancelled() => {}
        }
    }
}

/// Counts what can't be read, and tells who looks after the service.
pub(crate) fn pass_over(state: &State, found: &Readable) {
    let count = found.unreadable.len();
    if 0 < count {
        tracing::error!(
            count,
            "there are notifications that this version can't read; they wait for one that can"
        );
        let passed_over = state
            .metrics
            .rows_passed_over
            .with_label_values(&["notification"]);
        passed_over.inc_by(count.try_into().unwrap_or(u64::MAX));
    }
}

/// Takes back the place of a task, of one that panicked too: that is a failed attempt, so that it waits its turn.
fn finish(done: Result<(tokio::task::Id, Sent), JoinError>, held: &mut Held) -> Option<Attempt> {
    let (task, result) = match done {
        Ok(done) => done,
        Err(error) => {
            let text = "sending it failed by a defect of Varde's".to_owned();
            (error.id(), Err(DeliveryError::Transient(text)))
        }
    };
    let notification = held.remove(&task)?;
    Some(Attempt { notification, result })
}

/// Starts what is due and has a place; says how long there is nothing to start.
async fn fill(
    state: &Arc<State>,
    sender: &Arc<Sender>,
    retry: &RetrySettings,
    under_way: &mut JoinSet<Sent>,
    held: &mut Held,
) -> sqlx::Result<Duration> {
    let now = state.now();
    if IN_FLIGHT_MAX <= under_way.len() {
        return Ok(REST_MAX);
    }
    let mut chosen: Vec<StoredNotification> = Vec::new();
    let due = state
        .store
        .due(
            sender.kind(),
            now,
            &state.post.gathering,
            PER_ADDRESS_LOOK,
            LOOK_MAX,
        )
        .await?;
    if !due.unreadable.is_empty() {
        let until = now.saturating_add(UNREADABLE_REST);
        state.store.put_off(&due.unreadable, until).await?;
        pass_over(state, &due);
    }
    for notification in due.rows {
        let address = notification.channel.address();
        let taken = held.values().chain(&chosen);
        let places = taken.filter(|other| other.channel.address() == address);
        // What is held here was claimed here; unless this machine slept for longer than the lease.
        if held.values().any(|other| other.id == notification.id) || PER_ADDRESS_MAX <= places.count() {
            continue;
        }
        if IN_FLIGHT_MAX <= under_way.len() + chosen.len() {
            break;
        }
        chosen.push(notification);
    }
    if !chosen.is_empty() {
        let lease = Duration::from_secs(retry.lease_secs);
        let ids = chosen.iter().map(|notification| &notification.id);
        let claimed = state.store.claim(ids, lease).await?;
        chosen.retain(|notification| claimed.contains(&notification.id));
    }
    for notification in chosen {
        let (state, sender, sent) = (Arc::clone(state), Arc::clone(sender), notification.clone());
        let longest = retry.attempt_max();
        let task = under_way.spawn(async move {
            let sent = tokio::time::timeout(longest, sender.send(&state, &sent)).await;
            sent.unwrap_or_else(|_| {
                let text = format!("the receiver took longer than {} s", longest.as_secs());
                Err(DeliveryError::Transient(text))
            })
        });
        held.insert(task.id(), notification);
    }
    let next = state
        .store
        .next_due(sender.kind(), now, &state.post.gathering)
        .await?;
    Ok(next.map_or(REST_MAX, |next| {
        next.since(now).clamp(Duration::from_millis(1), REST_MAX)
    }))
}

/// A receipt that is not noted would be sent again: the store is asked until it takes it. Nothing of this channel can leave
/// meanwhile, as nothing can be claimed.
async fn note_until_stored(
    state: &State,
    sender: &Sender,
    retry: &RetrySettings,
    attempt: &Attempt,
    shutdown: &CancellationToken,
) {
    let mut tries = 0;
    loop {
        let Err(error) = note(state, sender, retry, attempt).await else {
            return;
        };
        tries += 1;
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "note what became of a notification"
        );
        // A store that refuses it will not take it later; one that is away may.
        let is_refused = !crate::store::is_away(&error);
        if NOTE_TRIES_MAX <= tries && (is_refused || shutdown.is_cancelled()) {
            return;
        }
        tokio::time::sleep(NOTE_PAUSE).await;
    }
}

async fn note(state: &State, sender: &Sender, retry: &RetrySettings, attempt: &Attempt) -> sqlx::Result<()> {
    let now = state.now();
    let notification = &attempt.notification;
    let outcome = outcome(
        state,
        retry,
        notification.id.as_str(),
        notification.attempts,
        attempt.result.as_ref().map(|receipt| receipt.text.as_str()),
        now,
    );
    let mut write = state.store.begin().await?;
    if !state
        .store
        .save_outcome(&mut write, &notification.id, &outcome, now)
        .await?
    {
        return Ok(());
    }
    note_unsealed(&mut write, attempt, now).await?;
    became(state, &mut write, notification, &outcome, now).await?;
    if let Some(status) = refusal(&attempt.result, &notification.channel) {
        let (id, address) = (notification.id.as_str(), notification.channel.address());
        letters::refused(state, &mut write, id, address, &status).await?;
    }
    state.store.commit(write).await?;
    // A server's own words can hold the responder's address: they stay in the store.
    let class = attempt.result.as_ref().err().map(DeliveryError::class);
    let (counter, metrics) = (&[sender.kind()], &state.metrics);
    match outcome {
        Outcome::Sent(_) => {
            metrics.notifications_sent.with_label_values(counter).inc();
            if 0 < notification.appended_ms {
                let delay = now.since(Timestamp::from_millis(notification.appended_ms));
                metrics.notification_delay.observe(delay.as_secs_f64());
            }
        }
        Outcome::Again(_, reason) => {
            metrics.notifications_retried.with_label_values(counter).inc();
            tracing::warn!(notification = %notification.id, class, "send a notification; will try again");
            tracing::debug!(notification = %notification.id, reason, "why it was not sent");
        }
        Outcome::Failed(reason) => {
            metrics.notifications_failed.with_label_values(counter).inc();
            tracing::error!(notification = %notification.id, class, "gave up a notification");
            tracing::debug!(notification = %notification.id, reason, "why it was given up");
        }
    }
    Ok(())
}

/// What was told without data, or is held, as it can't be encrypted, is nobody's secret: it is on the incident and in the audit
/// log.
async fn note_unsealed(write: &mut Write, attempt: &Attempt, now: Timestamp) -> sqlx::Result<()> {
    let notification = &attempt.notification;
    let (action, text, why) = match &attempt.result {
        Ok(Receipt {
            unsealed: Some(why), ..
        }) => ("notice.bare", "told only that something waits", why),
        // Once, not at every attempt.
        Err(DeliveryError::Unsealable(why)) if notification.attempts == 0 => {
            ("notice.held", "the mail is held", why)
        }
        Ok(_) | Err(_) => return Ok(()),
    };
    let told = told(notification);
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Comment,
        actor: Actor::Varde,
        text: format!("{told}: {text}, as it can't be encrypted: {why}"),
    };
    Store::add_to_timeline(write, &notification.incident, &entry).await?;
    let after = serde_json::json!({ "incident": notification.incident.as_str(), "why": why });
    let subject = format!("notification/{}", notification.id);
    let deed = Deed::by(&Actor::Varde, now, action, subject).after(Some(&after));
    Store::audit(write, deed).await.map(|_| ())
}

/// Who is told, and how, as the timeline says it.
fn told(notification: &StoredNotification) -> String {
    format!(
        "{} ({})",
        notification.responder_name,
        notification.channel.masked()
    )
}

/// Tells the incident what became of a notification about it.
pub(crate) async fn became(
    state: &State,
    write: &mut Write,
    notification: &StoredNotification,
    outcome: &Outcome,
    now: Timestamp,
) -> sqlx::Result<()> {
    if let Some(stored) =
        Store::incident_in(write, &Seen::through(notification), &notification.incident).await?
    {
        let told = told(notification);
        match outcome {
            Outcome::Sent(_) => {
                let change = notified(&stored.incident, &told, now);
                let search = search_text(state, &change.incident, stored.owner);
                Store::save_change(write, &change, stored.owner, &stored.route, &search).await?;
            }
            Outcome::Again(..) => {}
            Outcome::Failed(reason) => {
                let text = format!("could not tell {told}: {reason}");
                let entry = TimelineEntry {
                    at: now,
                    kind: TimelineKind::Comment,
                    actor: Actor::Varde,
                    text,
                };
                Store::add_to_timeline(write, &notification.incident, &entry).await?;
                // Nobody was reached: whoever is next need not wait for an answer that can't come.
                if Store::is_unreached(write, &notification.incident).await?
                    && let Some(change) = unreached(&stored.incident, state.moment())
                {
                    let search = search_text(state, &change.incident, stored.owner);
                    Store::save_change(write, &change, stored.owner, &stored.route, &search).await?;
                }
            }
        }
    }
    Ok(())
}

/// What was decided for a contact is not sent once the registry has them no more, or elsewhere: it may be hours later.
///
/// # Errors
/// For good, so that whoever is next is told, if there is nobody else.
pub(crate) fn is_a_contact(state: &State, id: &ResponderId, channel: &Channel) -> Result<(), DeliveryError> {
    let of_the_cert = [&state.ladder.duty].into_iter().chain(&state.ladder.beyond);
    let mut of_the_cert = of_the_cert.filter(|one| one.id == *id);
    let is_there = of_the_cert.any(|one| one.channels.contains(channel)) || {
        let registry = state.registry.load();
        registry.routes.registry().has_contact(id, channel, state.now())
    };
    if is_there {
        Ok(())
    } else {
        Err(DeliveryError::Permanent(GONE.to_owned()))
    }
}

/// The status of a refusal that trying again does not mend, where the receiver of a mail gave one.
pub(crate) fn refusal<T>(result: &Result<T, DeliveryError>, channel: &Channel) -> Option<String> {
    match (result, channel) {
        (
            Err(DeliveryError::Refused {
                code,
                is_transient: false,
                ..
            }),
            Channel::Email(_),
        ) => Some(code.to_string()),
        _ => None,
    }
}

pub(crate) fn outcome(
    state: &State,
    retry: &RetrySettings,
    id: &str,
    attempts: u32,
    result: Result<&str, &DeliveryError>,
    now: Timestamp,
) -> Outcome {
    let attempts = attempts + 1;
    match result {
        Ok(receipt) => Outcome::Sent(receipt.to_owned()),
        Err(error) if !error.is_transient() => Outcome::Failed(error.to_string()),
        Err(error) if retry.attempts <= attempts => {
            Outcome::Failed(format!("gave up after {attempts} attempts: {error}"))
        }
        Err(error) => {
            let spread = spread(state.key.seed(), id, attempts);
            Outcome::Again(
                now.saturating_add(retry.wait(attempts, spread).max(error.not_before())),
                error.to_string(),
            )
        }
    }
}

/// A number that differs from notification to notification and from installation to installation, and is always the
/// same for one attempt.
fn spread(seed: u64, id: &str, attempts: u32) -> u64 {
    let digits = ingest_event::derive_id(&[&seed.to_le_bytes(), id.as_bytes(), &attempts.to_le_bytes()]);
    digits
        .get(..16)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or(seed)
}

impl Sender {
    fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Chat(_) => "chat",
            Self::Syslog(_) => "syslog",
        }
    }

    fn bell<'s>(&self, state: &'s State) -> &'s Notify {
        match self {
            Self::Email(_) => &state.decided.email,
            Self::Webhook(_) => &state.decided.webhook,
            Self::Chat(_) => &state.decided.chat,
            Self::Syslog(_) => &state.decided.syslog,
        }
    }

    async fn send(&self, state: &State, notification: &StoredNotification) -> Sent {
        let stored = state
            .store
            .incident(&Seen::through(notification), &notification.incident)
            .await;
        let stored = stored
            .map_err(|error| DeliveryError::Transient(format!("read the incident: {error}")))?
            .ok_or_else(|| DeliveryError::Permanent("the incident is gone".to_owned()))?;
        is_a_contact(state, &notification.responder, &notification.channel)?;
        if let Self::Email(_) = self {
            let off = state.store.is_off(notification.channel.address()).await;
            if off.map_err(|error| DeliveryError::Transient(format!("look up the address: {error}")))? {
                return Err(DeliveryError::Permanent(OFF.to_owned()));
            }
        }
        match self {
            Self::Email(Some(email)) => email.send(state, notification, &stored).await,
            Self::Email(None) => Err(DeliveryError::Permanent(
                "no mail transport is configured".to_owned(),
            )),
            Self::Webhook(webhook) => webhook
                .send(state, notification, &stored)
                .await
                .map(Receipt::from),
            Self::Chat(chats) => chats.send(state, notification, &stored).await.map(Receipt::from),
            Self::Syslog(collectors) => collectors
                .send(state, notification, &stored)
                .await
                .map(Receipt::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use alerting_incident::{IncidentId, Language, NotificationId, NotifyReason};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_gives_its_place_back_and_counts_as_tried() {
        let incident = "0123456789abcdef".repeat(2);
        let notification = StoredNotification {
            id: NotificationId::parse(&incident).expect("an id"),
            incident: IncidentId::parse(&incident).expect("an id"),
            responder: ResponderId::derive("duty", "Vakta"),
            responder_name: "Vakta".to_owned(),
            channel: Channel::Email("vakt@kommune.example".to_owned()),
            language: Language::Nb,
            reason: NotifyReason::Opened,
            created_at: Timestamp::EPOCH,
            state: "pending".to_owned(),
            attempts: 0,
            sent_at: None,
            error: None,
            seen_at: None,
            acknowledged_at: None,
            verdict: None,
            appended_ms: 0,
            is_sealed: false,
            owner: None,
        };
        let (mut under_way, mut held) = (JoinSet::<Sent>::new(), Held::new());
        let task = under_way.spawn(async { panic!("a defect") });
        held.insert(task.id(), notification);
        let done = under_way.join_next_with_id().await.expect("one task");
        let attempt = finish(done, &mut held).expect("an attempt");
        assert!(held.is_empty());
        assert!(attempt.result.is_err_and(|error| error.is_transient()));
    }

    #[test]
    fn the_default_outlasts_a_weekend_however_waits_are_shortened() {
        let retry = RetrySettings::default();
        let shortest = |attempts| {
            let full = retry.wait(attempts, 0);
            full - full / 2
        };
        let total: Duration = (1..retry.attempts).map(shortest).sum();
        assert!(Duration::from_hours(72) <= total, "{total:?}");
    }

    #[test]
    fn waits_double_up_to_the_ceiling_and_are_spread_by_up_to_half() {
        let retry = RetrySettings {
            base_ms: 1_000,
            ceiling_ms: 60_000,
            attempts: 9,
            ..RetrySettings::default()
        };
        for (attempts, full) in [
            (1, 1_000),
            (2, 2_000),
            (3, 4_000),
            (6, 32_000),
            (7, 60_000),
            (400, 60_000),
        ] {
            assert_eq!(retry.wait(attempts, 0), Duration::from_millis(full), "{attempts}");
            for id in ["a", "b", "c"] {
                let wait = retry.wait(attempts, spread(7, id, attempts));
                assert!(
                    Duration::from_millis(full / 2) <= wait && wait <= Duration::from_millis(full),
                    "{wait:?}"
                );
            }
        }
        assert_eq!(spread(7, "a", 1), spread(7, "a", 1));
        assert_ne!(spread(7, "a", 1), spread(8, "a", 1));
        assert_ne!(spread(7, "a", 1), spread(7, "b", 1));
    }
}
