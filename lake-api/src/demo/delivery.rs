//! Deliveries in the demo: what a package holds, and its way through intake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oscar_intake::DeliveryReport;
use oscar_permit::DataPermit;
use serde::Deserialize;
use serde_json::{Value, json};

use super::narrator::Narrator;
use crate::cli::CliError;
use crate::cli::progress::Bar;
use crate::delivery::{self, Destination};

/// What the demo must know of a descriptor to write a permit for it: its names.
#[derive(Deserialize)]
struct Names {
    resources: Vec<Resource>,
    oscar: Dataset,
}

#[derive(Deserialize)]
struct Dataset {
    dataset: String,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    oscar: Option<Table>,
}

#[derive(Deserialize)]
struct Table {
    table: Option<String>,
}

/// The permit's list of datasets: every table of every package.
pub(super) fn grants_of(packages: &[PathBuf]) -> Result<Value, CliError> {
    let mut datasets: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for package in packages {
        let names = names(package)?;
        let tables = names.resources.into_iter().map(
            |resource| json!({"table": resource.oscar.and_then(|section| section.table).unwrap_or(resource.name)}),
        );
        datasets.entry(names.oscar.dataset).or_default().extend(tables);
    }
    Ok(datasets.into_iter().map(|(dataset, tables)| json!({"dataset": dataset, "tables": tables})).collect())
}

fn names(package: &Path) -> Result<Names, CliError> {
    let candidates = if package.is_dir() {
        ["datapackage.json", "datapackage.yaml", "datapackage.yml"].map(|name| package.join(name)).to_vec()
    } else {
        vec![package.to_owned()]
    };
    let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
        return Err(CliError::Usage(
            "--data must name a folder with a datapackage.json or datapackage.yaml in it".into(),
        ));
    };
    let text = std::fs::read_to_string(path).map_err(CliError::file("the package descriptor"))?;
    // JSON is YAML, so one reader serves both.
    serde_saphyr::from_str(&text).map_err(|_| {
        CliError::Usage("the descriptor needs 'oscar.dataset' and 'resources' with names; see the README's section on your own extract".into())
    })
}

/// Takes one package in; what became visible comes back.
pub(super) async fn deliver(
    directory: &Path,
    package: &Path,
    files: Option<&Path>,
    permit: &DataPermit,
    narrator: &mut Narrator<'_>,
) -> Result<DeliveryReport, CliError> {
    let bar = Bar::new(narrator.on_a_terminal());
    let report = delivery::deliver(&Destination::in_data_dir(directory), package, files, permit, &bar).await;
    bar.clear();
    let report = report.map_err(crate::cli::refusal)?;
    for (name, table) in &report.tables {
        let quarantined = match table.quarantined {
            0 => String::new(),
            rows => format!(", {rows} in quarantine"),
        };
        narrator.say(&format!("   {}.{}: {} rows{quarantined}", report.dataset, name, table.rows))?;
    }
    Ok(report)
}
