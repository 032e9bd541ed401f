//! A domain name → the symbols of the label that somebody registered, or why there is nothing to judge.
//!
//! `www.Example.co.uk.` → `example`. The Public Suffix List says where registrations begin. Names below a suffix that
//! a company runs (`d1234.cloudfront.net`, dynamic DNS) are not judged: there, ordinary names are drawn by machines.

/// Fewest symbols that are judged: four letters look like anything.
pub(crate) const SYMBOLS_MIN: usize = 5;

/// Most symbols: a label has at most 63 octets (RFC 1035, section 2.3.4).
pub(crate) const SYMBOLS_MAX: usize = 63;

/// Longest name in octets of text (RFC 1035, section 2.3.4, without the final dot).
const NAME_BYTES_MAX: usize = 253;

/// `0`–`9` are 0–9, `a`–`z` are 10–35, and the hyphen is 36.
pub(crate) const HYPHEN: u8 = 36;

/// The symbols of one label.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    symbols: [u8; SYMBOLS_MAX],
    length: usize,
}

impl Label {
    /// The registered label of a name; `None` if there is none to judge.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut lower = [0_u8; NAME_BYTES_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let suffix = psl::suffix(lower)?;
        if suffix.typ() != Some(psl::Type::Icann) {
            return None;
        }
        let before = lower.len().checked_sub(suffix.as_bytes().len() + 1)?;
        let before = lower.get(..before)?;
        let label = before.rsplit(|byte| *byte == b'.').next()?;
        Self::of_label(std::str::from_utf8(label).ok()?)
    }

    /// The symbols of a label in lower case, in ASCII (`xn--…`, RFC 5890) or Unicode. `None` if it is short or long,
    /// or has anything but Latin letters, digits and hyphens.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        let mut found = Self {
            symbols: [0; SYMBOLS_MAX],
            length: 0,
        };
        match label.strip_prefix("xn--") {
            Some(encoded) => {
                let mut letters = Letters::default();
                letters.decode(encoded)?;
                letters
                    .as_slice()
                    .iter()
                    .try_for_each(|letter| found.push(*letter))?;
            }
            None if label.is_ascii() => {
                let places = found.symbols.get_mut(..label.len())?;
                for (place, byte) in places.iter_mut().zip(label.bytes()) {
                    *place = ascii(byte)?;
                }
                found.length = label.len();
            }
            None => label.chars().try_for_each(|letter| found.push(letter))?,
        }
        (SYMBOLS_MIN <= found.length).then_some(found)
    }

    pub(crate) fn symbols(&self) -> &[u8] {
        self.symbols.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, letter: char) -> Option<()> {
        *self.symbols.get_mut(self.length)? = symbol(letter)?;
        self.length += 1;
        Some(())
    }
}

/// The symbol of a letter; letters with marks are those without, so that `ærlig` is no rarer than `arlig`.
fn symbol(letter: char) -> Option<u8> {
    let plain = match letter {
        '0'..='9' | 'a'..='z' | '-' => letter,
        'à'..='æ' | 'ā' | 'ă' | 'ą' | 'ǎ' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ð' | 'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' | 'ľ' | 'ĺ' => 'l',
        'ñ' | 'ń' | 'ň' | 'ŋ' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' | 'œ' => 'o',
        'ŕ' | 'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ß' | 'ș' => 's',
        'ť' | 'ţ' | 'ț' | 'þ' | 'ŧ' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        _ => return None,
    };
    ascii(u8::try_from(plain).ok()?)
}

fn ascii(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'z' => Some(byte - b'a' + 10),
        b'-' => Some(HYPHEN),
        _ => None,
    }
}

/// The letters of a decoded label, on the stack.
struct Letters {
    letters: [char; SYMBOLS_MAX],
    length: usize,
}

impl Default for Letters {
    fn default() -> Self {
        Self {
            letters: ['\0'; SYMBOLS_MAX],
            length: 0,
        }
    }
}

impl Letters {
    fn as_slice(&self) -> &[char] {
        self.letters.get(..self.length).unwrap_or_default()
    }

