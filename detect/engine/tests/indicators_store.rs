//! The store of indicators against a matcher that goes through them one by one, in one layer and through changes; and
//! hostile feeds and texts.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "indicators/made.rs"]
mod made;

use std::{collections::BTreeSet, net::IpAddr};

use detect_alert::{Indicator, IndicatorKind as Kind};
use detect_engine::{Added, Holds, IndicatorTable, IndicatorTableBuilder, LookUp, Scratch};
use ingest_event::Timestamp;
use proptest::prelude::*;

use made::{indicator, table};

/// What a text names, as `kind value source`, found alone and together with others.
fn named(table: &IndicatorTable, holds: Holds, text: &str, host: Option<&str>) -> BTreeSet<String> {
    let mut scratch = Scratch::default();
    let mut ids = BTreeSet::new();
    table.look_up(holds, text, host, &mut scratch, &mut |id| {
        ids.insert(id);
    });
    let mut together = BTreeSet::new();
    let other = LookUp {
        holds: Holds::Host,
        text: "nothing.invalid",
        host: None,
    };
    let mut texts = vec![other; 18];
    texts[17] = LookUp { holds, text, host };
    table.look_up_all(&texts, &mut scratch, &mut |at, id| {
        assert_eq!(at, 17);
        together.insert(id);
    });
    assert_eq!(ids, together, "{text}");
    ids.into_iter()
        .map(|id| {
            let indicator = table.get(id).expect("it was found");
            format!("{} {} {}", indicator.kind, indicator.value, indicator.source)
        })
        .collect()
}

/// A host without its port and brackets.
fn bare(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or_default(),
        None => host,
    }
}

/// One by one, without any index: the meaning of each kind in a line.
fn names(indicator: &Indicator, holds: Holds, text: &str) -> bool {
    let value = indicator.value.as_str();
    let address = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let under = |host: &str, domain: &str| {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host == domain || host.ends_with(&format!(".{domain}"))
    };
    let on_host = |host: &str| match (indicator.kind, address(host)) {
        (Kind::Domain, None) => under(host, value),
        (Kind::Address, Some(seen)) => address(value) == Some(seen),
        (Kind::Cidr, Some(seen)) => value.parse::<ipnet::IpNet>().is_ok_and(|net| net.contains(&seen)),
        _ => false,
    };
    match holds {
        Holds::Address => address(text).is_some() && on_host(text),
        Holds::Host => on_host(bare(text)),
        Holds::Email => {
            let (_, host) = text.rsplit_once('@').unwrap_or_default();
            indicator.kind == Kind::Email && text.eq_ignore_ascii_case(value)
                || indicator.kind == Kind::Domain && under(host, value)
        }
        Holds::Url => {
            let Some(normal) = detect_rules::normal_url(text) else {
                return false;
            };
            let host = normal.split("://").nth(1).unwrap_or_default();
            let host = host.split(['/', '?']).next().unwrap_or_default();
            let is_url = normal == value || normal.split('?').next() == Some(value);
            indicator.kind == Kind::Url && is_url || on_host(bare(host))
        }
        Holds::FileName => {
            let name = text.rsplit(['/', '\\']).next().unwrap_or_default();
            indicator.kind == Kind::FileName && name.to_lowercase() == value
        }
        Holds::Hash => {
            let is_hash = matches!(indicator.kind, Kind::Md5 | Kind::Sha1 | Kind::Sha256);
            is_hash && text.eq_ignore_ascii_case(value)
        }
        Holds::Ja3 => indicator.kind == Kind::Ja3 && text.eq_ignore_ascii_case(value),
        Holds::Ja4 => indicator.kind == Kind::Ja4 && text.eq_ignore_ascii_case(value),
        Holds::Certificate => {
            indicator.kind == Kind::Certificate && text.replace(':', "").eq_ignore_ascii_case(value)
        }
        Holds::Asn => indicator.kind == Kind::Asn && format!("AS{text}") == value,
    }
}

