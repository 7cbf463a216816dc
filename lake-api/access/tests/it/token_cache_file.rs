//! The file in which tokens are kept.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use oscar_access::login::{TokenCache, TokenCacheError, TokenSet};
use tempfile::TempDir;

fn tokens(issuer: &str, access: &str) -> TokenSet {
    TokenSet {
        issuer: issuer.to_owned(),
        client_id: "oscar-cli".to_owned(),
        subject: Some("alice".to_owned()),
        access_token: access.to_owned(),
        refresh_token: Some("refresh-secret".to_owned()),
        expires: None,
    }
}

fn cache() -> (TempDir, PathBuf, TokenCache) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config/oscar/tokens.json");
    let cache = TokenCache::at(&file);
    (home, file, cache)
}

#[test]
fn tokens_are_kept_per_issuer_and_forgotten_on_demand() {
    let (_home, _, cache) = cache();
    assert_eq!(cache.load("https://a.dk", "oscar-cli").unwrap(), None);
    cache.store(&tokens("https://a.dk", "one")).unwrap();
    cache.store(&tokens("https://b.dk", "two")).unwrap();
    cache.store(&tokens("https://a.dk", "three")).unwrap();
    assert_eq!(cache.load("https://a.dk", "oscar-cli").unwrap().unwrap().access_token, "three");
    assert_eq!(cache.load("https://b.dk", "oscar-cli").unwrap().unwrap().access_token, "two");
    assert_eq!(cache.load("https://a.dk", "other").unwrap(), None);
    cache.forget("https://a.dk", "oscar-cli").unwrap();
    assert_eq!(cache.load("https://a.dk", "oscar-cli").unwrap(), None);
}

#[test]
fn only_the_owner_can_reach_the_tokens() {
    let (_home, file, cache) = cache();
    cache.store(&tokens("https://a.dk", "one")).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let alone = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(alone, 1, "no other file is left");
}

#[test]
fn tokens_that_others_could_read_are_not_used() {
    let (_home, file, cache) = cache();
    cache.store(&tokens("https://a.dk", "one")).unwrap();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&file, 0o640);
    assert!(matches!(cache.load("https://a.dk", "oscar-cli"), Err(TokenCacheError::Exposed)));
    assert!(matches!(cache.store(&tokens("https://a.dk", "two")), Err(TokenCacheError::Exposed)));
    set(&file, 0o600);
    set(file.parent().unwrap(), 0o755);
    assert!(matches!(cache.load("https://a.dk", "oscar-cli"), Err(TokenCacheError::Exposed)));
}

#[test]
fn a_broken_file_is_named_and_not_overwritten() {
    let (_home, file, cache) = cache();
    cache.store(&tokens("https://a.dk", "one")).unwrap();
    std::fs::write(&file, "{").unwrap();
    assert!(matches!(cache.load("https://a.dk", "oscar-cli"), Err(TokenCacheError::Form)));
    assert!(matches!(cache.store(&tokens("https://a.dk", "two")), Err(TokenCacheError::Form)));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
}

#[test]
fn a_printed_token_set_shows_no_token() {
    let printed = format!("{:?}", tokens("https://a.dk", "access-secret"));
    assert!(printed.contains("alice") && !printed.contains("secret"));
}
