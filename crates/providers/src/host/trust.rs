//! Whom a TLS connection is made with: the system's authorities, and the operator's own beside them.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use headwater_core::limit::CA_FILE_BYTES;
use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// The system's authorities are some hundreds of files or a large one: read once for all hosts.
static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();

/// The TLS of a host. Clones share what was read, and their sessions.
///
/// # Errors
/// What is wrong with the certificates, for the operator.
pub(super) fn tls(secure: bool, ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    if !secure {
        // It is never asked. A machine without certificates can still talk to itself.
        return made(None);
    }
    let Some(path) = ca_file else {
        if let Some(known) = SYSTEM.get() {
            return Ok(known.clone());
        }
        let config = made(Some(Vec::new()))?;
        return Ok(SYSTEM.get_or_init(|| config).clone());
    };
    made(Some(certificates(path)?))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let at = path.display();
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(CA_FILE_BYTES + 1).read_to_end(&mut pem))
        .map_err(|e| format!("the certificates {at} cannot be read: {}", e.kind()))?;
    if pem.len() as u64 > CA_FILE_BYTES {
        return Err(format!("the certificates {at} are larger than {CA_FILE_BYTES} bytes"));
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("the certificates {at} are no PEM"))?;
    if found.is_empty() {
        return Err(format!("the file {at} holds no certificate"));
    }
    Ok(found)
}

/// With the system's authorities and these, or with none at all.
fn made(more: Option<Vec<CertificateDer<'static>>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    let mut config = match more {
        None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        Some(more) => {
            let verifier = Verifier::new_with_extra_roots(more, provider)
                .map_err(|e| format!("the certificates of this system cannot be used: {e}"))?;
            // The system's own way to verify; nothing of it is left out.
            let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
            builder.with_no_client_auth()
        }
    };
    // The host decides. One that speaks HTTP/1 only gets a connection for each answer.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
