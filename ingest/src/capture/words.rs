//! Small steps through bytes that several protocols share: numbers at a place, and texts as they are written.

/// Longest text that is written from a packet: names are shorter; what is longer is an attack or a mistake.
const TEXT_CHARS_MAX: usize = 255;

pub(super) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u16::from_le_bytes(*word))
}

pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}

pub(super) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u16::from_be_bytes(*word))
}

pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_be_bytes(*word))
}

/// Text of at most [`TEXT_CHARS_MAX`] characters; bytes that are no UTF-8 are replaced, control characters left out.
/// None if nothing is left.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    // A character has at most four bytes.
    let bytes = bytes.get(..TEXT_CHARS_MAX * 4).unwrap_or(bytes);
    shown(String::from_utf8_lossy(bytes).chars())
}

/// The same for UTF-16 with the low byte first, up to the first zero.
pub(super) fn text_utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_le_bytes(*pair))
        .take_while(|unit| *unit != 0);
    shown(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)))
}

fn shown(characters: impl Iterator<Item = char>) -> Option<String> {
    let text: String = characters
        .filter(|character| !character.is_control())
        .take(TEXT_CHARS_MAX)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_hold_no_control_characters() {
        assert_eq!(text(b" a\x00b\x1b[31m\xff ").as_deref(), Some("ab[31m\u{fffd}"));
        assert_eq!(text(&[b'x'; 5_000]).map(|text| text.len()), Some(TEXT_CHARS_MAX));
        assert_eq!(text(b"\r\n"), None);
        assert_eq!(text_utf16(b"H\0\xe9\0\0\0x\0").as_deref(), Some("H\u{e9}"));
        assert_eq!(text_utf16(&[0x00, 0xd8, b'a', 0]).as_deref(), Some("\u{fffd}a"));
    }
}
