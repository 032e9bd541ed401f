//! Requests to reveal: their rows, and the steps that they took.

use alerting_incident::{Actor, IncidentId, MERGED_MAX, RevealState, RevealStep};
use detect_alert::Alert;
use ingest_event::{OrganizationNumber, Timestamp};
use sqlx::{AssertSqlSafe, Row};

use super::{DbRow, Store, Stored, Write, sql::storable};

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredReveal {
    pub(crate) id: String,
    pub(crate) incident: IncidentId,
    /// Whose site.
    pub(crate) organization: OrganizationNumber,
    /// The key that the pseudonyms were made with.
    pub(crate) key: String,
    pub(crate) pseudonyms: Vec<String>,
    pub(crate) reason: String,
    pub(crate) asked_by: String,
    /// The id of their account; `None` in rows from before it was kept.
    pub(crate) asked_account: Option<String>,
    pub(crate) asked_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) state: RevealState,
    /// Of the line in the site's own log.
    pub(crate) digest: Option<String>,
    /// What they stood for, JSON; nothing before an answer, and when it is no longer kept.
    pub(crate) revealed: Option<String>,
    pub(crate) forget_at: Option<Timestamp>,
    /// The signed question.
    pub(crate) envelope: Option<String>,
    /// What has to be done on the bus.
    pub(crate) bus: OnBus,
}

/// What has to be done on the bus, after the transaction in which it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnBus {
    Nothing,
    Put,
    Take,
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredStep {
    pub(crate) at: Timestamp,
    pub(crate) who: String,
    pub(crate) account: Option<String>,
    pub(crate) step: RevealStep,
    pub(crate) note: String,
}

const COLUMNS: &str = "id, incident, organization, key_name, pseudonyms, reason, asked_by, asked_at, ends_at, state, digest, \
                       revealed, forget_at, envelope, bus, asked_account";

impl OnBus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Put => "put",
            Self::Take => "take",
        }
    }
}

