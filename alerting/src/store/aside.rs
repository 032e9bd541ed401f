//! Records that could not be applied, until a person has looked at them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ingest_bus::Delivery;
use ingest_event::{Timestamp, derive_id};
use sqlx::Row;

use super::{DbRow, Store, Write, sql::storable};

/// Records that are kept whole; of more only the place on the bus is, where they lie until its retention ends.
const WHOLE_MAX: i64 = 1_000;

/// Records that are kept, whole or as places: more than that many are refused only if all are.
pub(crate) const ASIDE_MAX: u32 = 100_000;

/// Bytes of a record that are kept: of a larger one only its place on the bus is. The detector's alerts are a few kilobytes.
const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Characters of what was said of it.
const DETAIL_CHARS_MAX: usize = 500;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    /// Its name: 32 hexadecimal digits, derived from its place.
    pub(crate) id: String,
    /// The topic that it was read from,
    pub(crate) topic: String,
    /// and the partition,
    pub(crate) partition: i64,
    /// and the offset.
    pub(crate) place: i64,
    /// `not_json`, `bad_field`, `schema_too_new` or `store`.
    pub(crate) reason: String,
    /// What was said of it.
    pub(crate) detail: String,
    /// The record; `None` if only its place is kept.
    pub(crate) record: Option<Vec<u8>>,
    /// When it was put on the bus, in milliseconds since 1970.
    pub(crate) appended_ms: i64,
    /// When it was put aside.
    pub(crate) put_at: Timestamp,
}

const COLUMNS: &str = "id, topic, partition, place, reason, detail, record, appended_ms, put_at";

impl Store {
    /// Keeps a record, where so many are kept already; `false` if those are too many.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn put_aside(
        write: &mut Write,
        delivery: &Delivery,
        reason: &str,
        detail: &str,
        (count, now): (i64, Timestamp),
    ) -> sqlx::Result<bool> {
        if i64::from(ASIDE_MAX) <= count {
            return Ok(false);
        }
        let place = &delivery.position;
        let topic = place.topic.as_str();
        let value = &delivery.record.value;
        let kept =
            (value.len() <= RECORD_BYTES_MAX && count < WHOLE_MAX).then(|| BASE64_STANDARD.encode(value));
        let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
        let id = derive_id(&[
            b"aside",
            topic.as_bytes(),
            &place.partition.to_be_bytes(),
            &place.offset.to_be_bytes(),
        ]);
        sqlx::query(
            "INSERT INTO aside (id, topic, partition, place, reason, detail, record, appended_ms, put_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(topic)
        .bind(i64::from(place.partition))
        .bind(place.offset.cast_signed())
        .bind(reason)
        .bind(storable(&detail))
        .bind(kept.unwrap_or_default())
        .bind(delivery.appended_ms)
        .bind(now.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(true)
    }

    /// How many are kept.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn count_aside(write: &mut Write) -> sqlx::Result<i64> {
        let row = sqlx::query("SELECT count(*) FROM aside")
            .fetch_one(&mut **write)
            .await?;
        row.try_get(0)
    }

    /// Those that are kept, the oldest first, after the one with a time and a name.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn aside(
        &self,
        after: Option<&(Timestamp, String)>,
        limit: u32,
    ) -> sqlx::Result<Vec<Aside>> {
        let mut query = super::Sql::new(format!("SELECT {COLUMNS} FROM aside WHERE 1 = 1"));
        if let Some((put_at, id)) = after {
            query.push(" AND (put_at > ").bind(put_at.as_nanos());
            query.push(" OR (put_at = ").bind(put_at.as_nanos());
            query.push(" AND id > ").bind(id.as_str()).push("))");
        }
        query.push(" ORDER BY put_at, id LIMIT ").bind(i64::from(limit));
        let rows = query.query().fetch_all(&self.reader).await?;
        rows.iter().map(read).collect()
    }

    /// How many are kept, for whoever watches.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn aside_total(&self) -> sqlx::Result<i64> {
        let row = sqlx::query("SELECT count(*) FROM aside")
            .fetch_one(&self.reader)
            .await?;
        row.try_get(0)
    }

    /// Takes one out of those that are kept; `None` if there is none with that name.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn take_aside(write: &mut Write, id: &str) -> sqlx::Result<Option<Aside>> {
        let text = format!("DELETE FROM aside WHERE id = $1 RETURNING {COLUMNS}");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(storable(id))
            .fetch_optional(&mut **write)
            .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &DbRow) -> sqlx::Result<Aside> {
    let record: String = row.try_get("record")?;
    let record = BASE64_STANDARD.decode(&record).unwrap_or_default();
    Ok(Aside {
        id: row.try_get("id")?,
        topic: row.try_get("topic")?,
        partition: row.try_get("partition")?,
        place: row.try_get("place")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        record: (!record.is_empty()).then_some(record),
        appended_ms: row.try_get("appended_ms")?,
        put_at: Timestamp::from_nanos(row.try_get("put_at")?),
    })
}
