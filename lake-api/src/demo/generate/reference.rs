//! The public lists behind the generated registers: municipalities, diagnoses, medicines.
//!
//! The lists are facts, written down for this demo: the 98 Danish municipalities with
//! their codes, regions and approximate numbers of inhabitants (Statistics Denmark, table
//! FOLK1A, 2024, rounded), ICD-10 codes as the Danish classification SKS writes them (with
//! a leading D), and ATC codes of the World Health Organization. Weights and prices are
//! plausible inventions.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::GenerateError;

/// One municipality.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Municipality {
    /// Four digits with a leading zero, as registers write it.
    pub(crate) code: String,
    /// Its Danish name.
    pub(crate) name: String,
    /// Code of its region.
    pub(crate) region: String,
    /// About how many people live there.
    pub(crate) inhabitants: f64,
}

/// One diagnosis.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Diagnosis {
    /// The SKS code: `D` and three characters of ICD-10.
    pub(crate) code: String,
    /// The ICD-10 heading.
    pub(crate) name: String,
    /// Letter of the ICD-10 chapter's range.
    pub(crate) chapter: String,
    /// How common it is.
    pub(crate) weight: f64,
    /// Whom it can concern.
    pub(crate) sex: Concerns,
    /// From which age on.
    pub(crate) least_age: i64,
    /// Given to a handful of persons, however many there are.
    pub(crate) rare: bool,
}

/// Whom a diagnosis can concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Concerns {
    /// Everybody.
    Both,
    /// Women.
    Female,
    /// Men.
    Male,
}

impl Concerns {
    /// Whether it includes a person of this sex.
    pub(crate) const fn includes(self, female: bool) -> bool {
        match self {
            Self::Both => true,
            Self::Female => female,
            Self::Male => !female,
        }
    }
}

/// One medicine.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Medicine {
    /// The ATC code.
    pub(crate) code: String,
    /// The substance.
    pub(crate) name: String,
    /// The ATC main group's letter.
    pub(crate) main_group: String,
    /// How common it is.
    pub(crate) weight: f64,
    /// From which age on.
    pub(crate) least_age: i64,
    /// About what a package costs, in kroner.
    pub(crate) price: f64,
}

/// Codes of the five regions and their names.
pub(crate) const REGIONS: [(&str, &str); 5] = [
    ("1081", "Nordjylland"),
    ("1082", "Midtjylland"),
    ("1083", "Syddanmark"),
    ("1084", "Hovedstaden"),
    ("1085", "Sjælland"),
];

/// All lists together.
pub(crate) struct Reference {
    /// The municipalities by code.
    pub(crate) municipalities: Vec<Municipality>,
    /// The diagnoses, common ones first.
    pub(crate) diagnoses: Vec<Diagnosis>,
    /// The medicines.
    pub(crate) medicines: Vec<Medicine>,
}

impl Reference {
    /// Reads the lists that are built into the program.
    pub(crate) fn load() -> Result<Self, GenerateError> {
        Ok(Self {
            municipalities: read(include_str!("municipalities.csv"))?,
            diagnoses: read(include_str!("diagnoses.csv"))?,
            medicines: read(include_str!("medicines.csv"))?,
        })
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, GenerateError> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.map_err(GenerateError::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_98_municipalities_in_5_regions_with_four_small_islands() {
        let reference = Reference::load().unwrap();
        let codes: BTreeSet<_> = reference.municipalities.iter().map(|m| m.code.as_str()).collect();
        assert_eq!(codes.len(), 98);
        let regions: BTreeSet<_> = reference.municipalities.iter().map(|m| m.region.as_str()).collect();
        assert_eq!(regions, REGIONS.iter().map(|(code, _)| *code).collect());
        let small: Vec<_> =
            reference.municipalities.iter().filter(|m| m.inhabitants < 10_000.0).map(|m| m.name.as_str()).collect();
        assert_eq!(small, ["Ærø", "Fanø", "Samsø", "Læsø"]);
    }

    #[test]
    fn rare_diseases_have_no_weight_of_their_own() {
        let reference = Reference::load().unwrap();
        assert!(reference.diagnoses.iter().all(|d| d.rare == (d.weight == 0.0)));
        assert!(reference.diagnoses.iter().filter(|d| d.rare).count() >= 3);
    }
}
