//! The parameters of an OAuth request: text, each at most once (RFC 6749, section 3.1).

use std::collections::BTreeMap;

use super::oauth_error::OauthError;

/// Parsed query or form parameters. Empty values count as absent.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, OauthError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            // RFC 8707 allows `resource` several times; here it chooses nothing.
            if value.is_empty() || name == "resource" {
                continue;
            }
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(OauthError::InvalidRequest("a parameter is given twice"));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn require(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name).ok_or(OauthError::InvalidRequest("a required parameter is missing"))
    }

    /// The scopes asked for that exist here.
    pub(super) fn scope(&self) -> String {
        let known = |scope: &&str| ["openid", "offline_access"].contains(scope);
        self.get("scope").unwrap_or_default().split(' ').filter(known).collect::<Vec<_>>().join(" ")
    }
}
