//! Keys: where they come from, and that nobody reads them in what a host says.

use std::io::Read;
use std::path::Path;

use headwater_core::limit::KEY_FILE_BYTES;
use percent_encoding::AsciiSet;
use secrecy::{ExposeSecret, SecretString};

/// A key as a file holds it, and what the operator should be told of the file.
#[derive(Debug)]
pub struct FromFile {
    /// The key, without the line's end behind it. `Debug` does not show it.
    pub key: SecretString,
    /// That others may read the file, and what to do. A warning and no refusal: what orchestrators mount as a
    /// secret is often readable to all of its container.
    pub warning: Option<String>,
}

/// Reads a key from a file of at most [`KEY_FILE_BYTES`]. It is read once, when the program starts.
///
/// # Errors
/// What is wrong with it, without a word of what is in it.
pub fn from_file(path: &Path) -> Result<FromFile, String> {
    let at = path.display();
    let cannot = |e: std::io::Error| format!("the key file {at} cannot be read: {}", e.kind());
    let file = std::fs::File::open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    if about.is_dir() {
        return Err(format!("the key file {at} is a folder"));
    }
    let mut text = String::new();
    file.take(KEY_FILE_BYTES + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > KEY_FILE_BYTES {
        return Err(format!("the key file {at} is larger than {KEY_FILE_BYTES} bytes: it is no key"));
    }
    let key = text.trim();
    if key.is_empty() {
        return Err(format!("the key file {at} is empty"));
    }
    if !is_sayable(key) {
        return Err(format!("the key file {at} holds more than one key: a key is one line of plain ASCII"));
    }
    Ok(FromFile { key: key.to_owned().into(), warning: readable_by_others(&about, path) })
}

#[cfg(unix)]
fn readable_by_others(about: &std::fs::Metadata, path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    // A pipe, as `<(command)` makes one, is nobody else's.
    (about.is_file() && about.mode() & 0o077 != 0).then(|| {
        let at = path.display();
        format!("the key file {at} can be read by other users of this machine; `chmod 600 {at}` ends that")
    })
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::fs::Metadata, _: &Path) -> Option<String> {
    None
}

/// Whether it can stand in a header.
pub(crate) fn is_sayable(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic())
}

/// As many bytes of a secret as tell something of it: hosts repeat keys in part (`sk-proj-abc***xyz`), and the
/// first of them say only whose they are.
const PART: usize = 10;

const ALL: &AsciiSet = percent_encoding::NON_ALPHANUMERIC;
/// What browsers and libraries leave as it is.
const QUERY: &AsciiSet = &ALL.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The words without this secret, without any longer part of it, and without its percent-encoded forms.
pub(crate) fn hide(words: &str, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    if secret.is_empty() {
        return words.to_owned();
    }
    let encoded = |set| percent_encoding::utf8_percent_encode(secret, set).to_string();
    let mut known = vec![false; words.len()];
    for form in [secret.to_owned(), encoded(ALL), encoded(QUERY)] {
        let part = form.len().min(PART);
        for window in form.as_bytes().windows(part) {
            for at in memchr::memmem::find_iter(words.as_bytes(), window) {
                known[at..at + part].fill(true);
            }
        }
    }
    if !known.contains(&true) {
        return words.to_owned();
    }
    let mut out = String::with_capacity(words.len());
    for (at, c) in words.char_indices() {
        // A character of which a byte is known is not shown.
        match known[at..at + c.len_utf8()].contains(&true) {
            true if out.ends_with('…') => {}
            true => out.push('…'),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_key_file_is_one_line() {
        for text in ["sk-123", "sk-123\n", "sk-123\r\n", " sk-123 \n\n"] {
            let (_folder, path) = written(text.as_bytes());
            assert_eq!(from_file(&path).unwrap().key.expose_secret(), "sk-123");
        }
        let long = "x".repeat(KEY_FILE_BYTES as usize + 1);
        for bad in ["", "\n\n", "sk-1\nsk-2", "schlüssel", &long] {
            let (_folder, path) = written(bad.as_bytes());
            let error = from_file(&path).unwrap_err();
            assert!(error.contains("key file") && !error.contains("sk-1") && error.len() < 300, "{error}");
        }
        let (folder, path) = written(b"\xff\xfe");
        assert!(from_file(&path).unwrap_err().contains("cannot be read"));
        assert!(from_file(folder.path()).unwrap_err().contains("folder"));
        assert!(from_file(&folder.path().join("none")).unwrap_err().contains("not found"));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_told_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path) = written(b"sk-123");
        for (mode, told) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(from_file(&path).unwrap().warning.is_some(), told, "{mode:o}");
        }
    }

    // Planted fault: only the whole key looked for.
    #[test]
    fn a_key_is_hidden_whole_in_part_and_encoded() {
        let key = SecretString::from("sk-proj-AbC/dEf+0123456789");
        for (words, hidden) in [
            ("nothing of it", "nothing of it"),
            ("wrong key sk-proj-AbC/dEf+0123456789!", "wrong key …!"),
            ("wrong key sk-proj-AbC/********6789", "wrong key …********6789"),
            ("ends in f+0123456789", "ends in …"),
            ("?key=sk%2Dproj%2DAbC%2FdEf%2B0123456789&x", "?key=…&x"),
            ("?key=sk-proj-AbC%2FdEf%2B0123456789&x", "?key=…&x"),
            ("it is an sk-proj- key", "it is an sk-proj- key"),
            ("水sk-proj-AbC/dEf+0123456789水", "水…水"),
        ] {
            assert_eq!(hide(words, &key), hidden);
        }
        assert_eq!(hide("the key is abc", &SecretString::from("abc")), "the key is …");
        assert_eq!(hide("words", &SecretString::from("")), "words");
    }
}
