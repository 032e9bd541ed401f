//! What mail servers log about who came: Postfix's SMTP server, and Dovecot's logins over IMAP, POP3 and SMTP.
//!
//! Texts are those of Postfix's `smtpd` and Dovecot's `login-common` and `auth`. Senders and receivers are told by their
//! domains only. Dataset `mail.log`.

use std::net::IpAddr;

use ingest_event::{Fields, field};

/// Whether a program is a mail server's, by its name in the header.
pub(super) fn is_mail(appname: &str) -> bool {
    appname == "dovecot" || appname.starts_with("postfix/") || appname.starts_with("postfix-")
}

/// Sets who came, what for, and how it went.
pub(super) fn read(appname: &str, message: &str, fields: &mut Fields) {
    if appname == "dovecot" {
        dovecot(message, fields);
    } else if appname.ends_with("smtpd") || appname.ends_with("postscreen") {
        postfix(message, fields);
    }
}

fn postfix(message: &str, fields: &mut Fields) {
    fields.set(field::NETWORK_PROTOCOL, "smtp");
    for (start, action) in [
        ("connect from ", "mail_connect"),
        ("disconnect from ", "mail_disconnect"),
        ("lost connection after ", "mail_disconnect"),
    ] {
        if let Some(rest) = message.strip_prefix(start) {
            let peer = rest.rsplit_once(" from ").map_or(rest, |(_, peer)| peer);
            fields.set(field::EVENT_ACTION, action);
            set_peer(peer, fields);
            return;
        }
    }
    if let Some(rest) = message.strip_prefix("warning: non-SMTP command from ") {
        fields.set(field::EVENT_ACTION, "mail_command");
        fields.set(field::EVENT_OUTCOME, "failure");
        set_peer(rest, fields);
        return;
    }
    if let Some((peer, _)) = message
        .strip_prefix("warning: ")
        .and_then(|rest| rest.split_once(": SASL "))
        .filter(|(_, rest)| rest.contains("authentication failed"))
    {
        login(fields, "failure");
        set_peer(peer, fields);
        fields.set_some(field::USER_NAME, after(message, "sasl_username="));
        return;
    }
    if let Some((_, rest)) = message.split_once("reject: ") {
        let Some((_, rest)) = rest.split_once(" from ") else {
            return;
        };
        fields.set(field::EVENT_ACTION, "mail_reject");
        fields.set(field::EVENT_OUTCOME, "failure");
        let (peer, rest) = rest.split_once(": ").unwrap_or((rest, ""));
        set_peer(peer, fields);
        let code = rest.split(' ').find(|word| word.split('.').count() == 3);
        fields.set_some(
            "error.code",
            code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')),
        );
        envelope(rest, fields);
        return;
    }
    // `QUEUEID: client=NAME[ADDRESS], sasl_method=…, sasl_username=…`
    if let Some((_, rest)) = message.split_once(": client=") {
        let is_login = rest.contains("sasl_username=");
        match is_login {
            true => login(fields, "success"),
            false => fields.set(field::EVENT_ACTION, "mail_connect"),
        }
        set_peer(rest.split(',').next().unwrap_or(rest), fields);
        fields.set_some(field::USER_NAME, after(rest, "sasl_username="));
    }
}

fn dovecot(message: &str, fields: &mut Fields) {
    let (service, rest) = message.split_once(": ").unwrap_or(("", message));
    let protocol = [
        ("imap-login", "imap"),
        ("pop3-login", "pop3"),
        ("submission-login", "smtp"),
        ("managesieve-login", "sieve"),
    ]
    .iter()
    .find_map(|(name, protocol)| (*name == service).then_some(*protocol));
    if let Some(protocol) = protocol {
        fields.set(field::NETWORK_PROTOCOL, protocol);
        // A name may hold anything, and the addresses stand behind it; the session, in the same brackets, comes last.
        let behind = rest
            .rsplit_once(", session=")
            .map_or(rest, |(before, _)| before)
            .rsplit_once(">, ")
            .map_or(rest, |(_, behind)| behind);
        fields.set_some(field::SOURCE_IP, address(behind, "rip="));
        fields.set_some(field::DESTINATION_IP, address(behind, "lip="));
        fields.set_some(field::USER_NAME, after(rest, "user="));
        if rest.starts_with("Login: ") || rest.starts_with("Logged in: ") {
            login(fields, "success");
        } else if rest.contains("auth failed") {
            login(fields, "failure");
        } else if rest.starts_with("Disconnected") || rest.starts_with("Aborted login") {
            fields.set(field::EVENT_ACTION, "mail_disconnect");
        }
        return;
    }
    // `auth-worker(24544): pam(NAME,ADDRESS[,<session>]): unknown user`
    let is_auth = service.starts_with("auth");
    let said = rest.split_once('(').and_then(|(_, rest)| rest.split_once("): "));
    if let Some((who, text)) = said.filter(|_| is_auth) {
        // `NAME,ADDRESS` or `NAME,ADDRESS,<session>`: the name may hold commas.
        let who = who.rsplit_once(",<").map_or(who, |(before, _)| before);
        let (user, peer) = match who.rsplit_once(',') {
            Some((user, peer)) => (Some(user), peer.parse::<IpAddr>().ok()),
            None => (Some(who), None),
        };
        if ["unknown user", "failed", "mismatch"]
            .iter()
            .any(|word| text.to_lowercase().contains(word))
        {
            login(fields, "failure");
            fields.set_some(field::USER_NAME, user.filter(|user| !user.is_empty()));
            fields.set_some(field::SOURCE_IP, peer);
        }
    }
}

fn login(fields: &mut Fields, outcome: &'static str) {
    fields.set(field::EVENT_ACTION, "mail_login");
    fields.set(field::EVENT_OUTCOME, outcome);
}

/// `NAME[ADDRESS]`, perhaps with `:PORT` and more behind it.
fn set_peer(text: &str, fields: &mut Fields) {
    let Some((name, rest)) = text.split_once('[') else {
        return;
    };
    let address = rest
        .split(']')
        .next()
        .and_then(|address| address.parse::<IpAddr>().ok());
    fields.set_some(field::SOURCE_IP, address);
    let name = name.trim();
    fields.set_some(
        "source.domain",
        (!name.is_empty() && name != "unknown").then(|| name.to_lowercase()),
    );
}

fn envelope(text: &str, fields: &mut Fields) {
    fields.set_some(field::SMTP_HELO, after(text, "helo="));
    let domain = |name| {
        let (_, domain) = after(text, name)?.rsplit_once('@')?;
        Some(domain.to_lowercase())
    };
    fields.set_some(field::SMTP_FROM_DOMAIN, domain("from="));
    fields.set_some(field::SMTP_TO_DOMAINS, domain("to="));
}

/// What follows `name`, up to the next blank or comma; or between angle brackets.
fn after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let starts = text.match_indices(name).find(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        before.is_none_or(|byte| matches!(byte, b' ' | b',' | b';'))
    });
    let rest = text.get(starts?.0 + name.len()..)?;
    let found = match rest.strip_prefix('<') {
        Some(rest) => rest.split('>').next()?,
        None => rest.split([' ', ',']).next()?,
    };
    (!found.is_empty()).then_some(found)
}

fn address(text: &str, name: &str) -> Option<IpAddr> {
    after(text, name)?.parse().ok()
}
