//! TLS through rustls: the certificate and its key as PEM files, read again when they change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The only protocol that is spoken here.
const HTTP_1: &[u8] = b"http/1.1";

/// A certificate with its key. Cheap to clone; all clones see a reload.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
}

struct Inner {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
    /// How the files looked when they were last read, well or badly.
    seen: Mutex<Seen>,
}

/// When each was changed, and its size. `None` where it is not there.
type Seen = [Option<(SystemTime, u64)>; 2];

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.inner.cert).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both files. They are small; this blocks.
    ///
    /// # Errors
    /// In words, with the file: not there, no PEM, no certificate, no key, or a key of another certificate.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, String> {
        let seen = look(cert, key);
        let config = read(cert, key)?;
        let (cert, key) = (cert.to_owned(), key.to_owned());
        let inner = Inner { cert, key, current: RwLock::new(config), seen: Mutex::new(seen) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads the files again; connections that come from now on get what is in them.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was in use before stays in use.
    pub fn reload(&self) -> Result<(), String> {
        let inner = &self.inner;
        *inner.seen.lock() = look(&inner.cert, &inner.key);
        let config = read(&inner.cert, &inner.key)?;
        *inner.current.write() = config;
        Ok(())
    }

    /// Whether the files look otherwise than when they were last read.
    #[must_use]
    pub fn changed(&self) -> bool {
        look(&self.inner.cert, &self.inner.key) != *self.inner.seen.lock()
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.inner.current.read()))
    }
}

fn look(cert: &Path, key: &Path) -> Seen {
    [cert, key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let about = |path: &Path, what: &str| format!("{what} in {} cannot be used", path.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("{}: {e}", about(cert, "the certificate")))?;
    if chain.is_empty() {
        return Err(format!("{}: there is none", about(cert, "the certificate")));
    }
    // What goes wrong with a key is not quoted: it may hold a part of it.
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|_| format!("{}: it is not there, or no PEM", about(key, "the private key")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be spoken: {e}"))?
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    let mut config = config.map_err(|e| format!("{}: {e}", about(cert, "the certificate")))?;
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(Arc::new(config))
}
