//! What is searched for: incidents that have a text anywhere in what a search looks in, or that are of those it names, the one that
//! was opened last first. The order of opening never changes, so nothing is shown twice or passed over while one leafs through.
//!
//! Both databases search text by reading all of it, and what they have against that (FTS5, pg_trgm) differs, and looks at as much as
//! has the text's letters, whoever's it is. So there is a table of our own, the same for both. Incidents are numbered as they are
//! opened and lie in chunks of 4,096; when a chunk is full, it is noted for each three characters which of its incidents have
//! them, and of each incident whose, how grave and in which state it is ([`sealed`]). What may have the text is then found with a
//! few rows a chunk ([`chunk`]), and only that is looked at. The incidents after the last full chunk are looked at one by one.
//!
//! What one request does is bounded ([`CHUNKS_MAX`], [`EXAMINED_MAX`]); where that was not enough, the answer says where it
//! goes on, and that its total is not all. Whoever sees few incidents has all of theirs looked at, and nothing else: others'
//! incidents neither cost them time nor cut short what they find.

mod chunk;
mod sealed;

use std::collections::VecDeque;

use alerting_incident::access::Reach;
use sqlx::Row;

use super::{
    Store, Stored,
    incidents::{COLUMNS, stored},
    lists::{Filter, Page, Place, Total},
    sql::Sql,
};
use crate::access::Seen;
use chunk::{Facets, Members, Wanted, grams_of};

/// Incidents of a chunk, as a power of two: of 4,096 the parts that are not yet in a full one are read in a few milliseconds, and a
/// million incidents are 245 chunks, of which a search reads a row for each three characters.
const CHUNK_BITS: u32 = if cfg!(test) { 4 } else { 12 };
/// Incidents of a chunk.
const CHUNK: usize = 1 << CHUNK_BITS;

/// Whoever sees no more than this has theirs looked at one by one: others' play no part, in time neither.
const OWN_MAX: u64 = if cfg!(test) { 6 } else { 2_000 };
/// Chunks that one request looks into: two million incidents.
const CHUNKS_MAX: i64 = if cfg!(test) { 9 } else { 512 };
/// Chunks that are looked into at once: at first a few, as what is common is found in the newest.
const CHUNKS_AT_FIRST: i64 = if cfg!(test) { 2 } else { 16 };
/// Afterwards.
const CHUNKS_AT_ONCE: i64 = if cfg!(test) { 4 } else { 128 };
/// Incidents that have a text's letters and are looked at for the text itself, in one request.
const EXAMINED_MAX: usize = if cfg!(test) { 64 } else { 1_536 };
/// How many of them are looked at in one query.
const EXAMINED_AT_ONCE: usize = if cfg!(test) { 5 } else { 128 };
/// A total is counted so far: each one more costs a look at a row somewhere in the store, and nobody counts on it.
const COUNTED_MAX: u64 = if cfg!(test) { 20 } else { 500 };
/// Of a long text so many threes of characters are looked up, from all over it.
const GRAMS_MAX: usize = 8;

/// Incidents by their numbers, of which only then is asked whether they are meant. With a limit, or databases would rather begin with
/// all that an owner has in a state.
const FEW: &str = "SELECT number, id, owner, state, severity, search FROM incident WHERE";

/// What a search has found so far.
#[derive(Debug, Default)]
struct Finds {
    /// The newest numbers, one more than are shown.
    numbers: Vec<i64>,
    counted: u64,
    examined: usize,
    /// The last number that was looked at, if there may be more below it.
    stopped_at: Option<i64>,
}

impl Store {
    /// A part of what is found, after a place.
    pub(super) async fn find(
        &self,
        seen: &Seen,
        filter: &Filter,
        after: Option<&Place>,
        limit: u32,
    ) -> sqlx::Result<Page> {
        let (below, told) = match after {
            Some(Place::Found(number, total)) => (*number, Some(*total)),
            Some(Place::Listed(..)) | None => (i64::MAX, None),
        };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let finds = if self.how_many(seen, filter).await? <= OWN_MAX {
            self.among_few(seen, filter, below, wanted).await?
        } else {
            self.among_many(seen, filter, below, wanted, told.is_none())
                .await?
        };
        let mut numbers = finds.numbers;
        let total = told.unwrap_or(Total {
            count: finds.counted,
            is_exact: finds.stopped_at.is_none(),
        });
        let has_more = wanted < numbers.len();
        numbers.truncate(wanted);
        let last = if has_more {
            numbers.last().copied()
        } else {
            finds.stopped_at
        };
        Ok(Page {
            incidents: self.numbered(seen, &numbers).await?,
            next: last.map(|last| Place::Found(last, total)),
            total,
        })
    }

