//! What can be computed from numbers that are sums over persons.

use std::collections::BTreeSet;

/// A prime; what is zero modulo it is taken for zero.
const PRIME: u64 = (1 << 31) - 1;

/// All linear combinations of some vectors over persons.
pub(super) struct RowSpace {
    /// Reduced echelon form: (pivot, vector).
    rows: Vec<(usize, Vec<u64>)>,
    persons: usize,
}

impl RowSpace {
    pub(super) fn of(vectors: &[Vec<u64>], persons: usize) -> Self {
        let mut space = Self { rows: Vec::new(), persons };
        for vector in vectors {
            space.insert(vector.iter().map(|value| value % PRIME).collect());
        }
        space
    }

    fn insert(&mut self, mut vector: Vec<u64>) {
        for (pivot, row) in &self.rows {
            let factor = vector[*pivot];
            subtract(&mut vector, row, factor);
        }
        let Some(pivot) = vector.iter().position(|value| *value != 0) else { return };
        let scale = power(vector[pivot], PRIME - 2);
        for value in &mut vector {
            *value = *value * scale % PRIME;
        }
        for (_, row) in &mut self.rows {
            let factor = row[pivot];
            subtract(row, &vector, factor);
        }
        self.rows.push((pivot, vector));
    }

    /// The null space: one column vector per person. A combination of the persons' columns
    /// that is zero is a vector of the row space with these persons as its support.
    fn null_columns(&self) -> Vec<Vec<u64>> {
        let pivots: BTreeSet<usize> = self.rows.iter().map(|(pivot, _)| *pivot).collect();
        let free: Vec<usize> = (0..self.persons).filter(|person| !pivots.contains(person)).collect();
        let mut columns = vec![vec![0; free.len()]; self.persons];
        for (place, person) in free.iter().enumerate() {
            columns[*person][place] = 1;
            for (pivot, row) in &self.rows {
                columns[*pivot][place] = (PRIME - row[*person]) % PRIME;
            }
        }
        columns
    }

    /// Groups of one or two persons on whom alone some combination depends.
    pub(super) fn small_supports(&self) -> BTreeSet<Vec<usize>> {
        let columns = self.null_columns();
        let alone: Vec<usize> =
            (0..self.persons).filter(|person| columns[*person].iter().all(|value| *value == 0)).collect();
        let mut found: BTreeSet<Vec<usize>> = alone.iter().map(|person| vec![*person]).collect();
        for one in (0..self.persons).filter(|person| !alone.contains(person)) {
            for other in (one + 1..self.persons).filter(|person| !alone.contains(person)) {
                if dependent(&columns[one], &columns[other]) {
                    found.insert(vec![one, other]);
                }
            }
        }
        found
    }
}

fn dependent(one: &[u64], other: &[u64]) -> bool {
    let place = one.iter().position(|value| *value != 0).unwrap();
    one.iter().zip(other).all(|(a, b)| a * other[place] % PRIME == b * one[place] % PRIME)
}

fn subtract(vector: &mut [u64], row: &[u64], factor: u64) {
    for (value, other) in vector.iter_mut().zip(row) {
        *value = (*value + (PRIME - factor) * other) % PRIME;
    }
}

fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % PRIME;
        }
        base = base * base % PRIME;
        exponent >>= 1;
    }
    result
}

#[test]
fn the_attacker_sees_single_persons_and_pairs() {
    let few = |vectors: &[&[u64]]| {
        let vectors: Vec<Vec<u64>> = vectors.iter().map(|vector| vector.to_vec()).collect();
        RowSpace::of(&vectors, 5).small_supports().into_iter().collect::<Vec<_>>()
    };
    assert!(few(&[&[1, 1, 1, 0, 0], &[0, 0, 0, 1, 1]]) == [vec![3, 4]]);
    assert!(few(&[&[1, 1, 1, 1, 0], &[1, 1, 1, 0, 0]]).contains(&vec![3]));
    assert!(few(&[&[1, 1, 1, 1, 0], &[1, 1, 1, 2, 0]]).contains(&vec![3]), "the same persons with other weights");
    assert!(few(&[&[1, 1, 1, 1, 1]]).is_empty());
}
