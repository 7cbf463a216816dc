//! What the development issuer does not do.

use std::net::SocketAddr;

use oscar_access::dev_issuer::{CLI_CLIENT, SERVICE_CLIENT};
use oscar_access::{DevIssuer, DevIssuerError, DevIssuerOptions, IssuerConfig, TokenVerifier};
use reqwest::redirect::Policy;
use rstest::rstest;
use serde_json::Value;
use url::Url;

use crate::dev_issuer_flows::{browser, issuer};
use crate::signed_token::claims_of;

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:7777/callback";

fn options() -> DevIssuerOptions {
    DevIssuerOptions { users: vec!["alice".to_owned()], ..DevIssuerOptions::default() }
}

#[rstest]
#[case("0.0.0.0:0")]
#[case("192.0.2.1:0")]
#[case("[::]:0")]
#[case("[::ffff:127.0.0.1]:0")]
#[tokio::test]
async fn it_binds_to_loopback_only(#[case] bind: SocketAddr) {
    let refused = DevIssuer::start(DevIssuerOptions { bind, ..options() }, &[]).await;
    assert!(matches!(refused, Err(DevIssuerError::NotLoopback)));
}

#[tokio::test]
async fn it_does_not_start_beside_a_configured_issuer() {
    let configured = [IssuerConfig::new("https://login.example.dk", "oscar-host")];
    let refused = DevIssuer::start(options(), &configured).await;
    assert!(matches!(refused, Err(DevIssuerError::BesideConfiguredIssuer)));
    let nobody = DevIssuer::start(DevIssuerOptions { users: vec![], ..options() }, &[]).await;
    assert!(matches!(nobody, Err(DevIssuerError::Users)));
}

#[tokio::test]
async fn it_answers_under_its_own_name_only() {
    let issuer = issuer().await;
    for path in ["/.well-known/openid-configuration", "/jwks", "/device"] {
        let address = format!("{}{path}", issuer.issuer());
        for host in ["rebound.example.dk", "127.0.0.1", "127.0.0.1:1", "localhost.example.dk"] {
            let answer = browser().get(&address).header("host", host).send().await.unwrap();
            assert_eq!(answer.status(), 421, "{path} as {host}");
        }
        assert_eq!(browser().get(&address).send().await.unwrap().status(), 200);
    }
}

struct Attempt {
    client: reqwest::Client,
    issuer: DevIssuer,
}

impl Attempt {
    async fn start() -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, issuer: issuer().await }
    }

    /// An authorisation request with some parameters changed (`""` removes one).
    async fn authorize(&self, changes: &[(&str, &str)]) -> (u16, Option<Url>) {
        let mut url = Url::parse(&format!("{}/authorize", self.issuer.issuer())).unwrap();
        let honest = [
            ("response_type", "code"),
            ("client_id", CLI_CLIENT),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s-1"),
            ("scope", "openid"),
            ("nonce", "n-1"),
            ("login_hint", "alice"),
        ];
        for (name, value) in honest {
            let value = changes.iter().find(|(changed, _)| *changed == name).map_or(value, |(_, value)| value);
            if !value.is_empty() {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let answer = self.client.get(url).send().await.unwrap();
        let location = answer.headers().get("location").map(|to| Url::parse(to.to_str().unwrap()).unwrap());
        (answer.status().as_u16(), location)
    }

    async fn code(&self) -> String {
        let (_, location) = self.authorize(&[]).await;
        parameter(&location.unwrap(), "code").unwrap()
    }

    /// A token request; the answer's status and error.
    async fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let address = format!("{}/token", self.issuer.issuer());
        let answer = self.client.post(address).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn exchange(&self, code: &str, verifier: &str, redirect: &str, client: &str) -> (u16, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect),
        ])
        .await
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_foreign_client_or_redirect_is_shown_and_never_redirected() {
    let attempt = Attempt::start().await;
    for change in [
        ("client_id", "other"),
        ("client_id", SERVICE_CLIENT),
        ("client_id", ""),
        ("redirect_uri", "http://evil.example/callback"),
        ("redirect_uri", "https://127.0.0.1/callback"),
        ("redirect_uri", "http://127.0.0.1:7777/callback?next=x"),
        ("redirect_uri", ""),
    ] {
        assert_eq!(attempt.authorize(&[change]).await, (400, None), "{change:?}");
    }
}

#[rstest]
#[case(&[("response_type", "token")], "unsupported_response_type")]
#[case(&[("code_challenge_method", "plain")], "invalid_request")]
#[case(&[("code_challenge_method", "")], "invalid_request")]
#[case(&[("code_challenge", "")], "invalid_request")]
#[case(&[("code_challenge", "short")], "invalid_request")]
#[tokio::test]
async fn a_request_without_pkce_or_for_another_flow_goes_back_with_an_error(
    #[case] changes: &[(&str, &str)],
    #[case] error: &str,
) {
    let attempt = Attempt::start().await;
    let (status, location) = attempt.authorize(changes).await;
    let location = location.unwrap();
    assert_eq!((status, location.path()), (303, "/callback"));
    assert_eq!(parameter(&location, "error").as_deref(), Some(error));
    assert_eq!(parameter(&location, "state").as_deref(), Some("s-1"));
    assert_eq!(parameter(&location, "code"), None);
}

