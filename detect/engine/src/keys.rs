//! Names: the fields that somebody asks for, numbered, and the members' names that events really have.
//!
//! Events of one kind have the same members in the same order. So what came after a member last time is
//! tried first: one comparison, quotes and colon included, and the name is read. It changes how fast an event
//! is read, never what is read.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rustc_hash::FxHashMap;
use wide::u8x32;

use crate::record::NONE;

/// The number of a field name that somebody asks for.
pub(crate) type FieldId = u32;

/// The number of a member's name at its place, see [`Keys`].
pub(crate) type KeyId = u32;

/// A name that is not remembered.
pub(crate) const NO_KEY: KeyId = u32::MAX;

/// So many names of members are remembered by each scanner; hostile events can make up any number.
const KEYS_MAX: usize = 8192;

/// Longer names and paths are not remembered.
const PATH_BYTES_MAX: usize = 256;

/// A name is remembered at so many places.
const PLACES_MAX: usize = 64;

/// Bytes that are compared at once.
const START: usize = 32;

/// So many names that came after one name are tried before it is looked up.
const WAYS: usize = 2;

/// Slots for names that were not expected, a power of two.
const SLOTS: usize = 8192;

/// Field names that somebody asks for, numbered.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldNames {
    ids: FxHashMap<Box<str>, FieldId>,
    names: Vec<Box<str>>,
    /// Whether some rule has keywords, which may be in any text.
    pub(crate) has_keywords: bool,
    /// Fields below this are read of every event.
    pub(crate) envelope: FieldId,
}

/// Gives names their numbers while a condition is compiled.
pub(crate) trait Fields {
    /// The number of a name.
    fn id(&mut self, name: &str) -> FieldId;

    /// Some rule has keywords.
    fn expect_keywords(&mut self);
}

/// New names get numbers.
impl Fields for FieldNames {
    fn id(&mut self, name: &str) -> FieldId {
        self.intern(name)
    }

    fn expect_keywords(&mut self) {
        self.has_keywords = true;
    }
}

/// Every name has its number already.
impl Fields for &FieldNames {
    fn id(&mut self, name: &str) -> FieldId {
        self.get(name).unwrap_or(NONE)
    }

    fn expect_keywords(&mut self) {}
}

impl FieldNames {
    /// Names with the numbers that they had before.
    pub(crate) fn numbered<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut numbered = Self::default();
        for name in names {
            numbered.intern(name);
        }
        numbered
    }

    /// The names, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    pub(crate) fn intern(&mut self, name: &str) -> FieldId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(NONE - 1);
        self.ids.insert(name.into(), id);
        self.names.push(name.into());
        id
    }

    pub(crate) fn get(&self, name: &str) -> Option<FieldId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn name(&self, id: FieldId) -> &str {
        self.names.get(id as usize).map_or("", AsRef::as_ref)
    }

    /// Says that a field is read of every event; such fields have the first numbers.
    pub(crate) fn intern_for_all(&mut self, name: &str) -> FieldId {
        let id = self.intern(name);
        self.envelope = self.envelope.max(id.saturating_add(1));
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// One member's name below one other: what reading it needs, in one line of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Key {
    /// The start of what the event's bytes are: the name in quotes, and the colon.
    start: [u8; START],
    /// A bit for each byte of it.
    mask: u32,
    /// How long all of it is.
    length: u32,
    field: FieldId,
    parent: KeyId,
    /// The members that came after it, the latest news first.
    next: [KeyId; WAYS],
}

/// What else is known of it.
#[derive(Debug)]
struct Name {
    /// What the event's bytes are: the name in quotes, and the colon.
    spelled: Box<[u8]>,
    /// The whole dotted path.
    path: Box<str>,
    /// The first members inside it, the latest news first.
    first: [KeyId; WAYS],
}

/// The names of members that a scanner has seen.
#[derive(Debug)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// For each key.
    names: Vec<Name>,
    slots: Box<[KeyId]>,
    /// By name, wherever it is; seeded, since events choose the names.
    ids: HashMap<Box<str>, Vec<KeyId>, RandomState>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            keys: vec![Key {
                start: [0; START],
                mask: 0,
                length: 0,
                field: NONE,
                parent: NO_KEY,
                next: [NO_KEY; WAYS],
            }],
            names: vec![Name {
                spelled: Box::default(),
                path: Box::default(),
                first: [NO_KEY; WAYS],
            }],
            slots: vec![NO_KEY; SLOTS].into(),
            ids: HashMap::default(),
        }
    }
}

impl Keys {
    /// The event itself.
    pub(crate) const ROOT: KeyId = 0;

    /// Forgets every name if there is no room for more. Between events: hostile ones make up names, and the others'
    /// are soon known again.
    pub(crate) fn make_room(&mut self) {
        if KEYS_MAX <= self.keys.len() {
            *self = Self::default();
        }
    }

    /// The path of a key.
    pub(crate) fn path(&self, key: KeyId) -> &str {
        self.names.get(key as usize).map_or("", |name| &name.path)
    }

    /// The key of the name at the start of `bytes`, if it came after `before` in `parent` lately, else [`NO_KEY`].
    #[inline]
    pub(crate) fn expected(&self, parent: KeyId, before: KeyId, bytes: &[u8]) -> KeyId {
        let ways = if before == NO_KEY {
            self.names.get(parent as usize).map(|name| name.first)
        } else {
            self.keys.get(before as usize).map(|key| key.next)
        };
        for id in ways.unwrap_or([NO_KEY; WAYS]) {
            if self.is_at(id, bytes) {
                return id;
            }
        }
        NO_KEY
    }

