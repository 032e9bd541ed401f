//! Parts of the list of incidents. What a list costs goes by what it shows, not by how many incidents there are.
//!
//! A list is a handful of walks in indexes, each of which begins where the list is to go on and ends after as many incidents as are
//! shown: one for each owner, state and severity that is asked for and that anybody has ([`super::tally`]). Where those are many,
//! only the newest of each is looked at first, and the walks whose newest are the newest of all are taken: more can't be needed.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use alerting_incident::{IncidentId, State, access::Reach};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, Timestamp};
use sqlx::Row;

use super::{
    Store, Stored,
    incidents::{COLUMNS, stored},
    sql::Sql,
};
use crate::access::Seen;

/// So many walks are put in one query as they are: both databases plan them in a millisecond or two, and looking at their newest
/// first would take longer.
const WALKS_AT_ONCE: usize = if cfg!(test) { 3 } else { 64 };

/// What a list is narrowed to; empty means everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Only in these states.
    pub(crate) states: Vec<State>,
    /// Only of these severities.
    pub(crate) severities: Vec<Severity>,
    /// Only of these organisations.
    pub(crate) organizations: BTreeSet<OrganizationNumber>,
    /// Only those with this text, or of these.
    pub(crate) text: String,
    /// Whom the text may mean.
    pub(crate) called: BTreeSet<OrganizationNumber>,
}

/// Where the next part of a list begins: after this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a list, which is in the order of change.
    Listed(Timestamp, IncidentId),
    /// In what was searched for, which is in the order of opening: the number, and the total as it was first told.
    Found(i64, Total),
}

/// How many incidents there are in all parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    /// So many, or at least so many.
    pub(crate) count: u64,
    /// Whether there are no more.
    pub(crate) is_exact: bool,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Newest change first; where a text is searched for, the one that was opened last.
    pub(crate) incidents: Vec<Stored>,
    /// Where the next part begins.
    pub(crate) next: Option<Place>,
    /// How many there are in all parts.
    pub(crate) total: Total,
}

/// What the incidents of one walk have in common.
#[derive(Clone, Debug)]
struct Walk {
    owner: String,
    state: String,
    severity: i64,
}

/// Which columns tell walks apart.
#[derive(Clone, Copy, Debug)]
struct Grain {
    owner: bool,
    standing: bool,
}

impl Filter {
    /// Adds the conditions without the text to a query over what has `owner`, `state` and `severity`.
    pub(super) fn narrow_standing(&self, query: &mut Sql) {
        if !self.states.is_empty() {
            query
                .push(" AND state IN ")
                .list(self.states.iter().map(|state| state.as_str()));
        }
        if !self.severities.is_empty() {
            let numbers = self
                .severities
                .iter()
                .map(|severity| i64::from(severity.number()));
            query.push(" AND severity IN ").list(numbers);
        }
        if !self.organizations.is_empty() {
            query.push(" AND ");
            is_owned(query, &self.organizations);
        }
    }

    /// Adds the conditions to a query over incidents.
    pub(super) fn narrow(&self, query: &mut Sql) {
        self.narrow_standing(query);
        if self.text.is_empty() {
            return;
        }
        let text = self.text.to_lowercase();
        let literal = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
        query
            .push(" AND (search LIKE ")
            .bind(format!("%{literal}%"))
            .push(r" ESCAPE '\'");
        if !self.called.is_empty() {
            query.push(" OR ");
            is_owned(query, &self.called);
        }
        query.push(")");
    }
}

fn is_owned(query: &mut Sql, owners: &BTreeSet<OrganizationNumber>) {
    query
        .push("owner IN ")
        .list(owners.iter().map(|owner| owner.as_str()));
}