#[tokio::test]
async fn somebody_unknown_gets_the_page_and_no_code() {
    let attempt = Attempt::start().await;
    assert_eq!(attempt.authorize(&[("login_hint", "mallory")]).await, (200, None));
    assert_eq!(attempt.authorize(&[("login_hint", "")]).await, (200, None));
}

#[tokio::test]
async fn a_code_works_once_for_its_client_its_redirect_and_its_verifier() {
    let attempt = Attempt::start().await;
    let other = VERIFIER.replace('d', "e");
    for (verifier, redirect, client, error) in [
        (other.as_str(), CALLBACK, CLI_CLIENT, "invalid_grant"),
        ("", CALLBACK, CLI_CLIENT, "invalid_request"),
        (CHALLENGE, CALLBACK, CLI_CLIENT, "invalid_grant"),
        (VERIFIER, "http://127.0.0.1:7778/callback", CLI_CLIENT, "invalid_grant"),
        (VERIFIER, CALLBACK, SERVICE_CLIENT, "invalid_client"),
        (VERIFIER, CALLBACK, "other", "invalid_client"),
    ] {
        let code = attempt.code().await;
        let (_, answer) = attempt.exchange(&code, verifier, redirect, client).await;
        assert_eq!(answer["error"], error);
    }
    let code = attempt.code().await;
    let (status, answer) = attempt.exchange(&code, VERIFIER, CALLBACK, CLI_CLIENT).await;
    assert_eq!((status, answer["token_type"].as_str()), (200, Some("Bearer")));
    let (_, again) = attempt.exchange(&code, VERIFIER, CALLBACK, CLI_CLIENT).await;
    assert_eq!(again["error"], "invalid_grant");
    // A wrong verifier uses the code up too.
    let code = attempt.code().await;
    attempt.exchange(&code, &other, CALLBACK, CLI_CLIENT).await;
    let (_, late) = attempt.exchange(&code, VERIFIER, CALLBACK, CLI_CLIENT).await;
    assert_eq!(late["error"], "invalid_grant");
}

#[tokio::test]
async fn an_id_token_is_not_an_access_token() {
    let attempt = Attempt::start().await;
    let code = attempt.code().await;
    let (_, answer) = attempt.exchange(&code, VERIFIER, CALLBACK, CLI_CLIENT).await;
    let id_token = answer["id_token"].as_str().unwrap();
    assert_eq!(claims_of(id_token)["nonce"], "n-1");
    let verdict = async |audience: &str| {
        let config = IssuerConfig::new(attempt.issuer.issuer(), audience);
        TokenVerifier::new(vec![config]).unwrap().verify(id_token).await.unwrap_err().reason()
    };
    // Refused by its kind before anything else, also where the audience would fit.
    assert_eq!(verdict("oscar-host").await, "kind");
    assert_eq!(verdict(CLI_CLIENT).await, "kind");
}

#[rstest]
#[case(&[("grant_type", "password")], "unsupported_grant_type")]
#[case(&[("grant_type", "client_credentials")], "unauthorized_client")]
#[case(&[("grant_type", "refresh_token")], "invalid_request")]
#[case(&[("grant_type", "refresh_token"), ("refresh_token", "guess")], "invalid_grant")]
#[case(&[("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "guess")], "expired_token")]
#[case(&[("grant_type", "authorization_code"), ("grant_type", "refresh_token")], "invalid_request")]
#[case(&[], "invalid_request")]
#[tokio::test]
async fn a_token_request_out_of_order_is_refused_by_name(#[case] form: &[(&str, &str)], #[case] error: &str) {
    let attempt = Attempt::start().await;
    let (status, answer) = attempt.token(&[&[("client_id", CLI_CLIENT)], form].concat()).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some(error)));
}

#[tokio::test]
async fn a_text_in_the_request_cannot_become_markup() {
    let attempt = Attempt::start().await;
    let address = format!("{}/device?user_code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", attempt.issuer.issuer());
    let answer = attempt.client.get(address).send().await.unwrap();
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(!answer.text().await.unwrap().contains("<script"));
}

#[tokio::test]
async fn a_long_form_is_refused() {
    let attempt = Attempt::start().await;
    let address = format!("{}/token", attempt.issuer.issuer());
    let answer = attempt.client.post(address).body("a".repeat(100_000)).send().await.unwrap();
    assert_eq!(answer.status(), 413);
}
