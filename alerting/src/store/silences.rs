//! Silences.

use alerting_incident::{Silence, SilenceId};
use ingest_event::Timestamp;
use sqlx::{Executor, Row};

use super::{Db, DbRow, Store, Write, sql::storable};

/// Silences that hold at once or held lately; each alert is compared with all of them.
pub(crate) const SILENCES_MAX: i64 = 1_000;

const COLUMNS: &str = "id, organization, producer, entity, reason, made_by, starts_at, ends_at";

impl Store {
    /// Those that end after a moment and come after the one with an end and a name, the one that ends first first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn silences_page(
        &self,
        now: Timestamp,
        after: Option<&(Timestamp, String)>,
        limit: i64,
    ) -> sqlx::Result<Vec<Silence>> {
        let mut query = super::Sql::new(format!("SELECT {COLUMNS} FROM silence WHERE ends_at > "));
        query.bind(now.as_nanos());
        if let Some((until, id)) = after {
            query.push(" AND (ends_at > ").bind(until.as_nanos());
            query.push(" OR (ends_at = ").bind(until.as_nanos());
            query.push(" AND id > ").bind(id.as_str()).push("))");
        }
        query.push(" ORDER BY ends_at, id LIMIT ").bind(limit);
        let rows = query.query().fetch_all(&self.reader).await?;
        rows.iter().map(silence).collect()
    }

    /// A silence, ended or not; `None` if there is none with that name.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn silence(&self, id: &SilenceId) -> sqlx::Result<Option<Silence>> {
        let text = format!("SELECT {COLUMNS} FROM silence WHERE id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(silence).transpose()
    }

    /// Silences that end after a moment, inside a change.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn silences_in(write: &mut Write, after: Timestamp) -> sqlx::Result<Vec<Silence>> {
        ending_after(&mut **write, after).await
    }

    /// Adds a silence of whoever has this account; `false` if there are too many that have not ended by then.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_silence(
        write: &mut Write,
        silence: &Silence,
        account: Option<&str>,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let row = sqlx::query("SELECT count(*) FROM silence WHERE ends_at > $1")
            .bind(now.as_nanos())
            .fetch_one(&mut **write)
            .await?;
        if SILENCES_MAX <= row.get::<i64, _>(0) {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO silence (id, organization, producer, entity, reason, made_by, starts_at, ends_at, account)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        )
        .bind(silence.id.as_str())
        .bind(silence.organization.map(|organization| organization.to_string()))
        .bind(silence.producer.as_deref().map(storable))
        .bind(silence.entity.as_deref().map(storable))
        .bind(storable(&silence.reason))
        .bind(storable(&silence.by))
        .bind(silence.from.as_nanos())
        .bind(silence.until.as_nanos())
        .bind(account)
        .execute(&mut **write)
        .await?;
        Ok(true)
    }

    /// Ends a silence now, unless it has ended, and gives it with the account of who began it; `None` if there is none with that name.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn end_silence(
        write: &mut Write,
        id: &SilenceId,
        now: Timestamp,
    ) -> sqlx::Result<Option<(Silence, Option<String>)>> {
        sqlx::query("UPDATE silence SET ends_at = $2 WHERE id = $1 AND ends_at > $2")
            .bind(id.as_str())
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        let text = format!("SELECT {COLUMNS}, account FROM silence WHERE id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(id.as_str())
            .fetch_optional(&mut **write)
            .await?;
        row.map(|row| Ok((silence(&row)?, row.try_get("account")?)))
            .transpose()
    }
}

async fn ending_after<'e>(
    executor: impl Executor<'e, Database = Db>,
    after: Timestamp,
) -> sqlx::Result<Vec<Silence>> {
    let query = format!("SELECT {COLUMNS} FROM silence WHERE ends_at > $1 ORDER BY ends_at, id LIMIT $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(after.as_nanos())
        .bind(SILENCES_MAX)
        .fetch_all(executor)
        .await?;
    rows.iter().map(silence).collect()
}

fn silence(row: &DbRow) -> sqlx::Result<Silence> {
    let unreadable = |column: &str| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that this version does not know".into(),
    };
    Ok(Silence {
        id: SilenceId::parse(row.get(0)).ok_or_else(|| unreadable("id"))?,
        organization: match row.get::<Option<&str>, _>(1) {
            Some(text) => Some(text.parse().map_err(|_| unreadable("organization"))?),
            None => None,
        },
        producer: row.get(2),
        entity: row.get(3),
        reason: row.get(4),
        by: row.get(5),
        from: Timestamp::from_nanos(row.get(6)),
        until: Timestamp::from_nanos(row.get(7)),
    })
}
