//! What all instances of a shared store must have in common and nobody else may know.

use super::{Store, connect::Dialect};
use sqlx::Row;

impl Store {
    /// The secret with this name, for stores that instances share: the one that is there, else what `former` gives, which is
    /// kept from then on. `None` for a store of one instance, whose secrets lie beside it.
    ///
    /// # Errors
    /// If the store is away, what is there has another length, or `former` fails.
    pub(crate) async fn shared_secret<const BYTES: usize>(
        &self,
        name: &str,
        former: impl FnOnce() -> anyhow::Result<[u8; BYTES]>,
    ) -> anyhow::Result<Option<[u8; BYTES]>> {
        if self.dialect == Dialect::Sqlite {
            return Ok(None);
        }
        let mut write = self.begin().await?;
        let row = sqlx::query("SELECT value FROM secret WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *write)
            .await?;
        let value = match row {
            Some(row) => hex::decode(row.try_get::<&str, _>(0)?)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| {
                    anyhow::anyhow!("read the secret `{name}` in the store: it must be {BYTES} bytes in hexadecimal digits")
                })?,
            None => {
                let value = former()?;
                sqlx::query("INSERT INTO secret (name, value) VALUES ($1, $2)")
                    .bind(name)
                    .bind(hex::encode(value))
                    .execute(&mut *write)
                    .await?;
                value
            }
        };
        write.commit().await?;
        Ok(Some(value))
    }
}

/// A name that nobody else has.
pub(super) fn random_name() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("ask for random bytes: {error}"))?;
    Ok(hex::encode(bytes))
}