/// Never what was revealed.
impl std::fmt::Debug for StoredReveal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("StoredReveal");
        out.field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Those of an incident, the oldest first. One that can't be read is left out: whoever ends them counts and tells it.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn reveals(&self, incident: &IncidentId) -> sqlx::Result<Vec<StoredReveal>> {
        let text = format!("SELECT {COLUMNS} FROM reveal WHERE incident = $1 ORDER BY asked_at, id");
        let query = sqlx::query(AssertSqlSafe(text)).bind(incident.as_str());
        let rows = query.fetch_all(&self.reader).await?;
        Ok(rows.iter().filter_map(|row| reveal(row).ok()).collect())
    }

    /// What happened to a request, in order.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn reveal_steps(&self, id: &str) -> sqlx::Result<Vec<StoredStep>> {
        let query = sqlx::query(
            "SELECT at, who, step, note, account FROM reveal_step WHERE reveal = $1 ORDER BY seq",
        );
        let rows = query.bind(id).fetch_all(&self.reader).await?;
        let step = |row: &DbRow| {
            Ok(StoredStep {
                at: Timestamp::from_nanos(row.get(0)),
                who: row.get(1),
                step: row.get::<&str, _>(2).parse().map_err(|_| unreadable("step"))?,
                note: row.get(3),
                account: row.get(4),
            })
        };
        rows.iter().map(step).collect()
    }

    /// A request, inside a change.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn reveal_in(write: &mut Write, id: &str) -> sqlx::Result<Option<StoredReveal>> {
        let text = format!("SELECT {COLUMNS} FROM reveal WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(text))
            .bind(id)
            .fetch_optional(&mut **write)
            .await?;
        row.as_ref().map(reveal).transpose()
    }

    /// The requests to an organisation that are open, and can be read.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn open_reveals(
        write: &mut Write,
        organization: OrganizationNumber,
    ) -> sqlx::Result<Vec<StoredReveal>> {
        let text = format!("SELECT {COLUMNS} FROM reveal WHERE organization = $1 AND state IN ($2, $3)");
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(organization.as_str())
            .bind(RevealState::Waiting.as_str())
            .bind(RevealState::Asked.as_str())
            .fetch_all(&mut **write)
            .await?;
        Ok(rows.iter().filter_map(|row| reveal(row).ok()).collect())
    }

    /// Open requests whose time ran out, and revealed ones that are kept no longer: the first ones after an id.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn overdue_reveals(
        &self,
        after: &str,
        now: Timestamp,
        limit: u32,
    ) -> sqlx::Result<Vec<String>> {
        let rows = sqlx::query(
            "SELECT id FROM reveal WHERE ((state IN ($1, $2) AND ends_at <= $3) OR forget_at <= $3) AND id > $5
             ORDER BY id LIMIT $4",
        )
        .bind(RevealState::Waiting.as_str())
        .bind(RevealState::Asked.as_str())
        .bind(now.as_nanos())
        .bind(i64::from(limit))
        .bind(after)
        .fetch_all(&self.reader)
        .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Requests for which something has to be done on the bus, each by itself: the first ones after an id.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn reveals_for_bus(
        &self,
        after: &str,
        limit: u32,
    ) -> sqlx::Result<Vec<(String, sqlx::Result<StoredReveal>)>> {
        let text =
            format!("SELECT {COLUMNS} FROM reveal WHERE bus IN ($1, $2) AND id > $4 ORDER BY id LIMIT $3");
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(OnBus::Put.as_str())
            .bind(OnBus::Take.as_str())
            .bind(i64::from(limit))
            .bind(after)
            .fetch_all(&self.reader)
            .await?;
        Ok(rows.iter().map(|row| (row.get("id"), reveal(row))).collect())
    }

    /// Notes that something was done on the bus, unless something else has to be done by now.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn reveal_is_on_bus(&self, id: &str, done: OnBus) -> sqlx::Result<()> {
        let mut write = self.begin().await?;
        sqlx::query("UPDATE reveal SET bus = $3 WHERE id = $1 AND bus = $2")
            .bind(id)
            .bind(done.as_str())
            .bind(OnBus::Nothing.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    /// Writes a request as it is now.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_reveal(write: &mut Write, reveal: &StoredReveal) -> sqlx::Result<()> {
        let pseudonyms = serde_json::to_string(&reveal.pseudonyms).unwrap_or_default();
        sqlx::query(
            "INSERT INTO reveal (id, incident, organization, key_name, pseudonyms, reason, asked_by, asked_at, ends_at,
                 state, digest, revealed, forget_at, envelope, bus, asked_account)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, digest = excluded.digest, revealed = excluded.revealed,
                 forget_at = excluded.forget_at, envelope = excluded.envelope, bus = excluded.bus",
        )
        .bind(reveal.id.as_str())
        .bind(reveal.incident.as_str())
        .bind(reveal.organization.as_str())
        .bind(storable(&reveal.key))
        .bind(storable(&pseudonyms))
        .bind(storable(&reveal.reason))
        .bind(storable(&reveal.asked_by))
        .bind(reveal.asked_at.as_nanos())
        .bind(reveal.ends_at.as_nanos())
        .bind(reveal.state.as_str())
        .bind(reveal.digest.as_deref().map(storable))
        .bind(reveal.revealed.as_deref().map(storable))
        .bind(reveal.forget_at.map(Timestamp::as_nanos))
        .bind(reveal.envelope.as_deref())
        .bind(reveal.bus.as_str())
        .bind(reveal.asked_account.as_deref())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Appends what happened to a request.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_reveal_step(write: &mut Write, id: &str, step: &StoredStep) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO reveal_step (reveal, seq, at, who, step, note, account)
             SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5, $6 FROM reveal_step WHERE reveal = $1",
        )
        .bind(id)
        .bind(step.at.as_nanos())
        .bind(storable(&step.who))
        .bind(step.step.as_str())
        .bind(storable(&step.note))
        .bind(step.account.as_deref())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Whether they looked at what was revealed before.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn has_read_reveal(write: &mut Write, id: &str, actor: &Actor) -> sqlx::Result<bool> {
        let text = "SELECT 1 FROM reveal_step WHERE reveal = $1 AND step = $2
             AND (account = $3 OR ($3 = '' AND account IS NULL AND who = $4)) LIMIT 1";
        let row = sqlx::query(text)
            .bind(id)
            .bind(RevealStep::Read.as_str())
            // Nobody's account has an empty id.
            .bind(actor.account().unwrap_or_default())
            .bind(storable(actor.name()))
            .fetch_optional(&mut **write)
            .await?;
        Ok(row.is_some())
    }

    /// Empties what was revealed and is kept no longer, where nothing else of the request can be read; `false` if it is kept yet, or was
    /// emptied.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn forget_unread(write: &mut Write, id: &str, now: Timestamp) -> sqlx::Result<bool> {
        let text = "UPDATE reveal SET revealed = NULL, forget_at = NULL WHERE id = $1 AND forget_at <= $2";
        let done = sqlx::query(text).bind(id).bind(now.as_nanos());
        Ok(0 < done.execute(&mut **write).await?.rows_affected())
    }

    /// What pseudonyms of an incident may be of: itself, and those that became part of it and are its owner's still. One that can't be
    /// read is left out.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn sources_of_reveals(&self, of: &Stored) -> sqlx::Result<Vec<Alert>> {
        let own = of
            .incident
            .own
            .as_ref()
            .map_or(&of.incident.lead, |own| &own.lead);
        let rows = sqlx::query(
            "SELECT lead FROM incident WHERE merged_into = $1 AND owner = $2 ORDER BY id LIMIT $3",
        )
        .bind(of.incident.id.as_str())
        .bind(of.owner.as_str())
        .bind(i64::try_from(MERGED_MAX).unwrap_or(i64::MAX))
        .fetch_all(&self.reader)
        .await?;
        let parts = rows.iter().filter_map(|row| {
            let lead = row.try_get::<&str, _>(0).ok()?;
            detect_alert::decode(lead.as_bytes()).ok()
        });
        Ok(std::iter::once(own.clone()).chain(parts).collect())
    }
}

fn reveal(row: &DbRow) -> sqlx::Result<StoredReveal> {
    let state: &str = row.get("state");
    let organization: &str = row.get("organization");
    let pseudonyms: &str = row.get("pseudonyms");
    Ok(StoredReveal {
        id: row.get("id"),
        incident: IncidentId::parse(row.get("incident")).ok_or_else(|| unreadable("incident"))?,
        organization: organization.parse().map_err(|_| unreadable("organization"))?,
        key: row.get("key_name"),
        pseudonyms: serde_json::from_str(pseudonyms).map_err(|_| unreadable("pseudonyms"))?,
        reason: row.get("reason"),
        asked_by: row.get("asked_by"),
        asked_account: row.get("asked_account"),
        asked_at: Timestamp::from_nanos(row.get("asked_at")),
        ends_at: Timestamp::from_nanos(row.get("ends_at")),
        state: state.parse().map_err(|_| unreadable("state"))?,
        digest: row.get("digest"),
        revealed: row.get("revealed"),
        forget_at: row.get::<Option<i64>, _>("forget_at").map(Timestamp::from_nanos),
        envelope: row.get("envelope"),
        bus: match row.get("bus") {
            "none" => OnBus::Nothing,
            "put" => OnBus::Put,
            "take" => OnBus::Take,
            _ => return Err(unreadable("bus")),
        },
    })
}

fn unreadable(column: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that this version does not know".into(),
    }
}
