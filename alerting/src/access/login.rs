//! Password and code, for accounts of this service.
//!
//! Guessing is slowed without locking anyone out: after a few attempts under a name, or very many over all, the code is
//! looked at first, and only whoever has a right one that is not used up has their password looked at. A guesser
//! has none; the rightful person always has.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alerting_incident::access::Login;
use ingest_event::Timestamp;
use tokio::sync::Semaphore;

use super::{Secret, break_glass, failures::note_failure, note_of, password, secret, session, totp};
use crate::{
    config::AccessSettings,
    state::State,
    store::{Account, AccountKind, Store, Write},
};

/// Attempts under a name before the code is looked at first.
const ATTEMPTS_MAX: i64 = 5;
/// How long attempts are remembered.
const REMEMBERED: Duration = Duration::from_mins(15);
/// Attempts that did not succeed, under whatever names, in a minute, before all codes are looked at first: a whole
/// watch that mistypes does not come to that.
const ALL_MAX: u32 = 60;
const ALL_WINDOW: Duration = Duration::from_mins(1);
/// Passwords that are hashed at once: each takes a core and 19 MiB.
const HASHING_MAX: usize = 2;
/// Names are short.
pub(crate) const LOGIN_CHARS_MAX: usize = 128;

/// What is shared by attempts.
#[derive(Debug)]
pub(crate) struct Gate {
    most: u32,
    all: Mutex<(Timestamp, u32)>,
    hashing: Semaphore,
}

/// Why someone is not let in; what is said of it is the same whether there is such an account or not.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Name, password or code is wrong.
    Wrong,
    /// The same, after many attempts: a code is needed before anything else is looked at.
    Guarded,
    /// The service can't say.
    Failed(anyhow::Error),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What someone typed.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) code: String,
}

/// Lets someone in, or not.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn log_in(
    state: &State,
    settings: &AccessSettings,
    typed: Typed,
) -> Result<Secret, Refused> {
    let now = state.now();
    let login = canonical(&typed.login);
    let known = state.store.account(&login).await?.filter(|account| {
        let may = account.kind == AccountKind::BreakGlass
            || (account.kind == AccountKind::Local && settings.local_accounts);
        may && account.revoked_at.is_none()
    });
    let attempts = secret::digest(login.as_bytes());
    let is_guarded = !state.gate.lets(now) || {
        let since = Timestamp::from_nanos(now.as_nanos() - i64::try_from(REMEMBERED.as_nanos()).unwrap_or(0));
        let mut write = state.store.begin().await?;
        let count = Store::count_attempt(&mut write, &attempts, since, now).await?;
        write.commit().await?;
        ATTEMPTS_MAX < count
    };
    // Guarded, a right code is used up before the password is looked at: a guess at a code buys one at a password.
    if is_guarded {
        let mut write = state.store.begin().await?;
        let has_code = match &known {
            Some(account) => use_code(state, &mut write, account, &typed.code, now).await?,
            None => false,
        };
        write.commit().await?;
        if !has_code {
            return Err(refused(state, None, true, now).await?);
        }
    }
    let kept = known.as_ref().and_then(|account| account.password.clone());
    let is_right = {
        let _place = state
            .gate
            .hashing
            .acquire()
            .await
            .map_err(|error| Refused::Failed(error.into()))?;
        let password = typed.password.clone();
        tokio::task::spawn_blocking(move || password::is_right(&password, kept.as_deref()))
            .await
            .map_err(|error| Refused::Failed(error.into()))?
    };
    let Some(account) = known.filter(|_| is_right) else {
        let account = state.store.account(&login).await?;
        return Err(refused(state, account.as_ref(), is_guarded, now).await?);
    };
    let mut write = state.store.begin().await?;
    if !is_guarded && !use_code(state, &mut write, &account, &typed.code, now).await? {
        drop(write);
        return Err(refused(state, Some(&account), false, now).await?);
    }
    let how = match account.kind {
        AccountKind::BreakGlass => Login::BreakGlass,
        AccountKind::Local | AccountKind::Machine | AccountKind::Federated => Login::Local,
    };
    let opened = session::open(state, settings, &mut write, &account, how)
        .await
        .map_err(Refused::Failed)?;
    Store::forget_attempts(&mut write, &attempts).await?;
    if how == Login::BreakGlass {
        break_glass::tell(state, settings, &mut write, &account.name, &opened).await?;
    }
    let whose = (account.id.as_str(), account.name.as_str());
    note_of(&mut write, now, whose, "login.succeeded", how.as_str()).await?;
    state.store.commit(write).await?;
    state.gate.let_in();
    state.metrics.logins.with_label_values(&[how.as_str()]).inc();
    if how == Login::BreakGlass {
        state.decided.all();
    }
    Ok(opened)
}

/// A name as it is kept: people write theirs as they like.
pub(crate) fn canonical(login: &str) -> String {
    login
        .trim()
        .to_lowercase()
        .chars()
        .take(LOGIN_CHARS_MAX)
        .collect()
}

/// A recovery code as it is kept: people leave out the dashes.
pub(crate) fn recovery_digest(code: &str) -> String {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    secret::digest(letters.to_ascii_uppercase().as_bytes())
}

/// The purpose that the key of the codes' keys is derived for.
pub(crate) const SEALED_BY: &str = "varde:totp";

async fn use_code(
    state: &State,
    write: &mut Write,
    account: &Account,
    code: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let sealed = account.totp.as_deref();
    let key = sealed.and_then(|sealed| secret::unseal(&state.key.derived(SEALED_BY), &account.id, sealed));
    match key.and_then(|key| totp::step_of(&key, code, now)) {
        Some(step) => Store::use_step(write, &account.id, step).await,
        None => Store::use_recovery_code(write, &account.id, &recovery_digest(code)).await,
    }
}

/// Counts and notes a failure, and once it is guarded counts it only.
async fn refused(
    state: &State,
    account: Option<&Account>,
    is_guarded: bool,
    now: Timestamp,
) -> Result<Refused, Refused> {
    state
        .metrics
        .logins
        .with_label_values(&[if is_guarded { "guarded" } else { "wrong" }])
        .inc();
    if is_guarded {
        return Ok(Refused::Guarded);
    }
    let mut write = state.store.begin().await?;
    note_failure(&mut write, account, "login.failed", "", now).await?;
    write.commit().await?;
    Ok(Refused::Wrong)
}

impl Default for Gate {
    fn default() -> Self {
        Self::of(ALL_MAX)
    }
}

impl Gate {
    /// For so many in a minute.
    pub(super) fn of(most: u32) -> Self {
        Self {
            most,
            all: Mutex::default(),
            hashing: Semaphore::new(HASHING_MAX),
        }
    }

    /// Counts an attempt; whether there were not too many lately.
    pub(super) fn lets(&self, now: Timestamp) -> bool {
        let mut held = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = *held;
        // A clock that was set back shuts nobody out for longer.
        *held = if now < since || ALL_WINDOW <= now.since(since) {
            (now, 1)
        } else {
            (since, count.saturating_add(1))
        };
        held.1 <= self.most
    }

    /// One succeeded: it does not count.
    pub(super) fn let_in(&self) {
        let mut held = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        held.1 = held.1.saturating_sub(1);
    }
}