    /// The field of a key, and how many bytes its name is, quotes and colon included.
    #[inline]
    pub(crate) fn field_and_length(&self, key: KeyId) -> (FieldId, usize) {
        self.keys
            .get(key as usize)
            .map_or((NONE, 0), |key| (key.field, key.length as usize))
    }

    /// The key of the name at the start of `bytes`, which is `length` bytes long without quotes, if it is known;
    /// else [`NO_KEY`].
    #[inline]
    pub(crate) fn known(&mut self, parent: KeyId, before: KeyId, bytes: &[u8], length: usize) -> KeyId {
        let slot = slot(parent, bytes.get(1..=length).unwrap_or_default());
        let id = self.slots.get(slot).copied().unwrap_or(NO_KEY);
        let is_inside = self.keys.get(id as usize).is_some_and(|key| key.parent == parent);
        if !is_inside || !self.is_at(id, bytes) {
            return NO_KEY;
        }
        self.expect(parent, before, id);
        id
    }

    /// Whether these bytes start with a key.
    #[inline]
    fn is_at(&self, id: KeyId, bytes: &[u8]) -> bool {
        let Some(key) = self.keys.get(id as usize) else {
            return false;
        };
        let Some(chunk) = bytes.first_chunk::<START>() else {
            return self.is_spelled(id, bytes);
        };
        let equal = u8x32::new(*chunk).simd_eq(u8x32::new(key.start)).to_bitmask();
        equal & key.mask == key.mask && (key.length as usize <= START || self.is_spelled(id, bytes))
    }

    #[inline(never)]
    fn is_spelled(&self, id: KeyId, bytes: &[u8]) -> bool {
        self.names
            .get(id as usize)
            .is_some_and(|name| bytes.starts_with(&name.spelled))
    }

    /// The key of a name without escapes; [`NO_KEY`] if it is not to be remembered.
    pub(crate) fn learn(
        &mut self,
        parent: KeyId,
        before: KeyId,
        name: &str,
        names: &FieldNames,
    ) -> (KeyId, FieldId) {
        let id = self.known_or_new(parent, name, names);
        let Some(field) = self.keys.get(id as usize).map(|key| key.field) else {
            return (NO_KEY, NONE);
        };
        if let Some(place) = self.slots.get_mut(slot(parent, name.as_bytes())) {
            *place = id;
        }
        self.expect(parent, before, id);
        (id, field)
    }

    /// Remembers that a key came after `before`.
    #[inline]
    fn expect(&mut self, parent: KeyId, before: KeyId, id: KeyId) {
        let ways = if before == NO_KEY {
            self.names.get_mut(parent as usize).map(|name| &mut name.first)
        } else {
            self.keys.get_mut(before as usize).map(|key| &mut key.next)
        };
        if let Some([newest, older]) = ways {
            *older = std::mem::replace(newest, id);
        }
    }

    #[cold]
    fn known_or_new(&mut self, parent: KeyId, name: &str, names: &FieldNames) -> KeyId {
        let of_name = self.ids.get(name).map_or(&[][..], Vec::as_slice);
        let known = of_name.iter().find(|id| {
            self.keys
                .get(**id as usize)
                .is_some_and(|key| key.parent == parent)
        });
        if let Some(id) = known {
            return *id;
        }
        if KEYS_MAX <= self.keys.len() {
            return NO_KEY;
        }
        let outer = self.path(parent);
        if PATH_BYTES_MAX < outer.len() + name.len() || PLACES_MAX <= of_name.len() {
            return NO_KEY;
        }
        let path = if parent == Self::ROOT {
            name.to_owned()
        } else {
            format!("{outer}.{name}")
        };
        let id = u32::try_from(self.keys.len()).unwrap_or(NO_KEY);
        let spelled = format!("\"{name}\":").into_bytes();
        let mut start = [0; START];
        let length = spelled.len().min(START);
        for (to, from) in start.iter_mut().zip(&spelled) {
            *to = *from;
        }
        self.keys.push(Key {
            start,
            mask: u32::MAX >> (START - length),
            length: u32::try_from(spelled.len()).unwrap_or(u32::MAX),
            field: names.get(&path).unwrap_or(NONE),
            parent,
            next: [NO_KEY; WAYS],
        });
        self.names.push(Name {
            spelled: spelled.into(),
            path: path.into(),
            first: [NO_KEY; WAYS],
        });
        self.ids.entry(name.into()).or_default().push(id);
        id
    }
}

/// A slot by length and both ends of a name: a collision costs a little time.
#[inline]
fn slot(parent: KeyId, name: &[u8]) -> usize {
    let end = |chunk: Option<&[u8; 8]>| chunk.map(|bytes| u64::from_le_bytes(*bytes));
    let ends = match (end(name.first_chunk()), end(name.last_chunk())) {
        (Some(first), Some(last)) => first ^ last.rotate_left(17),
        _ => name.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)),
    };
    let mixed = (ends ^ u64::from(parent) << 32 ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 51) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_made_up_do_not_keep_out_others_for_ever() {
        let names = FieldNames::default();
        let mut keys = Keys::default();
        let learn = |keys: &mut Keys, name: &str| keys.learn(Keys::ROOT, NO_KEY, name, &names).0;
        for number in 0..KEYS_MAX {
            learn(&mut keys, &format!("made.up.{number}"));
        }
        assert_eq!(learn(&mut keys, "real"), NO_KEY, "full");
        keys.make_room();
        let real = learn(&mut keys, "real");
        assert_ne!(real, NO_KEY);
        keys.make_room();
        assert_eq!(
            keys.expected(Keys::ROOT, NO_KEY, br#""real":1"#),
            real,
            "there is room"
        );
    }
}
