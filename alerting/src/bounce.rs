//! `varde-alerting bounce`: reads a mail that came back, off a mail server's alias, and notes it for the service.
//!
//! Whose mail it was says the address that it came back to, which only this installation can make (`link.rs`); nothing else
//! in it is believed but the status of its report (RFC 3464). So nobody switches off an address by writing to ours.

use std::io::Read;

use anyhow::Context;

use crate::{
    clock::Clock,
    config::Config,
    link::{LinkKey, RETURN_CHARS},
    store::Store,
};

/// Bytes that are read of a mail: a report and the head of what it is about come first.
const BYTES_MAX: u64 = 1024 * 1024;

/// What was made of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is noted.
    Noted,
    /// It was noted before.
    Known,
    /// It is no report that a mail was given up: an answer of a person or a machine, or a delay.
    NoReport,
    /// It did not come back to an address of ours.
    NotOurs,
}

/// Reads a mail from `input`; `recipient` is where it was sent to, where the mail server tells.
///
/// # Errors
/// If the store or the key can't be opened: the mail server tries again.
pub async fn take(
    config: &Config,
    clock: &Clock,
    recipient: Option<&str>,
    input: impl Read,
) -> anyhow::Result<Taken> {
    let mut bytes = Vec::new();
    input
        .take(BYTES_MAX)
        .read_to_end(&mut bytes)
        .context("read the mail")?;
    let mail = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    let Some(status) = report(&mail) else {
        return Ok(Taken::NoReport);
    };
    let store = Store::open_beside(&config.store, &config.data, true).await?;
    let key = LinkKey::of(&store, &config.data).await?;
    let Some(message) = named(&key, recipient, &mail) else {
        return Ok(Taken::NotOurs);
    };
    let mut write = store.begin().await.context("use the store")?;
    let is_new = Store::add_bounce(&mut write, &message, "", &status, "new", clock.now())
        .await
        .context("note it")?;
    store.commit(write).await.context("note it")?;
    Ok(if is_new { Taken::Noted } else { Taken::Known })
}

/// The mail that came back, by the address it came back to: the recipient, else what the head says.
fn named(key: &LinkKey, recipient: Option<&str>, mail: &str) -> Option<String> {
    const FIELDS: [&str; 4] = ["delivered-to:", "x-original-to:", "envelope-to:", "to:"];
    let head = mail.split("\n\n").next().unwrap_or_default();
    let lines = head
        .lines()
        .filter(|line| {
            let line = line.to_ascii_lowercase();
            FIELDS.iter().any(|field| line.starts_with(field))
        })
        .take(16);
    recipient.into_iter().chain(lines).find_map(|text| {
        text.split('+')
            .skip(1)
            .find_map(|rest| key.open_return(rest.get(..RETURN_CHARS)?))
    })
}

/// The status of a report that a mail was given up; `None` for any other mail.
fn report(mail: &str) -> Option<String> {
    let (head, body) = mail.split_once("\n\n")?;
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ").to_ascii_lowercase();
    let kind = unfolded.lines().find(|line| line.starts_with("content-type:"))?;
    if !kind.contains("multipart/report") || !kind.contains("delivery-status") {
        return None;
    }
    let mut is_status = false;
    let (mut action, mut status) = (None, None);
    for line in body.lines() {
        let lower = line.trim_end().to_ascii_lowercase();
        if lower.starts_with("--") {
            is_status = false;
        } else if lower.starts_with("content-type:") {
            is_status =
                lower.contains("message/delivery-status") || lower.contains("message/global-delivery-status");
        } else if is_status {
            // One mail, one recipient: the first of each is that one's.
            if let Some(value) = lower.strip_prefix("action:") {
                action.get_or_insert(value.trim().to_owned());
            } else if let Some(value) = lower.strip_prefix("status:") {
                let code = value.split_whitespace().next().unwrap_or_default();
                status.get_or_insert(code.to_owned());
            }
        }
    }
    let status = status.filter(|status| is_final(status))?;
    (action.as_deref() == Some("failed")).then_some(status)
}

/// `5.x.y` (RFC 3463).
fn is_final(status: &str) -> bool {
    let parts: Vec<&str> = status.split('.').collect();
    let [class, subject, detail] = parts.as_slice() else {
        return false;
    };
    let is_number =
        |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    *class == "5" && is_number(subject) && is_number(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(kind: &str, action: &str, status: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.example\nTo: x\nContent-Type: multipart/report;\n {kind}; boundary=b\n\n--b\n\
             Content-Type: text/plain\n\nStatus: 5.9.9\nIt did not go.\n--b\nContent-Type: message/delivery-status\n\n\
             Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; a@b.example\nAction: {action}\nStatus: {status}\n\
             --b--\n"
        )
    }

    #[test]
    fn only_a_report_that_a_mail_was_given_up_is_one() {
        let kind = "report-type=delivery-status";
        assert_eq!(report(&mail(kind, "failed", "5.1.1")), Some("5.1.1".to_owned()));
        assert_eq!(
            report(&mail("report-type=\"delivery-status\"", "Failed", "5.2.2 (full)")),
            Some("5.2.2".to_owned())
        );
        for (kind, action, status) in [
            (kind, "delayed", "4.4.1"),
            (kind, "failed", "4.4.1"),
            (kind, "relayed", "5.1.1"),
            (kind, "failed", "5"),
            (kind, "failed", "5.1.1.1"),
            (kind, "failed", "5.x.1"),
            ("report-type=disposition-notification", "failed", "5.1.1"),
        ] {
            assert_eq!(
                report(&mail(kind, action, status)),
                None,
                "{kind} {action} {status}"
            );
        }
        for text in ["", "\n\n", "Subject: hei\n\nStatus: 5.1.1\nAction: failed\n"] {
            assert_eq!(report(text), None, "{text}");
        }
    }
}