    /// All of someone's incidents are looked at.
    async fn among_few(
        &self,
        seen: &Seen,
        filter: &Filter,
        below: i64,
        wanted: usize,
    ) -> sqlx::Result<Finds> {
        let mut query = Sql::new("SELECT number FROM incident WHERE 1 = 1");
        seen.narrow(&mut query);
        filter.narrow(&mut query);
        let rows = query.query().fetch_all(&self.reader).await?;
        let numbers = rows.iter().map(|row| row.try_get(0));
        let mut numbers = numbers.collect::<sqlx::Result<Vec<i64>>>()?;
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        let counted = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
        numbers.retain(|number| *number < below);
        numbers.truncate(wanted + 1);
        Ok(Finds {
            numbers,
            counted,
            ..Finds::default()
        })
    }

    /// What lies after the last full chunk is looked at, and what the chunks say may be meant.
    async fn among_many(
        &self,
        seen: &Seen,
        filter: &Filter,
        below: i64,
        wanted: usize,
        is_counted: bool,
    ) -> sqlx::Result<Finds> {
        let text = super::sql::storable(&filter.text.to_lowercase());
        let grams = grams_of(&text);
        let every = grams.len().div_ceil(GRAMS_MAX).max(1);
        let grams: Vec<i64> = grams.into_iter().step_by(every).collect();
        let wants = Wanted::new(seen, filter);
        let last = sqlx::query("SELECT coalesce(max(chunk), -1) FROM search_chunk");
        let last: i64 = last.fetch_one(&self.reader).await?.try_get(0)?;
        let mut finds = Finds::default();
        let is_done =
            |finds: &Finds| wanted < finds.numbers.len() && (!is_counted || COUNTED_MAX <= finds.counted);

        let tail = (last + 1) << CHUNK_BITS;
        if tail < below {
            let mut query = Sql::new(format!("SELECT number FROM ({FEW} number >= "));
            query.bind(tail).push(" AND number < ").bind(below);
            query.push(&format!(
                " ORDER BY number DESC LIMIT {CHUNK}) AS few WHERE 1 = 1"
            ));
            seen.narrow(&mut query);
            filter.narrow(&mut query);
            let rows = query.query().fetch_all(&self.reader).await?;
            let numbers = rows.iter().map(|row| row.try_get(0));
            finds.take(numbers.collect::<sqlx::Result<_>>()?, wanted);
        }
        finds.stopped_at = (0 <= last).then_some(tail.min(below));
        let mut top = last.min(below.saturating_sub(1) >> CHUNK_BITS);
        let floor = (top - CHUNKS_MAX).max(-1);
        let mut at_once = CHUNKS_AT_FIRST;
        while floor < top && !is_done(&finds) {
            let bottom = (top - at_once).max(floor) + 1;
            let mut may = self.may_be_meant(&wants, &grams, (bottom, top)).await?;
            may.retain(|number| *number < below);
            while !may.is_empty() && !is_done(&finds) {
                if EXAMINED_MAX <= finds.examined {
                    return Ok(finds);
                }
                let some: Vec<i64> = may.drain(..EXAMINED_AT_ONCE.min(may.len())).collect();
                let lowest = some.last().copied();
                finds.examined += some.len();
                let numbers = self.that_are_meant(seen, filter, some).await?;
                finds.take(numbers, wanted);
                // If it ends here: what is below was not looked at.
                finds.stopped_at = lowest;
            }
            if !may.is_empty() {
                return Ok(finds);
            }
            finds.stopped_at = (0 < bottom).then_some(bottom << CHUNK_BITS);
            top = bottom - 1;
            at_once = CHUNKS_AT_ONCE;
        }
        Ok(finds)
    }

