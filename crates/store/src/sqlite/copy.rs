//! A copy of the database while a server writes to it, and a copy put in its place.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use super::fault::to_sql;
use super::open::{self, OpenError};
use super::verify::{self, Checked};

/// How often a copy says how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// Why a database was not copied, put in place or found whole. What stood there before stands there still.
#[derive(Debug)]
pub enum CopyError {
    /// The database cannot be used, or may not be now.
    Open(OpenError),
    /// There is none.
    Missing(PathBuf),
    /// There is something already where the copy was to go.
    Exists(PathBuf),
    /// Another copy is being written there.
    Busy(PathBuf),
    /// It is not whole: what is wrong.
    Damaged(PathBuf, String),
    /// A file cannot be read or written.
    Io(PathBuf, io::Error),
    /// The database could not be copied: why.
    Failed(PathBuf, String),
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Missing(path) => write!(f, "there is no database {}", path.display()),
            Self::Exists(path) => write!(f, "{} is there already; it was left as it is", path.display()),
            Self::Busy(path) => write!(f, "another copy is being written to {}", path.display()),
            Self::Damaged(path, what) => write!(f, "{} is not whole: {what}", path.display()),
            Self::Io(path, error) => write!(f, "{} cannot be used: {error}", path.display()),
            Self::Failed(path, why) => write!(f, "{} cannot be copied: {why}", path.display()),
        }
    }
}

impl std::error::Error for CopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(error) => Some(error),
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<OpenError> for CopyError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    move |error| CopyError::Io(path, error)
}

/// A copy that stands where it was asked for, durable and read once whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// What it weighs.
    pub bytes: u64,
    /// What is in it.
    pub checked: Checked,
}

/// Copies the database `from` to the file `to`, at one moment, while a server may write to it: readers and
/// the writer go on, and only the write-ahead log grows until the copy is done. What was removed is not
/// copied, so it may be smaller. `progress` hears now and then of bytes done and of about how many there are.
///
/// The copy grows under the name `to` with `.part` behind it, and gets its own once it is durable and whole.
///
/// # Errors
/// [`CopyError`]; what stood at `to` stands there still, unless `overwrite` and nothing went wrong.
pub fn backup(
    from: &Path,
    to: &Path,
    overwrite: bool,
    progress: impl FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let from = from.canonicalize().map_err(|_| CopyError::Missing(from.to_owned()))?;
    let to = open::real(to).map_err(io_error(to))?;
    if to == from || (to.exists() && !overwrite) {
        return Err(CopyError::Exists(to));
    }
    let part = Part::copy(&from, &beside(&to, ".part"), progress)?;
    part.become_file(&to)
}

/// What a restoration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What stands there now.
    pub copied: Copied,
    /// Where the database of before is, where there was one.
    pub before: Option<PathBuf>,
}

/// Puts a copy of the database in the file `from` in the place of the one at `to`, which is moved aside. At
/// every moment the one or the other stands there, whole.
///
/// # Errors
/// [`CopyError`]; the present database stands as it did, also where a server uses it.
pub fn restore(from: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<Restored, CopyError> {
    let from = from.canonicalize().map_err(|_| CopyError::Missing(from.to_owned()))?;
    let to = open::real(to).map_err(io_error(to))?;
    if to == from {
        return Err(CopyError::Exists(to));
    }
    let _lock = open::lock(&to)?;
    let part = Part::copy(&from, &beside(&to, ".restoring"), progress)?;
    let before = set_aside(&to)?;
    let copied = part.become_file(&to)?;
    Ok(Restored { copied, before })
}

/// Gives the present database a second name; it keeps the first until the copy takes it. Its write-ahead log
/// is folded into it, or goes along where that cannot be done: it would be played into the copy.
fn set_aside(path: &Path) -> Result<Option<PathBuf>, CopyError> {
    let clock = Connection::open_in_memory()
        .and_then(|c| c.query_row("SELECT strftime('%Y%m%dT%H%M%fZ')", [], |row| row.get::<_, String>(0)));
    let clock = clock.map_err(|e| CopyError::Failed(path.to_owned(), e.to_string()))?;
    let aside = beside(path, &format!(".before-restore-{clock}"));
    let there = path.exists();
    if there {
        // Closing the last connection removes the log that was folded in. A damaged database may refuse.
        let folded = open::connect(path)
            .and_then(|c| c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map(|()| c))
            .and_then(|c| c.close().map_err(|(_, error)| error));
        if let Err(error) = folded {
            tracing::warn!(%error, "the present database is moved aside with its write-ahead log");
        }
        // Not every file system has second names; then there is a moment in which neither is there.
        fs::hard_link(path, &aside).or_else(|_| fs::rename(path, &aside)).map_err(io_error(&aside))?;
    }
    for end in ["-wal", "-shm"] {
        match fs::rename(beside(path, end), beside(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CopyError::Io(beside(path, end), error));
            }
            _ => {}
        }
    }
    Ok(there.then_some(aside))
}

/// The path with something behind its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A copy under a name of its own; gone when dropped, unless it became what it was made for.
struct Part {
    path: PathBuf,
    /// Locked, so that two copies cannot grow in one file.
    file: File,
    checked: Checked,
    gone: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.gone {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Part {
    fn copy(from: &Path, path: &Path, progress: impl FnMut(u64, u64)) -> Result<Self, CopyError> {
        let source = verify::ours(from)?;
        let file = open::private().open(path).map_err(io_error(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CopyError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(CopyError::Io(path.to_owned(), error)),
        }
        let mut part = Self { path: path.to_owned(), file, checked: Checked::default(), gone: false };
        // What a copy of before left, when it was killed.
        part.file.set_len(0).map_err(io_error(path))?;
        let failed = |error: rusqlite::Error| CopyError::Failed(from.to_owned(), error.to_string());
        let least = grown(&source).map_err(failed)?;
        vacuum(source, path, progress).map_err(failed)?;
        part.file.sync_all().map_err(io_error(path))?;
        part.checked = verify::check(path)?;
        let has = (to_sql(part.checked.runs), to_sql(part.checked.users));
        if has.0 < least.0 || has.1 < least.1 {
            let what = format!("it has {has:?} runs and accounts, and there were {least:?}");
            return Err(CopyError::Damaged(path.to_owned(), what));
        }
        Ok(part)
    }

    /// Takes the name that it was made for, in one step, and durably.
    fn become_file(mut self, path: &Path) -> Result<Copied, CopyError> {
        let bytes = self.file.metadata().map_err(io_error(&self.path))?.len();
        fs::rename(&self.path, path).map_err(io_error(path))?;
        self.gone = true;
        open::sync_folder(path).map_err(io_error(path))?;
        Ok(Copied { bytes, checked: self.checked })
    }
}

/// Runs and accounts: their numbers only grow, so a copy has at least as many.
fn grown(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let counts = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM users)";
    connection.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Writes the copy, on a thread of its own, so that this one can say how far it is.
fn vacuum(source: Connection, into: &Path, mut progress: impl FnMut(u64, u64)) -> rusqlite::Result<()> {
    let pages = |name: &str| source.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let all = (pages("page_count")? - pages("freelist_count")?) * pages("page_size")?;
    let all = u64::try_from(all).unwrap_or(0);
    let name = into.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(into.to_owned()))?;
    let (done, waiting) = mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(move || done.send(source.execute("VACUUM INTO ?1", [name]).map(|_| ())));
        loop {
            match waiting.recv_timeout(PROGRESS) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {
                    progress(fs::metadata(into).map_or(0, |file| file.len()), all);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(rusqlite::Error::InvalidQuery),
            }
        }
    })
}
