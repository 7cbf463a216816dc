//! A small catalogue: two datasets of persons and one reference table.

use std::collections::{BTreeMap, BTreeSet};

use oscar_permit::{
    CodeList, ColumnContract, ColumnName, ColumnTag, LogicalType, RowFilter, TableContract, TableKind, TableRef, Value,
};
use oscar_query::{PermittedCatalog, PermittedTable};

pub(crate) fn name(text: &str) -> ColumnName {
    ColumnName::new(text).unwrap()
}

pub(crate) fn table_ref(text: &str) -> TableRef {
    TableRef::try_from(text.to_owned()).unwrap()
}

pub(crate) fn column(text: &str, logical_type: LogicalType) -> ColumnContract {
    ColumnContract {
        name: name(text),
        logical_type,
        title: String::new(),
        description: String::new(),
        required: false,
        codes: None,
        tags: BTreeSet::new(),
    }
}

pub(crate) fn contract(kind: TableKind, columns: Vec<ColumnContract>) -> TableContract {
    TableContract {
        title: String::new(),
        description: String::new(),
        kind,
        columns,
        primary_key: Vec::new(),
        structural_zeros: Vec::new(),
    }
}

pub(crate) fn persons() -> TableKind {
    TableKind::Persons { person_key: name("person_id"), second_units: Vec::new(), naming: None }
}

pub(crate) fn permitted(contract: TableContract) -> PermittedTable {
    let columns = contract.columns.iter().map(|column| column.name.clone()).collect();
    PermittedTable { contract, columns, row_filter: RowFilter::default() }
}

/// `population.resident`, `contacts.contact`, `contacts.region` (reference), and a column
/// `resident.salary` that the permit does not allow.
pub(crate) fn catalog() -> PermittedCatalog {
    let mut sex = column("sex", LogicalType::String);
    let codes = [("f", "female"), ("m", "male")];
    sex.codes =
        Some(CodeList(codes.iter().map(|(code, label)| (Value::Text((*code).into()), (*label).into())).collect()));
    let mut note = column("note", LogicalType::String);
    note.tags.insert(ColumnTag::FreeText);
    let mut parish = column("parish", LogicalType::Integer);
    parish.tags.insert(ColumnTag::SmallArea);
    let resident = contract(
        persons(),
        vec![
            column("person_id", LogicalType::String),
            sex,
            column("region", LogicalType::Integer),
            parish,
            column("age", LogicalType::Integer),
            column("income", LogicalType::Number),
            column("born", LogicalType::Date),
            note,
            column("salary", LogicalType::Number),
        ],
    );
    let mut resident = permitted(TableContract { primary_key: vec![name("person_id")], ..resident });
    resident.columns.remove(&name("salary"));
    let contact = contract(
        persons(),
        vec![
            column("person_id", LogicalType::String),
            column("diagnosis", LogicalType::String),
            column("days", LogicalType::Integer),
            column("cost", LogicalType::Number),
            column("started", LogicalType::Datetime),
        ],
    );
    let region = contract(
        TableKind::Reference,
        vec![column("code", LogicalType::Integer), column("title", LogicalType::String)],
    );
    let region = TableContract { primary_key: vec![name("code")], ..region };
    let tables = BTreeMap::from([
        (table_ref("population.resident"), resident),
        (table_ref("contacts.contact"), permitted(contact)),
        (table_ref("contacts.region"), permitted(region)),
    ]);
    PermittedCatalog { tables, max_literals: 200 }
}
