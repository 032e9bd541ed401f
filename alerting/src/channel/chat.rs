//! Chats: messages to incoming webhooks of Mattermost, Slack and Teams.
//!
//! Whoever writes a rule, a feed or a host name writes into a room: each format says how its text is kept from calling people,
//! making links and looking like somebody else's.

mod mattermost;
mod slack;
mod teams;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

use super::{DeliveryError, http::Http};
use crate::{
    config::{ChatFormat, ChatSettings, chat_url},
    notice::Brief,
    state::State,
    store::{Stored, StoredNotification},
};

/// Writes to chats.
#[derive(Debug)]
pub(crate) struct Chats {
    http: Http,
    rooms: BTreeMap<String, Room>,
}

/// Where one takes messages, and how they are written.
struct Room {
    format: ChatFormat,
    url: String,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its URL is its secret.
        write!(f, "Room({:?})", self.format)
    }
}

impl Chats {
    /// Reads their URLs.
    ///
    /// # Errors
    /// If one can't be read.
    pub(crate) fn open(settings: &BTreeMap<String, ChatSettings>) -> anyhow::Result<Self> {
        let mut rooms = BTreeMap::new();
        for (name, settings) in settings {
            let url = chat_url(settings).with_context(|| format!("use the chat `{name}`"))?;
            let room = Room {
                format: settings.format,
                url: url.into(),
            };
            rooms.insert(name.clone(), room);
        }
        let http = Http::open()?;
        Ok(Self { http, rooms })
    }

    /// Hands a notification over; the receipt is the status.
    pub(crate) async fn send(
        &self,
        state: &State,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> Result<String, DeliveryError> {
        let brief = state.notices.brief(state, notification, stored);
        self.post(notification.channel.address(), &brief).await
    }

    /// Writes a few lines to a chat.
    pub(crate) async fn post(&self, name: &str, brief: &Brief) -> Result<String, DeliveryError> {
        let room = self.rooms.get(name).ok_or_else(|| {
            DeliveryError::Permanent(format!("the configuration has no chat `{name}` any more"))
        })?;
        let request = self.http.post(&room.url).json(&written(room.format, brief));
        self.http.send(name, request).await
    }
}

fn written(format: ChatFormat, brief: &Brief) -> Value {
    match format {
        ChatFormat::Mattermost => mattermost::message(brief),
        ChatFormat::Slack => slack::message(brief),
        ChatFormat::Teams => teams::message(brief),
    }
}

/// A sign that calls nobody, and reads as the one that does.
const AT: char = '＠';

/// Text on one line in which nobody is called.
fn quiet(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '@' => AT,
            control if control.is_control() => ' ',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests;