/// Few values, so that they meet often.
fn any_indicator() -> impl Strategy<Value = Indicator> {
    let v4 = (0_u8..4, 0_u8..4).prop_map(|(c, d)| format!("203.0.{c}.{d}"));
    let v6 = (0_u16..4, 0_u16..4)
        .prop_map(|(a, b)| std::net::Ipv6Addr::new(0x2001, 0xdb8, a, 0, 0, 0, 0, b).to_string());
    let net4 = (0_u32..1024, 8_u8..=32).prop_map(|(low, length)| {
        let net = ipnet::Ipv4Net::new(std::net::Ipv4Addr::from(0xcb00_0000 + low), length).expect("fits");
        net.trunc().to_string()
    });
    let net6 = (0_u128..8, 0_u128..8, 19_u8..=128).prop_map(|(high, low, length)| {
        let bits = 0x2001_0db8 << 96 | high << 80 | low;
        let net = ipnet::Ipv6Net::new(std::net::Ipv6Addr::from(bits), length).expect("fits");
        net.trunc().to_string()
    });
    let domain = "(a\\.|b\\.|bad-){0,3}[ab](\\.co)?\\.(com|no)";
    let url = "http://(a\\.com|b\\.no|203\\.0\\.1\\.1|\\[2001:db8:1::1\\])/[ab]?(\\?[ab])?";
    let one = prop_oneof![
        v4.prop_map(|value| indicator(Kind::Address, &value)),
        v6.prop_map(|value| indicator(Kind::Address, &value)),
        net4.prop_map(|value| indicator(Kind::Cidr, &value)),
        net6.prop_map(|value| indicator(Kind::Cidr, &value)),
        domain.prop_map(|value| indicator(Kind::Domain, &value)),
        Just(indicator(Kind::Domain, "no")),
        url.prop_map(|value| indicator(Kind::Url, &value)),
        "[ab]@[ab]\\.com".prop_map(|value| indicator(Kind::Email, &value)),
        "[ab]{1,2}\\.exe".prop_map(|value| indicator(Kind::FileName, &value)),
        "[01]{32}".prop_map(|value| indicator(Kind::Md5, &value[..32])),
        "[0]{39}[0-3]".prop_map(|value| indicator(Kind::Sha1, &value)),
        "[0]{39}[0-3]".prop_map(|value| indicator(Kind::Certificate, &value)),
        "[0]{31}[0-3]".prop_map(|value| indicator(Kind::Ja3, &value)),
        (1_u8..4).prop_map(|number| indicator(Kind::Asn, &format!("AS{number}"))),
    ];
    (one, 0_u8..3).prop_map(|(indicator, feed)| Indicator {
        source: format!("feed-{feed}"),
        ..indicator
    })
}

fn any_text() -> impl Strategy<Value = (Holds, String)> {
    let v4 = "(203\\.0\\.[0-4]\\.[0-4]|198\\.51\\.100\\.1|::ffff:203\\.0\\.1\\.1)";
    let v6 = "2001:((0db8|DB8):[0-4]:(:|0:0:0:0:)[0-4]|0db8:000[0-4]:0000:0000:0000:0000:000[0-4])";
    // Where no indicator is.
    let elsewhere = "(10\\.[0-9]{1,2}\\.0\\.1|2001:db9::[0-4]|fd00::[0-9a-f]{1,4}|::[0-4])";
    prop_oneof![
        v4.prop_map(|text| (Holds::Address, text)),
        v6.prop_map(|text| (Holds::Address, text)),
        elsewhere.prop_map(|text| (Holds::Address, text)),
        v4.prop_map(|text| (Holds::Host, text)),
        "([ab]\\.com|[b]\\.no|203\\.0\\.1\\.[0-4]|\\[2001:db8:1::[0-4]\\]):[0-9]{1,5}"
            .prop_map(|text| (Holds::Host, text)),
        "[a-z]{25,60}\\.[ab](\\.co)?\\.(com|no)".prop_map(|text| (Holds::Host, text)),
        v6.prop_map(|text| (Holds::Host, text)),
        "(a\\.|B\\.|bad-){0,4}[aB](\\.co)?\\.(com|NO|org)\\.?".prop_map(|text| (Holds::Host, text)),
        "[hH]ttp://(A\\.com|b\\.no|x\\.b\\.no|203\\.0\\.1\\.1|\\[2001:DB8:[01]::1\\])(:80)?/[ab]?(\\?[ab])?"
            .prop_map(|text| (Holds::Url, text)),
        "[aB]@([aB]\\.)?[ab]\\.com".prop_map(|text| (Holds::Email, text)),
        "(C:\\\\x\\\\|/tmp/)?[aB]{1,2}\\.EXE".prop_map(|text| (Holds::FileName, text)),
        "[01]{32}".prop_map(|text| (Holds::Hash, text)),
        "[0]{39}[0-3]".prop_map(|text| (Holds::Hash, text)),
        "[0]{39}[0-3]".prop_map(|text| (Holds::Certificate, text)),
        "(00:){19}0[0-3]".prop_map(|text| (Holds::Certificate, text)),
        "[0]{31}[0-3]".prop_map(|text| (Holds::Ja3, text)),
        "[1-4]".prop_map(|text| (Holds::Asn, text)),
    ]
}

