//! The chart `oscar-crds` holds exactly what the types say.
//!
//! To write the chart anew after a change of the types:
//! `OSCAR_BLESS=1 cargo test -p oscar-crds the_chart`.

use std::path::Path;

use serde_json::json;

const HEAD: &str = "# Written from the types of the crate oscar-crds; see operator/crds/tests/it/chart.rs.\n";

#[test]
fn the_chart_holds_the_definitions_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/oscar-crds/templates");
    let mut written = Vec::new();
    for definition in oscar_crds::definitions() {
        let mut object = serde_json::to_value(&definition).unwrap();
        // Uninstalling the chart must not delete every tenant with it.
        object["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
        let text = format!("{HEAD}{}\n", serde_json::to_string_pretty(&object).unwrap());
        let path = folder.join(format!("{}.yaml", definition.spec.names.plural));
        if std::env::var_os("OSCAR_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{} is out of date; see the head of this test's file", path.display());
        written.push(path);
    }
    let present = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(present, written.len(), "the chart holds something else too");
}
