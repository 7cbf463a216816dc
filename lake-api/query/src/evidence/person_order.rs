//! Rows in the order of their persons.
//!
//! A radix sort over the bits that persons really use: two passes for half a million
//! persons, a multiple faster than comparing. Small cells are sorted by comparison.

/// Bits per pass.
const DIGIT: u32 = 11;
/// Rows below which comparing is faster.
const SMALL: usize = 1 << 10;

/// Memory that one sorting after the other uses.
#[derive(Debug, Default)]
pub(crate) struct PersonOrder {
    order: Vec<u64>,
    sorted: Vec<u64>,
}

impl PersonOrder {
    /// One entry per row, `person << 32 | place of the row`, ordered by person. `parts` hold
    /// `stride` words per row, the first with the person in its upper half. `None` when there
    /// are more rows than a place can number.
    pub(super) fn by_person(&mut self, parts: &[Vec<u64>], stride: usize) -> Option<&[u64]> {
        let count = parts.iter().map(|rows| rows.len().div_ceil(stride)).sum::<usize>();
        u32::try_from(count).ok()?;
        self.order.clear();
        self.order.reserve(count);
        // One part after the other: a loop over all of them at once is a slow one.
        let mut place = 0u64;
        for rows in parts {
            let entry = |(row, place): (&u64, u64)| row & 0xFFFF_FFFF_0000_0000 | place;
            self.order.extend(rows.iter().step_by(stride).zip(place..).map(entry));
            place = self.order.len() as u64;
        }
        if count < SMALL {
            self.order.sort_unstable();
            return Some(&self.order);
        }
        let used = self.order.iter().fold(0u64, |bits, entry| bits | entry) >> 32;
        let passes = (u64::BITS - used.leading_zeros()).div_ceil(DIGIT);
        if self.sorted.len() < count {
            self.sorted.resize(count, 0);
        }
        for pass in 0..passes {
            scatter(self.order.get(..count)?, self.sorted.get_mut(..count)?, 32 + pass * DIGIT)?;
            std::mem::swap(&mut self.order, &mut self.sorted);
        }
        self.order.get(..count)
    }
}

/// One stable pass by the digit at `shift`.
fn scatter(from: &[u64], to: &mut [u64], shift: u32) -> Option<()> {
    let digit = |entry: u64| (entry >> shift & ((1 << DIGIT) - 1)) as usize;
    let mut next = [0usize; 1 << DIGIT];
    for entry in from {
        *next.get_mut(digit(*entry))? += 1;
    }
    let mut start = 0usize;
    for count in &mut next {
        start += std::mem::replace(count, start);
    }
    for entry in from {
        let place = next.get_mut(digit(*entry))?;
        *to.get_mut(*place)? = *entry;
        *place += 1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_of_sorting_agree(persons in proptest::collection::vec(any::<u32>(), 0..3000), stride in 1usize..4, mask in any::<u32>()) {
            let rows: Vec<u64> =
                persons.iter().flat_map(|person| {
                    let mut row = vec![u64::from(*person & mask) << 32 | 5];
                    row.resize(stride, 77);
                    row
                }).collect();
            let mut expected: Vec<u64> =
                persons.iter().zip(0u64..).map(|(person, place)| u64::from(*person & mask) << 32 | place).collect();
            expected.sort_unstable();
            let (first, second) = rows.split_at(persons.len() / 3 * stride);
            let parts = [first.to_vec(), second.to_vec()];
            let mut order = PersonOrder::default();
            prop_assert_eq!(order.by_person(&parts, stride).unwrap(), expected);
        }
    }
}
