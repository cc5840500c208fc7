//! The keys that tokens are checked with, and what each of them may say. A token does not choose: every
//! key has one algorithm, and what a token's head names (`alg`, `kid`, `jku`, `jwk` …) finds none.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::secret::{BYTES, Secret};

/// Bytes of a key's file that are read; a longer one is something else under this name.
const FILE_BYTES: usize = 4096;

/// Where a PEM's base64 begins and ends.
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// What stands in front of the point of a P-256 key, and of the bytes of an Ed25519 key (RFC 5480, 8410).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Whose tokens a key checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Issuer {
    /// This server, or somebody who was given its key: `iss` and `aud` count where they are there.
    Own,
    /// Somebody whom the operator named: both must be there, and be these.
    Outside {
        /// `iss`.
        name: String,
        /// One of `aud`.
        audience: String,
    },
}

/// One key. Printing it shows nothing of it.
#[derive(Clone)]
pub(super) struct Key {
    pub check: DecodingKey,
    pub validation: Validation,
    pub issuer: Issuer,
}

impl Key {
    fn new(check: DecodingKey, algorithm: Algorithm, issuer: Issuer) -> Self {
        // The library would read the clock itself, allow a minute after the expiry and skip `nbf`: the
        // claims are judged by `token.rs`.
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { check, validation, issuer }
    }

    /// A key of this installation.
    pub(super) fn own(secret: &Secret) -> Self {
        Self::new(DecodingKey::from_secret(secret.bytes()), Algorithm::HS256, Issuer::Own)
    }
}

/// Tokens that somebody else makes: who, for whom, and the keys of the files that the operator named.
#[derive(Clone)]
pub struct Outside {
    pub(super) keys: Vec<Key>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outside({} keys)", self.keys.len())
    }
}

impl Outside {
    /// Reads the keys of this issuer: each file is a PEM with a public key (P-256: ES256, Ed25519: EdDSA), or
    /// the bytes of a secret (HS256; one line feed at its end is not counted). More than one serve a change
    /// of keys: all are good.
    ///
    /// # Errors
    /// What is wrong with which file, and what to do; nothing of the key.
    pub fn load(issuer: &str, audience: &str, files: &[impl AsRef<Path>]) -> Result<Self, Vec<String>> {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for file in files {
            let file = file.as_ref();
            let issuer = Issuer::Outside { name: issuer.to_owned(), audience: audience.to_owned() };
            match read(file).and_then(|bytes| key(&bytes)) {
                Ok((check, algorithm)) => keys.push(Key::new(check, algorithm, issuer)),
                Err(why) => problems.push(format!("the key {}: {why}", file.display())),
            }
        }
        if problems.is_empty() { Ok(Self { keys }) } else { Err(problems) }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let open = File::open(file).map_err(|e| e.to_string())?;
    open.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() > FILE_BYTES {
        return Err(format!("more than {FILE_BYTES} bytes: this is no key"));
    }
    Ok(bytes)
}

fn key(bytes: &[u8]) -> Result<(DecodingKey, Algorithm), String> {
    // What looks like a PEM is never taken for a secret: a public key as secret lets everybody sign.
    if bytes.windows(10).any(|w| w == b"-----BEGIN") {
        return public(bytes);
    }
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() < BYTES {
        return Err(format!("a secret has at least {BYTES} bytes, not {}", bytes.len()));
    }
    Ok((DecodingKey::from_secret(bytes), Algorithm::HS256))
}

fn public(bytes: &[u8]) -> Result<(DecodingKey, Algorithm), String> {
    let why = || {
        "only a PEM with one public key of P-256 or Ed25519 (`BEGIN PUBLIC KEY`) is read, such as \
         `openssl pkey -in private.pem -pubout` prints it"
            .to_owned()
    };
    let text = std::str::from_utf8(bytes).map_err(|_| why())?.trim();
    let inner = text.strip_prefix(BEGIN).and_then(|t| t.strip_suffix(END)).ok_or_else(why)?;
    let inner: String = inner.split_ascii_whitespace().collect();
    let der = STANDARD.decode(inner).map_err(|_| why())?;
    match (der.strip_prefix(&P256), der.strip_prefix(&ED25519)) {
        // 4: both coordinates follow, uncompressed.
        (Some(point), _) if point.len() == 65 && point.first() == Some(&4) => {
            Ok((DecodingKey::from_ec_der(point), Algorithm::ES256))
        }
        (_, Some(raw)) if raw.len() == 32 => Ok((DecodingKey::from_ed_der(raw), Algorithm::EdDSA)),
        _ => Err(why()),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
