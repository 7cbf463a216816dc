//! From the person key of a row to its pseudonym and its hidden index.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Builder, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use hmac::Hmac;
use oscar_lake::person_index_to_storage;
use oscar_permit::PersonIndex;
use sha2::Sha256;
use tokio::runtime::Handle;

use crate::IntakeError;
use crate::person_index::{HashedKey, PersonIndexStore};
use crate::pseudonymise::{PersonKeyForm, Pseudonym, Pseudonymiser, tag};

/// Persons remembered by each worker: 56 bytes each.
const CACHE: usize = 1 << 18;

/// What all tables of a delivery use to name persons.
#[derive(Clone)]
pub(crate) struct PersonServices {
    pub(crate) pseudonymiser: Arc<dyn Pseudonymiser>,
    /// Keyed hash of the spoke-wide index.
    pub(crate) index_key: Hmac<Sha256>,
    pub(crate) index: Arc<PersonIndexStore>,
    pub(crate) runtime: Handle,
}

/// A person key's normal form under two random hashes: 128 bits, only ever in memory.
type Fingerprint = (u64, u64);

#[derive(Clone, Copy)]
struct Person {
    fingerprint: Fingerprint,
    pseudonym: Pseudonym,
    index: u32,
}

/// One worker's view of the persons.
pub(crate) struct Persons {
    services: PersonServices,
    form: PersonKeyForm,
    hashers: (RandomState, RandomState),
    /// Direct-mapped: the newest person of a place stays.
    cache: Vec<Option<Person>>,
}

/// Pseudonyms, hidden indexes, and the rows whose key is none.
pub(crate) struct Named {
    pub(crate) pseudonyms: ArrayRef,
    pub(crate) indexes: ArrayRef,
    pub(crate) wrong: Vec<u32>,
    pub(crate) present: u64,
}

impl Persons {
    pub(crate) fn new(services: PersonServices, form: PersonKeyForm) -> Self {
        Self { services, form, hashers: (RandomState::new(), RandomState::new()), cache: vec![None; CACHE] }
    }

    /// Names the persons of a key column; rows that are `bad` already are skipped.
    pub(crate) fn of_column(&mut self, keys: &ArrayRef, bad: &[bool]) -> Result<Named, IntakeError> {
        let form = self.form.clone();
        if keys.data_type() == &DataType::Int64 {
            let numbers = keys.as_primitive::<Int64Type>();
            self.name(numbers.iter().zip(bad), |number, key| form.write_integer(number, key))
        } else {
            let texts = keys.as_string::<i32>();
            self.name(texts.iter().zip(bad), |text, key| form.write_text(text, key))
        }
    }

    /// Names the persons of rows that are persons.
    pub(crate) fn of_rows(&mut self, first_row: u64, bad: &[bool]) -> Result<Named, IntakeError> {
        let form = self.form.clone();
        let rows = (first_row..).map(i64::try_from).map(Result::ok);
        self.name(rows.zip(bad), |row, key| form.write_integer(row, key))
    }

    fn name<'b, T>(
        &mut self,
        keys: impl Iterator<Item = (Option<T>, &'b bool)>,
        write: impl Fn(T, &mut Vec<u8>) -> bool,
    ) -> Result<Named, IntakeError> {
        let mut rows: Vec<RowPerson> = Vec::new();
        let mut wrong = Vec::new();
        let mut unknown: Vec<(Fingerprint, Vec<u8>)> = Vec::new();
        let mut asked: HashMap<Fingerprint, usize> = HashMap::new();
        let mut key = Vec::new();
        for (row, (value, bad)) in (0u32..).zip(keys) {
            let Some(value) = value.filter(|_| !*bad) else {
                rows.push(RowPerson::Nobody);
                continue;
            };
            if !write(value, &mut key) {
                wrong.push(row);
                rows.push(RowPerson::Nobody);
                continue;
            }
            let fingerprint = (self.hashers.0.hash_one(&key), self.hashers.1.hash_one(&key));
            if let Some(person) = self.cached(fingerprint) {
                rows.push(RowPerson::Known(person));
                continue;
            }
            let place = *asked.entry(fingerprint).or_insert_with(|| {
                unknown.push((fingerprint, key.clone()));
                unknown.len() - 1
            });
            rows.push(RowPerson::Asked(place));
        }
        let answers = self.look_up(&unknown)?;
        Ok(assemble(&rows, &answers, wrong))
    }

    fn place(&self, fingerprint: Fingerprint) -> usize {
        usize::try_from(fingerprint.0 % self.cache.len().max(1) as u64).unwrap_or(0)
    }

    fn cached(&self, fingerprint: Fingerprint) -> Option<Person> {
        let person = self.cache.get(self.place(fingerprint)).copied().flatten()?;
        (person.fingerprint == fingerprint).then_some(person)
    }

    /// Asks for persons that the cache does not have; numbers new ones before they are used.
    fn look_up(&mut self, unknown: &[(Fingerprint, Vec<u8>)]) -> Result<Vec<Person>, IntakeError> {
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
        let mut persons = Vec::with_capacity(unknown.len());
        for (((fingerprint, _), pseudonym), index) in unknown.iter().zip(pseudonyms).zip(numbers) {
            let person = Person { fingerprint: *fingerprint, pseudonym, index };
            persons.push(person);
            let place = self.place(*fingerprint);
            if let Some(slot) = self.cache.get_mut(place) {
                *slot = Some(person);
            }
        }
        Ok(persons)
    }
}

/// Who a row is about.
enum RowPerson {
    Nobody,
    Known(Person),
    /// The place among the persons that were asked for.
    Asked(usize),
}

fn assemble(rows: &[RowPerson], answers: &[Person], wrong: Vec<u32>) -> Named {
    let mut pseudonyms = StringBuilder::with_capacity(rows.len(), rows.len() * 32);
    let mut indexes = Int32Builder::with_capacity(rows.len());
    let mut present = 0;
    for row in rows {
        let person = match row {
            RowPerson::Nobody => None,
            RowPerson::Known(person) => Some(person),
            RowPerson::Asked(place) => answers.get(*place),
        };
        if let Some(person) = person {
            present += 1;
            pseudonyms.append_value(person.pseudonym.as_str());
            indexes.append_value(person_index_to_storage(PersonIndex(person.index)));
        } else {
            pseudonyms.append_null();
            indexes.append_null();
        }
    }
    Named { pseudonyms: Arc::new(pseudonyms.finish()), indexes: Arc::new(indexes.finish()), wrong, present }
}
