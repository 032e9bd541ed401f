//! What an ID token says, and whether it is for us (OpenID Connect Core 1.0 section 3.1.3.7). Pure: `now` is an argument.
//!
//! Of the claims only those named here, and in the configuration, are looked at; nothing of them is printed. `pid`, the
//! national identity number, is dropped unread.

use alerting_incident::access::Grant;
use ingest_event::{OrganizationNumber, Timestamp};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::{Profile, ProviderSettings, RuleOrganization};

/// How far the provider's clock may be from ours.
const LEEWAY_SECONDS: i64 = 60;
/// A token that is older was not issued for this login.
const AGE_SECONDS_MAX: i64 = 600;
/// A subject's length (OpenID Connect Core 1.0 section 2).
const SUBJECT_BYTES_MAX: usize = 255;
/// Organisations that somebody acts for at once; Ansattporten lets people choose several.
const ORGANIZATIONS_MAX: usize = 100;
/// Letters of a name that are shown.
const NAME_CHARS_MAX: usize = 100;
/// The authority of Norwegian organisation numbers (ISO 6523), as Ansattporten writes it.
const ISO_6523: &str = "0192:";

/// Why a token is not taken; none of them tells what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    /// It is no set of claims.
    #[error("form")]
    Form,
    /// The signature is wrong.
    #[error("signature")]
    Signature,
    /// Its key is not among the provider's.
    #[error("key")]
    Key,
    /// Of another issuer.
    #[error("issuer")]
    Issuer,
    /// Of another tenant.
    #[error("tenant")]
    Tenant,
    /// For another client.
    #[error("audience")]
    Audience,
    /// Too old, or from the future.
    #[error("time")]
    Time,
    /// Of another login.
    #[error("nonce")]
    Nonce,
    /// It names nobody.
    #[error("subject")]
    Subject,
    /// Whom it names showed who they are too long ago.
    #[error("age")]
    Age,
    /// They showed it less surely than is asked.
    #[error("level")]
    Level,
}

/// The claims of a token whose signature is right.
pub(super) struct Claims(Map<String, Value>);

/// What of a provider's word counts here.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Claimed {
    /// The organisations that they act for.
    pub(crate) organizations: Vec<OrganizationNumber>,
    /// Claims and values that rules name.
    pub(crate) values: Vec<(String, String)>,
}

impl Claims {
    /// Reads what was signed.
    ///
    /// # Errors
    /// If it is no object.
    pub(super) fn read(body: &[u8]) -> Result<Self, TokenError> {
        let mut claims: Map<String, Value> = serde_json::from_slice(body).map_err(|_| TokenError::Form)?;
        claims.remove("pid");
        Ok(Self(claims))
    }

    /// Checks that the token is this provider's, for us, of now and of this login, and as sure as asked.
    ///
    /// # Errors
    /// The first that is not so.
    pub(super) fn check(
        &self,
        provider: &ProviderSettings,
        nonce: &str,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let ensure = |holds: bool, error| if holds { Ok(()) } else { Err(error) };
        let is = |name: &str, value: &str| self.text(name).is_some_and(|text| text == value);
        ensure(is("iss", &provider.issuer()), TokenError::Issuer)?;
        if provider.profile == Profile::EntraId {
            let tenant = provider.tenant.as_deref().unwrap_or_default();
            ensure(is("tid", tenant), TokenError::Tenant)?;
        }
        // Others beside us are not trusted, so there must be none.
        let audience = match self.0.get("aud") {
            Some(Value::String(one)) => Some(one.as_str()),
            Some(Value::Array(some)) => match some.as_slice() {
                [one] => one.as_str(),
                _ => None,
            },
            _ => None,
        };
        ensure(audience == Some(&provider.client_id), TokenError::Audience)?;
        ensure(
            !self.0.contains_key("azp") || is("azp", &provider.client_id),
            TokenError::Audience,
        )?;
        let now = now.as_millis().div_euclid(1_000);
        let (Some(expires), Some(issued)) = (self.seconds("exp"), self.seconds("iat")) else {
            return Err(TokenError::Time);
        };
        ensure(now < expires.saturating_add(LEEWAY_SECONDS), TokenError::Time)?;
        ensure(issued <= now + LEEWAY_SECONDS, TokenError::Time)?;
        ensure(now - issued <= AGE_SECONDS_MAX + LEEWAY_SECONDS, TokenError::Time)?;
        if self.0.contains_key("nbf") {
            let begins = self.seconds("nbf").ok_or(TokenError::Time)?;
            ensure(begins <= now + LEEWAY_SECONDS, TokenError::Time)?;
        }
        let own = self.text("nonce").ok_or(TokenError::Nonce)?;
        let is_same = own.len() == nonce.len() && openssl::memcmp::eq(own.as_bytes(), nonce.as_bytes());
        ensure(is_same, TokenError::Nonce)?;
        ensure(self.subject().is_some(), TokenError::Subject)?;
        if let Some(minutes) = provider.max_age_minutes {
            let shown = self.seconds("auth_time").ok_or(TokenError::Age)?;
            let age = now.saturating_sub(shown);
            ensure(age <= i64::from(minutes) * 60 + LEEWAY_SECONDS, TokenError::Age)?;
        }
        let levels = provider.levels();
        let is_sure = match provider.profile {
            // Authentication contexts stand in a list of their own.
            Profile::EntraId => levels.iter().all(|level| self.has("acrs", level)),
            Profile::IdPorten | Profile::Ansattporten | Profile::Generic => {
                levels.is_empty() || self.text("acr").is_some_and(|acr| levels.contains(&acr))
            }
        };
        ensure(is_sure, TokenError::Level)
    }

