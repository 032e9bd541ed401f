//! Who may do what, in one place: a [`Principal`] has grants, a grant is a [`Role`] for the whole CERT or for one
//! organisation, and [`Principal::reach`] says over whose incidents that lets it do an [`Action`].
//!
//! Pure: `now` and the organisations that a grant covers are arguments. Nothing is remembered between two requests, so
//! a grant that was taken back, or has ended, is gone at the next.

use std::collections::BTreeSet;

use ingest_event::{OrganizationNumber, Timestamp};
use thiserror::Error;

use crate::incident::codes;

codes! {
    /// What someone was trusted with.
    Role as "role" {
        /// Triages at the CERT.
        Analyst = "analyst",
        /// Leads the CERT's watch: besides, changes who is told.
        DutyOfficer = "duty_officer",
        /// Writes rules: sees what they caught, and changes no incident.
        RuleAuthor = "rule_author",
        /// Acts for an organisation.
        Responder = "responder",
        /// Acts for an organisation that delegated it, until a day.
        DelegatedOperator = "delegated_operator",
        /// Reads everything, the audit log too, and changes nothing.
        Auditor = "auditor",
    }
}

codes! {
    /// What can be done. Every door of the service asks for one of these.
    Action as "action" {
        /// See an incident and why it fired.
        Read = "read",
        /// See how it was routed, who was told by which way, and what people at the CERT remarked.
        ReadInternals = "read_internals",
        /// Take it.
        Acknowledge = "acknowledge",
        /// Conclude.
        Judge = "judge",
        /// End it.
        Close = "close",
        /// Give it to someone, merge it with others, split it.
        Arrange = "arrange",
        /// Say that an authority must be told of it, write the notices, and say that they were sent.
        Declare = "declare",
        /// Have nobody told of something for some hours.
        Silence = "silence",
        /// Change organisations, contacts and routing, and silences of any length.
        Manage = "manage",
        /// Read the audit log.
        ReadAudit = "read_audit",
        /// Read the metrics.
        ReadMetrics = "read_metrics",
        /// Ask a site what a pseudonym stands for.
        AskReveal = "ask_reveal",
        /// Agree, as the second person, that it is asked.
        ApproveReveal = "approve_reveal",
        /// Say no to it, for the organisation that is asked.
        RefuseReveal = "refuse_reveal",
        /// See what was revealed.
        ReadRevealed = "read_revealed",
    }
}

codes! {
    /// How someone showed who they are.
    Login as "login" {
        /// Not at all: the service is served without a login.
        Nobody = "nobody",
        /// Password and code, with an account of this service.
        Local = "local",
        /// A passkey (WebAuthn), with an account of this service.
        Passkey = "passkey",
        /// The account for when nothing else works; every use is an alert.
        BreakGlass = "break_glass",
        /// By the word of an identity provider (OpenID Connect).
        Oidc = "oidc",
        /// A machine's token.
        Token = "token",
    }
}

/// A role for the whole CERT or for one organisation, for good or until a moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// What it trusts with.
    pub role: Role,
    /// For which organisation; `None` is for all.
    pub organization: Option<OrganizationNumber>,
    /// The first moment at which it no longer holds.
    pub until: Option<Timestamp>,
}

/// Why a grant can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GrantError {
    /// Someone who acts for organisations acts for named ones.
    #[error("{0} is for an organisation: say which")]
    NeedsOrganization(Role),
    /// What is delegated has an end.
    #[error("{0} is for a time: say until when")]
    NeedsEnd(Role),
}

/// Whose incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    Everything,
    /// Only of these organisations; of nobody, if there are none.
    Only(BTreeSet<OrganizationNumber>),
}

/// Someone, or a machine, that asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// As the timeline and the audit log name them.
    pub name: String,
    /// The id of their account; `None` where nobody logs in.
    pub account: Option<String>,
    /// How they showed it.
    pub login: Login,
    roles: Vec<(Role, Reach)>,
    only: Option<BTreeSet<Action>>,
}

