//! SQL that is put together: text with values, which are counted as `$1`, `$2`, … Both databases take that; sqlx's own
//! builder writes `?` for the driver that is used here, which PostgreSQL refuses.

use sqlx::{AssertSqlSafe, any::AnyArguments, query::Query};

use super::Db;

/// A query in the making.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

/// A value that stands outside the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text; without a NUL, which PostgreSQL's does not hold.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
        }
    }

    /// Adds text, which nobody from outside may have written.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Adds values as `($1, $2)`; for none a list in which nothing is.
    pub(crate) fn list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        self.push("(");
        let mut is_first = true;
        for value in values {
            if !is_first {
                self.push(", ");
            }
            is_first = false;
            self.bind(value);
        }
        if is_first {
            self.push("NULL");
        }
        self.push(")")
    }

    /// The query, to be run.
    pub(crate) fn query(self) -> Query<'static, Db, AnyArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Whole(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(storable(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(storable(&text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// Text as both databases hold it: PostgreSQL refuses a NUL, and with it everything that came in the same batch.
#[must_use]
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_stand_outside_the_text() {
        let mut sql = Sql::new("SELECT 1 WHERE a = ");
        sql.bind("x' OR 'a\0b").push(" AND b IN ").list([1, 2]);
        sql.push(" AND c IN ").list(Vec::<i64>::new());
        assert_eq!(
            sql.text,
            "SELECT 1 WHERE a = $1 AND b IN ($2, $3) AND c IN (NULL)"
        );
        let values = [
            Value::Text("x' OR 'a\u{fffd}b".to_owned()),
            Value::Whole(1),
            Value::Whole(2),
        ];
        assert_eq!(sql.values, values);
    }
}
