//! Asks each contact once a year whether it is still right, once more after a month, and then tells the report on who would
//! receive nothing.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use alerting_incident::{Channel, Language};
use ingest_event::{Timestamp, derive_id};
use serde_json::json;

use super::named;
use crate::{
    registry::Loaded,
    state::State,
    store::{ContactCheck, Store, StoredLetter},
};

const DAY: Duration = Duration::from_hours(24);
/// Asked again after so many days.
const DAYS: u64 = 365;
/// A contact that is new has been told of this lately.
const FIRST_DAYS: u64 = 30;
/// Not answered for so long: asked once more.
const REMIND_AFTER: Duration = Duration::from_hours(24 * 30);
/// Between two looks at all contacts.
const LOOK: Duration = Duration::from_mins(10);
/// Asked in one look: spread over a working day, a thousand; the rest are asked the next.
const ASKED_MAX: usize = 20;

/// A contact with a mail address.
pub(crate) struct Contact {
    /// Its name on the list.
    pub(crate) check: String,
    /// For whom it answers.
    pub(crate) number: String,
    /// That one's name.
    pub(crate) organization: String,
    /// Its own.
    pub(crate) name: String,
    responder: String,
    address: String,
    language: Language,
}

/// The contacts that hold now, each address once.
pub(crate) fn contacts(loaded: &Loaded, now: Timestamp) -> BTreeMap<String, Contact> {
    let mut found = BTreeMap::new();
    let holding = loaded.routes.registry().organizations();
    for body in holding.iter().filter(|body| body.validity.holds(now)) {
        for one in body.responders.iter().filter(|one| one.validity.holds(now)) {
            for channel in &one.channels {
                let Channel::Email(address) = channel else {
                    continue;
                };
                let check = derive_id(&[b"contact check", one.id.as_str().as_bytes(), address.as_bytes()]);
                let contact = Contact {
                    check: check.clone(),
                    number: body.number.map(|number| number.to_string()).unwrap_or_default(),
                    organization: body.name(one.language.as_str()).to_owned(),
                    name: one.name.clone(),
                    responder: one.id.as_str().to_owned(),
                    address: address.clone(),
                    language: one.language,
                };
                found.insert(check, contact);
            }
        }
    }
    found
}

/// When a contact is asked first: its own day of the year, so that not all are asked at once.
fn first_due(check: &str, now: Timestamp) -> Timestamp {
    let digits = check.get(..8).unwrap_or_default();
    let number = u64::from_str_radix(digits, 16).unwrap_or_default();
    let days = FIRST_DAYS + number % (DAYS - FIRST_DAYS);
    now.saturating_add(DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX)))
}

/// Asks those whose time has come, on business days only.
pub(super) async fn ask(state: &State) -> sqlx::Result<()> {
    let now = state.now();
    let before = Timestamp::from_nanos(state.post.asked_at.load(Ordering::Relaxed));
    if before <= now && now.since(before) < LOOK {
        return Ok(());
    }
    let calendar = &state.post.calendar;
    let last = calendar.last_delivery(now);
    let is_at_work = last.and_then(|last| calendar.date(last)) == calendar.date(now);
    let known: BTreeMap<String, ContactCheck> = state
        .store
        .checks()
        .await?
        .into_iter()
        .map(|check| (check.id.clone(), check))
        .collect();
    let contacts = contacts(&state.registry.load(), now);
    let (mut new, mut due) = (Vec::new(), Vec::new());
    for contact in contacts.values() {
        match known.get(&contact.check) {
            None => new.push(contact),
            Some(check) if check.due_at <= now => due.push((contact, false)),
            Some(check) if is_unanswered(check, now) => due.push((contact, true)),
            Some(_) => {}
        }
    }
    let mut write = state.store.begin().await?;
    for contact in &new {
        let whose = (contact.responder.as_str(), contact.address.as_str());
        Store::add_check(&mut write, &contact.check, whose, first_due(&contact.check, now)).await?;
    }
    for (contact, is_reminder) in due.into_iter().filter(|_| is_at_work).take(ASKED_MAX) {
        let next = now.saturating_add(DAY.saturating_mul(u32::try_from(DAYS).unwrap_or(u32::MAX)));
        let is_first = if is_reminder {
            Store::remind(&mut write, &contact.check, now).await?
        } else {
            Store::ask(&mut write, &contact.check, now, next).await?
        };
        if is_first {
            Store::add_letter(&mut write, &letter(contact, is_reminder, now)).await?;
        }
    }
    state.store.commit(write).await?;
    state.post.asked_at.store(now.as_nanos(), Ordering::Relaxed);
    Ok(())
}

fn is_unanswered(check: &ContactCheck, now: Timestamp) -> bool {
    let is_silent = check.answer.is_none() && check.reminded_at.is_none();
    is_silent
        && check
            .asked_at
            .is_some_and(|asked| REMIND_AFTER <= now.since(asked))
}

fn letter(contact: &Contact, is_reminder: bool, now: Timestamp) -> StoredLetter {
    let about = json!({
        "check": contact.check, "reminder": is_reminder, "organization": contact.organization,
        "contact": contact.name,
    });
    StoredLetter {
        id: named(&["check", &contact.check], now),
        kind: "check".to_owned(),
        responder: contact.responder.clone(),
        name: contact.name.clone(),
        address: contact.address.clone(),
        language: contact.language,
        exercise: false,
        about: about.to_string(),
        created_at: now,
        attempts: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_questions_are_spread_over_the_year_and_none_is_at_once() {
        let mut days = BTreeMap::new();
        for number in 0..3_350_u32 {
            let check = derive_id(&[b"contact check", &number.to_le_bytes()]);
            let due = first_due(&check, Timestamp::EPOCH);
            *days.entry(due.as_millis() / 86_400_000).or_insert(0) += 1;
        }
        let (first, last) = (days.keys().min(), days.keys().max());
        assert_eq!((first, last), (Some(&30), Some(&364)));
        assert!(
            days.values().all(|asked| *asked < 30),
            "ten a day on average: {days:?}"
        );
    }
}
