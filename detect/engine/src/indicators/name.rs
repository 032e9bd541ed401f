//! Names in an event's texts that are not plain ASCII, or too long to be one.

use idna::{AsciiDenyList, uts46};

/// What UTS 46 takes for a full stop.
const STOPS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Appends a text in lower case.
pub(super) fn lower(text: &str, into: &mut String) {
    into.extend(text.chars().flat_map(char::to_lowercase));
}

/// Appends a domain in ASCII (IDNA); says whether it is one.
pub(super) fn to_ascii(text: &str, into: &mut String) -> bool {
    let processed = uts46::Uts46::new().process(
        text.as_bytes(),
        AsciiDenyList::EMPTY,
        uts46::Hyphens::Allow,
        uts46::ErrorPolicy::FailFast,
        |_, _, _| false,
        into,
        None,
    );
    match processed {
        Ok(uts46::ProcessingSuccess::Passthrough) => {
            into.push_str(text);
            true
        }
        Ok(uts46::ProcessingSuccess::WroteToSink) => true,
        Err(_) => false,
    }
}

/// Appends the longest end of a domain of which each label is ASCII or can be brought to it. What stands before,
/// such as a character that no domain has, was chosen by whoever owns the end.
#[cold]
pub(super) fn end_to_ascii(text: &str, into: &mut String) {
    let mut label = String::new();
    let good = text.rsplit(STOPS).take_while(|part| {
        label.clear();
        part.is_ascii() || to_ascii(part, &mut label)
    });
    let good = good.count();
    let all = text.split(STOPS).count();
    for (at, part) in text.split(STOPS).skip(all - good).enumerate() {
        if 0 < at {
            into.push('.');
        }
        if part.is_ascii() {
            into.push_str(part);
        } else {
            let _known = to_ascii(part, into);
        }
    }
}

/// A name, or so many whole labels at its end as are no longer than `bytes_max`.
#[inline]
pub(super) fn end_of_name(name: &str, bytes_max: usize) -> &str {
    if name.len() <= bytes_max {
        return name;
    }
    // An end of that length counts as well if it comes after a full stop.
    let start = name.len() - bytes_max - 1;
    let end = name.as_bytes().get(start..).unwrap_or_default();
    memchr::memchr(b'.', end)
        .and_then(|stop| name.get(start + stop + 1..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_names() {
        for (name, bytes_max, end) in [
            ("a.bc.de", 7, "a.bc.de"),
            ("a.bc.de", 6, "bc.de"),
            ("a.bc.de", 5, "bc.de"),
            ("a.bc.de", 4, "de"),
            ("a.bc.de", 1, ""),
            ("\u{e6}\u{e6}.de", 6, "de"),
            ("\u{e6}\u{e6}\u{e6}", 5, ""),
        ] {
            assert_eq!(end_of_name(name, bytes_max), end, "{name} {bytes_max}");
        }
    }

    #[test]
    fn ends_in_ascii() {
        for (name, end) in [
            ("\u{fffd}.bad.example", "bad.example"),
            ("\u{fffd}\u{3002}bad.example", "bad.example"),
            ("a.\u{fffd}.B\u{c6}D.example", "xn--bd-1ia.example"),
            ("bad.\u{fffd}", ""),
            ("xn--.\u{e6}.example", "xn--.xn--6ca.example"),
            ("", ""),
        ] {
            let mut ascii = String::new();
            end_to_ascii(name, &mut ascii);
            assert_eq!(ascii, end, "{name}");
        }
    }
}
