//! How a mail is protected: in clear, or encrypted for the contact's certificate (S/MIME) or key (PGP/MIME, RFC 3156).
//!
//! Where a contact has one, nothing of the incident leaves in clear, not its subject either.

use alerting_incident::{Channel, MailKeys, Responder, ResponderId};
use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ingest_event::Timestamp;

use super::{
    protected::{Mail, hide},
    smime::Signer,
};
use crate::{
    config::MailSettings,
    registry::{
        Loaded,
        mail_keys::{Certificate, KeyFlaw, PgpKey, PgpSigner},
    },
    store::StoredNotification,
};

/// Of base64 on one line (RFC 2045, section 6.8).
const LINE: usize = 76;

/// How a mail to one contact leaves.
#[derive(Debug)]
pub(crate) enum Seal {
    /// The contact has no key.
    Clear,
    /// Encrypted with a certificate.
    Smime(Box<Certificate>),
    /// Encrypted with an OpenPGP key.
    Pgp(Box<PgpKey>),
    /// It has one that can't be used, and why.
    Impossible(String),
}

/// With what the service signs.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    pub(crate) smime: Option<Signer>,
    pub(crate) pgp: Option<PgpSigner>,
}

impl Signers {
    /// Reads what mails are signed with.
    ///
    /// # Errors
    /// If a certificate or a key can't be used.
    pub(crate) fn open(settings: &MailSettings) -> anyhow::Result<Self> {
        let smime = settings.signing.as_ref().map(Signer::open).transpose();
        let pgp = settings.pgp_signing.as_ref().map(|settings| {
            let file = &settings.key_file;
            let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
            PgpSigner::read(&bytes).with_context(|| format!("use {}", file.display()))
        });
        Ok(Self {
            smime: smime.context("prepare the signature of mails")?,
            pgp: pgp
                .transpose()
                .context("prepare the OpenPGP signature of mails")?,
        })
    }
}

impl Seal {
    /// What a notification needs, by the registry that holds now.
    pub(crate) fn of(loaded: &Loaded, notification: &StoredNotification, now: Timestamp) -> Self {
        let channel = &notification.channel;
        let keys = keys_of(loaded, channel, Some(&notification.responder));
        Self::by(keys, channel.address(), notification.is_sealed, now)
    }

    /// What a letter to an address needs; `was_sealed` says that something in it was decided for somebody with a key.
    pub(crate) fn of_address(loaded: &Loaded, address: &str, was_sealed: bool, now: Timestamp) -> Self {
        let keys = keys_of(loaded, &Channel::Email(address.to_owned()), None);
        Self::by(keys, address, was_sealed, now)
    }

    fn by(keys: Option<&MailKeys>, address: &str, was_sealed: bool, now: Timestamp) -> Self {
        match keys {
            Some(keys) => Self::with(keys, address, now),
            // It was withdrawn, or moved to another address, since this was decided.
            None if was_sealed => Self::Impossible("the contact's key is registered no more".to_owned()),
            None => Self::Clear,
        }
    }

    /// The first of a contact's keys that can be used.
    pub(crate) fn with(keys: &MailKeys, address: &str, now: Timestamp) -> Self {
        let certificate = keys.certificate.as_deref().map(|text| {
            let one = Certificate::read(text)?;
            one.usable(address, now)?;
            Ok::<_, KeyFlaw>(one)
        });
        let pgp_key = keys.pgp_key.as_deref().map(|text| {
            let one = PgpKey::read(text)?;
            one.usable(address, now)?;
            Ok::<_, KeyFlaw>(one)
        });
        match (certificate, pgp_key) {
            (Some(Ok(one)), _) => Self::Smime(Box::new(one)),
            (_, Some(Ok(one))) => Self::Pgp(Box::new(one)),
            (Some(Err(flaw)), _) => Self::Impossible(format!("the contact's certificate: {flaw}")),
            (None, Some(Err(flaw))) => Self::Impossible(format!("the contact's OpenPGP key: {flaw}")),
            (None, None) => Self::Clear,
        }
    }

    /// As it is counted.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Smime(_) => "smime",
            Self::Pgp(_) => "pgp",
            Self::Impossible(_) => "unsealable",
        }
    }

    /// Writes a mail as it leaves. `outside` is the subject that everybody on the way reads where it is encrypted.
    ///
    /// # Errors
    /// If a library refuses.
    pub(crate) fn write(
        &self,
        mail: &[u8],
        outside: &str,
        signers: &Signers,
        now: Timestamp,
    ) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Clear | Self::Impossible(_) => match &signers.smime {
                Some(signer) => signer.sign(mail),
                None => Ok(mail.to_vec()),
            },
            Self::Smime(certificate) => {
                let Mail { envelope, entity } = hide(mail, outside)?;
                let entity = match &signers.smime {
                    Some(signer) => signer.sign_entity(&entity)?,
                    None => entity,
                };
                let head = "MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n \
                            name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\
                            Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n";
                let body = wrapped(&certificate.encrypt(&entity)?);
                Ok([envelope.as_slice(), head.as_bytes(), body.as_bytes()].concat())
            }
            Self::Pgp(key) => {
                let Mail { envelope, entity } = hide(mail, outside)?;
                let message = key.encrypt(&entity, signers.pgp.as_ref(), now)?;
                let message = super::smime::canonical(&message);
                // Armor has no line that begins so: the boundary need not be random.
                let head = "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n \
                            boundary=\"varde-encrypted\"\r\n\r\n--varde-encrypted\r\n\
                            Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--varde-encrypted\r\n\
                            Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
                            Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n";
                Ok([
                    envelope.as_slice(),
                    head.as_bytes(),
                    &message,
                    b"\r\n--varde-encrypted--\r\n",
                ]
                .concat())
            }
        }
    }
}

/// The keys of who is told: the contact's own, else those of whoever has this address.
fn keys_of<'l>(
    loaded: &'l Loaded,
    channel: &Channel,
    responder: Option<&ResponderId>,
) -> Option<&'l MailKeys> {
    let registry = loaded.routes.registry();
    let bodies = registry.organizations().iter().flat_map(|body| &body.responders);
    let here: Vec<&Responder> = bodies
        .chain([registry.duty()])
        .filter(|one| one.keys.is_any() && one.channels.contains(channel))
        .collect();
    let own = here.iter().find(|one| Some(&one.id) == responder);
    own.or_else(|| here.first()).map(|one| &one.keys)
}

fn wrapped(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / 32);
    for (at, letter) in text.char_indices() {
        if at != 0 && at % LINE == 0 {
            lines.push_str("\r\n");
        }
        lines.push(letter);
    }
    lines.push_str("\r\n");
    lines
}
