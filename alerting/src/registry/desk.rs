//! Where the registry's rows are changed: each change is checked against all the rest, is in the audit log with before and
//! after, and holds at once.

use std::collections::BTreeSet;

use alerting_incident::Actor;
use ingest_event::{OrganizationNumber, Timestamp};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use utoipa::ToSchema;

use super::form::json::{self, Forms};
use super::form::{Flaw, Form, flaw};
use super::{Layer, Loaded, StoredRow, mail_keys};
use crate::audit::Deed;
use crate::store::{Store, Write};

/// Characters of a reason: a sentence or two.
pub const REASON_CHARS_MAX: usize = 500;

/// Who changes something, when and why.
#[derive(Clone, Debug)]
pub(crate) struct Hand<'a> {
    /// Who.
    pub(crate) actor: &'a Actor,
    /// When.
    pub(crate) now: Timestamp,
    /// Why.
    pub(crate) reason: &'a str,
}

/// Why a change is not made.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// It can't be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Flaws(Vec<Flaw>),
    /// Somebody else changed it meanwhile.
    #[error("it was changed meanwhile: read it again, and look whether the change is still meant")]
    Stale,
    /// There is no such row.
    #[error("there is no manual row for that body")]
    Missing,
    /// The store.
    #[error("use the store")]
    Store(#[from] sqlx::Error),
}

/// What an import would do to what was imported before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportChanges {
    /// Numbers of bodies that were not there.
    pub added: Vec<String>,
    /// Those of which it says something else, each with the names of those fields.
    pub changed: Vec<ChangedBody>,
    /// Those that it does not name any more.
    pub removed: Vec<String>,
    /// How many it says the same of.
    pub unchanged: usize,
    /// Names this import over what is there now: given back when it is taken.
    pub preview: String,
}

/// A body of which an import says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangedBody {
    /// Its number.
    pub number: String,
    /// The fields.
    pub fields: Vec<String>,
}

/// Compares an import with what was imported before.
#[must_use]
pub fn compare(loaded: &Loaded, new: &Forms) -> ImportChanges {
    compare_rows(&loaded.rows, new)
}

/// Rows as an import would write them, for a look at what would hold then.
pub(crate) fn as_rows(forms: &Forms) -> Vec<StoredRow> {
    let row = |form: &Form| StoredRow {
        layer: Layer::Import,
        version: 0,
        form: form.clone(),
        actor: String::new(),
        at: Timestamp::EPOCH,
        reason: String::new(),
    };
    forms.values().map(row).collect()
}

fn compare_rows(rows: &[StoredRow], new: &Forms) -> ImportChanges {
    let former: Forms = rows
        .iter()
        .filter(|row| row.layer == Layer::Import)
        .filter_map(|row| Some((row.form.number.parse().ok()?, row.form.clone())))
        .collect();
    let (mut added, mut changed, mut unchanged) = (vec![], vec![], 0);
    for (number, form) in new {
        match former.get(number) {
            None => added.push(number.to_string()),
            Some(before) if before == form => unchanged += 1,
            Some(before) => changed.push(ChangedBody {
                number: number.to_string(),
                fields: differing(before, form),
            }),
        }
    }
    let removed = former.keys().filter(|number| !new.contains_key(number));
    let mut hash = Sha256::new();
    hash.update(json::write(&former));
    hash.update([0]);
    hash.update(json::write(new));
    ImportChanges {
        added,
        changed,
        removed: removed.map(ToString::to_string).collect(),
        unchanged,
        preview: hex::encode(hash.finalize()),
    }
}

fn differing(one: &Form, other: &Form) -> Vec<String> {
    let [one, other] = [one, other].map(|form| serde_json::to_value(form).unwrap_or_default());
    let names = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    };
    let all: BTreeSet<String> = names(&one).into_iter().chain(names(&other)).collect();
    all.into_iter()
        .filter(|name| one.get(name) != other.get(name))
        .collect()
}

/// Reads a reason.
pub(crate) fn reason(text: Option<&str>) -> Result<String, Flaw> {
    let text = text.unwrap_or_default().trim();
    let fits =
        !text.is_empty() && text.chars().count() <= REASON_CHARS_MAX && !text.chars().any(char::is_control);
    let mend = format!("say why, in 1 to {REASON_CHARS_MAX} characters without line ends");
    fits.then(|| text.to_owned()).ok_or_else(|| flaw("reason", &mend))
}

/// Changes the manual row of one body: `change` makes the new one of the one there is, `None` takes it away. `expected` is the
/// version that the person saw; 0 for none.
pub(crate) async fn change(
    store: &Store,
    loaded: &Loaded,
    number: OrganizationNumber,
    expected: u64,
    hand: &Hand<'_>,
    change: impl FnOnce(Option<&Form>) -> Result<Option<Form>, Vec<Flaw>>,
) -> Result<Loaded, Refused> {
    let mut write = store.begin().await?;
    let (version, mut rows) = Store::change_registry(&mut write).await?;
    let is_it = |row: &StoredRow| row.layer == Layer::Manual && row.form.number == number.as_str();
    let place = rows.iter().position(is_it);
    let former = place.map(|place| rows.remove(place));
    if former.as_ref().map_or(0, |row| row.version) != expected {
        return Err(Refused::Stale);
    }
    let form = change(former.as_ref().map(|row| &row.form)).map_err(Refused::Flaws)?;
    let row = match form {
        Some(form) => {
            let form = form.canonical().map_err(Refused::Flaws)?;
            if form.number != number.as_str() {
                let mend = format!("it must be {number}, as in the address");
                return Err(Refused::Flaws(vec![flaw("number", &mend)]));
            }
            Some(StoredRow {
                layer: Layer::Manual,
                version,
                form,
                actor: crate::audit::named(hand.actor),
                at: hand.now,
                reason: hand.reason.to_owned(),
            })
        }
        None if former.is_none() => return Err(Refused::Missing),
        None => None,
    };
    rows.extend(row.clone());
    let changed = loaded.with_rows(rows, version).map_err(Refused::Flaws)?;
    if let Some(row) = &row {
        known(&changed, &row.form)?;
        sealed(&changed, &row.form, hand.now)?;
        Store::save_registry_row(&mut write, row).await?;
    } else {
        Store::remove_registry_row(&mut write, Layer::Manual, number.as_str()).await?;
    }
    let action = if row.is_some() {
        "registry.put"
    } else {
        "registry.delete"
    };
    let (before, after) = (former.map(|row| row.form), row.map(|row| row.form));
    note(&mut write, hand, action, number, before.as_ref(), after.as_ref()).await?;
    store.commit(write).await?;
    Ok(changed)
}

