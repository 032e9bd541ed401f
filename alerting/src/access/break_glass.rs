//! Every use of the break-glass account is an alert: an incident of the CERT's own, of which its duty contact is told.

use super::{
    Secret,
    alarm::{self, Alarm},
};
use crate::{config::AccessSettings, state::State, store::Write};

/// The rule that the incident says it is of, and its words.
const ALARM: Alarm = Alarm {
    rule: "varde:break-glass",
    name: "Break-glass account used",
    description: "Someone logged in to Varde with the account for emergencies.",
    summary: [
        "Nødkontoen i Varde er brukt",
        "Nødkontoen i Varde er brukt",
        "The break-glass account of Varde was used",
    ],
    first_step: [
        "Finn ut hvem som logget inn, og hvorfor. Var det ingen av dere: steng kontoen med varde-alerting accounts revoke.",
        "Finn ut kven som logga inn, og kvifor. Var det ingen av dykk: steng kontoen med varde-alerting accounts revoke.",
        "Find out who logged in, and why. If it was none of you: close the account with varde-alerting accounts revoke.",
    ],
};

/// Opens the incident, in the transaction that lets them in: neither is there without the other.
pub(super) async fn tell(
    state: &State,
    settings: &AccessSettings,
    write: &mut Write,
    name: &str,
    session: &Secret,
) -> sqlx::Result<()> {
    // A use is an incident of its own: the digest tells two apart, and lets nobody in.
    let occasion: String = session.digest().chars().take(16).collect();
    alarm::raise(state, settings, write, &ALARM, name, &occasion).await
}
