//! Full chunks are written, and kept in step with what changes of their incidents. What is noted of three characters is never taken
//! back: an incident that had them once is looked at in vain, and no more.

use std::collections::BTreeMap;

use sqlx::Row;

use super::{
    super::{
        Store, Write,
        sql::Sql,
        tally::{Before, Standing},
    },
    CHUNK, CHUNK_BITS,
    chunk::{Facets, Members, grams_of},
};

/// Rows of one statement: few enough for every limit of values, many enough that what each costs is theirs.
const ROWS_AT_ONCE: usize = 1_000;

impl Store {
    /// Writes the chunks that are full and not written: those of before this version, and of what was filled in by hand.
    pub(in crate::store) async fn seal_what_is_full(&self) -> sqlx::Result<()> {
        loop {
            let mut write = self.begin().await?;
            let query = sqlx::query(
                "SELECT (SELECT coalesce(max(chunk), -1) + 1 FROM search_chunk), (SELECT coalesce(max(number), 0) FROM incident)",
            );
            let row = query.fetch_one(&mut *write).await?;
            let (next, newest): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            if newest >> CHUNK_BITS <= next {
                return Ok(());
            }
            seal(&mut write, next).await?;
            write.commit().await?;
        }
    }

    /// With the first incident of a chunk, the one before it is full.
    pub(in crate::store) async fn seal_before(write: &mut Write, number: i64) -> sqlx::Result<()> {
        if place(number) == 0 {
            seal(write, (number >> CHUNK_BITS) - 1).await?;
        }
        Ok(())
    }

    /// Notes what changed of an incident whose chunk is written.
    pub(in crate::store) async fn follow(
        write: &mut Write,
        before: &Before,
        standing: &Standing,
        search: &str,
    ) -> sqlx::Result<()> {
        if before.standing == *standing && before.search == search {
            return Ok(());
        }
        let (chunk, place) = (before.number >> CHUNK_BITS, place(before.number));
        let query = sqlx::query("SELECT facets FROM search_chunk WHERE chunk = $1").bind(chunk);
        let Some(row) = query.fetch_optional(&mut **write).await? else {
            return Ok(());
        };
        if before.standing != *standing {
            let mut facets = Facets::of(row.try_get(0)?);
            facets.set(place, standing);
            let query = sqlx::query("UPDATE search_chunk SET facets = $1 WHERE chunk = $2");
            query
                .bind(facets.into_bytes())
                .bind(chunk)
                .execute(&mut **write)
                .await?;
        }
        if before.search == search {
            return Ok(());
        }
        for gram in grams_of(search).difference(&grams_of(&before.search)) {
            let query = sqlx::query("SELECT members FROM search_gram WHERE gram = $1 AND chunk = $2");
            let row = query.bind(*gram).bind(chunk).fetch_optional(&mut **write).await?;
            let mut members = match row {
                Some(row) => Members::read(row.try_get(0)?),
                None => Members::none(),
            };
            members.add(place);
            write_members(write, chunk, &[(*gram, members)]).await?;
        }
        Ok(())
    }
}

async fn seal(write: &mut Write, chunk: i64) -> sqlx::Result<()> {
    let rows = sqlx::query(
        "SELECT number, owner, state, severity, search FROM incident WHERE number >= $1 AND number < $2",
    )
    .bind(chunk << CHUNK_BITS)
    .bind((chunk + 1) << CHUNK_BITS)
    .fetch_all(&mut **write)
    .await?;
    let mut facets = Facets::nobody();
    let mut by_gram: BTreeMap<i64, Members> = BTreeMap::new();
    for row in rows {
        let place = place(row.try_get(0)?);
        let standing = Standing {
            owner: row.try_get(1)?,
            state: row.try_get(2)?,
            severity: row.try_get(3)?,
        };
        facets.set(place, &standing);
        for gram in grams_of(row.try_get(4)?) {
            by_gram.entry(gram).or_insert_with(Members::none).add(place);
        }
    }
    let by_gram: Vec<(i64, Members)> = by_gram.into_iter().collect();
    for some in by_gram.chunks(ROWS_AT_ONCE) {
        write_members(write, chunk, some).await?;
    }
    sqlx::query("INSERT INTO search_chunk (chunk, facets) VALUES ($1, $2)")
        .bind(chunk)
        .bind(facets.into_bytes())
        .execute(&mut **write)
        .await?;
    Ok(())
}

async fn write_members(write: &mut Write, chunk: i64, some: &[(i64, Members)]) -> sqlx::Result<()> {
    let mut query = Sql::new("INSERT INTO search_gram (gram, chunk, members) VALUES ");
    for (index, (gram, members)) in some.iter().enumerate() {
        query.push(if index == 0 { "(" } else { ", (" }).bind(*gram);
        query
            .push(", ")
            .bind(chunk)
            .push(", ")
            .bind(members.bytes())
            .push(")");
    }
    query.push(" ON CONFLICT (gram, chunk) DO UPDATE SET members = excluded.members");
    query.query().execute(&mut **write).await?;
    Ok(())
}

/// Where in its chunk an incident is.
fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0) % CHUNK
}
