//! The dataset contract that a package amounts to.

use oscar_permit::{ColumnContract, DatasetContract, LogicalType, PersonNaming, TableContract, TableKind};

use super::descriptor::{Descriptor, Resource, ResourceSection};
use super::error::ResourceError;
use super::resource::{PersonPlan, ResourcePlan, stored_column, structural_zero};

/// The contract of one table. The person key comes first where the file has none.
pub(crate) fn table_contract(
    resource: &Resource,
    plan: &ResourcePlan,
    section: &ResourceSection,
) -> Result<TableContract, ResourceError> {
    let mut columns: Vec<ColumnContract> = Vec::new();
    let person_key = match &plan.person {
        PersonPlan::Nobody => None,
        PersonPlan::Field { index, form } => plan.fields.get(*index).map(|field| (field.column.clone(), form.naming())),
        PersonPlan::Rows { column, .. } => {
            columns.push(row_person(column.clone()));
            Some((column.clone(), PersonNaming::RowNumber))
        }
    };
    columns.extend(plan.fields.iter().filter(|field| field.is_stored()).map(|field| field.contract.clone()));
    let second_units: Vec<_> = section
        .second_units
        .iter()
        .map(|name| stored_column(plan, name, "oscar.secondUnits"))
        .collect::<Result<_, _>>()?;
    let kind = match person_key {
        Some((person_key, naming)) => TableKind::Persons { person_key, second_units, naming: Some(naming) },
        None if second_units.is_empty() => TableKind::Reference,
        None => {
            return Err(ResourceError::unsupported("second units in reference data", "leave oscar.secondUnits out"));
        }
    };
    Ok(TableContract {
        title: resource.title.clone(),
        description: resource.description.clone(),
        kind,
        columns,
        primary_key: primary_key(plan),
        structural_zeros: section
            .structural_zeros
            .iter()
            .map(|zero| structural_zero(plan, zero))
            .collect::<Result<_, _>>()?,
    })
}

fn row_person(column: oscar_permit::ColumnName) -> ColumnContract {
    ColumnContract {
        name: column,
        logical_type: LogicalType::String,
        title: "Person".into(),
        description: "Pseudonym of the person; the file has one row per person.".into(),
        required: true,
        codes: None,
        tags: std::collections::BTreeSet::new(),
    }
}

/// The primary key, when all its columns enter the lake. Where every row is a person, that is the person.
fn primary_key(plan: &ResourcePlan) -> Vec<oscar_permit::ColumnName> {
    if let PersonPlan::Rows { column, .. } = &plan.person {
        return vec![column.clone()];
    }
    let columns: Option<Vec<_>> = plan.keys.iter().find(|key| key.primary).and_then(|key| {
        key.fields
            .iter()
            .map(|index| plan.fields.get(*index).filter(|field| field.is_stored()).map(|field| field.column.clone()))
            .collect()
    });
    columns.unwrap_or_default()
}

/// The contract of the dataset, without its tables.
pub(crate) fn dataset_contract(descriptor: &Descriptor) -> DatasetContract {
    let Descriptor { title, description, resources: _, oscar } = descriptor;
    DatasetContract {
        dataset: oscar.dataset.clone(),
        title: oscar
            .title
            .clone()
            .unwrap_or_else(|| if title.is_empty() { oscar.dataset.to_string() } else { title.clone() }),
        description: description.clone(),
        holder: oscar.holder.clone(),
        profile: oscar.profile.clone(),
        coverage: oscar.coverage.map(|coverage| (coverage.from, coverage.until)),
        tables: std::collections::BTreeMap::new(),
        retired: std::collections::BTreeMap::new(),
    }
}
