//! The generated registers: the same bytes for the same seed, numbers that nobody has, and
//! the shape of real data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use oscar_lake_api::demo::generate::{Generated, generate};
use oscar_permit::{PersonNumber, Sha256Digest};

const PERSONS: usize = 5_000;

fn generated(seed: u64) -> (tempfile::TempDir, Generated) {
    let folder = tempfile::tempdir().unwrap();
    let generated = generate(PERSONS, seed, folder.path()).unwrap();
    (folder, generated)
}

fn digests(folder: &Path) -> BTreeMap<String, Sha256Digest> {
    let mut found = BTreeMap::new();
    for package in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(package.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            found.insert(
                path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(),
                Sha256Digest::of(fs::read(&path).unwrap()),
            );
        }
    }
    found
}

fn persons(folder: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join("population/person.csv")).unwrap();
    text.strip_prefix('\u{feff}')
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.trim_end().split(';').map(str::to_owned).collect())
        .collect()
}

/// Person number and diagnosis of every contact.
fn contacts(folder: &Path) -> Vec<(String, String)> {
    let mut text = String::new();
    GzDecoder::new(File::open(folder.join("hospital/contact.csv.gz")).unwrap()).read_to_string(&mut text).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[1].to_owned(), cells[6].to_owned())
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let ((first, _), (again, _), (other, _)) = (generated(7), generated(7), generated(8));
    let (first, again, other) = (digests(first.path()), digests(again.path()), digests(other.path()));
    assert_eq!(first, again);
    assert_eq!(first.len(), 9);
    assert_ne!(first["population/person.csv"], other["population/person.csv"]);
    assert_ne!(first["prescription/dispensing.parquet"], other["prescription/dispensing.parquet"]);
    // Public lists do not depend on chance.
    assert_eq!(first["population/municipality.csv"], other["population/municipality.csv"]);
}

#[test]
fn every_person_number_is_valid_by_date_and_sex_and_fails_modulus_11() {
    let (folder, _) = generated(1);
    let persons = persons(folder.path());
    assert_eq!(persons.len(), PERSONS);
    let mut seen = BTreeSet::new();
    for person in &persons {
        let (number, sex, born) = (&person[0], &person[1], &person[2]);
        assert!(seen.insert(number.clone()), "a number was given out twice");
        assert!(PersonNumber::parse(number).is_some(), "a number is not recognised");
        let digits: Vec<u32> = number.chars().map(|c| c.to_digit(10).unwrap()).collect();
        let sum: u32 = digits.iter().zip([4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).map(|(digit, factor)| digit * factor).sum();
        assert_ne!(sum % 11, 0, "a number could belong to someone");
        assert_eq!(sex == "F", digits[9].is_multiple_of(2));
        assert_eq!(&number[..6], format!("{}{}{}", &born[8..10], &born[5..7], &born[2..4]));
        assert!(!born.ends_with("-01-01"));
    }
}

#[test]
fn rare_diseases_have_three_to_seven_patients_and_common_ones_many() {
    let (folder, _) = generated(3);
    let mut patients: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (number, diagnosis) in contacts(folder.path()) {
        patients.entry(diagnosis).or_default().insert(number);
    }
    for rare in ["DE84", "DG10", "DD57", "DM88"] {
        assert!((3..=7).contains(&patients[rare].len()), "{rare} has {} patients", patients[rare].len());
    }
    assert!(patients["DZ03"].len() > 200);
    assert!(patients.len() > 40);
}

#[test]
fn a_few_persons_have_very_many_contacts_and_many_have_none() {
    let (folder, _) = generated(3);
    let mut per_person: BTreeMap<String, usize> = BTreeMap::new();
    for (number, _) in contacts(folder.path()) {
        *per_person.entry(number).or_default() += 1;
    }
    let without = PERSONS - per_person.len();
    assert!(without > PERSONS / 10, "only {without} persons have no contact");
    let mut counts: Vec<usize> = per_person.into_values().collect();
    counts.sort_unstable();
    let (median, most) = (counts[counts.len() / 2], counts[counts.len() - 1]);
    assert!(most > 10 * median, "the heaviest user has {most} contacts, the median is {median}");
}

#[test]
fn the_neighbours_of_the_attack_are_fewer_than_any_threshold() {
    for seed in 0..5 {
        let (folder, generated) = generated(seed);
        let neighbours = generated.neighbours;
        let counted = persons(folder.path())
            .iter()
            .filter(|p| p[4] == neighbours.municipality && p[3].parse::<i32>().unwrap() >= neighbours.born_from)
            .count();
        assert_eq!(counted, neighbours.persons);
        assert!((1..10).contains(&counted), "{counted} neighbours");
    }
}

#[test]
fn a_descriptor_names_digest_size_and_rows_of_every_file() {
    let (_folder, generated) = generated(1);
    let mut files = 0;
    for descriptor in &generated.packages {
        let package: serde_json::Value = serde_json::from_slice(&fs::read(descriptor).unwrap()).unwrap();
        for resource in package["resources"].as_array().unwrap() {
            let bytes = fs::read(descriptor.with_file_name(resource["path"].as_str().unwrap())).unwrap();
            assert_eq!(resource["hash"], format!("sha256:{}", Sha256Digest::of(&bytes)));
            assert_eq!(resource["bytes"], bytes.len());
            assert!(resource["oscar"]["rows"].as_u64().unwrap() > 0);
            files += 1;
        }
    }
    assert_eq!(files, 6);
}
