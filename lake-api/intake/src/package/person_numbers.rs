//! Person numbers in the words of a package.
//!
//! Names, titles, descriptions and code lists become the contract: the catalogue shows them to
//! everybody with a permit, and messages repeat them. So every text of the descriptor is searched,
//! names of properties included, before anything else looks at it. The code lists of a field
//! whose holder has given a reason (`oscar.notPersonNumber`) are judged as its column is: by share.

#![expect(clippy::indexing_slicing, reason = "a serde_json value gives null where there is nothing")]

use std::fmt::Write as _;

use oscar_permit::PersonNumber;
use serde_json::Value as Json;

use crate::check::DistinctSample;
use crate::fast_hash::FastMap;

/// More than this share of nine- and ten-digit codes is not chance.
const CHANCE: f64 = 0.25;

/// One step down into the descriptor.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

/// Where the descriptor holds a person number, as `resources[0].schema.fields[2].title`.
pub(super) fn place_of_person_number(descriptor: &Json) -> Option<String> {
    let mut path = Vec::new();
    let fields = Fields::of(descriptor);
    text_with_number(&fields, descriptor, &mut path).or_else(|| codes_with_numbers(descriptor))
}

/// Of every resource its fields, and where the first of a name is.
struct Fields<'a>(Vec<(&'a [Json], FastMap<&'a str, usize>)>);

impl<'a> Fields<'a> {
    fn of(descriptor: &'a Json) -> Self {
        let resources = descriptor["resources"].as_array().into_iter().flatten();
        let of_resource = |resource: &'a Json| {
            let fields = fields(resource);
            let mut places = FastMap::default();
            for (place, name) in fields.iter().enumerate().filter_map(|(at, field)| Some((at, field["name"].as_str()?)))
            {
                places.entry(name).or_insert(place);
            }
            (fields, places)
        };
        Self(resources.map(of_resource).collect())
    }

    /// Whether the path leads into the list of values of a field for which a reason is given.
    fn lead_into_explained_list(&self, path: &[Step<'_>]) -> bool {
        use Step::{Item, Name};
        let field = match path {
            [Name("resources"), Item(resource), Name("oscar"), Name("codes"), Name(field)] => {
                let fields = self.0.get(*resource);
                fields.and_then(|(fields, places)| fields.get(*places.get(field)?))
            }
            [Name("resources"), Item(resource), Name("schema"), Name("fields"), Item(field), Name(list)]
                if matches!(*list, "categories" | "constraints" | "example" | "examples" | "missingValues") =>
            {
                self.0.get(*resource).and_then(|(fields, _)| fields.get(*field))
            }
            _ => None,
        };
        field.is_some_and(has_reason)
    }
}

