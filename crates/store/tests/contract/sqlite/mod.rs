//! What only a file can promise, and what only a file can suffer.

mod commits;
mod copy;
mod damage;
mod documents;
mod latency;
mod opening;
mod small;
mod words;

use rusqlite::Connection;

use crate::given::File;

/// Another connection to the same file, as a person with a shell has it: not a server, so it asks no lock.
pub(crate) fn beside(file: &File) -> Connection {
    let connection = Connection::open(file.path()).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection
}

pub(crate) fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}