    /// The numbers in some chunks that may be meant, the newest first: all that are, and a few others.
    async fn may_be_meant(
        &self,
        wants: &Wanted,
        grams: &[i64],
        (bottom, top): (i64, i64),
    ) -> sqlx::Result<VecDeque<i64>> {
        let chunks = usize::try_from(top - bottom + 1).unwrap_or(0);
        let place = |chunk: i64| usize::try_from(chunk - bottom).unwrap_or(usize::MAX);
        // Of a text of one or two characters nothing is known.
        let first = if grams.is_empty() {
            Members::all()
        } else {
            Members::none()
        };
        let mut may = vec![first; chunks];
        let mut hits = vec![0_usize; chunks];
        if !grams.is_empty() {
            let mut query = Sql::new("SELECT chunk, members FROM search_gram WHERE gram IN ");
            query.list(grams.iter().copied());
            query
                .push(" AND chunk >= ")
                .bind(bottom)
                .push(" AND chunk <= ")
                .bind(top);
            for row in query.query().fetch_all(&self.reader).await? {
                let at = place(row.try_get(0)?);
                if let (Some(may), Some(hits)) = (may.get_mut(at), hits.get_mut(at)) {
                    let members = Members::read(row.try_get(1)?);
                    *may = if *hits == 0 { members } else { may.and(&members) };
                    *hits += 1;
                }
            }
        }
        for (may, hits) in may.iter_mut().zip(&hits) {
            if *hits < grams.len() {
                *may = Members::none();
            }
        }
        if wants.is_narrow() {
            let mut query = Sql::new("SELECT chunk, facets FROM search_chunk WHERE chunk >= ");
            query.bind(bottom).push(" AND chunk <= ").bind(top);
            for row in query.query().fetch_all(&self.reader).await? {
                if let Some(may) = may.get_mut(place(row.try_get(0)?)) {
                    let facets: &[u8] = row.try_get(1)?;
                    *may = Facets::of(facets).that_are(wants, may);
                }
            }
        }
        let mut numbers = VecDeque::new();
        for (chunk, may) in (bottom..=top).rev().zip(may.iter().rev()) {
            numbers.extend(may.newest_first().map(|place| (chunk << CHUNK_BITS) + place));
        }
        Ok(numbers)
    }

    /// Those of some numbers that are meant.
    async fn that_are_meant(&self, seen: &Seen, filter: &Filter, some: Vec<i64>) -> sqlx::Result<Vec<i64>> {
        let mut query = Sql::new(format!("SELECT number FROM ({FEW} number IN "));
        query.list(some);
        query.push(&format!(" LIMIT {EXAMINED_AT_ONCE}) AS few WHERE 1 = 1"));
        seen.narrow(&mut query);
        filter.narrow(&mut query);
        let rows = query.query().fetch_all(&self.reader).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    async fn numbered(&self, seen: &Seen, numbers: &[i64]) -> sqlx::Result<Vec<Stored>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Sql::new(format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM incident WHERE number IN "
        ));
        query.list(numbers.iter().copied());
        query.push(&format!(" LIMIT {}) AS few WHERE 1 = 1", numbers.len()));
        seen.narrow(&mut query);
        query.push(" ORDER BY number DESC");
        let rows = query.query().fetch_all(&self.reader).await?;
        rows.iter().map(stored).collect()
    }
}

impl Finds {
    fn take(&mut self, mut numbers: Vec<i64>, wanted: usize) {
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        self.counted += u64::try_from(numbers.len()).unwrap_or(u64::MAX);
        let room = (wanted + 1).saturating_sub(self.numbers.len());
        self.numbers.extend(numbers.into_iter().take(room));
    }
}

impl Wanted {
    fn new(seen: &Seen, filter: &Filter) -> Self {
        let seen = match seen.reach() {
            Reach::Everything => None,
            Reach::Only(few) => Some(few),
        };
        let asked = (!filter.organizations.is_empty()).then(|| filter.organizations.clone());
        let owners = match (seen, asked) {
            (Some(seen), Some(asked)) => Some(seen.intersection(&asked).copied().collect()),
            (Some(few), None) | (None, Some(few)) => Some(few),
            (None, None) => None,
        };
        Self::of(owners.as_ref(), filter)
    }
}
