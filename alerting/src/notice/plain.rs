//! Values from the network, made harmless for a mail.
//!
//! Whoever writes a user agent or a host name writes into our mail: their value stays on its line, short, and no
//! program makes a link of it.

/// Longer values say nothing more to a reader; all of it is in the console.
const CHARS_MAX: usize = 300;
/// Stands for what can't be seen.
const BLANK: char = '\u{2423}';

/// A value without line breaks, invisible characters and links.
pub(super) fn plain(value: &str) -> String {
    let mut text = String::new();
    let mut characters = value.chars().take(CHARS_MAX).map(visible).peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let is_before_name = characters.peek().is_some_and(|next| next.is_alphabetic());
        match character {
            '.' if before.is_alphanumeric() && is_before_name => text.push_str("[.]"),
            // IDNA takes these for dots.
            '\u{3002}' | '\u{FF0E}' | '\u{FF61}' => text.push_str("[.]"),
            _ => text.push(character),
        }
        before = character;
    }
    if value.chars().nth(CHARS_MAX).is_some() {
        text.push('…');
    }
    without_schemes(&text)
}

fn visible(character: char) -> char {
    let is_hidden = matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    if character.is_control() || is_hidden {
        BLANK
    } else {
        character
    }
}

/// `http://` becomes `hxxp://`; other schemes lose their colon.
fn without_schemes(text: &str) -> String {
    let mut parts = text.split("://");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let lower = whole.to_ascii_lowercase();
        let is_secure = lower.ends_with("https");
        if is_secure || lower.ends_with("http") {
            whole.truncate(whole.len() - if is_secure { 5 } else { 4 });
            whole.push_str(if is_secure { "hxxps://" } else { "hxxp://" });
        } else {
            whole.push_str("[:]//");
        }
        whole.push_str(part);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_adds_a_line_or_a_link() {
        for (value, shown) in [
            ("10.1.2.3", "10.1.2.3"),
            ("2001:db8::7", "2001:db8::7"),
            ("Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
            ("Blåbærsyltetøy č đ", "Blåbærsyltetøy č đ"),
            ("a\r\nSubject: b\u{2028}c\u{202E}", "a␣␣Subject: b␣c␣"),
            ("see http://evil.example/x", "see hxxp://evil[.]example/x"),
            ("HTTPS://[2001:db8::1]/", "hxxps://[2001:db8::1]/"),
            (
                "http://192.0.2.1/ ftp://192.0.2.1",
                "hxxp://192.0.2.1/ ftp[:]//192.0.2.1",
            ),
            ("www.evil.no", "www[.]evil[.]no"),
            ("a@evil\u{3002}no", "a@evil[.]no"),
        ] {
            assert_eq!(plain(value), shown, "{value:?}");
        }
        assert_eq!(plain(&"x".repeat(301)), format!("{}…", "x".repeat(300)));
        assert_eq!(plain(&"x".repeat(300)), "x".repeat(300));
    }
}
