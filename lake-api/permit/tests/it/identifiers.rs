use oscar_permit::{ColumnName, Sha256Digest, TableRef, TenantName};
use proptest::prelude::*;
use rstest::rstest;

#[rstest]
#[case("Acme")]
#[case("acme-")]
#[case("1acme")]
#[case("аcme")] // a Cyrillic letter that looks like a Latin one
#[case("")]
#[case("acme..")]
#[case("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
fn a_tenant_name_that_is_no_dns_label_is_refused(#[case] name: &str) {
    assert!(TenantName::new(name).is_err());
}

#[test]
fn the_platforms_own_prefix_cannot_be_a_column() {
    assert!(ColumnName::new("__oscar_person").is_err());
    assert!(ColumnName::new("oscar_person").is_ok());
}

#[test]
fn an_error_never_repeats_the_text_it_refuses() {
    let error = ColumnName::new("0201609995").unwrap_err().to_string();
    assert!(!error.contains("0201609995"));
}

#[test]
fn a_table_reference_is_written_as_in_sql() {
    let table = TableRef::try_from("contacts.visits".to_owned()).unwrap();
    assert_eq!(table.to_string(), "contacts.visits");
    assert!(TableRef::try_from("visits".to_owned()).is_err());
    assert!(TableRef::try_from("a.b.c".to_owned()).is_err());
}

proptest! {
    #[test]
    fn a_digest_reads_back_what_it_wrote(bytes: Vec<u8>) {
        let digest = Sha256Digest::of(&bytes);
        prop_assert_eq!(digest.to_string().parse::<Sha256Digest>().unwrap(), digest);
    }
}