/// Puts an import in the place of the one before, if `preview` names just this.
pub(crate) async fn import(
    store: &Store,
    loaded: &Loaded,
    forms: &Forms,
    preview: &str,
    hand: &Hand<'_>,
) -> Result<(Loaded, ImportChanges), Refused> {
    let mut write = store.begin().await?;
    let (version, rows) = Store::change_registry(&mut write).await?;
    let changes = compare_rows(&rows, forms);
    if changes.preview != preview {
        return Err(Refused::Stale);
    }
    let (imported, mut rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.layer == Layer::Import);
    let former = |number: &OrganizationNumber| imported.iter().find(|row| row.form.number == number.as_str());
    let former: std::collections::BTreeMap<_, _> = forms
        .keys()
        .copied()
        .chain(changes.removed.iter().filter_map(|number| number.parse().ok()))
        .filter_map(|number| Some((number, former(&number)?)))
        .collect();
    let mut written = Vec::new();
    for (number, form) in forms {
        match former.get(number) {
            Some(row) if row.form == *form => rows.push((*row).clone()),
            _ => written.push(StoredRow {
                layer: Layer::Import,
                version,
                form: form.clone(),
                actor: crate::audit::named(hand.actor),
                at: hand.now,
                reason: hand.reason.to_owned(),
            }),
        }
    }
    rows.extend(written.iter().cloned());
    let changed = loaded.with_rows(rows, version).map_err(Refused::Flaws)?;
    for row in &written {
        sealed(&changed, &row.form, hand.now)?;
        Store::save_registry_row(&mut write, row).await?;
        let Ok(number) = row.form.number.parse() else {
            continue;
        };
        let before = former.get(&number).map(|row| &row.form);
        note(
            &mut write,
            hand,
            "registry.import",
            number,
            before,
            Some(&row.form),
        )
        .await?;
    }
    for number in changes.removed.iter().filter_map(|number| number.parse().ok()) {
        Store::remove_registry_row(&mut write, Layer::Import, number_text(&number)).await?;
        let before = former.get(&number).map(|row| &row.form);
        note(&mut write, hand, "registry.import", number, before, None).await?;
    }
    store.commit(write).await?;
    Ok((changed, changes))
}

fn number_text(number: &OrganizationNumber) -> &str {
    number.as_str()
}

/// A body above, or an operator, that nobody has registered would be a slip.
fn known(changed: &Loaded, form: &Form) -> Result<(), Refused> {
    let bodies = changed.routes.registry();
    for (field, number) in [("parent", &form.parent), ("operator", &form.operator)] {
        let Some(Ok(number)) = number.as_ref().map(|number| number.parse::<OrganizationNumber>()) else {
            continue;
        };
        if bodies.display_name(number, "nb").is_none() {
            let mend = format!("nobody is registered as {number}: enter that body first");
            return Err(Refused::Flaws(vec![flaw(field, &mend)]));
        }
    }
    Ok(())
}

/// A key that can't be used would keep its contact from being told: whoever enters it hears of it, not who waits for the mail.
fn sealed(changed: &Loaded, form: &Form, now: Timestamp) -> Result<(), Refused> {
    let bodies = changed.routes.registry().organizations().iter();
    let bodies = bodies.filter(|body| body.number.is_some_and(|number| number.as_str() == form.number));
    let mut flaws = Vec::new();
    for contact in bodies.flat_map(|body| &body.responders) {
        let said = form.responders.iter().find(|said| said.name == contact.name);
        let is_said = said
            .is_some_and(|said| said.certificate.is_some() || said.pgp_key.is_some() || said.email.is_some());
        if is_said {
            let found = mail_keys::flaws(&contact.keys, mail_keys::email(contact), now);
            flaws.extend(found.into_iter().map(|(key, found)| {
                let field = format!("responders.{}.{key}", contact.name);
                flaw(&field, &found.to_string())
            }));
        }
    }
    if flaws.is_empty() {
        Ok(())
    } else {
        Err(Refused::Flaws(flaws))
    }
}

async fn note(
    write: &mut Write,
    hand: &Hand<'_>,
    action: &str,
    number: OrganizationNumber,
    before: Option<&Form>,
    after: Option<&Form>,
) -> sqlx::Result<()> {
    let json =
        |form: Option<&Form>| form.map(|form| serde_json::json!({ "form": form, "reason": hand.reason }));
    let deed = Deed::by(hand.actor, hand.now, action, format!("organization/{number}"))
        .before(before.map(|form| serde_json::json!({ "form": form })).as_ref())
        .after(
            json(after)
                .or_else(|| Some(serde_json::json!({ "reason": hand.reason })))
                .as_ref(),
        );
    Store::audit(write, deed).await.map(|_| ())
}