/// The first text that holds a number.
fn text_with_number<'a>(fields: &Fields<'_>, value: &'a Json, path: &mut Vec<Step<'a>>) -> Option<String> {
    if fields.lead_into_explained_list(path) {
        return None;
    }
    let mut inside = |step, inner, name: Option<&str>| {
        path.push(step);
        let found = if name.is_some_and(PersonNumber::occurs_in) {
            Some(written(path))
        } else {
            text_with_number(fields, inner, path)
        };
        path.pop();
        found
    };
    match value {
        Json::String(text) => PersonNumber::occurs_in(text).then(|| written(path)),
        Json::Array(items) => items.iter().enumerate().find_map(|(index, item)| inside(Step::Item(index), item, None)),
        Json::Object(items) => items.iter().find_map(|(name, item)| inside(Step::Name(name), item, Some(name))),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

/// A path in words. A name that is itself the number is not repeated.
fn written(path: &[Step<'_>]) -> String {
    let mut words = String::new();
    for step in path {
        match step {
            Step::Item(index) => {
                // Writing to a string does not fail.
                let _ = write!(words, "[{index}]");
            }
            Step::Name(name) => {
                let dot = if words.is_empty() { "" } else { "." };
                let name = PersonNumber::mask(name, "…").unwrap_or_else(|| (*name).to_owned());
                words += dot;
                words += &name;
            }
        }
    }
    words
}

fn fields(resource: &Json) -> &[Json] {
    resource["schema"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn has_reason(field: &Json) -> bool {
    field["oscar"]["notPersonNumber"].is_string()
}

/// The first field whose code list is one of person numbers.
fn codes_with_numbers(descriptor: &Json) -> Option<String> {
    let resources = descriptor["resources"].as_array()?;
    for (at, resource) in resources.iter().enumerate() {
        let zeros = structural_zeros(resource);
        for (index, field) in fields(resource).iter().enumerate() {
            if is_list_of_numbers(&codes(resource, field, &zeros), has_reason(field)) {
                return Some(format!("the codes of resources[{at}].schema.fields[{index}]"));
            }
        }
    }
    None
}

/// The values that structural zeros have, by the field's name.
fn structural_zeros(resource: &Json) -> FastMap<&str, Vec<&Json>> {
    let zeros = resource["oscar"]["structuralZeros"].as_array().into_iter().flatten();
    let mut values: FastMap<&str, Vec<&Json>> = FastMap::default();
    for (name, value) in zeros.filter_map(Json::as_object).flatten() {
        values.entry(name).or_default().push(value);
    }
    values
}

/// The codes of a field, wherever they are written.
fn codes(resource: &Json, field: &Json, zeros: &FastMap<&str, Vec<&Json>>) -> Vec<String> {
    let name = field["name"].as_str().unwrap_or_default();
    let listed = resource["oscar"]["codes"][name].as_object().into_iter().flatten().map(|(code, _)| code.clone());
    let categories = field["categories"].as_array().into_iter().flatten();
    let categories = categories.map(|category| text(category.get("value").unwrap_or(category)));
    let zeros = zeros.get(name).into_iter().flatten().copied().map(text);
    listed.chain(categories).chain(zeros).collect()
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_list_of_numbers(codes: &[String], has_reason: bool) -> bool {
    let mut sample = DistinctSample::default();
    let (mut candidates, mut numbers) = (0_u32, 0_u32);
    for code in codes {
        let digits = code.trim_start_matches('-').trim_end_matches(".0").parse::<i64>().ok();
        let candidate = digits.is_some_and(|digits| (100_000_000..=9_999_999_999).contains(&digits));
        let is_number = PersonNumber::occurs_in(code) || digits.and_then(PersonNumber::parse_integer).is_some();
        candidates += u32::from(candidate);
        numbers += u32::from(candidate && is_number);
        sample.insert(code, is_number);
    }
    let often = f64::from(numbers) > f64::from(candidates) * CHANCE;
    (often && !has_reason) || sample.is_full_of_numbers()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn package() -> Json {
        json!({"title": "T", "oscar": {"dataset": "d"}, "resources": [{
            "name": "a", "path": "a.csv", "bytes": 201_609_995,
            "hash": "sha256:4f2e0201609995ab4f2e0201609995ab4f2e0201609995ab4f2e0201609995ab",
            "schema": {"fields": [{"name": "x", "type": "string"}, {"name": "y", "type": "integer"}]},
            "oscar": {"kind": "reference", "codes": {"x": {"a": "b"}}},
        }]})
    }

    #[test]
    fn sizes_and_digests_are_no_person_numbers() {
        assert_eq!(place_of_person_number(&package()), None);
    }

    #[rstest]
    #[case("/title", json!("of 020160-9995"), "title")]
    #[case("/oscar/holder", json!("0201609995"), "oscar.holder")]
    #[case("/oscar/0201609995", json!(1), "oscar.…")]
    #[case("/resources/0/schema/fields/1/name", json!("n0201609995"), "resources[0].schema.fields[1].name")]
    #[case("/resources/0/schema/fields/1/unknown", json!({"deep": [1, "０２０１６０-9995"]}), "resources[0].schema.fields[1].unknown.deep[1]")]
    #[case("/resources/0/oscar/codes/x/0201609995", json!("label"), "resources[0].oscar.codes.x.…")]
    #[case("/resources/0/oscar/codes/y", json!({"201609995": "label", "1": "one"}), "the codes of resources[0].schema.fields[1]")]
    #[case("/resources/0/schema/fields/1/categories", json!([1, 201_609_995]), "the codes of resources[0].schema.fields[1]")]
    #[case("/resources/0/oscar/structuralZeros", json!([{"y": 201_609_995}]), "the codes of resources[0].schema.fields[1]")]
    fn a_number_is_found_wherever_it_is_written_and_not_repeated(
        #[case] place: &str,
        #[case] value: Json,
        #[case] says: &str,
    ) {
        let mut package = package();
        let (parent, name) = place.rsplit_once('/').unwrap();
        package.pointer_mut(parent).unwrap()[name] = value;
        assert_eq!(place_of_person_number(&package).as_deref(), Some(says));
    }

    /// Every code and every structural zero is looked up once, and not beside every field.
    #[test]
    fn many_fields_and_many_codes_are_no_burden() {
        let mut package = package();
        let resource = &mut package["resources"][0];
        resource["schema"]["fields"] = (0..50_000).map(|n| json!({"name": format!("f{n}")})).collect();
        let codes: serde_json::Map<_, _> = (0..50_000).map(|n| (format!("f{n}"), json!({"a": "b"}))).collect();
        resource["oscar"]["codes"] = codes.into();
        resource["oscar"]["structuralZeros"] = (0..50_000).map(|n| json!({format!("f{n}"): 1})).collect();
        assert_eq!(place_of_person_number(&package), None);
        package["resources"][0]["oscar"]["structuralZeros"][49_999]["f7"] = json!(201_609_995);
        let found = place_of_person_number(&package);
        assert_eq!(found.as_deref(), Some("the codes of resources[0].schema.fields[7]"));
    }

    #[test]
    fn codes_with_a_reason_are_judged_by_their_share() {
        let mut package = package();
        package["resources"][0]["schema"]["fields"][0]["oscar"] = json!({"notPersonNumber": "SNOMED CT"});
        let codes = &mut package["resources"][0]["oscar"]["codes"]["x"];
        (0..30).for_each(|n| codes[format!("{n}")] = json!("label"));
        codes["1209197008"] = json!("1209197008, a procedure");
        assert_eq!(place_of_person_number(&package), None);
        let codes = &mut package["resources"][0]["oscar"]["codes"]["x"];
        (0..20).for_each(|n| codes[format!("02016099{n:02}")] = json!("label"));
        assert!(place_of_person_number(&package).is_some());
    }
}
