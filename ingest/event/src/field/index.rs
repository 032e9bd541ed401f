//! Declared names by their first and last bytes: the sensor asks the class of every field of every event.
//!
//! A table with open places, made once: most names are told apart by two numbers, and compared as texts once. What is asked
//! for changes nothing in it, so whoever chooses names can't make it slow: it looks at [`STEPS_MAX`] places at most.

use std::sync::LazyLock;

use super::{Class, DECLARED, OTHERS};
use crate::fields::start;

/// Places: several for each name, so that a name that is not declared finds an empty one soon.
const PLACES: usize = 4_096;

/// Places that are looked at for one name; no declared name needs as many.
const STEPS_MAX: usize = 16;

/// Odd, with its bits well mixed (the golden ratio's), as Fibonacci hashing has it.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

type Known = (&'static str, Class);

static PLACED: LazyLock<Vec<Option<Known>>> = LazyLock::new(|| {
    let mut places = vec![None; PLACES];
    for known in DECLARED.iter().chain(OTHERS) {
        let free = steps(known.0).find(|at| places.get(*at).is_some_and(Option::is_none));
        debug_assert!(free.is_some(), "{} has no place", known.0);
        if let Some(place) = free.and_then(|at| places.get_mut(at)) {
            *place = Some(*known);
        }
    }
    places
});

/// The class of a declared name.
pub(super) fn find(name: &str) -> Option<Class> {
    for at in steps(name) {
        let (known, class) = (*PLACED.get(at)?)?;
        if known == name {
            return Some(class);
        }
    }
    None
}

/// The places of a name, the likeliest first.
fn steps(name: &str) -> impl Iterator<Item = usize> {
    let start = start(name);
    // Names of one family begin with the same sixteen bytes.
    let last = name
        .as_bytes()
        .last_chunk()
        .map_or(0, |last| u64::from_le_bytes(*last));
    let joined =
        (start >> 64) as u64 ^ (start as u64).rotate_left(23) ^ last.rotate_left(41) ^ name.len() as u64;
    let mixed = joined.wrapping_mul(MIX);
    let first = (mixed >> (u64::BITS - PLACES.trailing_zeros())) as usize;
    (0..STEPS_MAX).map(move |step| (first + step) % PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_name_is_found_and_its_neighbours_are_not() {
        for (name, class) in DECLARED.iter().chain(OTHERS) {
            assert_eq!(find(name), Some(*class), "{name}");
            for other in [format!("{name}s"), format!("x{name}"), name[1..].to_owned()] {
                let declared = DECLARED.iter().chain(OTHERS).find(|(known, _)| *known == other);
                assert_eq!(find(&other), declared.map(|(_, class)| *class), "{other}");
            }
        }
        assert_eq!(find(""), None);
    }

    #[test]
    fn few_places_are_looked_at_for_any_name() {
        let taken = PLACED.iter().filter(|place| place.is_some()).count();
        assert!(4 * taken <= PLACES, "{taken} names in {PLACES} places");
        let most = DECLARED.iter().chain(OTHERS).map(|(name, _)| {
            steps(name)
                .position(|at| PLACED[at].is_some_and(|(known, _)| known == *name))
                .expect("it has a place")
        });
        assert!(most.max() < Some(STEPS_MAX / 2));
    }
}
