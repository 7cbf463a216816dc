//! The questions about the generated registers.

use super::{Attack, Key, Question, Scenario, Shape};
use crate::demo::generate::Generated;

pub(super) fn scenario(generated: &Generated) -> Scenario {
    Scenario {
        first: vec![
            Question::new(
                "Persons by region and sex",
                "SELECT region, sex, count(DISTINCT person_id) AS persons\nFROM population.person\nGROUP BY region, sex",
            ),
            Question::new(
                "Patients and contacts by kind of hospital contact",
                "SELECT contact_type, count(DISTINCT person_id) AS patients, count(*) AS contacts\nFROM hospital.contact\n\
                 GROUP BY contact_type",
            ),
            Question::new(
                "Persons with medicine by ATC main group",
                "SELECT m.main_group, count(DISTINCT d.person_id) AS persons\nFROM prescription.dispensing AS d\n\
                 JOIN prescription.medicine AS m ON m.code = d.atc\nGROUP BY m.main_group",
            ),
        ],
        automatic: vec![
            Question::new(
                "Persons by marital status",
                "SELECT marital_status, count(DISTINCT person_id) AS persons\nFROM population.person\nGROUP BY marital_status",
            ),
            Question::new(
                "Dispensed prescriptions by sex",
                "SELECT p.sex, count(DISTINCT d.person_id) AS persons, count(*) AS prescriptions\n\
                 FROM prescription.dispensing AS d\nJOIN population.person AS p ON p.person_id = d.person_id\nGROUP BY p.sex",
            ),
            Question::new(
                "Persons by region",
                "SELECT region, count(DISTINCT person_id) AS persons\nFROM population.person\nGROUP BY region",
            ),
        ],
        suppressed: vec![Question::of(Shape {
            table: "hospital.contact".into(),
            person: "person_id".into(),
            keys: vec![Key::plain("diagnosis", true)],
        })],
        attacks: vec![attack(generated)],
        rows: Question::new(
            "The heaviest users, row by row",
            "SELECT person_id, diagnosis, start_date\nFROM hospital.contact\nWHERE bed_days > 60",
        ),
    }
}

fn attack(generated: &Generated) -> Attack {
    let neighbours = &generated.neighbours;
    let sql = format!(
        "SELECT region, sex, count(DISTINCT person_id) AS persons\nFROM population.person\n\
         WHERE NOT (municipality = '{}' AND birth_year >= {})\nGROUP BY region, sex",
        neighbours.municipality, neighbours.born_from
    );
    Attack {
        question: Question::new("Persons by region and sex, again", &sql),
        thought: format!(
            "The analyst knows that {} has very few inhabitants born in {} or later. The first table minus\n   \
             the same table without them would be a table of exactly these neighbours (they are {}).",
            neighbours.name, neighbours.born_from, neighbours.persons
        ),
        certain: true,
    }
}
