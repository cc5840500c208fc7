//! The one thread that writes: it takes what waits, commits it together, and answers afterwards.
//!
//! A sync costs the same for one append as for two hundred. While one commit syncs, the next group
//! gathers in the queue; so the busier the store, the larger the groups, and nobody waits for a timer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use headwater_core::limit;
use headwater_core::port::store::{Load, StoreError};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::Fault;
use super::open::{self, Durability};
use super::sql;

/// Pages of write-ahead log after which it is copied into the database: reading stays fast.
const CHECKPOINT_AT: i64 = 1_000;
/// Pages after which the writer waits for readers, so that it can begin the log anew: it stays bounded
/// (16 MiB) however readers come and go.
const WHOLE_AT: i64 = 4_000;
/// How long it waits then. Our own readers are quicker; somebody who holds a snapshot for longer (a
/// backup) must not hold everybody's answers.
const WHOLE_WAIT: Duration = Duration::from_millis(250);

/// The writer's handle; dropping it finishes what waits, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    done: Arc<Done>,
}

/// What was done since the start.
#[derive(Debug, Default)]
struct Done {
    commits: AtomicU64,
    writes: AtomicU64,
}

/// One write and whoever waits for it.
trait Job: Send {
    /// Does it, within a savepoint; may be asked to do it once more, after everything was undone.
    fn apply(&mut self, connection: &Connection) -> Result<(), Fault>;
    /// It is durable, or failed.
    fn reply(self: Box<Self>, fate: Result<(), StoreError>);
}

struct Write<T, F> {
    work: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, Fault> + Send> Job for Write<T, F> {
    fn apply(&mut self, connection: &Connection) -> Result<(), Fault> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn reply(self: Box<Self>, fate: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        let answer = fate.and_then(|()| done.ok_or_else(|| StoreError("a write was left out".into())));
        // Whoever asked may have gone; the write stands all the same.
        let _ = reply.send(answer);
    }
}

impl Writer {
    /// Starts the thread, over a connection that is set up.
    pub(super) fn start(
        connection: Connection,
        path: PathBuf,
        durability: Durability,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(limit::STORE_QUEUE);
        let done = Arc::new(Done::default());
        let mut bench = Bench {
            connection: Some(connection),
            path,
            durability,
            done: Arc::clone(&done),
            whole_at: WHOLE_AT,
        };
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(move || bench.work(jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), done })
    }

