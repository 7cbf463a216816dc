//! TLS with a certificate that is replaced while the service runs.
//!
//! The files are looked at again after a short time, so a renewed certificate counts for the
//! next connections and none is ever cut off for it. Files that do not form a certificate
//! (a renewal half written, say) leave the one before in place.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::TlsSettings;

/// How long a reading serves.
const AGE: Duration = Duration::from_secs(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is no PEM of its kind.
    #[error("{path} does not hold {what} in PEM form")]
    Pem {
        /// Which file.
        path: std::path::PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why it does not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not used.
    #[error("the certificate and its key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// No cryptography.
    #[error("no cryptography provider is installed")]
    Provider,
}

/// An acceptor that shows the certificate of these files.
///
/// # Errors
/// See [`TlsError`].
pub(crate) fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, TlsError> {
    let certificate = Reloading::new(settings.clone())?;
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificate as the files were a short time ago.
#[derive(Debug)]
struct Reloading {
    settings: TlsSettings,
    known: Mutex<(Instant, Arc<CertifiedKey>)>,
}

impl Reloading {
    fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let known = Mutex::new((Instant::now(), Arc::new(load(&settings)?)));
        Ok(Self { settings, known })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let mut known = self.known.lock();
        if known.0.elapsed() >= AGE {
            match load(&self.settings) {
                Ok(certificate) => known.1 = Arc::new(certificate),
                Err(error) => tracing::error!(%error, "the certificate files are not usable; the one before stays"),
            }
            known.0 = Instant::now();
        }
        Arc::clone(&known.1)
    }
}

impl ResolvesServerCert for Reloading {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn load(settings: &TlsSettings) -> Result<CertifiedKey, TlsError> {
    let TlsSettings { certificate, key } = settings;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| pem(certificate, "a certificate chain", source))?;
    if chain.is_empty() {
        return Err(pem(certificate, "a certificate chain", rustls::pki_types::pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| pem(key, "a private key", source))?;
    let provider = CryptoProvider::get_default().ok_or(TlsError::Provider)?;
    let pair = CertifiedKey::from_der(chain, private, provider).map_err(TlsError::Pair)?;
    pair.keys_match().map_err(TlsError::Pair)?;
    Ok(pair)
}

fn pem(path: &Path, what: &'static str, source: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Pem { path: path.to_owned(), what, source }
}
