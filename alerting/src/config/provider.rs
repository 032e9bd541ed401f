//! `access.providers`: who vouches for people who log in (OpenID Connect).
//!
//! A profile fills in what is known of a provider: [`docs/access.md`] names the pages that say so.

use std::{collections::BTreeSet, path::PathBuf};

use alerting_incident::access::{Grant, Role};
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Deserializer};

/// Providers whose buttons fit on a page, and which a person can tell apart.
const PROVIDERS_MAX: usize = 8;
/// Rules of one provider.
const RULES_MAX: usize = 200;
/// Longer than a week, `max_age_minutes` says nothing.
const AGE_MINUTES_MAX: u32 = 7 * 24 * 60;

/// One identity provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// Its name in addresses, commands and the audit log: small letters, digits and `-`.
    pub id: String,
    /// Which one it is.
    pub profile: Profile,
    /// As the button on the login page says it; the profile has one.
    #[serde(default)]
    pub name: Option<String>,
    /// Its issuer, exactly; the profile has one, but for `generic`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The tenant's id (`entra_id`).
    #[serde(default)]
    pub tenant: Option<String>,
    /// As this service is registered there.
    pub client_id: String,
    /// The key that the service signs with to show that it is that client (`private_key_jwt`), in PEM: RSA or P-256.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// The key's id, as it was registered.
    #[serde(default)]
    pub key_id: Option<String>,
    /// The key's certificates, in PEM, where the provider knows the key by them.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// A file with the client's secret.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// An environment variable with the client's secret.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// Where the secret is sent.
    #[serde(default)]
    pub secret_in: SecretIn,
    /// The least level of assurance; the profile has one.
    #[serde(default)]
    pub acr: Option<String>,
    /// All levels, the lowest first (`generic`).
    #[serde(default)]
    pub acr_order: Vec<String>,
    /// The longest since people showed who they are, rather than were remembered there.
    #[serde(default)]
    pub max_age_minutes: Option<u32>,
    /// The Altinn resource or service that people act for their organisation with (`ansattporten`).
    #[serde(default)]
    pub resource: Option<String>,
    /// The claim with the organisation's number (`generic`).
    #[serde(default)]
    pub organization_claim: Option<String>,
    /// What of its word is trusted with a role here.
    #[serde(default)]
    pub rules: Vec<RoleRule>,
}

/// Which provider.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Persons, by national electronic identity.
    IdPorten,
    /// The same, on behalf of an organisation.
    Ansattporten,
    /// Microsoft's, of one tenant.
    EntraId,
    /// Any other.
    Generic,
}

/// Where a client's secret is sent (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SecretIn {
    /// In the header `authorization`.
    #[default]
    Basic,
    /// In the body.
    Post,
}

/// A role for whom the provider says something of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// The role.
    #[serde(deserialize_with = "role")]
    pub role: Role,
    /// For which organisation's incidents; without it for all.
    #[serde(default)]
    pub organization: Option<RuleOrganization>,
    /// The claim that is looked at; `roles` unless another is named.
    #[serde(default)]
    pub claim: Option<String>,
    /// What it must be or contain.
    #[serde(default)]
    pub value: Option<String>,
}

/// For which organisation a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOrganization {
    /// Each that the provider says they act for.
    Claimed,
    /// This one.
    Number(OrganizationNumber),
}

impl<'de> Deserialize<'de> for RuleOrganization {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "claimed" {
            return Ok(Self::Claimed);
        }
        let number = OrganizationNumber::parse(&text).map_err(|error| {
            serde::de::Error::custom(format!("write `claimed` or an organisation number: {error}"))
        })?;
        Ok(Self::Number(number))
    }
}

impl RoleRule {
    /// The claim that is looked at.
    #[must_use]
    pub fn claim(&self) -> &str {
        self.claim.as_deref().unwrap_or("roles")
    }

