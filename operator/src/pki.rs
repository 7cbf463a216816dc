//! Certificates of the lake-apis, from an authority of the installation's own.
//!
//! The authority is a Secret in the operator's namespace. One that the operator has made
//! itself is replaced before it ends, and the bundle that clients trust holds the new and the
//! old one until the old one's end; one that somebody else has put there is only used.

use k8s_openapi::jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Days that an authority of our own is valid.
const AUTHORITY_DAYS: i64 = 5 * 365;
/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATED_MINUTES: i64 = 10;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Not a certificate or key in PEM.
    #[error("{0} is not usable: {1}")]
    Form(&'static str, String),
    /// The authority's time is over.
    #[error(
        "the certificate authority ended at {0}; put a new one into the Secret oscar-ca, or annotate it with host.oscar-project.com/deletion=allowed and delete the Secret to have one made"
    )]
    AuthorityEnded(String),
    /// The certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Issue(#[from] rcgen::Error),
}

impl PkiError {
    /// A `CamelCase` word for conditions and events.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Form(..) | Self::Issue(_) => "CertificateAuthorityUnusable",
            Self::AuthorityEnded(_) => "CertificateAuthorityExpired",
        }
    }
}

/// A certificate authority.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate (PEM).
    pub certificate: String,
    /// Its private key (PEM).
    pub key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(hidden)")
    }
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain (PEM), the authority's own certificate last.
    pub chain: String,
    /// The private key (PEM).
    pub key: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(hidden)")
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// [`PkiError::Issue`].
    pub fn generate(now: Timestamp) -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "OSCAR HOST certificate authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, now, AUTHORITY_DAYS)?;
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// When it ends.
    ///
    /// # Errors
    /// [`PkiError::Form`].
    pub fn ends(&self) -> Result<OffsetDateTime, PkiError> {
        with_first(&self.certificate, |certificate| Ok(certificate.validity().not_after.to_datetime()))
    }

    /// Issues a server certificate for DNS names.
    ///
    /// # Errors
    /// See [`PkiError`].
    pub fn issue(&self, names: &[String], days: u32, now: Timestamp) -> Result<Certificate, PkiError> {
        let ends = self.ends()?;
        if ends <= offset(now)? {
            return Err(PkiError::AuthorityEnded(ends.to_string()));
        }
        let authority_key =
            KeyPair::from_pem(&self.key).map_err(|error| PkiError::Form("the authority's key", error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, authority_key)
            .map_err(|error| PkiError::Form("the authority's certificate", error.to_string()))?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("lake-api", String::as_str));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, i64::from(days))?;
        // Never longer than whoever vouches for it.
        params.not_after = params.not_after.min(ends);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Certificate { chain: certificate.pem() + &self.certificate, key: key.serialize_pem() })
    }
}

impl Certificate {
    /// Whether it is still good: for exactly these names, of this authority, and not about to end.
    #[must_use]
    pub fn serves(&self, names: &[String], authority: &Authority, renew_before_days: u32, now: Timestamp) -> bool {
        // The whole authority is part of the chain, so another one is another text.
        self.chain.ends_with(&authority.certificate)
            && with_first(&self.chain, |certificate| {
                let ends = certificate.validity().not_after.to_datetime();
                let due = ends - Duration::days(i64::from(renew_before_days));
                Ok(due > offset(now)? && dns_names(certificate) == names)
            })
            .unwrap_or(false)
    }
}

/// The certificates that clients are to trust: the authority's, and those of `before` that
/// have not ended.
#[must_use]
pub fn bundle(authority: &Authority, before: &str, now: Timestamp) -> String {
    const END: &str = "-----END CERTIFICATE-----\n";
    let mut bundle = authority.certificate.clone();
    for old in before.split_inclusive(END) {
        let lasts = with_first(old, |certificate| Ok(certificate.validity().not_after.to_datetime() > offset(now)?));
        if lasts.unwrap_or(false) && !bundle.contains(old.trim()) {
            bundle.push_str(old);
        }
    }
    bundle
}

fn valid(params: &mut CertificateParams, now: Timestamp, days: i64) -> Result<(), PkiError> {
    let now = offset(now)?;
    params.not_before = now - Duration::minutes(BACKDATED_MINUTES);
    params.not_after = now + Duration::days(days);
    Ok(())
}

fn offset(at: Timestamp) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|error| PkiError::Form("the clock", error.to_string()))
}

fn with_first<T>(pem: &str, read: impl Fn(&X509Certificate<'_>) -> Result<T, PkiError>) -> Result<T, PkiError> {
    const WHAT: &str = "a certificate";
    let (_, block) =
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|error| PkiError::Form(WHAT, error.to_string()))?;
    let (_, certificate) =
        X509Certificate::from_der(&block.contents).map_err(|error| PkiError::Form(WHAT, error.to_string()))?;
    read(&certificate)
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extensions = certificate.extensions().iter();
    extensions
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::new(1_790_000_000 + number * 86_400, 0).unwrap()
    }

    fn names() -> Vec<String> {
        vec!["acme.tenants.example.dk".to_owned(), "lake-api.oscar-acme.svc".to_owned()]
    }

    #[test]
    fn a_certificate_serves_until_it_is_to_be_replaced() {
        let authority = Authority::generate(day(0)).unwrap();
        let certificate = authority.issue(&names(), 90, day(0)).unwrap();
        assert!(certificate.serves(&names(), &authority, 30, day(59)));
        assert!(!certificate.serves(&names(), &authority, 30, day(61)), "thirty days before its end");
        assert!(!certificate.serves(&names()[..1], &authority, 30, day(1)), "for other names");
        let other = Authority::generate(day(0)).unwrap();
        assert!(!certificate.serves(&names(), &other, 30, day(1)), "of another authority");
    }

    #[test]
    fn an_authority_that_has_ended_issues_nothing() {
        let authority = Authority::generate(day(0)).unwrap();
        let late = authority.issue(&names(), 90, day(AUTHORITY_DAYS + 1));
        assert!(matches!(late, Err(PkiError::AuthorityEnded(_))));
        let short = authority.issue(&names(), 90, day(AUTHORITY_DAYS - 1)).unwrap();
        assert!(!short.serves(&names(), &authority, 2, day(AUTHORITY_DAYS - 1)), "never longer than its authority");
    }

    #[test]
    fn the_bundle_holds_the_old_authority_until_its_end() {
        let (old, new) = (Authority::generate(day(0)).unwrap(), Authority::generate(day(100)).unwrap());
        let both = bundle(&new, &old.certificate, day(100));
        assert!(both.contains(old.certificate.trim()) && both.contains(new.certificate.trim()));
        assert_eq!(bundle(&new, &both, day(100)), both, "again changes nothing");
        assert_eq!(bundle(&new, &both, day(AUTHORITY_DAYS + 1)), new.certificate);
    }

    #[test]
    fn what_is_no_authority_is_said_to_be_none() {
        let broken = Authority { certificate: "x".to_owned(), key: "y".to_owned() };
        assert!(matches!(broken.issue(&names(), 90, day(0)), Err(PkiError::Form(..))));
    }
}
