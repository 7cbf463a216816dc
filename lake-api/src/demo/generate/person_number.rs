//! Person numbers (CPR) that are valid by date and century and belong to nobody.
//!
//! A CPR is `DDMMYY` and four digits; the seventh digit tells the century, the last
//! digit's parity the sex. Until 2007 every number passed a check called modulus 11;
//! since then numbers that fail it are given out too, but only to people born on a few
//! first days of January. The generator therefore makes numbers that **fail** modulus 11
//! and whose birthday is never 1 January: they look right to any reader that follows the
//! rules, and no living person has one. The sequence is always `99xx` (or `39xx` for those
//! born before 1937), the range that the official Danish test persons use too.

use std::collections::HashSet;

use chrono::{Datelike as _, Days, NaiveDate};

use super::draw::Draw;

/// Factors of the modulus 11 check, for the ten digits in their order.
const FACTORS: [u32; 10] = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1];

/// Gives out numbers, none of them twice.
#[derive(Default)]
pub(crate) struct PersonNumbers {
    taken: HashSet<String>,
}

impl PersonNumbers {
    /// A number for someone born on about `born`. The day moves on when it is 1 January or
    /// all its numbers are taken; the day that the number shows is returned with it.
    pub(crate) fn issue(&mut self, born: NaiveDate, female: bool, draw: &mut Draw) -> (String, NaiveDate) {
        let mut day = born;
        loop {
            if !(day.month() == 1 && day.day() == 1)
                && let Some(number) = self.on_day(day, female, draw)
            {
                return (number, day);
            }
            day = day.checked_add_days(Days::new(1)).unwrap_or(born);
        }
    }

    fn on_day(&mut self, day: NaiveDate, female: bool, draw: &mut Draw) -> Option<String> {
        let century_digit = if day.year() < 1937 { 3 } else { 9 };
        let start = draw.below(50);
        (0..50).map(|step| (start + step) % 50).find_map(|pair| {
            let last_two = pair * 2 + usize::from(!female);
            let number = format!("{}{century_digit}9{last_two:02}", day.format("%d%m%y"));
            (!passes_modulus_11(&number) && self.taken.insert(number.clone())).then_some(number)
        })
    }
}

/// Whether ten digits pass the check that is no longer required.
pub(crate) fn passes_modulus_11(number: &str) -> bool {
    let sum: u32 =
        number.chars().filter_map(|c| c.to_digit(10)).zip(FACTORS).map(|(digit, factor)| digit * factor).sum();
    sum.is_multiple_of(11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_birth_date_century_and_sex_and_fails_modulus_11() {
        let mut numbers = PersonNumbers::default();
        let mut draw = Draw::new(1, "test");
        for (year, female) in [(1921, true), (1936, false), (1937, true), (1999, false), (2000, true), (2024, false)] {
            let born = NaiveDate::from_ymd_opt(year, 2, 28).unwrap();
            let (number, shown) = numbers.issue(born, female, &mut draw);
            assert_eq!(shown, born);
            assert_eq!(number[..6], born.format("%d%m%y").to_string());
            assert_eq!(&number[6..8], if year < 1937 { "39" } else { "99" });
            assert_eq!(number[9..].parse::<u32>().unwrap().is_multiple_of(2), female);
            assert!(!passes_modulus_11(&number));
        }
    }

    #[test]
    fn nobody_is_born_on_the_first_of_january() {
        let mut numbers = PersonNumbers::default();
        let born = NaiveDate::from_ymd_opt(1966, 1, 1).unwrap();
        let (number, shown) = numbers.issue(born, false, &mut Draw::new(1, "test"));
        assert!(number.starts_with("020166"));
        assert_eq!(shown, NaiveDate::from_ymd_opt(1966, 1, 2).unwrap());
    }

    #[test]
    fn a_full_day_spills_into_the_next_and_no_number_comes_twice() {
        let mut numbers = PersonNumbers::default();
        let mut draw = Draw::new(1, "test");
        let born = NaiveDate::from_ymd_opt(1980, 5, 5).unwrap();
        let issued: HashSet<String> = (0..120).map(|_| numbers.issue(born, true, &mut draw).0).collect();
        assert_eq!(issued.len(), 120);
        assert!(issued.iter().any(|number| number.starts_with("060580")));
    }

    #[test]
    fn the_check_itself_is_right() {
        // 070761-4285 is the textbook example of a number that passes.
        assert!(passes_modulus_11("0707614285"));
        assert!(!passes_modulus_11("0707614286"));
    }
}
