//! A mail's head, hidden inside of what is encrypted (RFC 9788): a mail program that knows it shows the real subject, and the way
//! there sees one that says nothing.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::smime::parts;

/// Fields that go inside as well: those that a mail program shows (RFC 9788, section 2.1.1).
const INSIDE: [&str; 5] = ["from", "to", "subject", "date", "message-id"];

/// A mail, apart.
#[derive(Debug)]
pub(super) struct Mail {
    /// The head for everybody on the way.
    pub(super) envelope: Vec<u8>,
    /// What is signed and encrypted.
    pub(super) entity: Vec<u8>,
}

/// Puts a mail's own head into its content, and another subject over it.
///
/// # Errors
/// If it has no head: a defect of this program.
pub(super) fn hide(mail: &[u8], subject: &str) -> anyhow::Result<Mail> {
    let (envelope, entity) = parts(mail).context("find the mail's head")?;
    let subject = format!("Subject: {}\r\n", encoded(subject)).into_bytes();
    let (mut outside, mut inside, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields(&envelope) {
        let name = field.split(|byte| *byte == b':').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let left = if name == "subject" {
            subject.as_slice()
        } else {
            field
        };
        outside.extend_from_slice(left);
        if INSIDE.contains(&name.as_str()) {
            inside.extend_from_slice(field);
            told.extend_from_slice(b"HP-Outer: ");
            told.extend_from_slice(left);
        }
    }
    Ok(Mail {
        envelope: outside,
        entity: [inside, told, marked(&entity)?].concat(),
    })
}

/// The content, marked as one whose head is to be believed because it was encrypted (RFC 9788, section 2.1.1).
fn marked(entity: &[u8]) -> anyhow::Result<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let end = entity.windows(END.len()).position(|window| window == END);
    let (head, rest) = entity.split_at(end.context("find the content's head")? + 2);
    let mut marked = Vec::with_capacity(entity.len() + 16);
    for field in fields(head) {
        let is_type = field.len() > 13 && field.to_ascii_lowercase().starts_with(b"content-type:");
        match field.strip_suffix(b"\r\n") {
            Some(plain) if is_type => {
                marked.extend_from_slice(plain);
                marked.extend_from_slice(b";\r\n hp=\"cipher\"\r\n");
            }
            Some(_) | None => marked.extend_from_slice(field),
        }
    }
    marked.extend_from_slice(rest);
    Ok(marked)
}

/// The fields of a head, each with the lines that go on with it and its line end.
fn fields(head: &[u8]) -> Vec<&[u8]> {
    let mut starts = vec![0];
    let lines = head.split_inclusive(|byte| *byte == b'\n');
    let mut at = 0;
    for line in lines {
        if at != 0 && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([head.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| head.get(*start..end))
        .filter(|field| !field.is_empty())
        .collect()
}

/// A subject of a few words, as one encoded word where it needs to be (RFC 2047).
fn encoded(subject: &str) -> String {
    if subject.is_ascii() {
        return subject.to_owned();
    }
    format!("=?utf-8?B?{}?=", STANDARD.encode(subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_inside_and_outside_is_another_subject() {
        let mail = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: secret\r\n goes on\r\nMessage-ID: <1@b.example>\r\n\
            Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\nbody\r\n";
        let Mail { envelope, entity } = hide(mail, "[Varde] Kryptert č").expect("a head");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        assert_eq!(
            text(&envelope),
            "From: a@b.example\r\nTo: c@d.example\r\nSubject: =?utf-8?B?W1ZhcmRlXSBLcnlwdGVydCDEjQ==?=\r\n\
             Message-ID: <1@b.example>\r\nAuto-Submitted: auto-generated\r\n"
        );
        assert_eq!(
            text(&entity),
            "From: a@b.example\r\nTo: c@d.example\r\nSubject: secret\r\n goes on\r\nMessage-ID: <1@b.example>\r\n\
             HP-Outer: From: a@b.example\r\nHP-Outer: To: c@d.example\r\n\
             HP-Outer: Subject: =?utf-8?B?W1ZhcmRlXSBLcnlwdGVydCDEjQ==?=\r\nHP-Outer: Message-ID: <1@b.example>\r\n\
             Content-Type: text/plain;\r\n charset=utf-8;\r\n hp=\"cipher\"\r\n\r\nbody\r\n"
        );
        assert!(hide(b"no head", "x").is_err());
    }
}