impl Store {
    /// A part of the list, the newest change first, after a place; with a text, of what [`super::search`] finds.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn page(
        &self,
        seen: &Seen,
        filter: &Filter,
        after: Option<&Place>,
        limit: u32,
    ) -> sqlx::Result<Page> {
        if !filter.text.is_empty() {
            return self.find(seen, filter, after, limit).await;
        }
        let after = match after {
            Some(Place::Listed(updated, id)) => Some((*updated, id)),
            Some(Place::Found(..)) | None => None,
        };
        let grain = Grain {
            owner: seen.reach() != Reach::Everything || !filter.organizations.is_empty(),
            standing: !filter.states.is_empty() || !filter.severities.is_empty(),
        };
        let rows = grain.tally(seen, filter).query().fetch_all(&self.reader).await?;
        let mut count = 0;
        let mut walks = Vec::new();
        for row in &rows {
            let of_walk: i64 = row.try_get(3)?;
            count += of_walk.cast_unsigned();
            if 0 < of_walk {
                walks.push(Walk::read(row)?);
            }
        }
        let total = Total {
            count,
            is_exact: true,
        };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut not_before = None;
        if WALKS_AT_ONCE < walks.len() {
            (walks, not_before) = self.newest_walks(grain, seen, filter, after, wanted + 1).await?;
        }
        if walks.is_empty() {
            return Ok(Page {
                incidents: Vec::new(),
                next: None,
                total,
            });
        }
        let most = i64::from(limit) + 1;
        let mut query = Sql::new(format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM incident WHERE id IN (SELECT id FROM (SELECT id, updated_at FROM ("
        ));
        for (index, walk) in walks.iter().enumerate() {
            let joint = if index == 0 { "" } else { " UNION ALL " };
            query
                .push(joint)
                .push("SELECT id, updated_at FROM (SELECT id, updated_at FROM incident WHERE 1 = 1");
            walk.narrow(&mut query, grain);
            if let Some(time) = not_before {
                query.push(" AND updated_at >= ").bind(time);
            }
            go_on(&mut query, after);
            query.push(" ORDER BY updated_at DESC, id LIMIT ").bind(most);
            query.push(&format!(") AS walk{index}"));
        }
        query
            .push(") AS walks ORDER BY updated_at DESC, id LIMIT ")
            .bind(most);
        query
            .push(") AS page) LIMIT ")
            .bind(most)
            .push(") AS few WHERE 1 = 1");
        // They are of those that are seen already; nothing in this query should be believed twice. The limit keeps databases from
        // beginning with this condition.
        seen.narrow(&mut query);
        query.push(" ORDER BY updated_at DESC, id");
        let rows = query.query().fetch_all(&self.reader).await?;
        let mut incidents = rows.iter().map(stored).collect::<sqlx::Result<Vec<_>>>()?;
        let has_more = wanted < incidents.len();
        incidents.truncate(wanted);
        let last = incidents.last().filter(|_| has_more);
        let next = last.map(|last| Place::Listed(last.incident.updated_at, last.incident.id.clone()));
        Ok(Page {
            incidents,
            next,
            total,
        })
    }

    /// Of many walks those whose newest incidents are the newest, as many as incidents are shown, and the time before which none
    /// is shown if there were more.
    async fn newest_walks(
        &self,
        grain: Grain,
        seen: &Seen,
        filter: &Filter,
        after: Option<(Timestamp, &IncidentId)>,
        most: usize,
    ) -> sqlx::Result<(Vec<Walk>, Option<i64>)> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let head = |query: &mut Sql, column: &str| {
            query.push(&format!(
                "(SELECT i.{column} FROM incident AS i WHERE 1 = 1{}",
                grain.joined()
            ));
            go_on(query, after);
            query.push(" ORDER BY i.updated_at DESC, i.id LIMIT 1)");
        };
        // Each head is looked up once; which is the first among those of one time, only of the few that may be shown.
        let mut heads = Sql::new("WITH heads AS MATERIALIZED (SELECT owner, state, severity, ");
        head(&mut heads, "updated_at");
        heads.push(" AS head FROM (");
        grain.add_tally(&mut heads, seen, filter);
        heads.push(
            ") AS tally) SELECT owner, state, severity, head FROM (SELECT owner, state, severity, head, ",
        );
        head(&mut heads, "id");
        heads
            .push(
                " AS head_id FROM heads AS tally WHERE head >= (SELECT min(head) FROM
                     (SELECT head FROM heads WHERE head IS NOT NULL ORDER BY head DESC LIMIT ",
            )
            .bind(most)
            .push(") AS newest)) AS few ORDER BY head DESC, head_id LIMIT ")
            .bind(most);
        let rows = heads.query().fetch_all(&self.reader).await?;
        let is_cut = i64::try_from(rows.len()).is_ok_and(|found| most <= found);
        let not_before = rows.last().filter(|_| is_cut);
        let not_before = not_before.map(|row| row.try_get(3)).transpose()?;
        let walks = rows.iter().map(Walk::read).collect::<sqlx::Result<Vec<_>>>()?;
        Ok((walks, not_before))
    }
}

/// Only what comes after a place. The first condition alone is one that an index can begin at.
fn go_on(query: &mut Sql, after: Option<(Timestamp, &IncidentId)>) {
    if let Some((updated, id)) = after {
        query.push(" AND updated_at <= ").bind(updated.as_nanos());
        query.push(" AND (updated_at < ").bind(updated.as_nanos());
        query.push(" OR id > ").bind(id.as_str()).push(")");
    }
}

impl Walk {
    fn read(row: &super::DbRow) -> sqlx::Result<Self> {
        Ok(Self {
            owner: row.try_get(0)?,
            state: row.try_get(1)?,
            severity: row.try_get(2)?,
        })
    }

    fn narrow(&self, query: &mut Sql, grain: Grain) {
        if grain.owner {
            query.push(" AND owner = ").bind(self.owner.as_str());
        }
        if grain.standing {
            query.push(" AND state = ").bind(self.state.as_str());
            query.push(" AND severity = ").bind(self.severity);
        }
    }
}

impl Grain {
    /// What is counted, by what tells walks apart; what does not is empty.
    fn tally(self, seen: &Seen, filter: &Filter) -> Sql {
        let mut query = Sql::new("");
        self.add_tally(&mut query, seen, filter);
        query
    }

    fn add_tally(self, query: &mut Sql, seen: &Seen, filter: &Filter) {
        let owner = if self.owner { "owner" } else { "'' AS owner" };
        let standing = if self.standing {
            "state, severity"
        } else {
            "'' AS state, CAST(0 AS BIGINT) AS severity"
        };
        query.push(&format!(
            "SELECT {owner}, {standing}, CAST(coalesce(sum(count), 0) AS BIGINT) AS count FROM incident_tally WHERE 0 < count"
        ));
        seen.narrow_owners(query);
        filter.narrow_standing(query);
        query.push(match (self.owner, self.standing) {
            (true, true) => " GROUP BY owner, state, severity",
            (true, false) => " GROUP BY owner",
            (false, true) => " GROUP BY state, severity",
            (false, false) => "",
        });
    }

    /// Which incidents are of a row of the tally.
    const fn joined(self) -> &'static str {
        match (self.owner, self.standing) {
            (true, true) => {
                " AND i.owner = tally.owner AND i.state = tally.state AND i.severity = tally.severity"
            }
            (true, false) => " AND i.owner = tally.owner",
            (false, true) => " AND i.state = tally.state AND i.severity = tally.severity",
            (false, false) => "",
        }
    }
}
