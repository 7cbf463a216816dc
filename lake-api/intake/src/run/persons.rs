//! From the person key of a row to its pseudonym and its hidden index.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Int64Type};
use hmac::Hmac;
use oscar_lake::{Pseudonym, person_index_to_storage};
use oscar_permit::PersonIndex;
use sha2::Sha256;
use tokio::runtime::Handle;

use super::person_cache::{CellKey, Person, PersonCache};
use crate::IntakeError;
use crate::fast_hash::FastMap;
use crate::person_index::{HashedKey, PersonIndexStore};
use crate::pseudonymise::{PersonKeyForm, Pseudonymiser, tag};

/// What all tables of a delivery use to name persons.
#[derive(Clone)]
pub(crate) struct PersonServices {
    pub(crate) pseudonymiser: Arc<dyn Pseudonymiser>,
    /// Keyed hash of the spoke-wide index.
    pub(crate) index_key: Hmac<Sha256>,
    pub(crate) index: Arc<PersonIndexStore>,
    pub(crate) runtime: Handle,
}

/// One worker's view of the persons of a table.
pub(crate) struct Persons {
    services: PersonServices,
    form: PersonKeyForm,
    cache: Arc<PersonCache>,
}

/// Pseudonyms, hidden indexes, and the rows whose key is none.
pub(crate) struct Named {
    pub(crate) pseudonyms: ArrayRef,
    pub(crate) indexes: ArrayRef,
    pub(crate) wrong: Vec<u32>,
    pub(crate) present: u64,
}

impl Persons {
    /// `cache` is that of the table's key column.
    pub(crate) const fn new(services: PersonServices, form: PersonKeyForm, cache: Arc<PersonCache>) -> Self {
        Self { services, form, cache }
    }

    /// Names the persons of a key column; rows that are `bad` already are skipped.
    pub(crate) fn of_column(&self, keys: &ArrayRef, bad: &[bool]) -> Result<Named, IntakeError> {
        if keys.data_type() == &DataType::Int64 {
            let numbers = keys.as_primitive::<Int64Type>();
            self.name(numbers.iter().zip(bad), PersonCache::number_key, |number, key| {
                self.form.write_integer(number, key)
            })
        } else {
            let texts = keys.as_string::<i32>();
            let all = texts.value_data();
            let piece = |start: &i32| all.get(usize::try_from(*start).ok()?..)?.first_chunk::<16>();
            let cells = texts.iter().zip(texts.value_offsets()).map(|(text, start)| Some((text?, piece(start))));
            let key = |(text, piece)| self.cache.text_key(text, piece);
            self.name(cells.zip(bad), key, |(text, _), key| self.form.write_text(text, key))
        }
    }

    /// Names the persons of rows that are persons.
    pub(crate) fn of_rows(&self, first_row: u64, bad: &[bool]) -> Result<Named, IntakeError> {
        let rows = (first_row..).map(i64::try_from).map(Result::ok);
        self.name(rows.zip(bad), PersonCache::number_key, |row, key| self.form.write_integer(row, key))
    }

    fn name<'b, T: Copy>(
        &self,
        keys: impl Iterator<Item = (Option<T>, &'b bool)>,
        cell: impl Fn(T) -> CellKey,
        write: impl Fn(T, &mut Vec<u8>) -> bool,
    ) -> Result<Named, IntakeError> {
        let values: Vec<Option<T>> = keys.map(|(value, bad)| value.filter(|_| !*bad)).collect();
        let cells: Vec<Option<CellKey>> = values.iter().map(|value| value.map(&cell)).collect();
        let mut persons = self.cache.find(&cells);
        let mut unknown: Vec<(CellKey, Vec<u8>)> = Vec::new();
        let mut asked: FastMap<CellKey, Option<usize>> = FastMap::default();
        let mut waiting: Vec<(usize, usize)> = Vec::new();
        let mut wrong = Vec::new();
        let mut key = Vec::new();
        for (row, ((value, cell), person)) in values.iter().zip(&cells).zip(&persons).enumerate() {
            let (Some(value), Some(cell), None) = (value, cell, person) else { continue };
            let place = asked.entry(*cell).or_insert_with(|| {
                write(*value, &mut key).then(|| {
                    unknown.push((*cell, key.clone()));
                    unknown.len() - 1
                })
            });
            match place {
                Some(place) => waiting.push((row, *place)),
                None => wrong.push(u32::try_from(row).map_err(|_| IntakeError::Interrupted)?),
            }
        }
        let answers = self.look_up(&unknown)?;
        for (row, place) in waiting {
            if let Some(person) = persons.get_mut(row) {
                *person = answers.get(place).copied();
            }
        }
        assemble(&persons, wrong)
    }

    /// Asks for persons that the cache does not have; numbers new ones before they are used.
    fn look_up(&self, unknown: &[(CellKey, Vec<u8>)]) -> Result<Vec<Person>, IntakeError> {
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&[u8]> = unknown.iter().map(|(_, key)| key.as_slice()).collect();
        let pseudonyms = self.services.pseudonymiser.pseudonyms(&keys)?;
        let hashed: Vec<HashedKey> = keys.iter().map(|key| tag(&self.services.index_key, key)).collect();
        let numbers = self.services.runtime.block_on(self.services.index.numbers(&hashed))?;
        if pseudonyms.len() != unknown.len() || numbers.len() != unknown.len() {
            return Err(IntakeError::Interrupted);
        }
        let persons = pseudonyms.into_iter().zip(numbers).map(|(pseudonym, index)| Person { pseudonym, index });
        let named: Vec<(CellKey, Person)> = unknown.iter().map(|(cell, _)| *cell).zip(persons).collect();
        self.cache.remember(&named);
        Ok(named.into_iter().map(|(_, person)| person).collect())
    }
}

/// The two columns of persons; where a row has none, both are null.
fn assemble(persons: &[Option<Person>], wrong: Vec<u32>) -> Result<Named, IntakeError> {
    let pseudonyms = Pseudonym::column(persons.iter().map(|person| person.as_ref().map(|person| &person.pseudonym)));
    let pseudonyms = pseudonyms.map_err(|_| IntakeError::Interrupted)?;
    let nulls = pseudonyms.nulls().cloned();
    let present = persons.len() - pseudonyms.null_count();
    let index = |person: &Option<Person>| person.map_or(0, |person| person_index_to_storage(PersonIndex(person.index)));
    let indexes: Vec<i32> = persons.iter().map(index).collect();
    Ok(Named {
        pseudonyms: Arc::new(pseudonyms),
        indexes: Arc::new(Int32Array::new(ScalarBuffer::from(indexes), nulls)),
        wrong,
        present: present as u64,
    })
}
