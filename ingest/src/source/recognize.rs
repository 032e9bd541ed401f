//! Which format an input has, from its first bytes and lines.

use ingest_event::derive_id;

use crate::normalize::{JsonShape, json_shape, looks_like_access, looks_like_audit, looks_like_syslog};

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Packets, libpcap's own format.
    Pcap,
    /// Packets, the newer format.
    Pcapng,
    /// Suricata's `eve.json`.
    Eve,
    /// Zeek's logs with a header and columns.
    ZeekTsv,
    /// Zeek's logs as JSON.
    ZeekJson,
    /// JSON lines that are ECS already.
    Ecs,
    /// Any other JSON lines.
    Ndjson,
    /// Syslog, RFC 3164 and RFC 5424.
    Syslog,
    /// A web server's access log, Common or Combined Log Format.
    Access,
    /// Records of the Linux audit daemon.
    Auditd,
    /// A Windows event log.
    Evtx,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 11] = [
        Self::Pcap,
        Self::Pcapng,
        Self::Eve,
        Self::ZeekTsv,
        Self::ZeekJson,
        Self::Ecs,
        Self::Ndjson,
        Self::Syslog,
        Self::Access,
        Self::Auditd,
        Self::Evtx,
    ];

    /// The code, as in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Eve => "eve",
            Self::ZeekTsv => "zeek_tsv",
            Self::ZeekJson => "zeek_json",
            Self::Ecs => "ecs",
            Self::Ndjson => "ndjson",
            Self::Syslog => "syslog",
            Self::Access => "access",
            Self::Auditd => "auditd",
            Self::Evtx => "evtx",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lines looked at before giving up: a log may begin with a broken or a cut line.
const LINES_LOOKED_AT: usize = 50;

/// Magic numbers of libpcap files, both byte orders, with micro- and nanoseconds.
const PCAP: [[u8; 4]; 4] = [
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
];
/// Block type of pcapng's Section Header Block, the same in both byte orders.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// How a Windows event log begins.
pub(super) const EVTX: &[u8] = b"ElfFile\0";

/// The format of an input that starts with `head`.
///
/// # Errors
/// If none fits: what it looks like and what would mend it.
pub fn recognize(head: &[u8]) -> Result<Format, String> {
    if let Some(magic) = head.first_chunk::<4>() {
        if PCAP.contains(magic) {
            return Ok(Format::Pcap);
        }
        if *magic == PCAPNG {
            return Ok(Format::Pcapng);
        }
    }
    if head.starts_with(EVTX) {
        return Ok(Format::Evtx);
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16 text, convert it to UTF-8".to_owned());
    }
    let text = head.trim_ascii_start();
    if text
        .strip_prefix(b"[")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
    {
        return Err(hint(head));
    }
    let mut json = None;
    for line in head.split(|byte| *byte == b'\n').take(LINES_LOOKED_AT) {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if line.starts_with(b"#separator") || line.starts_with(b"#fields") {
            return Ok(Format::ZeekTsv);
        }
        if line.starts_with(b"{") {
            match json_shape(line) {
                Some(JsonShape::Eve) => return Ok(Format::Eve),
                Some(JsonShape::Zeek) => return Ok(Format::ZeekJson),
                Some(JsonShape::Ecs) => return Ok(Format::Ecs),
                Some(JsonShape::Journald | JsonShape::Windows | JsonShape::Other) => {
                    return Ok(Format::Ndjson);
                }
                // Broken, or longer than the head: still JSON if nothing better follows.
                None => json = Some(Format::Ndjson),
            }
        } else if looks_like_audit(line) {
            return Ok(Format::Auditd);
        } else if looks_like_access(line) {
            return Ok(Format::Access);
        } else if looks_like_syslog(line) {
            return Ok(Format::Syslog);
        }
    }
    json.ok_or_else(|| hint(head))
}

fn hint(head: &[u8]) -> String {
    let text = head.trim_ascii_start();
    if text.starts_with(b"[") {
        return "it looks like one JSON list, write one object a line instead (jq -c '.[]')".to_owned();
    }
    if text.starts_with(b"PK\x03\x04") {
        return "it looks like a ZIP archive, unpack it first".to_owned();
    }
    if text.contains(&0) {
        return "it holds bytes that are no text".to_owned();
    }
    "if it is a log, send it through syslog or write one JSON object a line".to_owned()
}

/// Names the content of an input that starts with `head`: by its first line if it has lines, so that a log that
/// grows keeps its name.
#[must_use]
pub fn identity(format: Format, head: &[u8]) -> Vec<u8> {
    let start = match format {
        // Of a Windows event log the header changes as it grows, and so does that of its first chunk; the first record does not.
        Format::Evtx => head
            .get(EVTX_FIRST_RECORD..)
            .and_then(|rest| rest.get(..IDENTITY_BYTES))
            .unwrap_or(head),
        Format::Pcap | Format::Pcapng => head.get(..IDENTITY_BYTES).unwrap_or(head),
        Format::Eve
        | Format::ZeekTsv
        | Format::ZeekJson
        | Format::Ecs
        | Format::Ndjson
        | Format::Syslog
        | Format::Access
        | Format::Auditd => {
            // All Zeek logs begin with the same header; the first record tells them apart.
            let tells = |line: &&[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
            let line = head.split(|byte| *byte == b'\n').find(tells).unwrap_or(head);
            line.get(..IDENTITY_BYTES).unwrap_or(line)
        }
    };
    derive_id(&[start]).into_bytes()
}

/// Where the first record of a Windows event log begins: behind the file's header and that of the first chunk, in bytes.
const EVTX_FIRST_RECORD: usize = 4096 + 512;

/// How much of a start goes into [`identity`].
const IDENTITY_BYTES: usize = 4096;
