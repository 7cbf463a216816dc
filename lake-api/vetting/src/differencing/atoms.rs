//! Atoms: the finest groups of persons that the released sets can tell apart.
//!
//! Two persons are in the same atom when exactly the same sets hold both. Every person
//! walks down a tree: from the root, for each set that holds her, in ascending order, to
//! the child of that set. Where she ends is her atom, and the way back to the root lists
//! its sets.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use roaring::RoaringBitmap;

use super::universe::Universe;

/// More nodes than this are not followed: some 200 MB of bookkeeping.
const MOST_NODES: usize = 4_000_000;

/// One atom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Atom {
    /// Its persons.
    pub(crate) size: u64,
    /// The sets that hold it, ascending; never empty.
    pub(crate) sets: Vec<u32>,
}

struct Node {
    parent: u32,
    set: u32,
    /// Persons who stand here.
    size: u64,
    /// The child used last: most steps are repeated at once.
    last_set: u32,
    last_child: u32,
}

const NO_SET: u32 = u32::MAX;

/// Mixes a parent and a set, both of our own counting: nobody can choose them to collide.
#[derive(Default)]
struct StepHasher(u64);

impl Hasher for StepHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

struct Tree {
    nodes: Vec<Node>,
    children: HashMap<(u32, u32), u32, BuildHasherDefault<StepHasher>>,
}

impl Tree {
    fn new() -> Self {
        // The root holds whoever is in no set. Its size is never used.
        let root = Node { parent: 0, set: NO_SET, size: u64::MAX, last_set: NO_SET, last_child: 0 };
        Self { nodes: vec![root], children: HashMap::default() }
    }

    /// Takes one person from `node` to its child for `set`; `None` when the tree is full.
    fn step(&mut self, node: u32, set: u32) -> Option<u32> {
        let next = u32::try_from(self.nodes.len()).ok()?;
        let here = self.nodes.get_mut(node as usize)?;
        here.size -= 1;
        let child = if here.last_set == set {
            here.last_child
        } else {
            let child = *self.children.entry((node, set)).or_insert(next);
            (here.last_set, here.last_child) = (set, child);
            if child == next {
                if self.nodes.len() >= MOST_NODES {
                    return None;
                }
                self.nodes.push(Node { parent: node, set, size: 0, last_set: NO_SET, last_child: 0 });
            }
            child
        };
        self.nodes.get_mut(child as usize)?.size += 1;
        Some(child)
    }
}

/// The atoms of `sets`; `None` when there are too many to follow.
pub(crate) fn atoms(sets: &[&RoaringBitmap]) -> Option<Vec<Atom>> {
    let universe = Universe::of(sets.iter().copied());
    let mut node_of = vec![0u32; universe.len()];
    let mut tree = Tree::new();
    let mut complete = true;
    universe.visit(sets.iter().copied(), |set, position| {
        let step = node_of.get_mut(position).filter(|_| complete).and_then(|node| {
            *node = tree.step(*node, set)?;
            Some(())
        });
        complete = step.is_some();
    });
    complete.then(|| live_atoms(&tree.nodes))
}

fn live_atoms(nodes: &[Node]) -> Vec<Atom> {
    let sets_of = |node: &Node| {
        let mut sets = vec![node.set];
        let mut parent = node.parent;
        while let Some(ancestor) = nodes.get(parent as usize).filter(|ancestor| ancestor.set != NO_SET) {
            sets.push(ancestor.set);
            parent = ancestor.parent;
        }
        sets.reverse();
        sets
    };
    nodes
        .iter()
        .skip(1)
        .filter(|node| node.size > 0)
        .map(|node| Atom { size: node.size, sets: sets_of(node) })
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
