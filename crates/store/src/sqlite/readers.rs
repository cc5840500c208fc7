//! A few connections that only read, on threads that may block.

use std::path::PathBuf;
use std::sync::Arc;

use headwater_core::limit;
use headwater_core::port::store::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::fault::Fault;
use super::{open, sql};

/// The readers of one database; at most [`limit::STORE_READERS`] work at once, the others wait.
#[derive(Debug)]
pub(super) struct Readers {
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    path: PathBuf,
}

impl Readers {
    /// Readers of this file; connections are opened when they are needed.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { places: Arc::new(Semaphore::new(limit::STORE_READERS)), idle: Arc::default(), path }
    }

    /// Does `work` on one state of the database: what is committed meanwhile is not seen halfway.
    ///
    /// A caller that stops waiting leaves the work to end by itself, still counted.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError("the readers have stopped".into()))?;
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let connection = idle.lock().pop();
            let result = connection.map_or_else(|| open::reader(&path), Ok).map_err(Fault::from);
            let result = result.and_then(|connection| {
                let value = snapshot(&connection, work)?;
                // Only one that worked is used again.
                idle.lock().push(connection);
                Ok(value)
            });
            drop(place);
            result.map_err(StoreError::from)
        });
        reading.await.map_err(|_| StoreError("a read was broken off".into()))?
    }
}

fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.prepare_cached(sql::SNAPSHOT)?.execute([])?;
    let value = work(connection)?;
    connection.prepare_cached(sql::COMMIT)?.execute([])?;
    Ok(value)
}
