//! What filters take, and what is said of those that are none.

use proptest::prelude::*;

use super::*;

/// Ethernet with IPv4 from 192.0.2.1 port 40000 to 198.51.100.2 port 443, or the same in IPv6; a frame of ARP.
fn v4(protocol: u8, fragment: u16) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x46, 0, 0, 28, 0, 0]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    // Options, so that ports are not where they usually are.
    frame.extend([1, 1, 1, 0]);
    frame.extend([0x9c, 0x40, 1, 0xbb, 0, 8, 0, 0]);
    frame
}

fn v6(next: u8, behind: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, next, 64]);
    frame.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().expect("one").octets());
    frame.extend(
        "2001:db8:1::2"
            .parse::<std::net::Ipv6Addr>()
            .expect("one")
            .octets(),
    );
    frame.extend(behind);
    frame.extend([0x9c, 0x40, 1, 0xbb, 0, 8, 0, 0]);
    frame
}

fn arp() -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 198, 51, 100, 2]);
    frame
}

/// Whether a filter takes TCP over IPv4, UDP over IPv4, TCP over IPv6, UDP over IPv6, and ARP.
#[track_caller]
fn check(text: &str, expected: [u8; 5]) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let frames = [v4(6, 0), v4(17, 0), v6(6, b""), v6(17, b""), arp()];
    let found = frames.map(|frame| u8::from(filter.accepts(&frame, None)));
    assert_eq!(found, expected, "{text}");
}

#[test]
fn each_word_takes_what_it_says() {
    for (text, expected) in [
        ("ip", [1, 1, 0, 0, 0]),
        ("ip6", [0, 0, 1, 1, 0]),
        ("arp", [0, 0, 0, 0, 1]),
        ("tcp", [1, 0, 1, 0, 0]),
        ("udp", [0, 1, 0, 1, 0]),
        ("sctp", [0, 0, 0, 0, 0]),
        ("icmp", [0, 0, 0, 0, 0]),
        ("icmp6", [0, 0, 0, 0, 0]),
        ("host 192.0.2.1", [1, 1, 0, 0, 1]),
        ("192.0.2.1", [1, 1, 0, 0, 1]),
        ("ip host 192.0.2.1", [1, 1, 0, 0, 0]),
        ("arp host 192.0.2.1", [0, 0, 0, 0, 1]),
        ("src 192.0.2.1", [1, 1, 0, 0, 1]),
        ("dst host 192.0.2.1", [0; 5]),
        ("dst host 198.51.100.2", [1, 1, 0, 0, 1]),
        ("host 2001:db8::1", [0, 0, 1, 1, 0]),
        ("src host 2001:db8:1::2", [0; 5]),
        ("dst host 2001:db8:1::2", [0, 0, 1, 1, 0]),
        ("net 192.0.2.0/24", [1, 1, 0, 0, 1]),
        ("net 0.0.0.0/0", [1, 1, 0, 0, 1]),
        ("src net 198.51.100.0/24", [0; 5]),
        ("net 2001:db8::/48", [0, 0, 1, 1, 0]),
        ("net 2001:db8:1::/48", [0, 0, 1, 1, 0]),
        ("dst net 2001:db8::/48", [0; 5]),
        ("net ::/0", [0, 0, 1, 1, 0]),
        ("port 443", [1, 1, 1, 1, 0]),
        ("tcp port 443", [1, 0, 1, 0, 0]),
        ("udp dst port 443", [0, 1, 0, 1, 0]),
        ("src port 443", [0; 5]),
        ("port 40000", [1, 1, 1, 1, 0]),
        ("portrange 400-450", [1, 1, 1, 1, 0]),
        ("dst portrange 444-450", [0; 5]),
        ("tcp src portrange 40000-40000", [1, 0, 1, 0, 0]),
        ("port 80 or 443", [1, 1, 1, 1, 0]),
        ("tcp port 80 or 443", [1, 0, 1, 0, 0]),
        ("not tcp", [0, 1, 0, 1, 1]),
        ("! tcp and ip", [0, 1, 0, 0, 0]),
        ("!(tcp or udp)", [0, 0, 0, 0, 1]),
        ("not not ip", [1, 1, 0, 0, 0]),
        ("tcp && ip6 || arp", [0, 0, 1, 0, 1]),
        // From the left, not `and` first.
        ("arp or tcp and ip6", [0, 0, 1, 0, 0]),
        ("arp or (tcp and ip6)", [0, 0, 1, 0, 1]),
        ("not (host 192.0.2.1 and tcp)", [0, 1, 1, 1, 1]),
    ] {
        check(text, expected);
    }
}

#[test]
fn fragments_have_a_protocol_and_the_later_ones_no_ports() {
    for (text, frame, expected) in [
        ("udp", v4(17, 0x2000), true),
        ("udp", v4(17, 0x00b9), true),
        ("port 443", v4(17, 0x2000), true),
        ("port 443", v4(17, 0x00b9), false),
        ("udp", v6(44, &[17, 0, 0, 1, 0, 0, 0, 7]), true),
        ("tcp", v6(44, &[17, 0, 0, 1, 0, 0, 0, 7]), false),
        ("port 443", v6(44, &[17, 0, 0, 1, 0, 0, 0, 7]), false),
    ] {
        let filter = Filter::parse(text).expect(text);
        assert_eq!(filter.accepts(&frame, None), expected, "{text} {frame:02x?}");
    }
}