impl Role {
    /// Whether someone with this role may do a thing, over what the role was given for.
    #[must_use]
    pub const fn may(self, action: Action) -> bool {
        match action {
            Action::Read => true,
            Action::ReadInternals => matches!(
                self,
                Self::Analyst | Self::DutyOfficer | Self::RuleAuthor | Self::Auditor
            ),
            Action::Acknowledge | Action::Judge => matches!(
                self,
                Self::Analyst | Self::DutyOfficer | Self::Responder | Self::DelegatedOperator
            ),
            Action::Declare => matches!(self, Self::Analyst | Self::DutyOfficer | Self::Responder),
            Action::Close | Action::Arrange | Action::Silence => {
                matches!(self, Self::Analyst | Self::DutyOfficer)
            }
            Action::Manage => matches!(self, Self::DutyOfficer),
            Action::ReadAudit => matches!(self, Self::Auditor | Self::DutyOfficer),
            Action::ReadMetrics => matches!(self, Self::Analyst | Self::DutyOfficer | Self::Auditor),
            Action::AskReveal => matches!(self, Self::Analyst | Self::DutyOfficer),
            Action::ApproveReveal => matches!(self, Self::DutyOfficer),
            Action::RefuseReveal => matches!(self, Self::Responder | Self::DelegatedOperator),
            Action::ReadRevealed => matches!(
                self,
                Self::Analyst | Self::DutyOfficer | Self::Responder | Self::DelegatedOperator
            ),
        }
    }
}

impl Grant {
    /// A role for all organisations, for good.
    #[must_use]
    pub const fn of_all(role: Role) -> Self {
        Self {
            role,
            organization: None,
            until: None,
        }
    }

    /// Whether it can be given.
    ///
    /// # Errors
    /// [`GrantError`].
    pub const fn check(&self) -> Result<(), GrantError> {
        let acts_for_one = matches!(self.role, Role::Responder | Role::DelegatedOperator);
        if acts_for_one && self.organization.is_none() {
            return Err(GrantError::NeedsOrganization(self.role));
        }
        if matches!(self.role, Role::DelegatedOperator) && self.until.is_none() {
            return Err(GrantError::NeedsEnd(self.role));
        }
        Ok(())
    }

    /// Whether it holds at a moment. One that can't be given never does, whatever the store says.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.check().is_ok() && self.until.is_none_or(|until| now < until)
    }
}

impl Reach {
    /// Whether someone's incidents are in it; those of nobody in particular only if everything is.
    #[must_use]
    pub fn covers(&self, owner: Option<OrganizationNumber>) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(few) => owner.is_some_and(|owner| few.contains(&owner)),
        }
    }

    fn with(self, more: &Self) -> Self {
        match (self, more) {
            (Self::Only(mut few), Self::Only(more)) => {
                few.extend(more);
                Self::Only(few)
            }
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
        }
    }
}

impl Principal {
    /// Someone with what holds now of their grants. `lineage` gives the organisations whose incidents are a number's now.
    #[must_use]
    pub fn new(
        name: String,
        login: Login,
        grants: &[Grant],
        now: Timestamp,
        lineage: impl Fn(OrganizationNumber) -> BTreeSet<OrganizationNumber>,
    ) -> Self {
        let holding = grants.iter().filter(|grant| grant.holds(now));
        let roles = holding.map(|grant| {
            let reach = match grant.organization {
                None => Reach::Everything,
                Some(number) => {
                    let mut few = lineage(number);
                    few.insert(number);
                    Reach::Only(few)
                }
            };
            (grant.role, reach)
        });
        Self {
            name,
            account: None,
            login,
            roles: roles.collect(),
            only: None,
        }
    }

    /// The same, who logged in with this account.
    #[must_use]
    pub fn of_account(mut self, id: String) -> Self {
        self.account = Some(id);
        self
    }

    /// The same, for no other actions than these: a machine's token does what it was made for.
    #[must_use]
    pub fn narrowed(mut self, only: BTreeSet<Action>) -> Self {
        self.only = Some(only);
        self
    }

    /// Over whose incidents they may do a thing. Everything that may be seen or done is decided here.
    #[must_use]
    pub fn reach(&self, action: Action) -> Reach {
        let nobody = Reach::Only(BTreeSet::new());
        if self.only.as_ref().is_some_and(|only| !only.contains(&action)) {
            return nobody;
        }
        let trusted = self.roles.iter().filter(|(role, _)| role.may(action));
        trusted.fold(nobody, |reach, (_, more)| reach.with(more))
    }

    /// Whose incidents they see.
    #[must_use]
    pub fn sees(&self) -> Reach {
        self.reach(Action::Read)
    }

    /// Whether they act for the CERT, as against for organisations.
    #[must_use]
    pub fn is_of_the_cert(&self) -> bool {
        let is_of = |role: Role| !matches!(role, Role::Responder | Role::DelegatedOperator);
        self.roles.iter().any(|(role, _)| is_of(*role))
    }
}

/// Whether someone may do a thing to an incident of `owner`; `None` is what belongs to no organisation.
#[must_use]
pub fn may(principal: &Principal, action: Action, owner: Option<OrganizationNumber>) -> bool {
    principal.reach(action).covers(owner)
}
