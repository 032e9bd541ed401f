//! What a change of the registry would have done: past incidents routed before and after it. Nothing is changed, nobody told.

use alerting_incident::{Incident, Question, Route, RouteTable, route};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::openapi::codes;

use super::question::{Contact, answers};

/// Incidents that are looked at, the last changed first: some weeks of a national CERT, and a second of work.
pub const INCIDENTS_MAX: usize = 2_000;
/// Incidents that are shown; the numbers are of all that were looked at.
pub const SHOWN_MAX: usize = 200;

/// What a change would have done.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Rehearsal {
    /// How many incidents were looked at.
    pub looked_at: usize,
    /// At most so many are.
    pub looked_at_most: usize,
    /// Whether there are older ones that were not.
    pub older_left: bool,
    /// How many would go elsewhere.
    pub moved: usize,
    /// How many of them would reach nobody, and reached somebody before.
    pub reach_nobody: usize,
    /// How many of them would reach only the CERT's duty contact, and reached others before.
    pub fall_to_duty: usize,
    /// Those that would go elsewhere: those that would reach nobody first, then in the order looked at.
    pub incidents: Vec<Moved>,
}

/// An incident that would go elsewhere.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MovedIncident)]
pub struct Moved {
    /// Its name.
    #[schema(value_type = codes::IncidentId)]
    pub incident: String,
    /// When it was opened.
    #[schema(value_type = codes::Time)]
    pub opened_at: String,
    /// How grave.
    #[schema(value_type = codes::Severity)]
    pub severity: &'static str,
    /// Where it goes now.
    pub from: Way,
    /// Where it would go.
    pub to: Way,
}

/// Where an incident goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RouteTaken)]
pub struct Way {
    /// Whose it is: a number.
    pub owner: Option<String>,
    /// Who answers.
    #[schema(value_type = codes::Answers)]
    pub by: &'static str,
    /// Who is told.
    pub told: Vec<Contact>,
}

impl Rehearsal {
    /// Begins one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            looked_at_most: INCIDENTS_MAX,
            ..Self::default()
        }
    }

    /// Looks at an incident.
    pub fn look(&mut self, before: &RouteTable, after: &RouteTable, incident: &Incident) {
        self.looked_at += 1;
        let question = Question::of(incident);
        let (old, new) = (route(before, &question), route(after, &question));
        if old.owner == new.owner && old.responders == new.responders {
            return;
        }
        self.moved += 1;
        let moved = Moved {
            incident: incident.id.to_string(),
            opened_at: incident.opened_at.to_string(),
            severity: incident.severity().as_str(),
            from: Way::of(&old),
            to: Way::of(&new),
        };
        let reaches_nobody = moved.to.told.is_empty() && !moved.from.told.is_empty();
        self.fall_to_duty += usize::from(moved.to.by == "duty" && moved.from.by != "duty");
        if reaches_nobody {
            let place = self.reach_nobody.min(self.incidents.len());
            self.incidents.insert(place, moved);
            self.reach_nobody += 1;
        } else if self.incidents.len() < SHOWN_MAX {
            self.incidents.push(moved);
        }
        self.incidents.truncate(SHOWN_MAX);
    }
}

impl Way {
    fn of(route: &Route) -> Self {
        Self {
            owner: route.owner.map(|number| number.to_string()),
            by: answers(route),
            told: route.responders.iter().map(Contact::of).collect(),
        }
    }
}
