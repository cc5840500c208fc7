//! The key that signs tokens: made once, kept in the data folder, shared by every process that opens it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;

/// The name of the key's file in the data folder.
pub const FILE: &str = "secret.key";
/// The name under which the key before it may lie there: its tokens are good until they run out.
pub const BEFORE: &str = "secret.key.before";
/// Bytes of a key that is made here, and the fewest that one may have: as many as HS256's digest
/// (RFC 7518, 3.2).
pub const BYTES: usize = 32;
/// The most bytes that a key may have; a longer file is something else under this name.
const BYTES_MAX: usize = 1024;

/// A signing key. Printing it shows nothing of it.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why there is no key. Names the file and what to do; holds nothing of the key.
#[derive(Debug)]
pub enum SecretError {
    /// A file or folder could not be read or written.
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file has fewer than [`BYTES`] bytes, or far more than a key has.
    Length {
        /// Which file.
        path: PathBuf,
        /// How many bytes were found; one more than the cap where there are more.
        found: usize,
    },
    /// Others than its owner may read or change the file.
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system gave no random bytes.
    Random,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, error } => write!(f, "cannot {doing} {}: {error}", path.display()),
            Self::Length { path, found } => write!(
                f,
                "{} has {found} bytes; a key has {BYTES} to {BYTES_MAX}. Restore it, or remove it and all sign in again",
                path.display()
            ),
            Self::Exposed { path, mode } => write!(
                f,
                "{} is open to others (mode {mode:04o}): whoever reads it can sign in as anybody. \
                 Remove it to have a new one made, or, if nobody read it: chmod 600",
                path.display()
            ),
            Self::Random => f.write_str("the system gives no random bytes"),
        }
    }
}

impl std::error::Error for SecretError {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// The key of this data folder, which must exist; makes the key where there is none. Processes that do
    /// so at the same time get the same key: the file appears whole, under its name, once. When this
    /// returns a new key it is durable, because a token that outlives its key is a log-out.
    ///
    /// # Errors
    /// [`SecretError`] where the file cannot be read or made, is too short, or is open to others.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, SecretError> {
        let path = data_dir.join(FILE);
        if let Some(found) = load(&path)? {
            return Ok(found);
        }
        publish(data_dir, &path)?;
        // Read back rather than believed: where another process was first, its key is the one.
        load(&path)?.ok_or_else(|| SecretError::Io {
            doing: "read back",
            path,
            error: io::Error::from(io::ErrorKind::NotFound),
        })
    }

    /// The key before this one, where the operator has kept it: see [`BEFORE`].
    ///
    /// # Errors
    /// As [`Secret::load_or_create`].
    pub fn load_before(data_dir: &Path) -> Result<Option<Self>, SecretError> {
        load(&data_dir.join(BEFORE))
    }

    /// A key of its own for what the label names: nothing that it makes says anything of this one or is good as a token.
    /// No label has a dot, which stands in all that is signed as a token.
    pub(super) fn sub_key(&self, label: &str) -> hmac::Key {
        let own = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&own, label.as_bytes()).as_ref())
    }

    /// The key, for the signature and what is derived from it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> SecretError + 'a {
    move |error| SecretError::Io { doing, path: path.to_owned(), error }
}

fn load(path: &Path) -> Result<Option<Secret>, SecretError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    // Of the open file, not of the path: a path can change between the question and the reading.
    refuse_exposed(&file, path)?;
    let mut bytes = Vec::with_capacity(BYTES);
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if !(BYTES..=BYTES_MAX).contains(&bytes.len()) {
        return Err(SecretError::Length { path: path.to_owned(), found: bytes.len() });
    }
    Ok(Some(Secret(bytes)))
}

#[cfg(unix)]
fn refuse_exposed(file: &File, path: &Path) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_err(failed("inspect", path))?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretError::Exposed { path: path.to_owned(), mode }) }
}

/// Elsewhere the folder's access list decides; there are no mode bits to read.
#[cfg(not(unix))]
fn refuse_exposed(_: &File, _: &Path) -> Result<(), SecretError> {
    Ok(())
}

/// Makes a key under a name of its own and links it to `path`, where nobody was first. A link fails where
/// its name exists; a rename would replace a key that another process may already have signed with.
fn publish(data_dir: &Path, path: &Path) -> Result<(), SecretError> {
    let mut key = [0u8; BYTES];
    getrandom::fill(&mut key).map_err(|_| SecretError::Random)?;
    let fresh = data_dir.join(format!(".{FILE}.{}", uuid::Uuid::new_v4().simple()));
    let written = write_new(&fresh, &key).map_err(failed("write", &fresh));
    let linked = written.and_then(|()| match fs::hard_link(&fresh, path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(failed("put in place", path)(e)),
        _ => Ok(()),
    });
    // Of no use any more, whatever happened; a leftover is harmless and closed to others.
    let _ = fs::remove_file(&fresh);
    linked?;
    sync_folder(data_dir).map_err(failed("make durable", data_dir))
}

fn write_new(path: &Path, key: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

/// The entry in the folder has to last too; elsewhere than on Unix folders cannot be opened for this.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_is_found_again_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let made = Secret::load_or_create(folder.path()).unwrap();
        let found = Secret::load_or_create(folder.path()).unwrap();
        assert_eq!(made.bytes(), found.bytes());
        assert_eq!(made.bytes().len(), BYTES);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [FILE]);
    }

    #[test]
    fn another_folder_has_another_key() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let of = |d: &tempfile::TempDir| Secret::load_or_create(d.path()).unwrap();
        assert_ne!(of(&a).bytes(), of(&b).bytes());
    }

    // Fault planted once: `fs::rename` in place of `fs::hard_link`; the racers then had different keys.
    #[test]
    fn racers_agree() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let gate = std::sync::Barrier::new(8);
            let keys: Vec<_> = std::thread::scope(|s| {
                let racers: Vec<_> = (0..8)
                    .map(|_| {
                        s.spawn(|| {
                            gate.wait();
                            Secret::load_or_create(folder.path()).unwrap()
                        })
                    })
                    .collect();
                racers.into_iter().map(|r| r.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|k| k.bytes() == keys[0].bytes()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_closed_to_others_and_refused_where_it_is_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        Secret::load_or_create(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let said = Secret::load_or_create(folder.path()).unwrap_err().to_string();
            assert!(said.contains("open to others") && said.contains(FILE), "{mode:o}: {said}");
        }
    }

    #[test]
    fn a_short_or_huge_file_is_refused_and_left_alone() {
        for length in [0, 1, BYTES - 1, BYTES_MAX + 1] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            write_new(&path, &vec![7; length]).unwrap();
            let said = Secret::load_or_create(folder.path()).unwrap_err();
            assert!(matches!(&said, SecretError::Length { found, .. } if *found == length), "{said}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn a_missing_folder_is_an_error_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("typo");
        assert!(matches!(Secret::load_or_create(&missing), Err(SecretError::Io { .. })));
        assert!(!missing.exists());
    }

    #[test]
    fn printing_shows_nothing() {
        let secret = Secret(b"abcdefghijklmnopqrstuvwxyz012345".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
