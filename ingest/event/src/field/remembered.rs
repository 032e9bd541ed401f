//! Classes of names that are constants, by where these stand in memory: a name that was asked for once need not be read again.

use std::borrow::Cow;

use super::{Class, class};

/// Places: several times the constants that one program sets.
const PLACES: usize = 1_024;

/// A constant by its address and length, and its class. What is there once stays as it is, so both tell it for good.
#[derive(Clone, Copy, Debug)]
struct Known {
    name: &'static str,
    class: Option<Class>,
}

/// What was asked for before.
#[derive(Clone, Debug)]
pub struct Classes {
    places: Vec<Option<Known>>,
}

impl Default for Classes {
    fn default() -> Self {
        Self {
            places: vec![None; PLACES],
        }
    }
}

impl Classes {
    /// The class of a field, if it is declared: [`class`], with a memory.
    #[expect(clippy::ptr_arg, reason = "whether it is a constant is what is asked")]
    pub fn of(&mut self, name: &Cow<'static, str>) -> Option<Class> {
        let Cow::Borrowed(name) = *name else {
            return class(name);
        };
        // Constants lie close together and begin anywhere.
        let address = name.as_ptr() as usize;
        let Some(place) = self.places.get_mut((address ^ address >> 10) % PLACES) else {
            return class(name);
        };
        if let Some(known) = place
            && std::ptr::eq(known.name, name)
        {
            return known.class;
        }
        let class = class(name);
        *place = Some(Known { name, class });
        class
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DECLARED, OTHERS};
    use super::*;

    #[test]
    fn each_name_has_its_class_however_often_and_from_wherever_it_is_asked() {
        let mut classes = Classes::default();
        for _ in 0..3 {
            for (name, _) in DECLARED.iter().chain(OTHERS) {
                assert_eq!(classes.of(&Cow::Borrowed(name)), class(name), "{name}");
                assert_eq!(classes.of(&Cow::Owned((*name).to_owned())), class(name), "{name}");
                // Another name at the same address.
                let start = &name[..name.len() - 1];
                assert_eq!(classes.of(&Cow::Borrowed(start)), class(start), "{start}");
            }
        }
    }
}
