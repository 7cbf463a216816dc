//! The peers start, do what their callers need, and leave nothing behind.

use oscar_peers::{OIDC_AUDIENCE, OidcProvider, SeaweedFs, required_in_ci, schemathesis};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

#[expect(clippy::unwrap_used, reason = "an address of our own making")]
fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn seaweedfs_starts_makes_a_bucket_and_is_gone_after_drop() {
    let Some(server) = required_in_ci(SeaweedFs::start()) else { return };
    server.create_bucket("tenant-a").unwrap();
    let port = port_of(&server.endpoint());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!Path::new(&format!("/tmp/seaweedfs-s3-{port}.sock")).exists());
}

#[test]
fn two_servers_run_side_by_side_with_different_keys() {
    let Some(one) = required_in_ci(SeaweedFs::start()) else { return };
    let Some(two) = required_in_ci(SeaweedFs::start()) else { return };
    assert_ne!(one.endpoint(), two.endpoint());
    assert_ne!(one.secret_key(), two.secret_key());
}

#[test]
fn a_user_signs_in_with_a_code_and_keys_rotate_while_serving() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    // RFC 7636, appendix B gives this challenge.
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let url = format!(
        "{}/auth?client_id={}&response_type=code&redirect_uri=http://127.0.0.1:9/callback&scope=openid%20lake\
         &state=s&code_challenge={challenge}&code_challenge_method=S256&resource={OIDC_AUDIENCE}/es256",
        provider.issuer(),
        provider.cli_client()
    );
    let last = provider.sign_in(&url, "alice").unwrap();
    assert!(last.starts_with("http://127.0.0.1:9/callback?code="), "{last}");
    provider.rotate_keys(true).unwrap();
    provider.rotate_keys(false).unwrap();
    assert!(provider.sign_in(&url, "bob").unwrap().contains("code="));
}

#[test]
fn a_wrong_client_does_not_sign_in() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let url = format!("{}/auth?client_id=nobody&response_type=code", provider.issuer());
    assert!(provider.sign_in(&url, "alice").is_err());
}

#[test]
fn schemathesis_runs() {
    let Some(program) = required_in_ci(schemathesis()) else { return };
    let output = Command::new(program).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("4.32.5"));
}