    /// How busy it is.
    pub(super) fn load(&self) -> Load {
        Load {
            waiting: self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity()),
            commits: self.done.commits.load(Ordering::Relaxed),
            writes: self.done.writes.load(Ordering::Relaxed),
        }
    }

    /// Does `work` in the next commit, and returns once that is durable. `work` may be called twice, the
    /// second time with nothing left of the first. A caller that stops waiting does not undo it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError("the writer has stopped".into());
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        let job: Box<dyn Job> = Box::new(Write { work, done: None, reply });
        queue.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The queue's end: the thread finishes what is in it, and closes the database.
        drop(self.queue.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

/// What the thread works with.
struct Bench {
    /// `None` after a failure, until the file can be opened again.
    connection: Option<Connection>,
    path: PathBuf,
    durability: Durability,
    done: Arc<Done>,
    /// Pages of write-ahead log at which readers are waited for next.
    whole_at: i64,
}

/// Why nothing of a group was stored.
enum Undone {
    /// A job made SQLite give up the whole transaction; the others may be innocent.
    ByOne(Fault),
    /// It could not begin, or could not be committed.
    Whole(Fault),
}

impl Bench {
    fn work(&mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::new();
        while let Some(job) = jobs.blocking_recv() {
            group.push(job);
            while group.len() < limit::COMMIT_BATCHES {
                let Ok(job) = jobs.try_recv() else { break };
                group.push(job);
            }
            let fates = self.store(&mut group);
            for (job, fate) in group.drain(..).zip(fates) {
                job.reply(fate);
            }
            self.checkpoint();
        }
        // The last connection takes the write-ahead log with it; where it cannot, the next start will.
        if let Some(Err((_, error))) = self.connection.take().map(Connection::close) {
            tracing::warn!(%error, "the database could not be closed");
        }
    }

    /// Stores a group; says of each job whether it is durable.
    fn store(&mut self, group: &mut [Box<dyn Job>]) -> Vec<Result<(), StoreError>> {
        match self.commit(group) {
            Ok(fates) => fates,
            Err(Undone::ByOne(_)) if group.len() > 1 => {
                // Each alone: whoever is at fault fails alone.
                let alone = group.chunks_mut(1).flat_map(|one| self.store(one));
                alone.collect()
            }
            Err(Undone::ByOne(fault) | Undone::Whole(fault)) => {
                let error = StoreError::from(fault);
                tracing::error!(%error, writes = group.len(), "a commit failed");
                group.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), StoreError>>, Undone> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::reconnect(&self.path, self.durability).map_err(|e| Undone::Whole(e.into()))?,
        };
        // On every way out but the last the connection is dropped: what state it is in nobody knows, and
        // after a failed sync it must not be asked to try again and say that it worked.
        let fates = transact(&connection, group)?;
        self.done.commits.fetch_add(1, Ordering::Relaxed);
        self.done.writes.fetch_add(group.len() as u64, Ordering::Relaxed);
        self.connection = Some(connection);
        Ok(fates)
    }

    /// Keeps the write-ahead log short. After the answers: nobody waits for it but the next group.
    fn checkpoint(&mut self) {
        let Some(connection) = &self.connection else { return };
        let checkpointed = wal(connection, sql::WAL_PAGES).and_then(|wal| {
            if wal.pages >= self.whole_at {
                connection.busy_timeout(WHOLE_WAIT)?;
                let begun_anew = !self::wal(connection, sql::CHECKPOINT_WHOLE)?.busy;
                connection.busy_timeout(open::BUSY)?;
                // Not again after each commit: that would be a wait each time. But soon, or a log that met
                // two slow readers would be three times as long as it should be.
                self.whole_at = if begun_anew { WHOLE_AT } else { wal.pages + CHECKPOINT_AT };
            } else if wal.pages - wal.copied >= CHECKPOINT_AT {
                self::wal(connection, sql::CHECKPOINT)?;
            }
            Ok(())
        });
        if let Err(error) = checkpointed {
            // The log only grows for now; a commit that has no room will say so.
            tracing::warn!(%error, "the write-ahead log could not be copied into the database");
        }
    }
}

/// What a checkpoint says of the write-ahead log.
struct Wal {
    /// Somebody was in the way.
    busy: bool,
    pages: i64,
    copied: i64,
}

fn wal(connection: &Connection, checkpoint: &str) -> rusqlite::Result<Wal> {
    connection.query_row(checkpoint, [], |row| {
        Ok(Wal { busy: row.get(0)?, pages: row.get(1)?, copied: row.get(2)? })
    })
}

/// One transaction, in which every job has a savepoint of its own.
fn transact(
    connection: &Connection,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), StoreError>>, Undone> {
    let whole = |error: rusqlite::Error| Undone::Whole(error.into());
    run(connection, sql::BEGIN).map_err(whole)?;
    let mut fates = Vec::with_capacity(group.len());
    for job in group {
        run(connection, sql::SAVE).map_err(whole)?;
        let fate = match job.apply(connection) {
            Ok(()) => Ok(()),
            // A full disk and some other failures end the transaction, with all that was in it.
            Err(fault) if connection.is_autocommit() => return Err(Undone::ByOne(fault)),
            Err(fault) => {
                run(connection, sql::UNDO).map_err(whole)?;
                Err(StoreError::from(fault))
            }
        };
        run(connection, sql::KEEP).map_err(whole)?;
        fates.push(fate);
    }
    run(connection, sql::COMMIT).map_err(whole)?;
    Ok(fates)
}

fn run(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::open::open;

    fn rows(connection: &Connection) -> Result<i64, Fault> {
        Ok(connection.query_row("SELECT count(*) FROM filler", [], |row| row.get(0))?)
    }

    fn fill(connection: &Connection) -> Result<(), Fault> {
        connection.execute("INSERT INTO filler VALUES (zeroblob(100000))", [])?;
        Ok(())
    }

    /// Planted once: the connection kept after a failed commit. Everything after it failed as well.
    #[tokio::test]
    async fn a_full_disk_is_told_and_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder.path().join("db"), Durability::Full).unwrap();
        let writer = Writer::start(opened.connection, opened.path, Durability::Full).unwrap();
        writer.write(|c| Ok(c.execute_batch("CREATE TABLE filler (bytes BLOB)")?)).await.unwrap();
        writer.write(fill).await.unwrap();
        // No page more than there are: the next one finds the disk full. A new connection has no such limit.
        let full = |c: &Connection| {
            let pages: i64 = c.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(c.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
        };
        writer.write(full).await.unwrap();
        let error = writer.write(fill).await.unwrap_err();
        assert!(error.0.contains("full"), "{error}");
        writer.write(fill).await.unwrap();
        assert_eq!(writer.write(rows).await.unwrap(), 2, "the failed one left nothing");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_again_is_told_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder.path().join("db"), Durability::Full).unwrap();
        let (path, away) = (opened.path.clone(), folder.path().join("away"));
        let writer = Writer::start(opened.connection, opened.path, Durability::Full).unwrap();
        writer.write(|c| Ok(c.execute_batch("CREATE TABLE filler (bytes BLOB)")?)).await.unwrap();
        let broken = |c: &Connection| Ok(c.execute_batch("ROLLBACK; nonsense")?);
        writer.write(broken).await.unwrap_err();
        std::fs::rename(&path, &away).unwrap();
        for _ in 0..3 {
            writer.write(fill).await.unwrap_err();
        }
        std::fs::rename(&away, &path).unwrap();
        writer.write(fill).await.unwrap();
        assert_eq!(writer.write(rows).await.unwrap(), 1);
    }
}
