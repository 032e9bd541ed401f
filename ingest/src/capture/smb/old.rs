//! The first version of SMB (MS-CIFS section 2.2.3.1): its negotiation, its logons and its shares.

use super::{
    super::{
        application::{Said, Telling},
        ntlm,
        words::{text, text_utf16, u8_at, u16_le, u32_le},
    },
    Action, DIALECTS_MAX, Exchange, MORE_PROCESSING, Session,
};

const HEADER_BYTES: usize = 32;
const NEGOTIATE: u8 = 0x72;
const SESSION_SETUP: u8 = 0x73;
const TREE_CONNECT: u8 = 0x75;
/// In flags: an answer. In flags2: UTF-16.
const IS_ANSWER: u8 = 0x80;
const IS_UNICODE: u16 = 0x8000;
/// Buffers behind a format byte of two are dialects (MS-CIFS 2.2.4.52.1).
const IS_DIALECT: u8 = 2;

impl Session {
    pub(super) fn hear_old(&mut self, message: &[u8], telling: &mut Telling<'_>) {
        let (Some(command), Some(status), Some(flags), Some(flags2), Some(number)) = (
            u8_at(message, 4),
            u32_le(message, 5),
            u8_at(message, 9),
            u16_le(message, 10),
            u16_le(message, 30),
        ) else {
            return;
        };
        let body = message.get(HEADER_BYTES..).unwrap_or_default();
        let action = match command {
            NEGOTIATE => Action::Negotiate,
            SESSION_SETUP => Action::SessionSetup,
            TREE_CONNECT => Action::TreeConnect,
            _ => return,
        };
        let words = usize::from(u8_at(body, 0).unwrap_or(0)) * 2;
        let data = body.get(1 + words + 2..).unwrap_or_default();
        // A number is free again when its answer came, so requests never share one.
        let number = u64::from(number) << 8 | u64::from(command);
        if flags & IS_ANSWER == 0 {
            let unicode = flags2 & IS_UNICODE != 0;
            let exchange = self.old_request(action, body, data, unicode);
            self.ask(number, exchange, telling);
            return;
        }
        let Some((mark, mut exchange)) = self.asked(number) else {
            return;
        };
        if action == Action::SessionSetup && status == MORE_PROCESSING {
            self.challenge = ntlm::names(data);
            return;
        }
        exchange.status = Some(status);
        match action {
            Action::Negotiate => {
                let index = u16_le(body, 1).map_or(usize::MAX, usize::from);
                exchange.dialect = exchange.dialects.get(index).cloned();
                exchange.signing = u8_at(body, 3).map(|mode| mode & 0x08 != 0);
            }
            Action::SessionSetup => exchange.ntlm.add(std::mem::take(&mut self.challenge)),
            Action::TreeConnect => {}
        }
        telling.tell(mark, Said::Smb(exchange));
    }

    fn old_request(&mut self, action: Action, body: &[u8], data: &[u8], unicode: bool) -> Exchange {
        let mut exchange = Exchange {
            action: Some(action),
            version: 1,
            ..Exchange::default()
        };
        match action {
            Action::Negotiate => {
                exchange.dialects = data
                    .split(|byte| *byte == 0)
                    .filter_map(|text_behind| text_behind.strip_prefix(&[IS_DIALECT]))
                    .filter_map(text)
                    .take(DIALECTS_MAX)
                    .collect();
                self.offered.clone_from(&exchange.dialects);
            }
            Action::SessionSetup => exchange.ntlm = ntlm::names(data),
            Action::TreeConnect => {
                // The password comes first; its length is the fourth word.
                let password_bytes = u16_le(body, 7).map_or(0, usize::from);
                let path = data.get(password_bytes..).unwrap_or_default();
                exchange.share = if unicode {
                    // Padded so that it begins at an even place.
                    let begins_odd = password_bytes.is_multiple_of(2);
                    text_utf16(path.get(usize::from(begins_odd)..).unwrap_or_default())
                } else {
                    path.split(|byte| *byte == 0).next().and_then(text)
                };
            }
        }
        exchange
    }
}