#[test]
fn vlan_asks_for_the_tag_that_the_kernel_took_out_and_other_words_look_behind_it() {
    for frame in [v4(6, 0), v6(6, b"")] {
        for (text, tag, expected) in [
            ("vlan", None, false),
            ("vlan", Some(0), true),
            ("vlan 7", Some(7), true),
            ("vlan 7", Some(0xe007), true),
            ("vlan 7", Some(8), false),
            ("vlan 7", None, false),
            ("not vlan", None, true),
            ("not vlan 7", Some(8), true),
            ("tcp and vlan 7", Some(7), true),
            ("vlan 7 and tcp port 443", Some(7), true),
            ("tcp", Some(7), true),
            ("(vlan 7 or vlan 8) and udp", Some(7), false),
        ] {
            let filter = Filter::parse(text).expect(text);
            assert_eq!(filter.accepts(&frame, tag), expected, "{text} {tag:?}");
        }
    }
}

#[test]
fn a_frame_that_is_too_short_is_not_taken() {
    for (frame, least) in [(v4(6, 0), 42), (v6(6, b""), 58)] {
        let filter = Filter::parse("port 443").expect("a filter");
        for length in 0..frame.len() {
            assert_eq!(
                filter.accepts(&frame[..length], None),
                least <= length,
                "{length}"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_column_and_mend() {
    for (text, column, part) in [
        ("", 1, "a word is missing"),
        ("   ", 4, "a word is missing"),
        ("tcp and", 8, "a word is missing"),
        ("tcp prt 80", 5, "`prt` follows without `and` or `or`"),
        ("prt 80", 1, "`prt` is no word of a filter; known are not, and"),
        ("not (tcp", 5, "never closed"),
        ("(tcp udp)", 6, "`and`, `or` or `)` is missing"),
        ("tcp)", 4, "closes nothing"),
        ("port http", 6, "`http` is no port, write its number"),
        ("port 70000", 6, "`70000` is no port"),
        ("portrange 80", 11, "6000-6010"),
        ("portrange 90-80", 11, "6000-6010"),
        ("host", 5, "an address is missing"),
        ("host www.example.no", 6, "names are not looked up"),
        ("net 10.20.0.0", 5, "10.20.0.0/24"),
        ("net 10.20.0.1/24", 5, "write zeros after its first 24 bits"),
        ("net 2001:db8::1/64", 5, "write zeros after its first 64 bits"),
        ("net 10.0.0.0/33", 5, "is no network"),
        ("vlan 4096", 6, "from 0 to 4095"),
        ("tcp host 10.0.0.1", 1, "`… and host 10.0.0.1`"),
        ("ip6 host 10.0.0.1", 1, "no address such as 10.0.0.1"),
        ("icmp port 7", 1, "has no ports"),
        ("host 10.0.0.1 and ø", 19, "`ø` is no word"),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.detail.contains(part), "{text}: {error}");
    }
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    let deep = format!("{}tcp{}", "(".repeat(70), ")".repeat(70));
    let error = Filter::parse(&deep).expect_err("too deep");
    assert_eq!(error.column, 65, "{error}");
    let long = vec!["port 80"; 400].join(" or ");
    let error = Filter::parse(&long).expect_err("too long");
    assert!(error.detail.contains("4096"), "{error}");
}

const WORDS: [&str; 26] = [
    "not",
    "!",
    "and",
    "or",
    "&&",
    "||",
    "(",
    ")",
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp",
    "icmp",
    "vlan",
    "src",
    "dst",
    "host",
    "net",
    "port",
    "portrange",
    "80",
    "10.0.0.0/8",
    "2001:db8::1",
    "5-6",
    "ø",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, it is a filter or an error with its place; and a filter ends on any frame.
    #[test]
    fn any_words_are_a_filter_or_an_error(
        words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..12),
        frame in proptest::collection::vec(any::<u8>(), 0..80),
        tag in proptest::option::of(any::<u16>()),
    ) {
        let text = words.join(" ");
        match Filter::parse(&text) {
            Ok(filter) => {
                let opposite = Filter::parse(&format!("not ({text})")).expect("a filter as well");
                // A frame that ends too early is taken by neither.
                prop_assert!(!(filter.accepts(&frame, tag) && opposite.accepts(&frame, tag)));
                let mut long = frame;
                long.resize(300, 0);
                prop_assert!(filter.accepts(&long, tag) != opposite.accepts(&long, tag));
            }
            Err(error) => prop_assert!(1 <= error.column && error.column <= text.chars().count() + 1),
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in ".{0,60}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(1 <= error.column && error.column <= text.chars().count() + 1);
        }
    }
}
