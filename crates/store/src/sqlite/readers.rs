//! A few connections that only read, on threads that may block.

use std::path::PathBuf;
use std::sync::Arc;

use headwater_core::port::store::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::fault::Fault;
use super::{open, sql};

/// Some readers of one database; so many work at once, the others wait.
#[derive(Debug)]
pub(super) struct Readers {
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    path: PathBuf,
}

impl Readers {
    /// So many readers of this file; connections are opened when they are needed.
    pub(super) fn new(path: PathBuf, at_once: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once)), idle: Arc::default(), path }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headwater_core::port::store::{ChunkQuery, Store as _};
    use headwater_core::{UserId, limit};

    use super::super::{Durability, SqliteStore};
    use super::*;
    use tokio::task::JoinSet;

    /// Work for every place of these, which goes on until what is given back is dropped.
    async fn occupy(readers: &Readers, places: usize) -> (Vec<std::sync::mpsc::SyncSender<()>>, JoinSet<()>) {
        let (began, mut begun) = tokio::sync::mpsc::channel(places);
        let (mut held, mut all) = (Vec::new(), JoinSet::new());
        for _ in 0..places {
            let (hold, until) = std::sync::mpsc::sync_channel::<()>(0);
            held.push(hold);
            let (readers, began) = (
                Readers {
                    places: readers.places.clone(),
                    idle: readers.idle.clone(),
                    path: readers.path.clone(),
                },
                began.clone(),
            );
            all.spawn(async move {
                let work = move |_: &Connection| {
                    let _ = began.blocking_send(());
                    let _ = until.recv();
                    Ok(())
                };
                readers.read(work).await.unwrap();
            });
        }
        for _ in 0..places {
            begun.recv().await.unwrap();
        }
        (held, all)
    }

    // Planted fault: searches done by the readers of viewers; either then waited for the other.
    #[tokio::test]
    async fn searches_and_viewers_do_not_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("db"), Durability::ProcessSafe).unwrap();
        let search = || {
            store.search(ChunkQuery {
                owner: UserId::parse("ann").unwrap(),
                words: vec!["oil".into()],
                vector: None,
                document_type: None,
                source: None,
                folder: None,
                candidates: 5,
            })
        };
        let soon = Duration::from_secs(60);
        let held = occupy(&store.searchers, limit::STORE_SEARCHERS).await;
        assert!(tokio::time::timeout(soon, store.live()).await.expect("viewers are served").is_ok());
        drop(held);
        let held = occupy(&store.readers, limit::STORE_READERS).await;
        assert!(tokio::time::timeout(soon, search()).await.expect("searches are served").is_ok());
        drop(held);
    }
}
