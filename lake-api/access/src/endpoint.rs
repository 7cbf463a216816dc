//! Which addresses of an identity provider may be used at all.
//!
//! Keys and tokens travel over TLS. Plain HTTP is allowed to loopback addresses only,
//! where nobody else can listen in: that is where tests and the development issuer live.
//! An issuer that is not on loopback cannot send us to a loopback address either, so a
//! forged discovery document does not reach services of this machine.

use url::{Host, Url};

/// Why an address of a provider is not used. The address itself comes from the
/// provider or from the operator's configuration, never from a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("{0} must be an absolute URL")]
    Syntax(&'static str),
    /// Neither TLS nor loopback.
    #[error("{0} must use https (http is allowed to loopback addresses only)")]
    Scheme(&'static str),
    /// A name, password, query or fragment in an issuer identifier.
    #[error("{0} must not contain a user name, a query or a fragment")]
    Parts(&'static str),
    /// A loopback address announced by an issuer elsewhere.
    #[error("{0} points to this machine although the issuer does not")]
    Inward(&'static str),
}

/// Whether the URL names this machine by a loopback address or as `localhost`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Parses an issuer identifier (OpenID Connect Discovery 1.0, section 3).
pub(crate) fn issuer_url(text: &str) -> Result<Url, EndpointError> {
    const WHAT: &str = "the issuer";
    let url = secure_url(text, WHAT)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(EndpointError::Parts(WHAT));
    }
    Ok(url)
}

/// Parses an address that the provider at `issuer` announces.
pub(crate) fn announced_url(text: &str, issuer: &Url, what: &'static str) -> Result<Url, EndpointError> {
    let url = secure_url(text, what)?;
    if is_loopback(&url) && !is_loopback(issuer) {
        return Err(EndpointError::Inward(what));
    }
    Ok(url)
}

fn secure_url(text: &str, what: &'static str) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(|_| EndpointError::Syntax(what))?;
    if !url.has_host() {
        return Err(EndpointError::Syntax(what));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Parts(what));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(EndpointError::Scheme(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in ["https://login.example.dk", "http://127.0.0.1:9", "http://[::1]:9/realm", "http://localhost:9"] {
            assert!(issuer_url(good).is_ok(), "{good}");
        }
        for bad in ["http://login.example.dk", "http://127.0.0.1.example.dk", "http://10.0.0.1", "ftp://localhost"] {
            assert_eq!(issuer_url(bad), Err(EndpointError::Scheme("the issuer")), "{bad}");
        }
    }

    #[test]
    fn an_issuer_has_no_user_query_or_fragment() {
        for bad in ["https://a@b.dk", "https://a:b@b.dk", "https://b.dk?x=1", "https://b.dk#x"] {
            assert_eq!(issuer_url(bad), Err(EndpointError::Parts("the issuer")), "{bad}");
        }
        assert_eq!(issuer_url("login"), Err(EndpointError::Syntax("the issuer")));
    }

    #[test]
    fn a_distant_issuer_cannot_point_to_this_machine() {
        let distant = Url::parse("https://login.example.dk").unwrap();
        for inward in ["http://127.0.0.1/keys", "https://localhost/keys", "https://[::1]/keys"] {
            assert_eq!(announced_url(inward, &distant, "jwks_uri"), Err(EndpointError::Inward("jwks_uri")));
        }
        assert!(announced_url("https://keys.example.com/a", &distant, "jwks_uri").is_ok());
    }
}
