//! How many bytes of records may be under way at once: for each organisation, so that one's flood does not take the
//! others' room, and for all. Nobody waits here: who finds no room comes again, its spool keeps the records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ingest_event::OrganizationNumber;

/// Bytes of one organisation: some requests of its sensors side by side.
pub const ORGANIZATION_BYTES_MAX: usize = 96 << 20;

/// Bytes of all: what a small machine has to spare.
pub const ALL_BYTES_MAX: usize = 512 << 20;

/// The room of a gateway; clones share it.
#[derive(Clone, Debug)]
pub struct Room {
    limits: (usize, usize),
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only of organisations that have something under way.
    by_organization: BTreeMap<OrganizationNumber, usize>,
}

/// Bytes that are taken; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Room,
    organization: OrganizationNumber,
    bytes: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The organisation has taken all of its own.
    Organization,
    /// All together have.
    All,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(ORGANIZATION_BYTES_MAX, ALL_BYTES_MAX)
    }
}

impl Room {
    /// A room of so many bytes for an organisation, and for all.
    #[must_use]
    pub fn new(organization: usize, all: usize) -> Self {
        Self {
            limits: (organization, all),
            taken: Arc::default(),
        }
    }

    /// Takes some bytes.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn take(&self, organization: OrganizationNumber, bytes: usize) -> Result<Share, NoRoom> {
        let mut share = Share {
            room: self.clone(),
            organization,
            bytes: 0,
        };
        share.grow(bytes)?;
        Ok(share)
    }

    /// What is taken now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more.
    ///
    /// # Errors
    /// [`NoRoom`]; what was taken before stays.
    pub fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let (organization_max, all_max) = self.room.limits;
        let mut taken = self.room.lock();
        let own = taken
            .by_organization
            .get(&self.organization)
            .copied()
            .unwrap_or(0);
        if organization_max < own.saturating_add(bytes) {
            return Err(NoRoom::Organization);
        }
        if all_max < taken.all.saturating_add(bytes) {
            return Err(NoRoom::All);
        }
        taken.all += bytes;
        taken.by_organization.insert(self.organization, own + bytes);
        drop(taken);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.room.lock();
        taken.all = taken.all.saturating_sub(self.bytes);
        let left = taken
            .by_organization
            .get(&self.organization)
            .map_or(0, |own| own.saturating_sub(self.bytes));
        if left == 0 {
            taken.by_organization.remove(&self.organization);
        } else {
            taken.by_organization.insert(self.organization, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organizations_flood_leaves_the_others_room() {
        let [one, other] =
            ["964965226", "958935420"].map(|number| OrganizationNumber::parse(number).expect("valid"));
        let room = Room::new(100, 150);
        let held = room.take(one, 60).expect("room");
        let mut more = room.take(one, 40).expect("room");
        assert_eq!(more.grow(1).err(), Some(NoRoom::Organization));
        assert_eq!(room.take(one, 1).err(), Some(NoRoom::Organization));
        let theirs = room.take(other, 50).expect("the other's room is its own");
        assert_eq!(room.take(other, 1).err(), Some(NoRoom::All));
        drop(held);
        assert_eq!(room.bytes(), 90);
        drop((more, theirs));
        assert_eq!(room.bytes(), 0);
        assert!(room.lock().by_organization.is_empty());
    }
}
