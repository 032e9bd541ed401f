//! `varde-alerting accounts`: who may log in. Works on the store, whether the service runs or not.

mod passkeys;

use std::{
    collections::BTreeSet,
    io::{BufRead, Write as _},
    time::Duration,
};

use alerting_incident::access::{Action, Grant, Role};
use anyhow::{Context, bail};
use clap::Subcommand;
use ingest_event::{OrganizationNumber, Timestamp};

use super::{Secret, login, note_about, oidc, password, secret, totp};
use crate::{
    clock::Clock,
    config::Config,
    link::LinkKey,
    private,
    store::{Account, AccountKind, Store},
};

/// Recovery codes of an account: a sheet of paper.
const RECOVERY_CODES: usize = 10;
/// 80 bits: kept as a digest, and still nobody's to guess.
const RECOVERY_BYTES: usize = 10;
/// 100 bits of a password that the service thinks of.
const PASSWORD_BYTES: usize = 13;

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Lists accounts with what they are trusted with.
    List,
    /// Adds an account; password, code key and recovery codes, if it has them, are printed this once.
    Add {
        /// What they log in as.
        login: String,
        /// The name that the timeline and the audit log show.
        #[arg(long)]
        name: String,
        /// The account for when nothing else works: every use is an alert.
        #[arg(long, group = "kind")]
        break_glass: bool,
        /// A machine's: it gets tokens, and no password.
        #[arg(long, group = "kind")]
        machine: bool,
        /// Of somebody who logs in by an identity provider: it gets no password either; `bind` says who it is.
        #[arg(long, group = "kind")]
        federated: bool,
        /// Reads the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Gives an account a new password, code key and recovery codes, removes its passkeys, and ends its sessions.
    Reset {
        /// Whose.
        login: String,
        /// Reads the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Trusts an account with a role, for all or for one organisation.
    Grant {
        /// Whom.
        login: String,
        /// analyst, duty_officer, rule_author, responder, delegated_operator or auditor.
        role: Role,
        /// For this organisation's incidents only.
        #[arg(long)]
        organization: Option<OrganizationNumber>,
        /// The first day on which it no longer holds (UTC), as 2027-01-31.
        #[arg(long, value_parser = day)]
        until: Option<Timestamp>,
    },
    /// Takes a role back; without a role closes the account and ends its sessions and tokens.
    Revoke {
        /// Whose.
        login: String,
        /// Only this role.
        role: Option<Role>,
        /// As it was given.
        #[arg(long, requires = "role")]
        organization: Option<OrganizationNumber>,
    },
    /// Lets whoever was told this code log in as an account, by the identity provider that they came from.
    Bind {
        /// As whom.
        login: String,
        /// What the login page told them, as ABCD-EFGH. Make sure on another way that it is they who have it.
        #[arg(long)]
        code: String,
    },
    /// Lets nobody log in as an account by an identity provider any more, and ends its sessions.
    Unbind {
        /// Whose.
        login: String,
    },
    /// Lists the passkeys of an account, or removes one that was lost.
    Passkeys {
        /// Whose.
        login: String,
        /// Removes this one, by its id in the list, and ends the sessions of the account.
        #[arg(long, value_name = "ID")]
        remove: Option<String>,
    },
    /// Makes a token for a machine's account; it is printed this once.
    Token {
        /// Whose.
        login: String,
        /// Days until it ends.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// What it may be used for, among what the account may do.
        #[arg(long, value_delimiter = ',', default_value = "read")]
        actions: Vec<Action>,
    },
}

/// Does it, and prints what is to be kept.
///
/// # Errors
/// If the store can't be opened, or there is no such account.
pub async fn run(config: &Config, clock: &Clock, verb: Verb) -> anyhow::Result<()> {
    private::make_folder(&config.data)
        .with_context(|| format!("make the folder {}", config.data.display()))?;
    let store = Store::open_beside(&config.store, &config.data, true).await?;
    let desk = Desk {
        key: LinkKey::of(&store, &config.data).await?,
        store,
        now: clock.now(),
        issuer: format!("Varde {}", config.cert.name),
    };
    let told = desk.carry_out(verb).await?;
    std::io::stdout().write_all(told.as_bytes()).context("print")
}

struct Desk {
    store: Store,
    key: LinkKey,
    now: Timestamp,
    issuer: String,
}

impl Desk {
    async fn carry_out(&self, verb: Verb) -> anyhow::Result<String> {
        match verb {
            Verb::List => self.list().await,
            Verb::Add {
                login,
                name,
                break_glass,
                machine,
                federated,
                password_stdin,
            } => {
                let kind = match (break_glass, machine, federated) {
                    (true, _, _) => AccountKind::BreakGlass,
                    (false, true, _) => AccountKind::Machine,
                    (false, false, true) => AccountKind::Federated,
                    (false, false, false) => AccountKind::Local,
                };
                self.add(&login::canonical(&login), &name, kind, password_stdin)
                    .await
            }
            Verb::Reset {
                login,
                password_stdin,
            } => self.reset(&login, password_stdin).await,
            Verb::Grant {
                login,
                role,
                organization,
                until,
            } => {
                let grant = Grant {
                    role,
                    organization,
                    until,
                };
                grant.check().context("give the role")?;
                let account = self.find(&login).await?;
                let mut write = self.store.begin().await?;
                Store::grant(&mut write, &account.id, &grant).await?;
                let given = format!("{} {}", account.name, shown(&grant));
                note_about(
                    &mut write,
                    self.now,
                    OPERATOR,
                    "grant.given",
                    (&account.id, &given),
                )
                .await?;
                self.store.commit(write).await?;
                Ok(String::new())
            }
            Verb::Revoke {
                login,
                role,
                organization,
            } => self.revoke(&login, role, organization).await,
            Verb::Bind { login, code } => self.bind(&login, &code).await,
            Verb::Unbind { login } => {
                let account = self.find(&login).await?;
                let mut write = self.store.begin().await?;
                if !Store::unbind_identities(&mut write, &account.id).await? {
                    bail!("unbind `{login}`: nobody logs in as it by an identity provider");
                }
                note_about(
                    &mut write,
                    self.now,
                    OPERATOR,
                    "identity.unbound",
                    (&account.id, &account.name),
                )
                .await?;
                self.store.commit(write).await?;
                Ok(String::new())
            }
            Verb::Passkeys { login, remove } => match remove {
                Some(id) => self.remove_passkey(&login, &id).await,
                None => self.passkeys(&login).await,
            },
            Verb::Token { login, days, actions } => {
                self.token(&login, days, actions.into_iter().collect()).await
            }
        }
    }

    async fn list(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for account in self.store.accounts().await? {
            let grants = self.store.grants(&account.id).await?;
            let trusted: Vec<_> = grants
                .iter()
                .map(|grant| {
                    format!(
                        "{}{}",
                        shown(grant),
                        if grant.holds(self.now) { "" } else { " (ended)" }
                    )
                })
                .collect();
            let closed = if account.revoked_at.is_some() {
                "closed, "
            } else {
                ""
            };
            text += &format!(
                "{}\t{}\t{closed}{}\t{}\n",
                account.login,
                account.name,
                account.kind.as_str(),
                trusted.join("; ")
            );
        }
        Ok(text)
    }

    async fn add(
        &self,
        login: &str,
        name: &str,
        kind: AccountKind,
        from_input: bool,
    ) -> anyhow::Result<String> {
        if login.trim().is_empty() || name.trim().is_empty() {
            bail!("add the account: a login and a name have letters");
        }
        if self.store.account(login).await?.is_some() {
            bail!("add the account: `{login}` is there already; `reset` gives it new secrets");
        }
        let has_password = matches!(kind, AccountKind::Local | AccountKind::BreakGlass);
        let id = hex::encode(secret::random::<16>()?);
        let fresh = has_password.then(|| self.fresh(&id, from_input)).transpose()?;
        let account = Account {
            id,
            login: login.to_owned(),
            name: name.trim().to_owned(),
            kind,
            password: fresh.as_ref().map(|fresh| fresh.hash.clone()),
            totp: fresh.as_ref().map(|fresh| fresh.sealed.clone()),
            revoked_at: None,
        };
        let mut write = self.store.begin().await?;
        Store::add_account(&mut write, &account, self.now).await?;
        if let Some(fresh) = &fresh {
            for code in &fresh.recovery {
                Store::add_recovery_code(&mut write, &account.id, &login::recovery_digest(code)).await?;
            }
        }
        let added = format!("{} {}", account.name, kind.as_str());
        note_about(
            &mut write,
            self.now,
            OPERATOR,
            "account.added",
            (&account.id, &added),
        )
        .await?;
        self.store.commit(write).await?;
        Ok(fresh.map_or_else(String::new, |fresh| fresh.told(login, &self.issuer)))
    }

    async fn reset(&self, login: &str, from_input: bool) -> anyhow::Result<String> {
        let account = self.find(login).await?;
        if !matches!(account.kind, AccountKind::Local | AccountKind::BreakGlass) {
            bail!(
                "reset `{login}`: it has no password; a machine gets another token, and `unbind` is for who logs in by an identity provider"
            );
        }
        let fresh = self.fresh(&account.id, from_input)?;
        let mut write = self.store.begin().await?;
        Store::set_secrets(&mut write, &account.id, &fresh.hash, &fresh.sealed).await?;
        for code in &fresh.recovery {
            Store::add_recovery_code(&mut write, &account.id, &login::recovery_digest(code)).await?;
        }
        note_about(
            &mut write,
            self.now,
            OPERATOR,
            "account.reset",
            (&account.id, &account.name),
        )
        .await?;
        self.store.commit(write).await?;
        Ok(fresh.told(&account.login, &self.issuer))
    }

    async fn revoke(
        &self,
        login: &str,
        role: Option<Role>,
        organization: Option<OrganizationNumber>,
    ) -> anyhow::Result<String> {
        let account = self.find(login).await?;
        let mut write = self.store.begin().await?;
        match role {
            Some(role) => {
                let grant = Grant {
                    role,
                    organization,
                    until: None,
                };
                if !Store::take_back(&mut write, &account.id, &grant).await? {
                    bail!("take back {} from `{login}`: it was not given", shown(&grant));
                }
                let taken = format!("{} {}", account.name, shown(&grant));
                note_about(
                    &mut write,
                    self.now,
                    OPERATOR,
                    "grant.taken",
                    (&account.id, &taken),
                )
                .await?;
            }
            None => {
                Store::revoke_account(&mut write, &account.id, self.now).await?;
                note_about(
                    &mut write,
                    self.now,
                    OPERATOR,
                    "account.closed",
                    (&account.id, &account.name),
                )
                .await?;
            }
        }
        self.store.commit(write).await?;
        Ok(String::new())
    }

    async fn token(&self, login: &str, days: u32, actions: BTreeSet<Action>) -> anyhow::Result<String> {
        let account = self.find(login).await?;
        if account.kind != AccountKind::Machine || account.revoked_at.is_some() {
            bail!(
                "make a token for `{login}`: it is no machine's account, or closed; add one with --machine"
            );
        }
        let secret = Secret::draw()?;
        let nanos = Duration::from_hours(24 * u64::from(days)).as_nanos();
        let ends_at = self
            .now
            .as_nanos()
            .saturating_add(i64::try_from(nanos).unwrap_or(i64::MAX));
        let ends_at = Timestamp::from_nanos(ends_at);
        let mut write = self.store.begin().await?;
        Store::add_token(
            &mut write,
            &secret.digest(),
            &account.id,
            &actions,
            self.now,
            ends_at,
        )
        .await?;
        note_about(
            &mut write,
            self.now,
            OPERATOR,
            "token.made",
            (&account.id, &account.name),
        )
        .await?;
        self.store.commit(write).await?;
        Ok(format!("token: {}\nuntil: {ends_at}\n", secret.as_str()))
    }

    async fn bind(&self, login: &str, code: &str) -> anyhow::Result<String> {
        let account = self.find(login).await?;
        if !matches!(account.kind, AccountKind::Local | AccountKind::Federated)
            || account.revoked_at.is_some()
        {
            bail!("bind `{login}`: it is no person's account, or closed; add one with --federated");
        }
        let digest = oidc::request_digest(code);
        let asked = self.store.requested_identity(&digest, self.now).await?;
        let (identity, provider) = asked.with_context(|| {
            format!("bind `{login}`: there is no such code, or it is older than a week; let them log in again for another")
        })?;
        let mut write = self.store.begin().await?;
        Store::bind_identity(&mut write, &identity, &account.id, &provider, self.now)
            .await
            .with_context(|| format!("bind `{login}`"))?;
        let bound = format!("{} {provider}", account.name);
        note_about(
            &mut write,
            self.now,
            OPERATOR,
            "identity.bound",
            (&account.id, &bound),
        )
        .await?;
        self.store.commit(write).await?;
        Ok(String::new())
    }

    async fn find(&self, login: &str) -> anyhow::Result<Account> {
        let found = match self.store.account(login).await? {
            Some(account) => Some(account),
            None => self.store.account(&login::canonical(login)).await?,
        };
        found
            .with_context(|| format!("find `{login}`: there is no such account; `list` shows those that are"))
    }

    fn fresh(&self, id: &str, from_input: bool) -> anyhow::Result<Fresh> {
        let password = if from_input {
            let mut line = String::new();
            std::io::stdin()
                .lock()
                .read_line(&mut line)
                .context("read the password")?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            grouped(&secret::base32(&secret::random::<PASSWORD_BYTES>()?).to_lowercase())
        };
        let key = secret::random::<{ totp::KEY_BYTES }>()?;
        let mut recovery = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            recovery.push(grouped(&secret::base32(&secret::random::<RECOVERY_BYTES>()?)));
        }
        Ok(Fresh {
            hash: password::hash(&password)?,
            sealed: secret::seal(&self.key.derived(login::SEALED_BY), id, &key)?,
            password: (!from_input).then_some(password),
            key,
            recovery,
        })
    }
}

