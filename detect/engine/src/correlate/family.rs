//! Rules that take each other's alerts, and which values of their groups they have in common.
//!
//! Where signals come together, a rule's alert must be found where the groups are that take it. So all rules of such a
//! family go by the values that each of its groups has: the same values, the same place.

use super::track::Track;

/// Where a rule's signals go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Family {
    /// The first rule of the family, by number.
    pub(crate) first: usize,
    /// Which members of the group decide, by their place in it.
    pub(crate) shared: Vec<usize>,
    /// Whether it is held together over all organisations.
    pub(crate) is_national: bool,
}

/// One rule takes the alerts of another: for each member of its group, the member of the other's that it is.
pub(crate) struct Link {
    pub(crate) taker: usize,
    pub(crate) giver: usize,
    pub(crate) members: Vec<Option<usize>>,
}

/// Of each rule.
pub(crate) fn of(tracks: &[Track], links: &[Link]) -> Vec<Family> {
    let mut first: Vec<usize> = (0..tracks.len()).collect();
    let mut names: Vec<Vec<usize>> = Vec::new();
    let mut next = 0..;
    for track in tracks {
        names.push(next.by_ref().take(track.about.group_by.len()).collect());
    }
    // Families are small: naming again until nothing changes is quick enough.
    let mut changed = true;
    while changed {
        changed = false;
        for link in links {
            let (Some(&a), Some(&b)) = (first.get(link.taker), first.get(link.giver)) else {
                continue;
            };
            changed |= a != b;
            for rule in [link.taker, link.giver] {
                if let Some(first) = first.get_mut(rule) {
                    *first = a.min(b);
                }
            }
            for (member, of) in link.members.iter().enumerate() {
                let Some(of) = of else { continue };
                let name = |names: &[Vec<usize>], rule: usize, at: usize| names.get(rule)?.get(at).copied();
                let (Some(a), Some(b)) = (name(&names, link.taker, member), name(&names, link.giver, *of))
                else {
                    continue;
                };
                changed |= a != b;
                for (rule, at) in [(link.taker, member), (link.giver, *of)] {
                    if let Some(name) = names.get_mut(rule).and_then(|names| names.get_mut(at)) {
                        *name = a.min(b);
                    }
                }
            }
        }
    }
    let family_of = |rule: usize| first.get(rule).copied().unwrap_or(rule);
    (0..tracks.len())
        .map(|rule| {
            let family = family_of(rule);
            let members: Vec<usize> = (0..tracks.len())
                .filter(|other| family_of(*other) == family)
                .collect();
            let own = names.get(rule).map_or(&[][..], Vec::as_slice);
            // Callers of the same meet at what they call.
            let callers: Vec<usize> = members
                .iter()
                .filter_map(|member| {
                    let caller = tracks.get(*member)?.asked.caller()?;
                    names.get(*member)?.get(caller).copied()
                })
                .collect();
            let is_shared = |name: &usize| {
                !callers.contains(name)
                    && members
                        .iter()
                        .all(|member| names.get(*member).is_some_and(|names| names.contains(name)))
            };
            let mut shared: Vec<(usize, usize)> = own
                .iter()
                .copied()
                .zip(0..)
                .filter(|(name, _)| is_shared(name))
                .collect();
            // In the order of their names, which is the same for each rule of the family.
            shared.sort_unstable();
            Family {
                first: family,
                shared: shared.into_iter().map(|(_, at)| at).collect(),
                is_national: members
                    .iter()
                    .any(|member| tracks.get(*member).is_some_and(|track| track.asked.is_national())),
            }
        })
        .collect()
}
