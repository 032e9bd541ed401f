//! E-mail addresses, file names and autonomous systems.

use super::{Reason, Refusals, Refused, domain, malformed, poison, refused, short};

/// Shorter file names are on every machine: `a.exe` is the shortest that is told apart from nothing else.
const FILE_NAME_CHARS_MIN: usize = 6;

/// A file system's own limit, in bytes: ext4, NTFS and APFS allow 255 characters.
const FILE_NAME_BYTES_MAX: usize = 1024;

/// Names that are on every machine or in every download folder, sorted.
const COMMON_FILES: [&str; 30] = [
    "chrome.exe",
    "cmd.exe",
    "conhost.exe",
    "csrss.exe",
    "desktop.ini",
    "dllhost.exe",
    "document.pdf",
    "explorer.exe",
    "favicon.ico",
    "firefox.exe",
    "image.png",
    "index.html",
    "index.php",
    "install.exe",
    "invoice.pdf",
    "java.exe",
    "kernel32.dll",
    "lsass.exe",
    "msedge.exe",
    "mshta.exe",
    "ntdll.dll",
    "powershell.exe",
    "readme.txt",
    "rundll32.exe",
    "services.exe",
    "setup.exe",
    "svchost.exe",
    "taskhostw.exe",
    "thumbs.db",
    "winlogon.exe",
];

pub(super) fn email(text: &str) -> Result<String, Refused> {
    let bad = || {
        let detail = format!("`{}` is no e-mail address", short(text));
        malformed(&detail, "write name@domain")
    };
    let (name, host) = text.rsplit_once('@').ok_or_else(bad)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(bad());
    }
    Ok(format!("{}@{}", name.to_lowercase(), domain::normal(host)?))
}

/// The name without its path, lower case.
pub(super) fn file(text: &str) -> Result<String, Refused> {
    let name = text.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() || FILE_NAME_BYTES_MAX < name.len() || name.contains(char::is_control) {
        let detail = format!("`{}` is no file name", short(text));
        return Err(malformed(&detail, "write the file's name"));
    }
    if name.contains(['*', '?']) {
        let detail = format!("`{}` is a pattern, not a name", short(name));
        return Err(refused(
            Reason::OtherComparison,
            &detail,
            "write a Sigma rule for the pattern",
        ));
    }
    let name = name.to_lowercase();
    if name.chars().count() < FILE_NAME_CHARS_MIN {
        let detail = format!("`{name}` is so short that it is on many machines");
        return Err(poison(Reason::CommonFileName, &detail));
    }
    if COMMON_FILES.binary_search(&name.as_str()).is_ok() {
        let detail = format!("`{name}` is on every machine");
        return Err(poison(Reason::CommonFileName, &detail));
    }
    Ok(name)
}

/// Whether it is `AS` and a number.
pub(super) fn is_autonomous_system(text: &str) -> bool {
    digits(text).is_some_and(|digits| digits.len() < text.len() && digits.parse::<u32>().is_ok())
}

fn digits(text: &str) -> Option<&str> {
    let is_prefixed = text
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("as"));
    if is_prefixed { text.get(2..) } else { Some(text) }
}

/// `AS64500`, whatever the spelling.
pub(super) fn autonomous_system(text: &str, refusals: &Refusals) -> Result<String, Refused> {
    let number: u32 = digits(text)
        .and_then(|digits| digits.trim().parse().ok())
        .ok_or_else(|| {
            let detail = format!("`{}` is no autonomous system", short(text));
            malformed(&detail, "write AS and its number")
        })?;
    // RFC 7607, RFC 6793, RFC 7300; RFC 6996; RFC 5398.
    let is_reserved = match number {
        0 | 23_456 | 65_535 | u32::MAX => true,
        64_512..=65_534 | 4_200_000_000..=4_294_967_294 => refusals.private,
        64_496..=64_511 | 65_536..=65_551 => refusals.documentation,
        _ => false,
    };
    if is_reserved {
        let detail = format!("AS{number} is not in the Internet's routing");
        return Err(poison(Reason::ReservedAsn, &detail));
    }
    Ok(format!("AS{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_sorted_so_that_they_are_found() {
        assert!(COMMON_FILES.is_sorted());
    }
}
