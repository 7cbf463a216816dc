//! What a worker makes of a block.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::person_cache::PersonCache;
use super::persons::{Named, PersonServices, Persons};
use crate::check::{Fault, KeyHasher, KeySet, LeakCount, Rule, check_fields, count_leaks, mask};
use crate::package::{Encoding, Fate, FileFormat, PersonPlan, ReferencedFields, ResourcePlan};
use crate::read::{Block, Columns, RawBlock, cells_of_lines, cells_of_plain_lines, columns_of_batch, columns_of_cells};
use crate::{IntakeError, Refusal};

/// A block whose rows have been checked one by one.
pub(crate) struct CheckedBlock {
    pub(crate) first_row: u64,
    pub(crate) bytes_read: u64,
    pub(crate) rows: usize,
    pub(crate) faults: Vec<Fault>,
    /// The columns of the lake in the contract's order, the hidden index last.
    pub(crate) arrays: Vec<ArrayRef>,
    /// Hashes of the keys that must not occur twice, by `ResourcePlan::keys`.
    pub(crate) keys: Vec<Vec<Option<u64>>>,
    /// Hashes of the keys that others refer to, by `ResourcePlan::provides`.
    pub(crate) provided: Vec<Vec<Option<u64>>>,
    /// By field.
    pub(crate) leaks: Vec<LeakCount>,
    /// Cells masked, by field.
    pub(crate) masked: Vec<u64>,
    /// Rows with a person.
    pub(crate) persons: u64,
    /// Fields that have occurred so far in this worker's lines of JSON.
    pub(crate) seen: Vec<bool>,
}