fn expected(set: &[Indicator], holds: Holds, text: &str) -> BTreeSet<String> {
    set.iter()
        .filter(|indicator| names(indicator, holds, text))
        .map(|indicator| format!("{} {} {}", indicator.kind, indicator.value, indicator.source))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_one_by_one_finds_however_the_set_came_to_be(
        first in prop::collection::vec(any_indicator(), 0..60),
        changes in prop::collection::vec(
            (prop::collection::vec(any::<prop::sample::Index>(), 0..20), prop::collection::vec(any_indicator(), 0..20)),
            0..3,
        ),
        texts in prop::collection::vec(any_text(), 60),
    ) {
        let mut set: Vec<Indicator> = Vec::new();
        for indicator in first {
            if !set.contains(&indicator) {
                set.push(indicator);
            }
        }
        let mut changed = table(&set);
        for (removed, added) in changes {
            let mut gone = Vec::new();
            for at in removed {
                if !set.is_empty() {
                    gone.push(set.remove(at.index(set.len())));
                }
            }
            let (next, counts) = changed.updated(&gone, &added);
            prop_assert_eq!(counts.removed as usize, gone.len());
            for indicator in added {
                if !set.contains(&indicator) {
                    set.push(indicator);
                }
            }
            changed = next;
        }
        let fresh = table(&set);
        let compacted = changed.compacted();
        for other in [&changed, &compacted] {
            prop_assert_eq!(fresh.digest(), other.digest());
            prop_assert_eq!(fresh.len(), other.len());
        }
        prop_assert_eq!(fresh.len(), set.len());
        for (holds, text) in &texts {
            let expected = expected(&set, *holds, text);
            for table in [&fresh, &changed, &compacted] {
                prop_assert_eq!(&named(table, *holds, text, None), &expected, "{:?} {}", holds, text);
            }
        }
    }
}

#[test]
fn names_in_every_spelling() {
    for (kind, value, holds, text, is_named) in [
        (
            Kind::Domain,
            "xn--bd-1ia.example",
            Holds::Host,
            "www.B\u{c6}D.example",
            true,
        ),
        (Kind::Domain, "bad.example", Holds::Host, "bad.example:8443", true),
        (
            Kind::Domain,
            "bad.example",
            Holds::Email,
            "Somebody <a@x.bad.example>",
            true,
        ),
        (
            Kind::Domain,
            "bad.example",
            Holds::Url,
            "https://u:p@www.bad.example:1/x",
            true,
        ),
        (
            Kind::Domain,
            "bad.example",
            Holds::Url,
            "https://good.example/bad.example",
            false,
        ),
        (Kind::Domain, "bad.example", Holds::Host, "bad.example.", true),
        (Kind::Domain, "d.bad.cafe", Holds::Host, "x.d.bad.cafe", true),
        (
            Kind::Address,
            "2001:db8::7",
            Holds::Host,
            "[2001:db8::7]:443",
            true,
        ),
        (Kind::Address, "fe80::7", Holds::Address, "fe80::7%eth0", true),
        (
            Kind::Address,
            "192.0.2.7",
            Holds::Url,
            "http://192.0.2.7:8080/x",
            true,
        ),
        (
            Kind::Address,
            "2001:db8::7",
            Holds::Url,
            "http://[2001:DB8:0::7]/x",
            true,
        ),
        (
            Kind::Cidr,
            "2001:db8::/32",
            Holds::Url,
            "http://[2001:DB8:0::7]/x",
            true,
        ),
        (
            Kind::Url,
            "http://[2001:db8::7]/x",
            Holds::Url,
            "http://[2001:DB8:0::7]/x?y",
            true,
        ),
        (
            Kind::Url,
            "http://bad.example/X",
            Holds::Url,
            "http://bad.example/x",
            false,
        ),
        (Kind::Asn, "AS64500", Holds::Asn, "as64500", true),
        (
            Kind::FileName,
            "\u{e6}.exe",
            Holds::FileName,
            "C:\\\u{c6}.EXE",
            true,
        ),
        (
            Kind::Ja4,
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
            Holds::Ja4,
            "T13D1516H2_8DAAF6152771_E5627EFA2AB1",
            true,
        ),
    ] {
        let table = table(&[indicator(kind, value)]);
        assert_eq!(
            !named(&table, holds, text, None).is_empty(),
            is_named,
            "{value} in {text}"
        );
    }
}