    fn wrong(&self) -> Option<&'static str> {
        let (organization, until) = match self.organization {
            None => (None, None),
            // Which one does not matter to whether the role can be given.
            Some(RuleOrganization::Claimed) => (OrganizationNumber::parse("100000008").ok(), None),
            Some(RuleOrganization::Number(number)) => (Some(number), None),
        };
        let role = self.role;
        let grant = Grant {
            role,
            organization,
            until,
        };
        if role == Role::DelegatedOperator {
            return Some(
                "what is delegated has an end: give it to a person, with `varde-alerting accounts grant`",
            );
        }
        if grant.check().is_err() {
            return Some("this role is for an organisation: write `organization: claimed`, or its number");
        }
        if self.value.is_none() && self.organization != Some(RuleOrganization::Claimed) {
            return Some(
                "write the `value` that gives the role: else everyone whom the provider knows has it",
            );
        }
        if self.claim.is_some() && self.value.is_none() {
            return Some("`claim` without `value` says nothing");
        }
        None
    }
}

impl ProviderSettings {
    /// As the button says it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(match self.profile {
            Profile::IdPorten => "ID-porten",
            Profile::Ansattporten => "Ansattporten",
            Profile::EntraId => "Microsoft Entra ID",
            Profile::Generic => &self.id,
        })
    }

    /// The issuer, exactly as tokens must name it.
    #[must_use]
    pub fn issuer(&self) -> String {
        if let Some(issuer) = &self.issuer {
            return issuer.clone();
        }
        match self.profile {
            Profile::IdPorten => "https://idporten.no".to_owned(),
            Profile::Ansattporten => "https://ansattporten.no".to_owned(),
            Profile::EntraId => format!(
                "https://login.microsoftonline.com/{}/v2.0",
                self.tenant.as_deref().unwrap_or_default()
            ),
            Profile::Generic => String::new(),
        }
    }

    /// The levels of assurance that are taken, the lowest first; none where none is asked for.
    #[must_use]
    pub fn levels(&self) -> Vec<&str> {
        let order = self.order();
        let least = self.acr.as_deref().or(match self.profile {
            Profile::IdPorten => Some("idporten-loa-high"),
            Profile::Ansattporten => Some("high"),
            Profile::EntraId | Profile::Generic => None,
        });
        let Some(least) = least else { return vec![] };
        order.into_iter().skip_while(|level| *level != least).collect()
    }

    fn order(&self) -> Vec<&str> {
        match self.profile {
            Profile::IdPorten => vec![
                "idporten-loa-low",
                "idporten-loa-substantial",
                "idporten-loa-high",
            ],
            Profile::Ansattporten => vec!["substantial", "high"],
            // Authentication contexts have no order: the one that is asked for.
            Profile::EntraId => self.acr.iter().map(String::as_str).collect(),
            Profile::Generic => self.acr_order.iter().map(String::as_str).collect(),
        }
    }

    /// What can't be as it is, and what to write instead.
    fn wrong(&self) -> Option<String> {
        let is_id = |text: &str| {
            (1..=32).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !is_id(&self.id) {
            return Some("write `id` with small letters, digits and `-`, at most 32".to_owned());
        }
        if self.client_id.trim().is_empty() {
            return Some("write `client_id`, as this service is registered there".to_owned());
        }
        self.wrong_issuer()
            .or_else(|| self.wrong_credential())
            .or_else(|| self.wrong_level())
            .or_else(|| self.wrong_rules())
    }

    fn wrong_issuer(&self) -> Option<String> {
        let is_tenant = |text: &str| {
            let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
            let lengths: Vec<_> = text.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && text.split('-').all(is_hex)
        };
        match (self.profile, &self.tenant) {
            (Profile::EntraId, Some(tenant)) if is_tenant(tenant) => {}
            (Profile::EntraId, _) => {
                return Some(
                    "write `tenant` as the tenant's id, 32 hexadecimal digits in five groups; `common` would let everyone in"
                        .to_owned(),
                );
            }
            (_, Some(_)) => return Some("`tenant` is for the profile `entra_id`".to_owned()),
            (Profile::IdPorten | Profile::Ansattporten | Profile::Generic, None) => {}
        }
        let issuer = self.issuer();
        let Ok(url) = reqwest::Url::parse(&issuer) else {
            return Some(
                "write `issuer` as an address, as the provider's discovery document has it".to_owned(),
            );
        };
        if !is_safe(&url) || url.query().is_some() || url.fragment().is_some() {
            return Some("write `issuer` with https://, and nothing after `?` or `#`".to_owned());
        }
        None
    }

    fn wrong_credential(&self) -> Option<String> {
        let ways = [
            self.key_file.is_some(),
            self.secret_file.is_some(),
            self.secret_env.is_some(),
        ];
        if ways.into_iter().filter(|is_there| *is_there).count() != 1 {
            return Some("write one of `key_file`, `secret_file` and `secret_env`".to_owned());
        }
        if self.key_file.is_none() && (self.key_id.is_some() || self.certificate_file.is_some()) {
            return Some("`key_id` and `certificate_file` go with `key_file`".to_owned());
        }
        None
    }

    fn wrong_level(&self) -> Option<String> {
        if let Some(minutes) = self.max_age_minutes
            && !(1..=AGE_MINUTES_MAX).contains(&minutes)
        {
            return Some(format!("write `max_age_minutes` from 1 to {AGE_MINUTES_MAX}"));
        }
        if self.profile != Profile::Generic && !self.acr_order.is_empty() {
            return Some("`acr_order` is for the profile `generic`".to_owned());
        }
        let acr = self.acr.as_deref()?;
        if self.order().contains(&acr) {
            return None;
        }
        Some(match self.profile {
            Profile::Generic => {
                "write all levels in `acr_order`, the lowest first, and `acr` as one of them".to_owned()
            }
            Profile::IdPorten | Profile::Ansattporten | Profile::EntraId => {
                format!("write `acr` as one of {}", self.order().join(", "))
            }
        })
    }

    fn wrong_rules(&self) -> Option<String> {
        if RULES_MAX < self.rules.len() {
            return Some(format!("there are more than {RULES_MAX} `rules`"));
        }
        match self.profile {
            Profile::Ansattporten => {
                if let Some(resource) = &self.resource
                    && !resource.starts_with("urn:altinn:resource:")
                {
                    return Some("write `resource` as `urn:altinn:resource:ID`".to_owned());
                }
            }
            Profile::IdPorten | Profile::EntraId | Profile::Generic => {
                if self.resource.is_some() {
                    return Some("`resource` is for the profile `ansattporten`".to_owned());
                }
            }
        }
        if self.organization_claim.is_some() && self.profile != Profile::Generic {
            return Some("`organization_claim` is for the profile `generic`".to_owned());
        }
        let claims_one = self.resource.is_some() || self.organization_claim.is_some();
        for (number, rule) in self.rules.iter().enumerate() {
            let mend = rule.wrong().or_else(|| {
                let is_claimed = rule.organization == Some(RuleOrganization::Claimed);
                (is_claimed && !claims_one)
                    .then_some("`claimed` needs `resource` (ansattporten) or `organization_claim` (generic)")
            });
            if let Some(mend) = mend {
                return Some(format!("rule {}: {mend}", number + 1));
            }
        }
        None
    }
}

fn role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

/// Whether what is sent there stays between the two: https, or this machine.
pub(crate) fn is_safe(url: &reqwest::Url) -> bool {
    let is_here = url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || address
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    });
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// What of a list can't be, and what to write instead.
pub(super) fn wrong(providers: &[ProviderSettings]) -> Option<String> {
    if PROVIDERS_MAX < providers.len() {
        return Some(format!("there are more than {PROVIDERS_MAX}"));
    }
    let mut ids = BTreeSet::new();
    for provider in providers {
        if let Some(mend) = provider.wrong() {
            return Some(format!("`{}`: {mend}", provider.id));
        }
        if !ids.insert(&provider.id) {
            return Some(format!("`{}` is there twice", provider.id));
        }
    }
    None
}
