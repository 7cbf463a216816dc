//! What is known of a provider after discovery.

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType, CoreTokenResponse,
};
use openidconnect::{
    AdditionalProviderMetadata, ClientId, ClientSecret, DeviceAuthorizationUrl, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, NonceVerifier, ProviderMetadata, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};

use super::error::LoginError;
use super::provider_http::ProviderHttp;
use crate::endpoint::{announced_url, issuer_url};

/// Where and as which client to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginConfig {
    /// The issuer identifier.
    pub issuer: String,
    /// The client, as registered with the issuer.
    pub client_id: String,
    /// The client's secret; public clients have none.
    pub client_secret: Option<String>,
    /// Scopes beside `openid`; `offline_access` asks for a refresh token.
    pub scopes: Vec<String>,
    /// The resource the token is for (RFC 8707), where the issuer wants it said.
    pub resource: Option<String>,
}

impl std::fmt::Debug for LoginConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { issuer, client_id, client_secret, scopes, resource } = self;
        f.debug_struct("LoginConfig")
            .field("issuer", issuer)
            .field("client_id", client_id)
            .field("client_secret", &client_secret.as_ref().map(|_| "…"))
            .field("scopes", scopes)
            .field("resource", resource)
            .finish()
    }
}

impl LoginConfig {
    /// A public client that asks for a refresh token.
    #[must_use]
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            scopes: vec!["offline_access".to_owned()],
            resource: None,
        }
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned().map(Scope::new)
    }
}

/// The device endpoint is in RFC 8628, not in OpenID Connect Discovery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DeviceMetadata {
    device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
}

impl AdditionalProviderMetadata for DeviceMetadata {}

type Metadata = ProviderMetadata<
    DeviceMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The client after discovery: it can authorise, and, mostly, exchange tokens.
pub(super) type DiscoveredClient =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// The algorithms accepted on ID tokens, all asymmetric.
const ID_TOKEN_ALGORITHMS: [CoreJwsSigningAlgorithm; 5] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// A provider that was asked who it is.
pub(super) struct Provider {
    pub(super) http: ProviderHttp,
    pub(super) client: DiscoveredClient,
    pub(super) device: Option<DeviceAuthorizationUrl>,
}

impl Provider {
    /// Reads the discovery document and the keys.
    pub(super) async fn discover(config: &LoginConfig) -> Result<Self, LoginError> {
        let url = issuer_url(&config.issuer)?;
        let http = ProviderHttp::new(url.clone())?;
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|_| LoginError::Discovery)?;
        let metadata = Metadata::discover_async(issuer, &http).await.map_err(LoginError::discovery)?;
        // The one address that a browser opens; the others are checked as they are used.
        announced_url(metadata.authorization_endpoint().as_str(), &url, "authorization_endpoint")?;
        let device = metadata.additional_metadata().device_authorization_endpoint.clone();
        let secret = config.client_secret.clone().map(ClientSecret::new);
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(config.client_id.clone()), secret);
        Ok(Self { http, client, device })
    }

    /// The subject of the answer's ID token, after its verification.
    pub(super) fn subject(&self, answer: &CoreTokenResponse, nonce: impl NonceVerifier) -> Result<String, LoginError> {
        let verifier = self.client.id_token_verifier().set_allowed_algs(ID_TOKEN_ALGORITHMS);
        let token = answer.id_token().ok_or(LoginError::IdToken)?;
        let claims = token.claims(&verifier, nonce).map_err(|_| LoginError::IdToken)?;
        Ok(claims.subject().to_string())
    }
}

/// For flows without a browser request: no nonce was sent, so none may come back.
pub(super) fn no_nonce(nonce: Option<&Nonce>) -> Result<(), String> {
    nonce.map_or(Ok(()), |_| Err("a nonce that was never sent".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_that_was_never_sent_is_refused() {
        assert!(no_nonce(None).is_ok());
        assert!(no_nonce(Some(&Nonce::new("n".to_owned()))).is_err());
    }
}