/// The actor of what is done on this machine: whoever can write the store.
const OPERATOR: &str = "varde-alerting accounts";

/// Secrets that were just made.
struct Fresh {
    password: Option<String>,
    hash: String,
    key: [u8; totp::KEY_BYTES],
    sealed: String,
    recovery: Vec<String>,
}

impl Fresh {
    fn told(&self, login: &str, issuer: &str) -> String {
        let password = self.password.as_ref();
        format!(
            "login: {login}\n{}codes: {}\nrecovery: {}\n",
            password.map_or_else(String::new, |password| format!("password: {password}\n")),
            totp::address(&self.key, login, issuer),
            self.recovery.join(" ")
        )
    }
}

fn shown(grant: &Grant) -> String {
    let of = grant
        .organization
        .map_or_else(|| "all".to_owned(), |number| number.to_string());
    let until = grant
        .until
        .map_or_else(String::new, |until| format!(" until {until}"));
    format!("{} of {of}{until}", grant.role)
}

/// In fours: people type it.
fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

fn day(text: &str) -> Result<Timestamp, String> {
    let date: jiff::civil::Date = text.parse().map_err(|_| "write it as 2027-01-31".to_owned())?;
    let start = date
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_err(|error| error.to_string())?;
    i64::try_from(start.timestamp().as_nanosecond())
        .map(Timestamp::from_nanos)
        .map_err(|_| "too far off".to_owned())
}
