//! What a query may touch. Every read of incidents in the store takes a [`Seen`], so that a handler that forgets it
//! does not compile; and a [`Seen`] is only made of someone's grants, or of the one notification that someone holds.

use std::collections::BTreeSet;

use crate::store::{Sql, StoredNotification};
use alerting_incident::{
    IncidentId,
    access::{Action, Principal, Reach},
};

/// Whose incidents, or which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen(Extent);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Extent {
    Reach(Reach),
    One(IncidentId),
}

impl Seen {
    /// Where someone may do a thing.
    pub(crate) fn by(principal: &Principal, action: Action) -> Self {
        Self(Extent::Reach(principal.reach(action)))
    }

    /// What a notification is about: for its link, and for who sends it.
    pub(crate) fn through(notification: &StoredNotification) -> Self {
        Self(Extent::One(notification.incident.clone()))
    }

    /// One incident, of which the service does something that nobody asked for: never for an answer to anyone.
    pub(crate) fn unasked(incident: &IncidentId) -> Self {
        Self(Extent::One(incident.clone()))
    }

    /// Whether nothing is hidden: then what counts over everybody may be told too.
    pub(crate) fn is_everything(&self) -> bool {
        self.0 == Extent::Reach(Reach::Everything)
    }

    /// Whose incidents, for what is not asked of the table of incidents itself; nobody's, where it is one incident.
    pub(crate) fn reach(&self) -> Reach {
        match &self.0 {
            Extent::Reach(reach) => reach.clone(),
            Extent::One(_) => Reach::Only(BTreeSet::new()),
        }
    }

    /// Adds the condition to a query over what is counted by `owner`; of one incident nothing is counted.
    pub(crate) fn narrow_owners(&self, query: &mut Sql) {
        Self(Extent::Reach(self.reach())).narrow(query);
    }

    /// Adds the condition to a query over `incident` that has a `WHERE`.
    pub(crate) fn narrow(&self, query: &mut Sql) {
        match &self.0 {
            Extent::Reach(Reach::Everything) => {}
            Extent::Reach(Reach::Only(few)) if few.is_empty() => {
                query.push(" AND 1 = 0");
            }
            Extent::Reach(Reach::Only(few)) => {
                query
                    .push(" AND owner IN ")
                    .list(few.iter().map(|owner| owner.as_str()));
            }
            Extent::One(id) => {
                query.push(" AND id = ").bind(id.as_str());
            }
        }
    }
}