#[test]
fn a_path_is_completed_by_its_host() {
    let table = table(&[
        indicator(Kind::Url, "http://bad.example/a"),
        indicator(Kind::Domain, "bad.example"),
    ]);
    let named = |host| named(&table, Holds::Url, "/a?b", host);
    assert_eq!(named(None), BTreeSet::new());
    assert_eq!(named(Some("good.example")), BTreeSet::new());
    // The domain is found in the field of the host.
    assert_eq!(
        named(Some("BAD.example:80")),
        BTreeSet::from(["url http://bad.example/a a feed".to_owned()])
    );
}

#[test]
fn hostile_texts_are_passed_over() {
    let table = table(&[
        indicator(Kind::Domain, "bad.example"),
        indicator(Kind::FileName, "a.exe"),
    ]);
    let long = "a.".repeat(1 << 20);
    for holds in [
        Holds::Host,
        Holds::Url,
        Holds::Email,
        Holds::Hash,
        Holds::Address,
        Holds::FileName,
    ] {
        for text in [
            "", " ", ".", "..", "@", "/", "\\", "://", "[", "]", ":", "=", ",", "%", "\u{0}", "<>", &long,
        ] {
            assert!(named(&table, holds, text, Some(&long)).is_empty());
        }
    }
}

#[test]
fn a_feed_that_repeats_itself_is_stopped() {
    let mut builder = IndicatorTableBuilder::new();
    let mut one = indicator(Kind::Domain, "bad.example");
    assert_eq!(builder.add(&one), Added::New);
    for _ in 0..1000 {
        assert_eq!(builder.add(&one), Added::Duplicate);
    }
    for number in 1..1000 {
        one.description = format!("the same, number {number}");
        let expected = if number < 64 {
            Added::New
        } else {
            Added::TooManyForValue
        };
        assert_eq!(builder.add(&one), expected, "{number}");
    }
    one.value = "a".repeat(100_000);
    assert_eq!(builder.add(&one), Added::NotNormal);
    assert_eq!(builder.counts().duplicate, 1000);
    let table = builder.build();
    assert_eq!(table.len(), 64);
    let mut found = 0;
    table.look_up(
        Holds::Host,
        "www.bad.example",
        None,
        &mut Scratch::default(),
        &mut |_| found += 1,
    );
    assert_eq!(found, 64, "all that overlap are named");
}

/// What was removed makes room for others at once, whichever version of the table it came with.
#[test]
fn removed_indicators_do_not_count_against_the_limit_of_a_value() {
    for value in ["192.0.2.7", "2001:db8::7"] {
        let about = |round: u32| -> Vec<Indicator> {
            (0..64)
                .map(|number| Indicator {
                    description: format!("round {round}, number {number}"),
                    ..indicator(Kind::Address, value)
                })
                .collect()
        };
        let mut table = table(&about(0));
        for round in 1..20 {
            let (next, counts) = table.updated(&about(round - 1), &about(round));
            assert_eq!((counts.removed, counts.unknown), (64, 0), "{round}");
            assert_eq!(
                (counts.added.new, counts.added.too_many_for_value),
                (64, 0),
                "{round}"
            );
            table = next;
            assert_eq!(table.len(), 64);
            let mut found = BTreeSet::new();
            table.look_up(Holds::Address, value, None, &mut Scratch::default(), &mut |id| {
                found.insert(table.get(id).expect("it was found").description);
            });
            let expected = about(round).into_iter().map(|indicator| indicator.description);
            assert_eq!(found, expected.collect(), "{round}");
        }
        let (_, counts) = table.updated([], &about(0));
        assert_eq!(counts.added.too_many_for_value, 64, "those that count do");
        assert_eq!(table.digest(), made::table(&about(19)).digest());
    }
}

#[test]
fn the_digest_is_that_of_the_set() {
    let [a, b, c] = ["a.example", "b.example", "c.example"].map(|value| indicator(Kind::Domain, value));
    let all = table(&[a.clone(), b.clone(), c.clone()]);
    assert_eq!(table(&[c.clone(), a.clone(), b.clone()]).digest(), all.digest());
    let (fewer, _) = all.updated([&b], []);
    assert_eq!(fewer.digest(), table(&[a.clone(), c.clone()]).digest());
    assert_ne!(fewer.digest(), all.digest());
    let (again, _) = fewer.updated([], [&b]);
    assert_eq!(again.digest(), all.digest());
    let mut other = b;
    other.valid_until = Some(Timestamp::EPOCH);
    assert_ne!(table(&[a, other, c]).digest(), all.digest());
}
