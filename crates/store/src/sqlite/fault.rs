//! What goes wrong below the port.

use headwater_core::port::store::StoreError;

/// A failed call of the database, or something in it that cannot be right.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says no.
    Sqlite(rusqlite::Error),
    /// The database has something that this program never wrote.
    Damaged(String),
    /// What was asked for cannot be stored.
    Refused(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => Self(error.to_string()),
            Fault::Damaged(what) => Self(format!("the database is damaged: {what}")),
            Fault::Refused(why) => Self(why),
        }
    }
}

/// A number of ours as SQLite keeps it. Those that do not fit stand beyond everything that is stored.
pub(super) fn to_sql(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

/// A stored number that is never negative.
pub(super) fn from_sql<N: TryFrom<i64>>(n: i64) -> Result<N, Fault> {
    N::try_from(n).map_err(|_| Fault::Damaged(format!("{n} where a count must be")))
}
