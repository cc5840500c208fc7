//! Which files the models are, and whether they are whole. They come with no release: `make model`
//! in the repository fetches them (`scripts/fetch-models.sh`), whose sums must be these.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use sha2::{Digest, Sha256};

/// A file of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightFile {
    /// Below the models folder.
    pub path: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its sum, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// SmolLM2-135M-Instruct (Apache-2.0): the model that answers.
pub const MODEL: &[WeightFile] = &[WeightFile {
    path: "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}];

/// all-MiniLM-L6-v2 (Apache-2.0): the model that turns text into vectors.
pub const EMBEDDINGS: &[WeightFile] = &[
    WeightFile {
        path: "all-minilm-l6-v2/model.safetensors",
        bytes: 90_868_376,
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    WeightFile {
        path: "all-minilm-l6-v2/tokenizer.json",
        bytes: 466_247,
        sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
];

/// The model file for [`Local::open`](super::Local::open), checked. Reads the whole file (0.1 s) the
/// first time and after a change.
///
/// # Errors
/// `Unavailable`, saying in one line how to get it.
pub fn locate_model(models: &Path) -> Result<PathBuf, ProviderError> {
    locate(models, MODEL, "local model")
}

/// The folder for [`MiniLm::open`](super::MiniLm::open), its files checked.
///
/// # Errors
/// `Unavailable`, saying in one line how to get them.
pub fn locate_embeddings(models: &Path) -> Result<PathBuf, ProviderError> {
    let first = locate(models, EMBEDDINGS, "embedding model")?;
    Ok(first.parent().map_or(first.clone(), Path::to_path_buf))
}

fn locate(models: &Path, files: &[WeightFile], what: &str) -> Result<PathBuf, ProviderError> {
    for file in files {
        let path = models.join(file.path);
        let why = match check(&path, file) {
            Ok(true) => continue,
            Ok(false) => "is damaged or of another version",
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => "is not there",
            Err(_) => "cannot be read",
        };
        return Err(ProviderError::new(
            ProviderErrorKind::Unavailable,
            format!("no {what}: {} {why}; `make model` in the repository fetches it", path.display()),
        ));
    }
    Ok(models.join(files.first().map_or("", |f| f.path)))
}

/// Whether the file is the one of the table. A stamp beside it remembers the answer for its size and
/// time of change; without the stamp (a folder that cannot be written to) it is summed every time.
fn check(path: &Path, file: &WeightFile) -> std::io::Result<bool> {
    let meta = fs::metadata(path)?;
    if meta.len() != file.bytes {
        return Ok(false);
    }
    let changed =
        meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos());
    let stamp = format!("{} {} {changed}\n", file.sha256, file.bytes);
    let beside = stamp_path(path);
    if fs::read_to_string(&beside).is_ok_and(|s| s == stamp) {
        return Ok(true);
    }
    let same = sum(path)? == file.sha256;
    if same {
        let _ = fs::write(&beside, stamp);
    }
    Ok(same)
}

fn stamp_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".verified");
    name.into()
}

fn sum(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0u8; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => hash.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: WeightFile = WeightFile {
        path: "a/b.bin",
        bytes: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    #[test]
    fn a_missing_damaged_and_whole_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SMALL.path);
        let why = || locate(dir.path(), &[SMALL], "model").unwrap_err().message;
        assert!(why().contains("is not there; `make model`"), "{}", why());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "hell").unwrap();
        assert!(why().contains("is damaged"));
        fs::write(&path, "hellO").unwrap();
        assert!(why().contains("is damaged"));
        fs::write(&path, "hello").unwrap();
        assert_eq!(locate(dir.path(), &[SMALL], "model").unwrap(), path);
    }

    #[test]
    fn the_stamp_saves_the_sum_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.bin");
        fs::write(&path, "hello").unwrap();
        assert!(check(&path, &SMALL).unwrap());
        let stamp = fs::read_to_string(stamp_path(&path)).unwrap();
        // Under the same stamp nothing is summed: other bytes of the same size and time pass unseen.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "jelly").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        assert!(check(&path, &SMALL).unwrap());
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time + std::time::Duration::from_secs(1))
            .unwrap();
        assert!(!check(&path, &SMALL).unwrap());
        assert_eq!(fs::read_to_string(stamp_path(&path)).unwrap(), stamp);
    }
}
