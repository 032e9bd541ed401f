//! What is known of each exporter: its templates, how it samples, and the number that its next datagram should have.
//!
//! Bounded, since whoever can send a datagram can make exporters up. Domains that have been silent for as long as
//! templates live make room; without any such, new templates are refused.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use ingest_event::Timestamp;

use super::{
    Protocol,
    error::CollectError,
    kept::KeptDomain,
    template::{Kind, TEMPLATES_MAX, Template},
};

/// Domains of all exporters. Those without templates give way to new ones.
pub const DOMAINS_MAX: usize = 4_096;

/// How long an exporter may be silent before its templates give way to others (RFC 7011 section 8.4 leaves it to the
/// collector; exporters send theirs again every half an hour at the latest).
pub const TEMPLATE_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// Samplers of one domain: one for each interface of a large switch.
const SAMPLERS_MAX: usize = 1_024;

/// A jump that is larger is no loss, but an exporter that began anew.
const MISSED_MAX: u32 = 1 << 24;

/// An exporter's numbers and templates are its own for each of its domains (RFC 7011 section 3.1), and each
/// protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DomainKey {
    pub(super) exporter: IpAddr,
    pub(super) protocol: Protocol,
    pub(super) domain: u32,
}

/// One domain.
#[derive(Debug)]
pub(super) struct Domain {
    templates: BTreeMap<u16, Template>,
    samplers: BTreeMap<u64, u32>,
    sampling: Option<u32>,
    pub(super) system_init: Option<Timestamp>,
    next_sequence: Option<u32>,
    seen: Timestamp,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Domains {
    domains: BTreeMap<DomainKey, Domain>,
    templates: usize,
    /// Nobody has been silent for long before this, so that refusing a template costs no search.
    nobody_old_before: Option<Timestamp>,
}

/// What became of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is as it was.
    Same,
    /// It is new, or another than before.
    New,
}

impl Domains {
    /// Templates held.
    pub(super) const fn templates(&self) -> usize {
        self.templates
    }

    /// Domains held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.domains.len()
    }

    pub(super) fn get(&self, key: DomainKey) -> Option<&Domain> {
        self.domains.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: DomainKey) -> Option<&mut Domain> {
        self.domains.get_mut(&key)
    }

    /// A domain that was heard now; `None` if there is no room for a new one.
    pub(super) fn heard(&mut self, key: DomainKey, now: Timestamp) -> Option<&mut Domain> {
        if !self.domains.contains_key(&key) {
            if DOMAINS_MAX <= self.domains.len() && !self.evict(now) {
                return None;
            }
            self.domains.insert(key, Domain::new(now));
        }
        let domain = self.domains.get_mut(&key)?;
        domain.seen = domain.seen.max(now);
        Some(domain)
    }

    /// Keeps a template.
    pub(super) fn keep(
        &mut self,
        key: DomainKey,
        number: u16,
        template: Template,
        now: Timestamp,
    ) -> Result<Kept, CollectError> {
        let full = CollectError::TemplatesFull { template: number };
        let domain = self.domains.get(&key);
        let held = domain.and_then(|domain| domain.template(number));
        let is_same = held.map(|held| held.definition == template.definition && held.kind == template.kind);
        match is_same {
            Some(true) => return Ok(Kept::Same),
            Some(false) => self.templates -= 1,
            None if self.templates < TEMPLATES_MAX || self.evict_old(now) => {}
            None => return Err(full),
        }
        let Some(domain) = self.domains.get_mut(&key) else {
            return Err(full);
        };
        domain.templates.insert(number, template);
        self.templates += 1;
        Ok(Kept::New)
    }

    /// Lets go of a template, or of all of a kind.
    pub(super) fn withdraw(&mut self, key: DomainKey, number: Option<u16>, kind: Kind) {
        if let Some(domain) = self.domains.get_mut(&key) {
            let before = domain.templates.len();
            domain.templates.retain(|held, template| {
                template.kind != kind || number.is_some_and(|number| number != *held)
            });
            self.templates -= before - domain.templates.len();
        }
    }

    /// What is worth keeping of each domain with templates; the version is left to the caller.
    pub(super) fn kept(&self) -> impl Iterator<Item = (DomainKey, KeptDomain)> {
        let with_templates = self
            .domains
            .iter()
            .filter(|(_, domain)| !domain.templates.is_empty());
        with_templates.map(|(key, domain)| {
            let of = |kind| {
                let templates = domain
                    .templates
                    .values()
                    .filter(move |template| template.kind == kind);
                templates
                    .map(|template| hex::encode(&template.definition))
                    .collect()
            };
            let kept = KeptDomain {
                exporter: key.exporter,
                version: 0,
                domain: key.domain,
                seen: domain.seen.as_nanos(),
                sampling: domain.sampling,
                samplers: domain
                    .samplers
                    .iter()
                    .map(|(sampler, interval)| (*sampler, *interval))
                    .collect(),
                system_init: domain.system_init.map(Timestamp::as_nanos),
                templates: of(Kind::Data),
                options: of(Kind::Options),
            };
            (*key, kept)
        })
    }

    /// Makes room for a domain.
    fn evict(&mut self, now: Timestamp) -> bool {
        let without = self
            .domains
            .iter()
            .filter(|(_, domain)| domain.templates.is_empty())
            .min_by_key(|(_, domain)| domain.seen)
            .map(|(key, _)| *key);
        match without {
            Some(key) => self.domains.remove(&key).is_some(),
            None => self.evict_old(now),
        }
    }

    /// Lets the domain go that has been silent longest, if that is long.
    fn evict_old(&mut self, now: Timestamp) -> bool {
        if self.nobody_old_before.is_some_and(|before| now <= before) {
            return false;
        }
        let oldest = self
            .domains
            .iter()
            .filter(|(_, domain)| !domain.templates.is_empty())
            .min_by_key(|(_, domain)| domain.seen);
        let Some((key, seen)) = oldest.map(|(key, domain)| (*key, domain.seen)) else {
            return false;
        };
        if now.since(seen) <= TEMPLATE_LIFETIME {
            self.nobody_old_before = Some(seen.saturating_add(TEMPLATE_LIFETIME));
            return false;
        }
        if let Some(domain) = self.domains.remove(&key) {
            self.templates -= domain.templates.len();
        }
        true
    }
}