    fn insert(&mut self, place: usize, letter: char) -> Option<()> {
        self.letters.get_mut(place..=self.length)?.rotate_right(1);
        *self.letters.get_mut(place)? = letter;
        self.length += 1;
        Some(())
    }

    /// Punycode (RFC 3492, section 6.2). `None` if it is not.
    fn decode(&mut self, encoded: &str) -> Option<()> {
        let (plain, deltas) = encoded.rsplit_once('-').unwrap_or(("", encoded));
        for letter in plain.chars() {
            self.insert(self.length, letter)?;
        }
        let (mut code, mut place, mut bias) = (128_u32, 0_u32, 72_u32);
        let mut rest = deltas.bytes().peekable();
        while rest.peek().is_some() {
            let before = place;
            let (mut weight, mut step) = (1_u32, 36_u32);
            loop {
                let digit = u32::from(match rest.next()? {
                    byte @ b'a'..=b'z' => byte - b'a',
                    byte @ b'0'..=b'9' => byte - b'0' + 26,
                    _ => return None,
                });
                place = place.checked_add(digit.checked_mul(weight)?)?;
                let threshold = step.saturating_sub(bias).clamp(1, 26);
                if digit < threshold {
                    break;
                }
                weight = weight.checked_mul(36 - threshold)?;
                step = step.checked_add(36)?;
            }
            let count = u32::try_from(self.length).ok()? + 1;
            bias = adapted(place - before, count, before == 0);
            code = code.checked_add(place / count)?;
            place %= count;
            self.insert(usize::try_from(place).ok()?, char::from_u32(code)?)?;
            place += 1;
        }
        Some(())
    }
}

/// The next bias (RFC 3492, section 6.1).
fn adapted(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut step = 0;
    while 455 < delta {
        delta /= 35;
        step += 36;
    }
    step + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: Option<Label>) -> String {
        label.map_or_else(String::new, |label| {
            let letters = b"0123456789abcdefghijklmnopqrstuvwxyz-";
            label
                .symbols()
                .iter()
                .map(|symbol| char::from(letters[usize::from(*symbol)]))
                .collect()
        })
    }

    #[test]
    fn the_registered_label_is_what_is_judged() {
        for (name, label) in [
            ("www.Example.co.uk.", "example"),
            ("example.no", "example"),
            ("a.b.kommune-1.no", "kommune-1"),
            ("xn--blbrgrt-fxak7p.no", "blabargrot"),
            ("blåbærgrøt.no", "blabargrot"),
            // A municipality of its own in the Public Suffix List, and what is below it.
            ("brønnøysund.no", ""),
            ("skolen.brønnøysund.no", "skolen"),
            ("xn--bcher-kva.example.com", "example"),
            ("xn--bcher-kva.com", "bucher"),
            ("ærlig.no", "arlig"),
            // Nothing to judge: a suffix, short, a company's suffix, no known suffix, an address, no name.
            ("co.uk", ""),
            ("abcd.com", ""),
            ("d111111abcdef8.cloudfront.net", ""),
            ("somebody.duckdns.org", ""),
            ("printer-7f3a91.lan", ""),
            ("203.0.113.7", ""),
            ("2001:db8::7", ""),
            ("7.113.0.203.in-addr.arpa", ""),
            ("xn--e1afmkfd.com", ""),
            ("under_score.com", ""),
            ("xn--.com", ""),
            ("xn--99999999999.com", ""),
            ("..", ""),
            ("", ""),
        ] {
            assert_eq!(text(Label::of_name(name)), label, "{name}");
        }
    }

    #[test]
    fn a_name_of_any_length_is_answered() {
        let longest = format!("{}.{}.com", "b".repeat(185), "a".repeat(63));
        assert_eq!(text(Label::of_name(&longest)), "a".repeat(63));
        assert_eq!(text(Label::of_name(&format!("b{longest}"))), "");
        assert_eq!(text(Label::of_name(&format!("{}.com", "a".repeat(64)))), "");
    }
}
