//! The e-mail addresses of one text: a field with several recipients often has them as a header writes them
//! (RFC 5322, section 3.4).

/// Tells what is inside quotes.
#[derive(Clone, Copy, Debug, Default)]
struct Quotes {
    is_inside: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Whether a character, the next one, is outside.
    fn is_outside(&mut self, character: char) -> bool {
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match character {
            '"' if !was_escaped => self.is_inside = !self.is_inside,
            '\\' if self.is_inside && !was_escaped => self.is_escaped = true,
            _ => {}
        }
        !self.is_inside
    }
}

/// What is between commas and semicolons outside quotes. A quote that does not end is none, lest it hide all that
/// follows.
pub(super) fn recipients(text: &str) -> impl Iterator<Item = &str> {
    let mut all = Quotes::default();
    for character in text.chars() {
        all.is_outside(character);
    }
    let has_quotes = !all.is_inside;
    let mut quotes = Quotes::default();
    let ends = move |character| {
        let is_outside = quotes.is_outside(character) || !has_quotes;
        is_outside && matches!(character, ',' | ';')
    };
    text.split(ends).map(str::trim_ascii)
}

/// `name@domain`, perhaps in angle brackets after a name in words, without these.
pub(super) fn bare(recipient: &str) -> &str {
    match recipient.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((_, inside)) => inside,
        None => recipient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_by_one() {
        for (text, expected) in [
            ("a@b.example", &["a@b.example"][..]),
            (
                "a@b.example, c@d.example;e@f.example",
                &["a@b.example", "c@d.example", "e@f.example"],
            ),
            (
                r#""B, A" <a@b.example>, c@d.example"#,
                &[r#""B, A" <a@b.example>"#, "c@d.example"],
            ),
            (r#""B\", A" <a@b.example>"#, &[r#""B\", A" <a@b.example>"#]),
            (
                r#""a@b.example, c@d.example"#,
                &[r#""a@b.example"#, "c@d.example"],
            ),
        ] {
            assert_eq!(recipients(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
