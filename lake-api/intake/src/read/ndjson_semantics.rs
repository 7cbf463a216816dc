//! Plain lines against `serde_json`: the same cells or the same refusal, whatever the line.

use std::fs;

use oscar_permit::DataPermit;
use proptest::prelude::*;
use serde_json::json;

use super::block::CellText;
use super::{ReadError, cells_of_lines};
use crate::package::{DeliveryPlan, FieldsMatch};

/// Three fields of different types.
static PLAN: std::sync::LazyLock<DeliveryPlan> = std::sync::LazyLock::new(|| plan("a"));

fn plan(first: &str) -> DeliveryPlan {
    let folder = tempfile::tempdir().unwrap();
    let descriptor = json!({
        "oscar": {"dataset": "d", "profile": "strict"},
        "resources": [{"name": "a", "path": "a.ndjson", "hash": format!("sha256:{}", oscar_permit::Sha256Digest::of("")),
            "schema": {"fields": [{"name": first}, {"name": "n", "type": "number"}, {"name": "i", "type": "integer"}]},
            "oscar": {"kind": "reference"}}]});
    fs::write(folder.path().join("a.ndjson"), "").unwrap();
    fs::write(folder.path().join("datapackage.json"), descriptor.to_string()).unwrap();
    let permit = DataPermit::from_yaml(
        "{id: P, tenant: t, authority: a, legalBasis: b, purpose: [p], persons: [{issuer: i, subject: s, role: analyst}], \
         datasets: [{dataset: d, tables: []}], profile: strict, validFrom: 2020-01-01T00:00:00Z, validUntil: 2030-01-01T00:00:00Z}",
    )
    .unwrap();
    DeliveryPlan::read(folder.path(), None, &permit, chrono::Utc::now()).unwrap()
}

type Cells = Vec<Option<String>>;

fn cells(plan: &DeliveryPlan, line: &str) -> Result<(Cells, Vec<bool>), String> {
    let mut seen = vec![false; 3];
    let place = 0..line.len();
    let fields = &plan.resources[0].fields;
    let block = cells_of_lines(fields, FieldsMatch::Partial, line.into(), &[place], 1, &mut seen);
    let block = block.map_err(|error: ReadError| error.to_string())?;
    let cell = |column| {
        let span = block.column(column).next().unwrap();
        let CellText::Utf8(text) = &block.text else { panic!("JSON is UTF-8") };
        span.map(|span| text[span].to_owned())
    };
    Ok(((0..3).map(cell).collect(), seen))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "nul",
            "truex",
            "\"\"",
            "\"a,b}\"",
            "\"\\n\"",
            "\"\u{1}\"",
            "\"æ\"",
            "\"a",
            "0",
            "-0",
            "00",
            "-01",
            "-",
            "1.",
            ".5",
            "0.10",
            "-1.50",
            "5.0",
            "1e3",
            "1E",
            "1.5e-2",
            "+1",
            "[1]",
            "{}",
            "",
            "1 2",
            "\"\\u00e6\"",
            "99999999999999999999",
            "\"a\"b",
        ])
        .prop_map(str::to_owned),
        "[-0-9.eE]{0,5}",
        "\"[a-c\\\\ \"]{0,4}\"",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_plain_line_has_the_cells_that_it_has_as_json(
        values in prop::array::uniform3(value()),
        names in prop::sample::subsequence(vec![0usize, 1, 2], 0..=3),
        blanks in prop::array::uniform4(prop::sample::select(vec!["", "", "", " ", "  "])),
        end in prop::sample::select(vec!["}", "}", "}", "} ", "", "}}", ",}", ",\"x\":1}"]),
    ) {
        let pairs: Vec<String> = names
            .iter()
            .map(|at| format!("{}\"{}\"{}:{}{}", blanks[0], ["a", "n", "i"][*at], blanks[3], blanks[1], values[*at]))
            .collect();
        let line = format!("{{{}{}{end}", pairs.join(","), blanks[2]);
        // With a blank in front no line is plain.
        prop_assert_eq!(cells(&PLAN, &line), cells(&PLAN, &format!(" {line}")), "{}", line);
    }
}

#[test]
fn a_name_that_occurs_twice_is_refused_whatever_its_first_value() {
    for first in ["null", "\"\"", "1"] {
        let line = format!("{{\"n\":{first},\"a\":\"x\",\"n\":2,\"i\":3}}");
        assert!(cells(&PLAN, &line).is_err(), "{line}");
    }
    let (found, _) = cells(&PLAN, "{\"n\":null,\"a\":\"x\",\"i\":3}").unwrap();
    assert_eq!(found[1], None);
}

/// As bytes of a line such a name would be another name, or the end of it.
#[test]
fn a_name_that_json_escapes_is_never_looked_for_as_it_is() {
    for name in ["a\"b", "a\\n", "a\\", "a\":1,\"b", "a\tb"] {
        let plan = plan(name);
        let (raw, escaped) = (format!("\"{name}\""), json!(name).to_string());
        for name in [raw, escaped] {
            let line = format!("{{{name}:\"x\",\"n\":1,\"i\":2}}");
            assert_eq!(cells(&plan, &line), cells(&plan, &format!(" {line}")), "{line}");
        }
        let (found, _) = cells(&plan, &format!("{{{}:\"x\",\"n\":1,\"i\":2}}", json!(name))).unwrap();
        assert_eq!(found[0].as_deref(), Some("x"), "{name}");
    }
}
