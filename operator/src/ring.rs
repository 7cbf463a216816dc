//! Who tries whose doors: tenants stand on a ring in the order of their hashed names, and
//! each one's probes try the next ones'. So each is tried by equally many others, and one
//! that comes or goes changes the probes of a few tenants and not of all.

use oscar_permit::Sha256Digest;

/// Neighbours whose doors a tenant's probes try.
const NEIGHBOURS: usize = 8;

/// The names after `own`, nearest first: those that it tries.
#[must_use]
pub fn tried_by<N: AsRef<str>>(own: &str, others: impl IntoIterator<Item = N>) -> Vec<N> {
    let mut ring = ring_from(own, others);
    ring.truncate(NEIGHBOURS);
    ring
}

/// The names before `own`, nearest first: those that try it.
#[must_use]
pub fn triers_of<N: AsRef<str>>(own: &str, others: impl IntoIterator<Item = N>) -> Vec<N> {
    let mut ring = ring_from(own, others);
    ring.reverse();
    ring.truncate(NEIGHBOURS);
    ring
}

/// The others once around the ring, beginning after `own`.
fn ring_from<N: AsRef<str>>(own: &str, others: impl IntoIterator<Item = N>) -> Vec<N> {
    let place = |name: &str| Sha256Digest::of(name);
    let others = others.into_iter().filter(|name| name.as_ref() != own);
    let mut ring: Vec<(Sha256Digest, N)> = others.map(|name| (place(name.as_ref()), name)).collect();
    ring.sort_unstable_by_key(|(place, _)| *place);
    let start = ring.partition_point(|(other, _)| *other < place(own));
    ring.rotate_left(start);
    ring.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("tenant-{number}")).collect()
    }

    #[test]
    fn each_tries_and_is_tried_by_equally_many() {
        let names = names(50);
        let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
        for own in &names {
            for other in tried_by(own, &names) {
                assert_ne!(own, other);
                assert!(triers_of(other, &names).contains(&own), "{other} is tried by {own}");
                *tried.entry(other).or_default() += 1;
            }
        }
        assert!(names.iter().all(|name| tried.get(name.as_str()) == Some(&NEIGHBOURS)));
    }

    #[test]
    fn who_comes_changes_nothing_for_those_that_do_not_try_it() {
        let names = names(50);
        let with: Vec<&String> = names.iter().collect();
        let without: Vec<&String> = names.iter().skip(1).collect();
        let triers = triers_of(&names[0], with.clone());
        for own in &without {
            let same = tried_by(own, with.clone()) == tried_by(own, without.clone());
            assert_eq!(same, !triers.contains(own), "{own}");
        }
    }

    #[test]
    fn few_tenants_try_all_others() {
        let names = names(3);
        assert_eq!(tried_by(&names[0], &names).len(), 2);
        assert_eq!(tried_by("alone", Vec::<String>::new()), Vec::<String>::new());
    }
}
