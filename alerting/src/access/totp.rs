//! Codes by time (RFC 6238 with SHA-1, six digits, 30 seconds: what every authenticator app takes).

use hmac::{Hmac, KeyInit, Mac};
use ingest_event::Timestamp;
use sha1::Sha1;

use super::secret::base32;

/// Seconds that a code is for.
const STEP_SECONDS: i64 = 30;
/// Steps before and after now that are taken: a phone's clock is seldom more wrong than that.
const WINDOW: i64 = 1;
/// As long as SHA-1's output (RFC 4226 section 4).
pub(crate) const KEY_BYTES: usize = 20;

/// The time step whose code this is, in the window around now; whether it was used before, the store knows.
pub(crate) fn step_of(key: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let current = step(now);
    let given = code.trim().replace(' ', "");
    let is_it = |step: &i64| {
        let right = at(key, *step);
        // The comparison takes the same time wherever the difference is; it panics on other lengths.
        right.len() == given.len() && openssl::memcmp::eq(right.as_bytes(), given.as_bytes())
    };
    (current - WINDOW..=current + WINDOW).rev().find(is_it)
}

/// What an authenticator app is given.
pub(crate) fn address(key: &[u8], login: &str, issuer: &str) -> String {
    let escaped = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        bytes.collect::<String>()
    };
    format!(
        "otpauth://totp/{issuer}:{login}?secret={secret}&issuer={issuer}",
        issuer = escaped(issuer),
        login = escaped(login),
        secret = base32(key)
    )
}

fn step(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(1_000 * STEP_SECONDS)
}

/// RFC 4226 section 5.3, over the number of the step.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
fn at(key: &[u8], step: i64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let mac = mac.finalize().into_bytes();
    let offset = usize::from(mac.last().copied().unwrap_or_default() & 15);
    let number = mac
        .iter()
        .skip(offset)
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(at(KEY, seconds / STEP_SECONDS), code, "{seconds}");
            assert_eq!(step_of(KEY, code, second(seconds)), Some(seconds / STEP_SECONDS));
        }
    }

    #[test]
    fn one_step_before_and_after_is_taken_and_no_more() {
        let code = at(KEY, 100);
        for (step, taken) in [(98, false), (99, true), (100, true), (101, true), (102, false)] {
            let found = step_of(KEY, &code, second(step * STEP_SECONDS + 29));
            assert_eq!(found.is_some(), taken, "{step}");
            assert!(
                found.is_none_or(|found| found == 100),
                "the step is that of the code"
            );
        }
        let now = second(100 * STEP_SECONDS);
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        assert_eq!(step_of(KEY, &spaced, now), Some(100), "as an app shows it");
        for wrong in ["", "000", &code[..5], &format!("{code}0")] {
            assert_eq!(step_of(KEY, wrong, now), None, "{wrong}");
        }
        assert_eq!(step_of(b"another key", &code, now), None);
    }

    #[test]
    fn the_address_can_be_put_into_an_app() {
        let address = address(KEY, "kari", "Varde Eksempel-CERT");
        assert_eq!(
            address,
            "otpauth://totp/Varde%20Eksempel-CERT:kari?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Varde%20Eksempel-CERT"
        );
    }
}