    /// Whom it names.
    pub(super) fn subject(&self) -> Option<&str> {
        self.text("sub")
            .filter(|subject| (1..=SUBJECT_BYTES_MAX).contains(&subject.len()))
    }

    /// Their name, where the provider gives one.
    pub(super) fn name(&self) -> Option<String> {
        let name: String = self
            .text("name")?
            .chars()
            .filter(|letter| !letter.is_control())
            .take(NAME_CHARS_MAX)
            .collect();
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// What of it the rules look at, and nothing else.
    pub(super) fn claimed(&self, provider: &ProviderSettings) -> Claimed {
        let mut values = Vec::new();
        for rule in &provider.rules {
            let Some(value) = &rule.value else { continue };
            let pair = (rule.claim().to_owned(), value.clone());
            if self.has(rule.claim(), value) && !values.contains(&pair) {
                values.push(pair);
            }
        }
        Claimed {
            organizations: self.organizations(provider),
            values,
        }
    }

    fn organizations(&self, provider: &ProviderSettings) -> Vec<OrganizationNumber> {
        let mut found: Vec<OrganizationNumber> = Vec::new();
        let mut add = |number: Option<OrganizationNumber>| {
            if let Some(number) = number
                && found.len() < ORGANIZATIONS_MAX
                && !found.contains(&number)
            {
                found.push(number);
            }
        };
        if let Some(claim) = &provider.organization_claim {
            let listed = self.0.get(claim);
            match listed {
                Some(Value::Array(some)) => some.iter().for_each(|one| add(one.as_str().and_then(number))),
                Some(one) => add(one.as_str().and_then(number)),
                None => {}
            }
        }
        if let Some(resource) = &provider.resource
            && let Some(Value::Array(details)) = self.0.get("authorization_details")
        {
            for detail in details {
                // Another resource is another trust.
                let is_asked = detail.get("type").and_then(Value::as_str) == Some(detail_type(resource))
                    && detail.get("resource").and_then(Value::as_str) == Some(resource);
                if is_asked {
                    parties(detail).for_each(|id| add(id.and_then(iso_6523)));
                }
            }
        }
        found
    }

    fn has(&self, claim: &str, value: &str) -> bool {
        match self.0.get(claim) {
            Some(Value::String(own)) => own == value,
            Some(Value::Array(own)) => own.iter().any(|own| own.as_str() == Some(value)),
            _ => false,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A time (RFC 7519 section 2), which may have a fraction.
    fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is checked to fit")]
        let rounded = || {
            value
                .as_f64()
                .filter(|time| time.abs() < 1e12)
                .map(|time| time as i64)
        };
        value
            .as_i64()
            .filter(|time| time.abs() < 1_000_000_000_000)
            .or_else(rounded)
    }
}

impl Claimed {
    /// What the rules give for it. A rule that is no longer there gives nothing.
    pub(crate) fn grants(&self, provider: &ProviderSettings) -> Vec<Grant> {
        let mut grants = Vec::new();
        for rule in &provider.rules {
            let holds = rule.value.as_ref().is_none_or(|value| {
                self.values
                    .iter()
                    .any(|(claim, own)| claim == rule.claim() && own == value)
            });
            if !holds {
                continue;
            }
            let role = rule.role;
            let give = |organization| Grant {
                role,
                organization,
                until: None,
            };
            match rule.organization {
                None => grants.push(give(None)),
                Some(RuleOrganization::Number(number)) => grants.push(give(Some(number))),
                Some(RuleOrganization::Claimed) => {
                    grants.extend(self.organizations.iter().map(|number| give(Some(*number))));
                }
            }
        }
        grants
    }
}

/// The type of what is asked for in Altinn: services of its second version have a code and an edition, both numbers.
pub(super) fn detail_type(resource: &str) -> &'static str {
    let parts: Vec<&str> = resource
        .trim_start_matches("urn:altinn:resource:")
        .split(':')
        .collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() == 2 && parts.iter().all(is_number) {
        "ansattporten:altinn:service"
    } else {
        "ansattporten:altinn:resource"
    }
}

/// The ids of the organisations that were chosen, in either version's form.
fn parties(detail: &Value) -> impl Iterator<Item = Option<&str>> {
    let list = |name: &str| detail.get(name).and_then(Value::as_array).into_iter().flatten();
    let of_services = list("reportees").map(|party| party.get("ID").and_then(Value::as_str));
    let of_resources = list("authorized_parties").map(|party| party.get("orgno")?.get("ID")?.as_str());
    of_services.chain(of_resources)
}

fn iso_6523(id: &str) -> Option<OrganizationNumber> {
    id.strip_prefix(ISO_6523)
        .and_then(|text| OrganizationNumber::parse(text).ok())
}

fn number(text: &str) -> Option<OrganizationNumber> {
    iso_6523(text).or_else(|| OrganizationNumber::parse(text).ok())
}

#[cfg(test)]
mod tests;
