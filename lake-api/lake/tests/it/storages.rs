//! Opening storages.

use object_store::ObjectStoreExt;
use object_store::path::Path;
use oscar_lake::{Storage, StorageConfig, StorageError};

#[test]
fn a_configuration_is_read_strictly_and_survives_json() {
    let text = r#"{"kind":"s3","region":"eu-north-1","bucket":"tenant-a","prefix":"lake-a"}"#;
    let config: StorageConfig = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::from_str::<StorageConfig>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    let StorageConfig::S3 { allow_http, .. } = config else { panic!("S3") };
    assert!(!allow_http, "plain HTTP must be asked for");
    for wrong in [
        r#"{"kind":"local","root":"/tmp/x","readOnly":true}"#,
        r#"{"kind":"s3","region":"r","bucket":"b","secretAccessKey":"in a file"}"#,
        r#"{"kind":"ftp"}"#,
    ] {
        assert!(serde_json::from_str::<StorageConfig>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_prefix_cannot_climb_out() {
    for prefix in ["..", "a/../b", "/a", "a//b", "a/", "./a"] {
        let config = StorageConfig::S3 {
            endpoint: None,
            region: "eu-north-1".into(),
            bucket: "tenants".into(),
            prefix: prefix.into(),
            allow_http: false,
            credentials: None,
        };
        assert!(matches!(Storage::open(&config), Err(StorageError::Prefix)), "{prefix}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = StorageConfig::Local { root: file.path().join("below-a-file") };
    let error = Storage::open(&config).unwrap_err();
    assert!(matches!(error, StorageError::Directory { .. }));
    assert!(error.to_string().contains("below-a-file"));
}

#[cfg(unix)]
#[test]
fn a_new_local_storage_is_closed_to_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("tenant");
    Storage::open(&StorageConfig::Local { root: root.clone() }).unwrap();
    assert_eq!(std::fs::metadata(root).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_of_one_bucket_do_not_see_each_other() {
    let Some(ours) = crate::backend::Backend::S3.place() else { return };
    let Some(theirs) = crate::backend::Backend::S3.place() else { return };
    theirs.storage.store().put(&Path::from("lake/secret"), "theirs".into()).await.unwrap();
    for path in ["lake/secret", "../lake/secret"] {
        assert!(ours.storage.store().get(&Path::from(path)).await.is_err(), "{path}");
    }
}
