//! A list that grows by pieces: what is in it never moves, so that no packet waits while a hundred megabytes are copied, and
//! no memory is held twice meanwhile.

/// Of one piece, as a power of two: a megabyte of flows.
const PIECE: u32 = 12;

/// Numbered from zero.
#[derive(Debug)]
pub(super) struct Slots<T> {
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (piece, place) = split(number);
        self.pieces.get(piece)?.get(place)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (piece, place) = split(number);
        self.pieces.get_mut(piece)?.get_mut(place)
    }

    /// Adds one and gives its number; `None` if there are as many as there are numbers.
    pub(super) fn push(&mut self, item: T) -> Option<u32> {
        if self.pieces.last().is_none_or(|last| last.len() == 1 << PIECE) {
            self.pieces.push(Vec::with_capacity(1 << PIECE));
        }
        let before = (self.pieces.len() - 1) << PIECE;
        let last = self.pieces.last_mut()?;
        let number = u32::try_from(before + last.len()).ok()?;
        last.push(item);
        Some(number)
    }
}

/// The piece, and the place in it.
const fn split(number: u32) -> (usize, usize) {
    ((number >> PIECE) as usize, (number & ((1 << PIECE) - 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_number_where_it_was_put() {
        let mut slots = Slots::default();
        assert_eq!(slots.get(0), None);
        let count = (3 << PIECE) + 1;
        for number in 0..count {
            assert_eq!(slots.push(number), Some(number));
        }
        let first = std::ptr::from_ref(slots.get(0).expect("is there"));
        assert_eq!(slots.push(count), Some(count));
        assert!(
            std::ptr::eq(first, slots.get(0).expect("is there")),
            "nothing moves"
        );
        for number in 0..=count {
            assert_eq!(slots.get(number), Some(&number));
            assert_eq!(slots.get_mut(number), Some(&mut number.clone()));
        }
        assert_eq!((slots.get(count + 1), slots.get(u32::MAX)), (None, None));
    }
}
