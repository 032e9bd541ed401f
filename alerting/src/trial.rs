//! Channels on trial: what of them can't be used, and a notice that says only that it is a test.

use std::fmt::Write as _;

use alerting_incident::{Channel, Responder};
use anyhow::Context as _;
use ingest_event::{OrganizationNumber, derive_id};

use crate::{
    channel::{Chats, Collectors, DeliveryError, Email, Letter, Seal, Signers, Webhook, message},
    clock::Clock,
    config::{Config, WhenUnsealable},
    notice::bare,
    registry::{self, Loaded, mail_keys, offline::Offline},
};

/// Informational (RFC 5424, 6.2.1).
const INFORMATIONAL: u8 = 6;

/// What of channels and keys can't be used now: certificates, keys, URLs. Nothing is sent.
#[must_use]
pub fn flaws(config: &Config, loaded: &Loaded, clock: &Clock) -> Vec<String> {
    let mut flaws = Vec::new();
    let mut tried = |result: anyhow::Result<()>| flaws.extend(result.err().map(|error| format!("{error:#}")));
    if let Some(mail) = &config.mail {
        tried(Signers::open(mail).map(drop));
    }
    tried(Chats::open(&config.chat).map(drop));
    tried(Collectors::open(&config.syslog).map(drop));
    let registry = loaded.routes.registry();
    let bodies = registry.organizations().iter();
    let contacts = bodies.flat_map(|body| body.responders.iter().map(move |one| (body.number, one)));
    for (number, contact) in contacts.chain([(None, registry.duty())]) {
        let whose = number.map_or("the CERT".to_owned(), |number| format!("organisation {number}"));
        for (key, flaw) in mail_keys::flaws(&contact.keys, mail_keys::email(contact), clock.now()) {
            flaws.push(format!("{whose}, responder {}: `{key}`: {flaw}", contact.name));
        }
    }
    flaws
}

/// Sends a test to a contact by each of its channels, or to the CERT's own where none is named; what became of each, a line each,
/// and whether all arrived.
///
/// # Errors
/// If there is no such contact, or a channel can't be prepared.
pub async fn send(
    config: &Config,
    clock: &Clock,
    contact: Option<(OrganizationNumber, &str)>,
) -> anyhow::Result<(String, bool)> {
    let loaded = match Offline::open(config).await {
        Ok(offline) => offline.loaded,
        // Before the first start there is no store: the files say all there is.
        Err(_) => registry::load(config)?,
    };
    let registry = loaded.routes.registry();
    let responder = match contact {
        None => registry.duty(),
        Some((number, name)) => {
            let body = registry.find(number, clock.now());
            let body = body.with_context(|| format!("find organisation {number} in the registry"))?;
            let found = body.responders.iter().find(|one| one.name == name);
            found.with_context(|| format!("find the contact `{name}` of organisation {number}"))?
        }
    };
    let (mut told, mut have_all) = (String::new(), true);
    for channel in &responder.channels {
        let sent = one(config, clock, &loaded, responder, channel).await?;
        have_all &= sent.is_ok();
        let sent = sent.unwrap_or_else(|error| format!("failed: {error}"));
        // Into memory: there is nothing that could fail.
        let _ = writeln!(told, "{} {}: {sent}", channel.kind(), channel.masked());
    }
    Ok((told, have_all))
}

async fn one(
    config: &Config,
    clock: &Clock,
    loaded: &Loaded,
    responder: &Responder,
    channel: &Channel,
) -> anyhow::Result<Result<String, DeliveryError>> {
    let now = clock.now();
    let id = derive_id(&[
        b"test notice",
        channel.address().as_bytes(),
        &now.as_nanos().to_le_bytes(),
    ]);
    let link = format!(
        "{}/",
        config
            .public_url
            .as_deref()
            .unwrap_or_default()
            .trim_end_matches('/')
    );
    let brief = bare::test_brief(responder.language, &config.cert, link);
    Ok(match channel {
        Channel::Email(to) => {
            let mail = config
                .mail
                .as_ref()
                .context("send mail: the configuration has no `mail`")?;
            let email = Email::open(mail)?;
            let seal = Seal::with(&responder.keys, to, now);
            if let (Seal::Impossible(why), WhenUnsealable::Hold) = (&seal, mail.when_unsealable) {
                return Ok(Err(DeliveryError::Unsealable(why.clone())));
            }
            let letter = Letter {
                id: &id,
                to,
                name: &responder.name,
                language: responder.language,
                notice: &bare::test_mail(responder.language, &config.cert),
                attachment: None,
            };
            let sent = email.deliver(None, &letter, &seal, now).await;
            sent.map(|answer| format!("{}: {answer}", seal.as_str()))
        }
        Channel::Webhook(url) => {
            let body = serde_json::json!({
                "notification": { "id": id, "reason": "test", "responder": responder.name,
                    "created_at": now.to_string(), "link": brief.link },
                "incident": null,
            });
            let webhook = Webhook::open(loaded.ways.webhooks.clone())?;
            webhook
                .post(url, &id, now.as_millis() / 1_000, body.to_string())
                .await
        }
        Channel::Chat(name) => Chats::open(&config.chat)?.post(name, &brief).await,
        Channel::Syslog(name) => {
            let fields = [
                ("event.kind", "state".to_owned()),
                ("labels.exercise", "true".to_owned()),
            ];
            let line = message(INFORMATIONAL, now, "", "test", &fields, &brief.title);
            Collectors::open(&config.syslog)?.write(name, &line).await
        }
    })
}