/// One worker: everything it needs is its own or shared read-only.
pub(crate) struct Worker {
    plan: Arc<ResourcePlan>,
    hasher: KeyHasher,
    /// The keys of `ResourcePlan::references`.
    referenced: Vec<Arc<KeySet>>,
    persons: Option<Persons>,
    seen: Vec<bool>,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<ResourcePlan>,
        hasher: KeyHasher,
        referenced: Vec<Arc<KeySet>>,
        services: &PersonServices,
        cache: &Arc<PersonCache>,
    ) -> Self {
        let persons = match &plan.person {
            PersonPlan::Nobody => None,
            PersonPlan::Field { form, .. } | PersonPlan::Rows { form, .. } => {
                Some(Persons::new(services.clone(), form.clone(), Arc::clone(cache)))
            }
        };
        let seen = vec![false; plan.fields.len()];
        Self { plan, hasher, referenced, persons, seen }
    }

    pub(crate) fn work(&mut self, block: Block) -> Result<CheckedBlock, IntakeError> {
        let Block { first_row, bytes_read, content } = block;
        let plan = Arc::clone(&self.plan);
        let mut columns = self.columns(content, first_row)?;
        check_fields(&plan.fields, &mut columns);
        // Before the keys, which compare persons. A row that is bad by now has none, and so no key with one.
        let named = self.name_persons(&mut columns, first_row)?;
        let persons = named.as_ref().map(|named| &named.indexes);
        let keys = plan.keys.iter().map(|key| self.hash(&columns, &key.fields, persons)).collect();
        let hash = |of: &ReferencedFields| self.hash(&columns, &of.fields, persons.filter(|_| of.as_person));
        let provided = plan.provides.iter().map(hash).collect();
        self.check_references(&mut columns, persons);
        let identifier = match &plan.person {
            PersonPlan::Field { index, form } if form.is_identifier() => Some(*index),
            PersonPlan::Field { .. } | PersonPlan::Rows { .. } | PersonPlan::Nobody => None,
        };
        let fields = plan.fields.iter().zip(&columns.arrays).enumerate();
        let leaks = fields
            .map(|(index, (field, array))| count_leaks(field, array.as_ref(), identifier == Some(index)))
            .collect();
        let mut masked = vec![0; plan.fields.len()];
        let persons = named.as_ref().map_or(0, |named| named.present);
        let arrays = self.lake_columns(&columns, named, &mut masked)?;
        let Columns { arrays: _, rows, faults } = columns;
        let seen = self.seen.clone();
        Ok(CheckedBlock { first_row, bytes_read, rows, faults, arrays, keys, provided, leaks, masked, persons, seen })
    }

    fn columns(&mut self, content: RawBlock, first_row: u64) -> Result<Columns, IntakeError> {
        let plan = &self.plan;
        let refused = |source| IntakeError::Refused(Refusal::Read { table: plan.table.clone(), source });
        let encoding = match plan.format {
            FileFormat::Csv(dialect) => dialect.encoding,
            FileFormat::NdJson | FileFormat::Parquet => Encoding::Utf8,
        };
        match content {
            RawBlock::Cells(block) => Ok(columns_of_cells(&plan.fields, encoding, block)),
            RawBlock::Plain { bytes, delimiter, width, mapping } => {
                let block = cells_of_plain_lines(bytes, delimiter, width, mapping, first_row).map_err(refused)?;
                Ok(columns_of_cells(&plan.fields, encoding, block))
            }
            RawBlock::Lines { bytes, places } => {
                let block = cells_of_lines(&plan.fields, plan.matching, bytes, &places, first_row, &mut self.seen)
                    .map_err(refused)?;
                Ok(columns_of_cells(&plan.fields, Encoding::Utf8, block))
            }
            RawBlock::Batch { batch, file } => columns_of_batch(&plan.fields, &batch, file).map_err(refused),
        }
    }

    /// Hashes the rows' keys over some fields; where `persons` are given, the person key by them.
    fn hash(&self, columns: &Columns, fields: &[usize], persons: Option<&ArrayRef>) -> Vec<Option<u64>> {
        let person = self.plan.person_field().map(|(index, _)| index);
        let array = |index: &usize| {
            let persons = persons.filter(|_| person == Some(*index));
            persons.or_else(|| columns.arrays.get(*index))
        };
        let arrays: Vec<&ArrayRef> = fields.iter().filter_map(array).collect();
        self.hasher.hash_rows(&arrays, columns.rows)
    }

    fn check_references(&self, columns: &mut Columns, persons: Option<&ArrayRef>) {
        for (reference, set) in self.plan.references.iter().zip(&self.referenced) {
            let hashes = self.hash(columns, &reference.fields, persons.filter(|_| reference.as_person));
            for (row, hash) in (0u32..).zip(hashes) {
                if hash.is_some_and(|hash| !set.contains(hash)) {
                    let field = reference.fields.first().copied();
                    columns.faults.push(Fault { row, field, rule: Rule::ForeignKey });
                }
            }
        }
    }

    /// The persons of the rows that are not bad so far; a key that names nobody is a fault.
    fn name_persons(&self, columns: &mut Columns, first_row: u64) -> Result<Option<Named>, IntakeError> {
        let mut bad = vec![false; columns.rows];
        columns.faults.iter().for_each(|fault| mark(&mut bad, fault.row));
        match (&self.plan.person, self.persons.as_ref()) {
            (PersonPlan::Field { index, .. }, Some(persons)) => {
                let keys = columns.arrays.get(*index).ok_or(IntakeError::Interrupted)?;
                let named = persons.of_column(keys, &bad)?;
                let fault = |row: &u32| Fault { row: *row, field: Some(*index), rule: Rule::PersonKey };
                columns.faults.extend(named.wrong.iter().map(fault));
                Ok(Some(named))
            }
            (PersonPlan::Rows { .. }, Some(persons)) => persons.of_rows(first_row, &bad).map(Some),
            (PersonPlan::Nobody, None) => Ok(None),
            (PersonPlan::Field { .. } | PersonPlan::Rows { .. }, None) | (PersonPlan::Nobody, Some(_)) => {
                Err(IntakeError::Interrupted)
            }
        }
    }

    /// The columns that enter the lake.
    fn lake_columns(
        &self,
        columns: &Columns,
        named: Option<Named>,
        masked: &mut [u64],
    ) -> Result<Vec<ArrayRef>, IntakeError> {
        let plan = &self.plan;
        let mut arrays = Vec::with_capacity(plan.fields.len() + 2);
        if let (PersonPlan::Rows { .. }, Some(named)) = (&plan.person, &named) {
            arrays.push(Arc::clone(&named.pseudonyms));
        }
        for ((field, array), masked) in plan.fields.iter().zip(&columns.arrays).zip(masked) {
            match field.fate {
                Fate::Keep => arrays.push(Arc::clone(array)),
                Fate::Mask => {
                    let (array, count) = mask(field, array);
                    *masked = count;
                    arrays.push(array);
                }
                Fate::PersonKey => match &named {
                    Some(named) => arrays.push(Arc::clone(&named.pseudonyms)),
                    None => return Err(IntakeError::Interrupted),
                },
                Fate::Drop => {}
            }
        }
        arrays.extend(named.map(|named| named.indexes));
        Ok(arrays)
    }
}

/// Marks a row as bad.
pub(crate) fn mark(bad: &mut [bool], row: u32) {
    if let Some(slot) = bad.get_mut(row as usize) {
        *slot = true;
    }
}
