//! Who sends a notification, where several instances share a store: one that claims it, until it has noted what became of
//! it or its lease is over. The lease goes by the store's own clock, so that instances need not agree on theirs.

use std::{collections::BTreeSet, time::Duration};

use alerting_incident::NotificationId;
use sqlx::{Row, Transaction};

use super::{Db, Store, connect::Dialect, sql::Sql};

impl Store {
    /// Claims notifications that are nobody's; says which of them are this instance's to send now.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn claim(
        &self,
        ids: impl IntoIterator<Item = &NotificationId>,
        lease: Duration,
    ) -> sqlx::Result<BTreeSet<NotificationId>> {
        let lease = i64::try_from(lease.as_nanos()).unwrap_or(i64::MAX);
        let clock = self.clock();
        let mut sql = Sql::new("UPDATE notification SET claimed_by = ");
        sql.bind(self.me.as_str());
        sql.push(&format!(", claimed_until = {clock} + ")).bind(lease);
        sql.push(&format!(
            " WHERE state = 'pending' AND claimed_until <= {clock} AND id IN "
        ));
        sql.list(ids.into_iter().map(NotificationId::as_str));
        let mut write = self.begin().await?;
        let rows = sql
            .push(" RETURNING id")
            .clone()
            .query()
            .fetch_all(&mut *write)
            .await?;
        // Nobody waits for a claim to be made: others are not told.
        Transaction::<Db>::commit(write).await?;
        Ok(rows
            .iter()
            .filter_map(|row| NotificationId::parse(row.get(0)))
            .collect())
    }

    /// Lets go of all claims: of a file that only this process uses.
    pub(super) async fn release_all(&self) -> sqlx::Result<()> {
        let mut write = self.begin().await?;
        sqlx::query("UPDATE notification SET claimed_by = NULL, claimed_until = 0 WHERE state = 'pending' AND claimed_until <> 0")
            .execute(&mut *write)
            .await?;
        Self::release_letters(&mut write).await?;
        write.commit().await
    }

    /// The store's own clock in SQL, in nanoseconds since 1970.
    pub(super) fn clock(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000000)",
            Dialect::Postgres => "(CAST(extract(epoch FROM clock_timestamp()) AS BIGINT) * 1000000000)",
        }
    }
}