impl Domain {
    const fn new(now: Timestamp) -> Self {
        Self {
            templates: BTreeMap::new(),
            samplers: BTreeMap::new(),
            sampling: None,
            system_init: None,
            next_sequence: None,
            seen: now,
        }
    }

    /// Takes over how the exporter samples, and when it started.
    pub(super) fn restore(&mut self, kept: &KeptDomain) {
        self.sampling = kept.sampling;
        self.samplers = kept.samplers.iter().take(SAMPLERS_MAX).copied().collect();
        self.system_init = kept.system_init.map(Timestamp::from_nanos);
    }

    pub(super) fn template(&self, number: u16) -> Option<&Template> {
        self.templates.get(&number)
    }

    /// Takes an exporter's word on how it samples: by one sampler, or all in all.
    pub(super) fn samples(&mut self, sampler: Option<u64>, interval: u32) {
        match sampler {
            None => self.sampling = Some(interval),
            Some(sampler) if self.samplers.contains_key(&sampler) || self.samplers.len() < SAMPLERS_MAX => {
                self.samplers.insert(sampler, interval);
            }
            Some(_) => {}
        }
    }

    /// One packet in so many, for a record that names this sampler or none.
    pub(super) fn sampling(&self, sampler: Option<u64>) -> u32 {
        let named = sampler.and_then(|sampler| self.samplers.get(&sampler));
        named.copied().or(self.sampling).unwrap_or(1)
    }

    /// Takes the number of a datagram that is followed by `sequence + step`; `None` for a step that is not known.
    /// How many are missing before it.
    pub(super) fn count(&mut self, sequence: u32, step: Option<u32>) -> u32 {
        let ahead = self.next_sequence.map_or(0, |next| sequence.wrapping_sub(next));
        let is_late = u32::MAX - MISSED_MAX < ahead;
        let missed = if MISSED_MAX < ahead { 0 } else { ahead };
        // One that was overtaken tells nothing about the next.
        if !is_late || step.is_none() {
            self.next_sequence = step.map(|step| sequence.wrapping_add(step));
        }
        missed
    }
}
