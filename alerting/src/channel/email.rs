//! Mail: by SMTP (RFC 5321), or as `.eml` files in a folder for a demo.

use std::{path::PathBuf, time::Duration};

use alerting_incident::Language;
use anyhow::Context;
use ingest_event::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::Envelope,
    message::{
        Attachment, Mailbox, MultiPart,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};

use super::{
    DeliveryError, Receipt,
    seal::{Seal, Signers},
};
use crate::{
    config::{MailSettings, MailTransport, SmtpSettings, SmtpTls, WhenUnsealable},
    link::LinkKey,
    notice::{Notice, bare},
    private,
    state::{DemoMail, State},
    store::{Stored, StoredNotification},
};

/// Sends mail.
#[derive(Debug)]
pub(crate) struct Email {
    from: Mailbox,
    signers: Signers,
    when_unsealable: WhenUnsealable,
    /// Where mail comes back to, without the name of a mail.
    bounces: Option<String>,
    transport: Transport,
}

/// A mail to one person, before it is protected.
pub(crate) struct Letter<'a> {
    pub(crate) id: &'a str,
    pub(crate) to: &'a str,
    pub(crate) name: &'a str,
    pub(crate) language: Language,
    pub(crate) notice: &'a Notice,
    /// Name and content of a CSV file.
    pub(crate) attachment: Option<(&'a str, &'a [u8])>,
}

#[derive(Debug)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(PathBuf),
}

impl Email {
    /// Prepares the transport; connects only when there is something to send.
    ///
    /// # Errors
    /// If the sender, the password or the folder can't be used.
    pub(crate) fn open(settings: &MailSettings) -> anyhow::Result<Self> {
        let from = settings
            .from
            .parse()
            .with_context(|| format!("read `{}` as a mail address", settings.from))?;
        let transport = match &settings.transport {
            MailTransport::Smtp(smtp) => Transport::Smtp(smtp_transport(smtp)?),
            MailTransport::Directory { path } => {
                private::make_folder(path).with_context(|| format!("make the folder {}", path.display()))?;
                Transport::Directory(path.clone())
            }
        };
        Ok(Self {
            from,
            signers: Signers::open(settings)?,
            when_unsealable: settings.when_unsealable,
            bounces: settings.bounces.address.clone(),
            transport,
        })
    }

    /// Hands a notification over; the receipt is the server's answer.
    pub(crate) async fn send(
        &self,
        state: &State,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> Result<Receipt, DeliveryError> {
        let now = state.now();
        let mut seal = Seal::of(&state.registry.load(), notification, now);
        state.metrics.mails.with_label_values(&[seal.as_str()]).inc();
        let mut unsealed = None;
        if let Seal::Impossible(why) = seal {
            if self.when_unsealable == WhenUnsealable::Hold {
                return Err(DeliveryError::Unsealable(why));
            }
            unsealed = Some(why);
            seal = Seal::Clear;
        }
        let notice = match &unsealed {
            Some(_) => bare::notice(state, notification),
            None => state
                .notices
                .render(state, notification, stored)
                .map_err(|error| DeliveryError::Permanent(format!("write the mail: {error:#}")))?,
        };
        let letter = Letter {
            id: notification.id.as_str(),
            to: notification.channel.address(),
            name: &notification.responder_name,
            language: notification.language,
            notice: &notice,
            attachment: None,
        };
        let text = self.deliver(Some(&state.key), &letter, &seal, now).await?;
        state.keep_for_demo(letter.for_demo());
        Ok(Receipt { text, unsealed })
    }

    /// Writes, protects and hands over; the receipt is the server's answer. Without a `key` it comes back to the sender.
    pub(crate) async fn deliver(
        &self,
        key: Option<&LinkKey>,
        letter: &Letter<'_>,
        seal: &Seal,
        now: Timestamp,
    ) -> Result<String, DeliveryError> {
        let written = self.message(letter).and_then(|message| {
            let outside = bare::outside(letter.language);
            let mail = seal.write(&message.formatted(), outside, &self.signers, now)?;
            Ok((self.envelope(key, letter)?, mail))
        });
        let (envelope, mail) =
            written.map_err(|error| DeliveryError::Permanent(format!("write the mail: {error:#}")))?;
        match &self.transport {
            Transport::Smtp(smtp) => {
                let answer = smtp.send_raw(&envelope, &mail).await.map_err(|error| {
                    let text = format!("the mail server: {}", chain(&error));
                    match error.status() {
                        Some(code) => DeliveryError::Refused {
                            code: code.into(),
                            is_transient: !error.is_permanent(),
                            text,
                        },
                        None => DeliveryError::Transient(text),
                    }
                })?;
                Ok(format!(
                    "{} {}",
                    answer.code(),
                    answer.message().collect::<Vec<_>>().join(" ")
                ))
            }
            Transport::Directory(folder) => {
                // The same notification gives the same file: written again, it is still one.
                let file = folder.join(format!("{}.eml", letter.id));
                let failed = |error: std::io::Error| {
                    DeliveryError::Transient(format!("write {}: {error}", file.display()))
                };
                tokio::fs::write(&file, mail).await.map_err(failed)?;
                Ok(file.display().to_string())
            }
        }
    }

    /// Where it goes, and where it comes back to: an address that names it, and that only this installation can make.
    fn envelope(&self, key: Option<&LinkKey>, letter: &Letter<'_>) -> anyhow::Result<Envelope> {
        let to: lettre::Address = letter.to.parse().context("read the address")?;
        let bounces = self.bounces.as_ref().and_then(|address| address.split_once('@'));
        let from = match bounces.zip(key) {
            Some(((local, domain), key)) => format!("{local}+{}@{domain}", key.return_token(letter.id))
                .parse()
                .context("make the address that it comes back to")?,
            None => self.from.email.clone(),
        };
        Ok(Envelope::new(Some(from), vec![to])?)
    }

    fn message(&self, letter: &Letter<'_>) -> anyhow::Result<Message> {
        let (notice, to) = (letter.notice, letter.to.parse().context("read the address")?);
        let body = MultiPart::alternative_plain_html(notice.text.clone(), notice.html.clone());
        let body = match letter.attachment {
            Some((name, bytes)) => {
                let kind =
                    ContentType::parse("text/csv; charset=utf-8").context("name the attachment's type")?;
                MultiPart::mixed()
                    .multipart(body)
                    .singlepart(Attachment::new(name.to_owned()).body(bytes.to_vec(), kind))
            }
            None => body,
        };
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(letter.name.to_owned()), to))
            .subject(notice.subject.clone())
            .message_id(Some(format!("<{}@{}>", letter.id, self.from.email.domain())))
            // RFC 3834: no out-of-office answers, please.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Content-Language"),
                letter.language.as_str().to_owned(),
            ));
        Ok(builder.multipart(body)?)
    }
}

impl Letter<'_> {
    /// As the demo shows it.
    pub(crate) fn for_demo(&self) -> DemoMail {
        DemoMail {
            to: self.to.to_owned(),
            subject: self.notice.subject.clone(),
            text: self.notice.text.clone(),
            html: self.notice.html.clone(),
            link: self.notice.link.clone(),
        }
    }
}

fn smtp_transport(settings: &SmtpSettings) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || TlsParameters::new(settings.host.clone()).context("prepare TLS for the mail server");
    let tls = match settings.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Tls => Tls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(Duration::from_secs(settings.timeout_secs)));
    if let (Some(user), Some(password)) = (&settings.user, settings.password()?) {
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
