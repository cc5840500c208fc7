//! Opening the file: who may, what it must be, and how every connection is set up.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrate;

/// "HDWR": marks a database as ours (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x4844_5752;
/// How long a statement waits for another process (a backup, a person with a shell) before it fails.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Bytes of write-ahead log that stay allocated after a checkpoint; reusing them spares growing it again.
const WAL_KEPT: i64 = 16 * 1024 * 1024;
/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// What a returned write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Crashes of the process and loss of power: every commit is synced.
    #[default]
    Full,
    /// Crashes of the process alone; a loss of power may take the newest commits back, but leaves the
    /// database whole.
    ProcessSafe,
}

/// Why a database was not opened. Nothing was changed in it.
#[derive(Debug)]
pub enum OpenError {
    /// Another server has it open.
    InUse(PathBuf),
    /// It is somebody else's database, or no database at all.
    NotOurs(PathBuf),
    /// A newer Headwater made it; this one would misread it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of its schema.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The file or its folder cannot be used.
    Io(PathBuf, io::Error),
    /// SQLite could not open or set it up.
    Failed(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => {
                let path = path.display();
                write!(f, "another Headwater serves {path}; stop it first, or give this one another folder")
            }
            Self::NotOurs(path) => {
                write!(f, "{} is no database of Headwater; it was left as it is", path.display())
            }
            Self::Newer { path, found, known } => write!(
                f,
                "{} was made by a newer Headwater (schema {found}, this one knows {known}); start that one",
                path.display()
            ),
            Self::Io(path, error) => write!(f, "{} cannot be used: {error}", path.display()),
            Self::Failed(path, why) => write!(f, "{} cannot be opened: {why}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

/// A file that is ours alone, and ready.
#[derive(Debug)]
pub(super) struct Opened {
    /// The file, by its one real name.
    pub(super) path: PathBuf,
    /// Its first connection, for the writer.
    pub(super) connection: Connection,
    /// Held for as long as anybody uses the file; the system lets go of it when the process dies.
    pub(super) lock: File,
}

/// Opens or makes the database. Its folder must exist.
pub(super) fn open(path: &Path, durability: Durability) -> Result<Opened, OpenError> {
    let path = real(path).map_err(|error| OpenError::Io(path.to_owned(), error))?;
    let lock = lock(&path)?;
    make(&path).map_err(|error| OpenError::Io(path.clone(), error))?;
    let failed = |error| failed(&path, &error);
    // Looked at before anything is set: setting the journal's mode would already change a stranger's file.
    let mut connection = connect(&path).map_err(failed)?;
    let version = version(&connection).map_err(failed)?.ok_or_else(|| OpenError::NotOurs(path.clone()))?;
    understood(&path, version)?;
    prepare(&connection, durability).map_err(failed)?;
    migrate::migrate(&mut connection, &migrate::MIGRATIONS).map_err(failed)?;
    sync_folder(&path).map_err(|error| OpenError::Io(path.clone(), error))?;
    Ok(Opened { path, connection, lock })
}

/// What SQLite's failure to open a file means.
pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotOurs(path.to_owned()),
        _ => OpenError::Failed(path.to_owned(), error.to_string()),
    }
}

/// Whether this program knows a schema.
pub(super) fn understood(path: &Path, found: i64) -> Result<(), OpenError> {
    let known = migrate::LATEST;
    if found > known { Err(OpenError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// The file's one name, so that two ways to write it meet at one lock. The file itself need not exist.
pub(super) fn real(path: &Path) -> io::Result<PathBuf> {
    if path.exists() {
        return path.canonicalize();
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize()?,
        _ => Path::new(".").canonicalize()?,
    };
    Ok(folder.join(name))
}

pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    // Not the database itself: closing any descriptor of it would drop the locks that SQLite has there.
    let name = PathBuf::from(name);
    let file = private().open(&name).map_err(|error| OpenError::Io(name.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::Io(name, error)),
    }
}

/// Makes the file where there is none, readable for its owner alone: it has messages and password hashes.
fn make(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    private().open(path)?.sync_all()?;
    sync_folder(path)
}

pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A new name is durable once its folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Version of the schema: 0 for an empty file, `None` where the file is somebody else's.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = id == 0 && version == 0 && objects == 0;
    Ok((id == APPLICATION_ID || empty).then_some(version))
}

/// A connection that may write; not set up yet.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Sets up the connection that writes.
fn prepare(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        // A network's file system, say. Without it readers and the writer would lock each other out.
        let why = format!("it cannot have a write-ahead log here (its mode stays {mode})");
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        return Err(rusqlite::Error::SqliteFailure(code, Some(why)));
    }
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::ProcessSafe => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Where fsync alone leaves the data in the drive's cache (Apple); means nothing elsewhere.
    connection.pragma_update(None, "fullfsync", durability == Durability::Full)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // The writer does it itself, after it has answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Another connection for the writer, after the first one failed.
pub(super) fn reconnect(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    prepare(&connection, durability)?;
    Ok(connection)
}

/// A connection that can only read.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
