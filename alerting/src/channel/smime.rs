//! Mail that is signed: S/MIME (RFC 8551, section 3.5.3), `multipart/signed` with a detached signature.
//!
//! Who gets a notice in the CERT's name can see that it is the CERT's, before they follow a link.

use std::path::Path;

use anyhow::Context;
use openssl::{
    pkcs7::{Pkcs7, Pkcs7Flags},
    pkey::{PKey, Private},
    stack::Stack,
    x509::X509,
};

use crate::config::SigningSettings;

/// Signs mails.
pub(crate) struct Signer {
    certificate: X509,
    chain: Stack<X509>,
    key: PKey<Private>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// Reads the certificate, those between it and its authority, and the key.
    ///
    /// # Errors
    /// If a file can't be read, or the key is not the certificate's.
    pub(crate) fn open(settings: &SigningSettings) -> anyhow::Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("read {}", path.display()));
        let file = &settings.certificate_file;
        let mut certificates = X509::stack_from_pem(&read(file)?)
            .with_context(|| format!("understand {} as certificates in PEM", file.display()))?
            .into_iter();
        let certificate = certificates
            .next()
            .with_context(|| format!("find a certificate in {}", file.display()))?;
        let mut chain = Stack::new().context("make room for certificates")?;
        for between in certificates {
            chain.push(between).context("make room for certificates")?;
        }
        let file = &settings.key_file;
        let key = PKey::private_key_from_pem(&read(file)?)
            .with_context(|| format!("understand {} as a key in PEM without a password", file.display()))?;
        let own = certificate.public_key().context("read the certificate's key")?;
        anyhow::ensure!(
            own.public_eq(&key),
            "use {}: it is not the key of {}",
            file.display(),
            settings.certificate_file.display()
        );
        Ok(Self {
            certificate,
            chain,
            key,
        })
    }

    /// The same mail, signed. `mail` has lines that end with CR LF.
    ///
    /// # Errors
    /// If the library refuses.
    pub(crate) fn sign(&self, mail: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (envelope, entity) = parts(mail).context("find the mail's head")?;
        Ok([envelope, self.sign_entity(&entity)?].concat())
    }

    /// A MIME entity, signed: an entity of its own.
    ///
    /// # Errors
    /// If the library refuses.
    pub(super) fn sign_entity(&self, entity: &[u8]) -> anyhow::Result<Vec<u8>> {
        // Binary: the lines are canonical already, and not one byte of what is signed may change.
        let flags = Pkcs7Flags::DETACHED | Pkcs7Flags::BINARY | Pkcs7Flags::CRLFEOL;
        let signature =
            Pkcs7::sign(&self.certificate, &self.key, &self.chain, entity, flags).context("sign the mail")?;
        let signed = signature
            .to_smime(entity, flags)
            .context("write the signed mail")?;
        Ok(canonical(&signed))
    }
}

/// Lines that end with CR LF: the library writes the signature's with LF alone, which no mail server takes.
pub(super) fn canonical(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len() + text.len() / 32);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let plain = line.strip_suffix(b"\n").unwrap_or(line);
        lines.extend_from_slice(plain.strip_suffix(b"\r").unwrap_or(plain));
        if plain.len() < line.len() {
            lines.extend_from_slice(b"\r\n");
        }
    }
    lines
}

/// The head without what tells of the content, and the content with it: what is signed is a whole entity (RFC 1847, section 2.1).
pub(super) fn parts(mail: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let end = mail.windows(END.len()).position(|window| window == END)?;
    let (head, rest) = mail.split_at_checked(end)?;
    let (mut envelope, mut entity) = (Vec::new(), Vec::new());
    let mut is_of_content = false;
    for line in head.split(|byte| *byte == b'\n') {
        // A line that begins with a blank goes on with the one before (RFC 5322, section 2.2.3).
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.get(..8).unwrap_or(line).to_ascii_lowercase();
            let is_version = line.to_ascii_lowercase().starts_with(b"mime-version:");
            let is_language = line.to_ascii_lowercase().starts_with(b"content-language:");
            if is_version {
                continue;
            }
            is_of_content = name == b"content-" && !is_language;
        }
        let to = if is_of_content { &mut entity } else { &mut envelope };
        to.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        to.extend_from_slice(b"\r\n");
    }
    // The blank line and the body.
    entity.extend_from_slice(rest.get(2..)?);
    Some((envelope, entity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_goes_with_its_own_lines_and_the_rest_stays() {
        let mail = b"From: a\r\nSubject: b\r\n c\r\nMIME-Version: 1.0\r\nContent-Language: nb\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nTo: d\r\n\r\nbody\r\n\r\nmore\r\n";
        let (envelope, entity) = parts(mail).expect("a head");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        assert_eq!(
            text(&envelope),
            "From: a\r\nSubject: b\r\n c\r\nContent-Language: nb\r\nTo: d\r\n"
        );
        assert_eq!(
            text(&entity),
            "Content-Type: text/plain;\r\n charset=utf-8\r\n\r\nbody\r\n\r\nmore\r\n"
        );
        assert_eq!(parts(b"no head"), None);
    }
}
