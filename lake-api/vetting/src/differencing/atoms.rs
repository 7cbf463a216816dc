//! Atoms: the finest groups of persons that the released sets can tell apart.
//!
//! Two persons are in the same atom when exactly the same sets hold both. Sets are added
//! one by one; each splits the classes it meets. A class remembers the class it came from
//! and the set that split it off, so the sets of an atom are read by walking back.

use roaring::RoaringBitmap;

use super::universe::Universe;

/// More classes than this are not followed: about 100 MB of bookkeeping.
const MOST_CLASSES: usize = 4_000_000;

/// One atom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Atom {
    /// Its persons.
    pub(crate) size: u64,
    /// The sets that hold it, ascending; never empty.
    pub(crate) sets: Vec<u32>,
}

struct Class {
    parent: u32,
    set: u32,
    size: u64,
    /// The set that split this class last, and the class split off by it.
    split_by: u32,
    split_off: u32,
}

const NO_SET: u32 = u32::MAX;

/// The atoms of `sets`; `None` when there are too many to follow.
pub(crate) fn atoms(sets: &[&RoaringBitmap]) -> Option<Vec<Atom>> {
    let universe = Universe::of(sets.iter().copied());
    let mut class_of = vec![0u32; universe.len()];
    // Class 0 holds whoever is in no set. Its size is never used.
    let mut classes = vec![Class { parent: 0, set: NO_SET, size: u64::MAX, split_by: NO_SET, split_off: 0 }];
    for (number, set) in (0u32..).zip(sets) {
        if classes.len() > MOST_CLASSES {
            return None;
        }
        for position in universe.positions(set) {
            let class = class_of.get_mut(position)?;
            *class = move_person(&mut classes, *class, number)?;
        }
    }
    Some(live_atoms(&classes))
}

/// Takes one person out of `class` into the class that `set` splits off it.
fn move_person(classes: &mut Vec<Class>, class: u32, set: u32) -> Option<u32> {
    let next = u32::try_from(classes.len()).ok()?;
    let entry = classes.get_mut(class as usize)?;
    entry.size -= 1;
    if entry.split_by == set {
        let target = entry.split_off;
        classes.get_mut(target as usize)?.size += 1;
        return Some(target);
    }
    entry.split_by = set;
    entry.split_off = next;
    classes.push(Class { parent: class, set, size: 1, split_by: NO_SET, split_off: 0 });
    Some(next)
}

fn live_atoms(classes: &[Class]) -> Vec<Atom> {
    let sets_of = |class: &Class| {
        let mut sets = vec![class.set];
        let mut parent = class.parent;
        while let Some(ancestor) = classes.get(parent as usize).filter(|ancestor| ancestor.set != NO_SET) {
            sets.push(ancestor.set);
            parent = ancestor.parent;
        }
        sets.reverse();
        sets
    };
    classes
        .iter()
        .skip(1)
        .filter(|class| class.size > 0)
        .map(|class| Atom { size: class.size, sets: sets_of(class) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_together_exactly_when_the_same_sets_hold_them() {
        let sets: Vec<RoaringBitmap> =
            vec![(0..10).collect(), (5..15).collect(), (0..15).collect(), [3u32, 4_000_000_000].into_iter().collect()];
        let mut found = atoms(&sets.iter().collect::<Vec<_>>()).unwrap();
        found.sort_by_key(|atom| atom.sets.clone());
        let expected = [(vec![0, 1, 2], 5), (vec![0, 2], 4), (vec![0, 2, 3], 1), (vec![1, 2], 5), (vec![3], 1)];
        assert_eq!(found, expected.map(|(sets, size)| Atom { size, sets }));
    }
}
