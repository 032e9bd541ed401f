//! Normal forms, and what is refused.

use super::*;

fn read(text: &str, kind: Option<IndicatorKind>, refusals: &Refusals) -> Result<String, Reason> {
    match parse(text, kind, refusals) {
        Ok(normal) => Ok(format!("{} {}", normal.kind, normal.value)),
        Err(refused) => Err(refused.reason),
    }
}

fn check(text: &str, expected: &str) {
    let found = read(text, None, &Refusals::default());
    assert_eq!(found.as_deref(), Ok(expected), "{text}");
}

#[test]
fn each_kind_is_recognised_and_brought_to_one_form() {
    for (text, expected) in [
        ("203.0.113.7", "ip 203.0.113.7"),
        ("2001:DB8:0:0::7", "ip 2001:db8::7"),
        ("[2001:db8::7]", "ip 2001:db8::7"),
        ("::ffff:203.0.113.7", "ip 203.0.113.7"),
        ("203.0.113.7:443", "ip 203.0.113.7"),
        ("[2001:db8::7]:443", "ip 2001:db8::7"),
        ("203.0.113.0/24", "cidr 203.0.113.0/24"),
        ("2001:DB8::/32", "cidr 2001:db8::/32"),
        ("::ffff:203.0.113.0/120", "cidr 203.0.113.0/24"),
        ("203.0.113.7/32", "ip 203.0.113.7"),
        ("2001:db8::7/128", "ip 2001:db8::7"),
        ("Bad.Example.", "domain bad.example"),
        ("*.bad.example", "domain bad.example"),
        ("bad.example:8443", "domain bad.example"),
        ("blåbær.example", "domain xn--blbr-roah.example"),
        ("XN--blbr-roah.example", "domain xn--blbr-roah.example"),
        ("_dmarc.bad.example", "domain _dmarc.bad.example"),
        ("HTTP://Bad.Example:80/A?b=C#d", "url http://bad.example/A?b=C"),
        (
            "https://user:word@bad.example:8443",
            "url https://bad.example:8443/",
        ),
        ("http://[2001:DB8::7]:8080/x", "url http://[2001:db8::7]:8080/x"),
        ("http://203.0.113.7/x", "url http://203.0.113.7/x"),
        ("http://203.0.113.7/x #part", "url http://203.0.113.7/x"),
        (
            "http://blåbær.example/%7euser/%c3%a5%2f%zz",
            "url http://xn--blbr-roah.example/~user/%C3%A5%2F%zz",
        ),
        ("bad.example/x.php", "url http://bad.example/x.php"),
        ("Name@Bad.Example", "email name@bad.example"),
        (
            "995FF56E9D5046FA6CB5FB20E5019D05",
            "md5 995ff56e9d5046fa6cb5fb20e5019d05",
        ),
        (
            "d588fabbb9a1890ef096d68784557ac7472f27c8",
            "sha1 d588fabbb9a1890ef096d68784557ac7472f27c8",
        ),
        (
            "912e6c6ff05f3acedb5ff3133f8981385e35db5c0513825d2241e855fd4365f0",
            "sha256 912e6c6ff05f3acedb5ff3133f8981385e35db5c0513825d2241e855fd4365f0",
        ),
        (
            "t13d1516h2_8daaf6152771_E5627efa2ab1",
            "ja4 t13d1516h2_8daaf6152771_e5627efa2ab1",
        ),
        ("as64500", "asn AS64500"),
        ("\"bad.example\"", "domain bad.example"),
    ] {
        check(text, expected);
    }
}

#[test]
fn a_kind_that_is_given_is_taken_at_its_word() {
    use IndicatorKind as Kind;
    for (text, kind, expected) in [
        (
            "995ff56e9d5046fa6cb5fb20e5019d05",
            Kind::Ja3,
            Ok("ja3 995ff56e9d5046fa6cb5fb20e5019d05"),
        ),
        (
            "C:\\Users\\A\\Faktura 7.EXE",
            Kind::FileName,
            Ok("file-name faktura 7.exe"),
        ),
        ("/tmp/.x/Regning.sh", Kind::FileName, Ok("file-name regning.sh")),
        (
            "D5:88:FA:BB:B9:A1:89:0E:F0:96:D6:87:84:55:7A:C7:47:2F:27:C8",
            Kind::Certificate,
            Ok("certificate d588fabbb9a1890ef096d68784557ac7472f27c8"),
        ),
        ("64500", Kind::Asn, Ok("asn AS64500")),
        ("203.0.113.7/32", Kind::Cidr, Ok("ip 203.0.113.7")),
        ("2001:db8::7/128", Kind::Cidr, Ok("ip 2001:db8::7")),
        ("bad.example", Kind::Address, Err(Reason::Malformed)),
        ("203.0.113.7", Kind::Domain, Err(Reason::Malformed)),
        ("203.0.113.7/24", Kind::Cidr, Err(Reason::Malformed)),
        ("2001:db8::7/32", Kind::Cidr, Err(Reason::Malformed)),
        ("995ff56e", Kind::Md5, Err(Reason::Malformed)),
        (
            "995ff56e9d5046fa6cb5fb20e5019d05",
            Kind::Certificate,
            Err(Reason::Malformed),
        ),
        ("*.exe-file", Kind::FileName, Err(Reason::OtherComparison)),
        ("ASX", Kind::Asn, Err(Reason::Malformed)),
        ("@bad.example", Kind::Email, Err(Reason::Malformed)),
    ] {
        let found = read(text, Some(kind), &Refusals::default());
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }
}

#[test]
fn defanged_spellings_are_read_and_noted() {
    for (text, expected) in [
        ("hxxp://bad[.]example/a", "url http://bad.example/a"),
        ("hXXps://bad(.)example", "url https://bad.example/"),
        ("https[://]bad{.}example/", "url https://bad.example/"),
        ("bad[dot]example", "domain bad.example"),
        ("bad\\.example", "domain bad.example"),
        ("203[.]0[.]113[.]7", "ip 203.0.113.7"),
        ("2001[:]db8::7", "ip 2001:db8::7"),
        ("name[@]bad[.]example", "email name@bad.example"),
        ("name[at]bad[.]example", "email name@bad.example"),
    ] {
        check(text, expected);
        let normal = parse(text, None, &Refusals::default()).expect(text);
        assert!(normal.notes.is_defanged, "{text}");
    }
    for text in [
        "bad.example",
        "[2001:db8::7]",
        "http://[2001:db8::7]/",
        "http://bad.example/a(b)",
        "fxp.example",
    ] {
        let normal = parse(text, None, &Refusals::default()).expect(text);
        assert!(!normal.notes.is_defanged, "{text}");
    }
}

#[test]
fn ports_and_strange_top_level_domains_are_noted() {
    for (text, has_port, is_unlisted) in [
        ("203.0.113.7:443", true, false),
        ("203.0.113.7|443", true, false),
        ("2001:db8::7|443", true, false),
        ("[2001:db8::7]:443", true, false),
        ("2001:db8::443", false, false),
        ("bad.example|443", true, false),
        ("bad.example", false, false),
        ("name.onion", false, false),
        ("bad.no", false, false),
        ("faktura.exe", false, true),
    ] {
        let notes = parse(text, None, &Refusals::default()).expect(text).notes;
        assert_eq!(
            (notes.has_port, notes.is_unlisted),
            (has_port, is_unlisted),
            "{text}"
        );
    }
}

#[test]
fn what_would_match_harmless_traffic_is_refused_with_its_reason() {
    for (text, reason) in [
        ("0.0.0.0/0", Reason::WidePrefix),
        ("::/0", Reason::WidePrefix),
        ("8.0.0.0/7", Reason::WidePrefix),
        ("2a00::/12", Reason::WidePrefix),
        ("0.0.0.0", Reason::SpecialAddress),
        ("::", Reason::SpecialAddress),
        ("127.0.0.1", Reason::SpecialAddress),
        ("::1", Reason::SpecialAddress),
        ("127.0.0.0/8", Reason::SpecialAddress),
        ("169.254.1.1", Reason::SpecialAddress),
        ("fe80::1", Reason::SpecialAddress),
        ("224.0.0.251", Reason::SpecialAddress),
        ("ff02::fb", Reason::SpecialAddress),
        ("255.255.255.255", Reason::SpecialAddress),
        ("10.1.2.3", Reason::PrivateAddress),
        ("172.16.0.0/12", Reason::PrivateAddress),
        ("192.168.0.0/16", Reason::PrivateAddress),
        ("100.64.0.1", Reason::PrivateAddress),
        ("fd00::1", Reason::PrivateAddress),
        ("fc00::/7", Reason::WidePrefix),
        ("fd00:1::/32", Reason::PrivateAddress),
        ("1.1.1.1", Reason::PublicResolver),
        ("2606:4700:4700::1111", Reason::PublicResolver),
        ("8.8.8.0/24", Reason::PublicResolver),
        ("2001:4860:4860::/48", Reason::PublicResolver),
        ("9.9.9.9:53", Reason::PublicResolver),
        ("http://8.8.4.4/x", Reason::PublicResolver),
        ("http://[2620:fe::fe]/x", Reason::PublicResolver),
        ("https://dns.google/resolve", Reason::PublicResolver),
        ("dns.quad9.net", Reason::PublicResolver),
        ("a.root-servers.net", Reason::PublicResolver),
        ("co.uk", Reason::PublicSuffix),
        ("*.com.", Reason::PublicSuffix),
        ("kommune.no", Reason::PublicSuffix),
        ("com.mm", Reason::PublicSuffix),
        ("github.io", Reason::SharedSuffix),
        ("localhost.localdomain", Reason::LocalName),
        ("printer.local", Reason::LocalName),
        ("192.in-addr.arpa", Reason::LocalName),
        ("http://127.0.0.1/x", Reason::SpecialAddress),
        ("http://[::1]/x", Reason::SpecialAddress),
        ("http://192.168.1.1/x", Reason::PrivateAddress),
        ("d41d8cd98f00b204e9800998ecf8427e", Reason::EmptyFile),
        ("DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", Reason::EmptyFile),
        (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            Reason::EmptyFile,
        ),
        ("00000000000000000000000000000000", Reason::Malformed),
        ("AS64512", Reason::ReservedAsn),
        ("AS0", Reason::ReservedAsn),
    ] {
        assert_eq!(read(text, None, &Refusals::default()), Err(reason), "{text}");
    }
    for (text, kind, reason) in [
        ("com", IndicatorKind::Domain, Reason::PublicSuffix),
        ("localhost", IndicatorKind::Domain, Reason::LocalName),
        ("a.exe", IndicatorKind::FileName, Reason::CommonFileName),
        (
            "C:\\Windows\\System32\\SVCHOST.EXE",
            IndicatorKind::FileName,
            Reason::CommonFileName,
        ),
    ] {
        assert_eq!(
            read(text, Some(kind), &Refusals::default()),
            Err(reason),
            "{text}"
        );
    }
}

#[test]
fn a_host_below_a_suffix_is_no_suffix() {
    check("bad.github.io", "domain bad.github.io");
    check("bad.co.uk", "domain bad.co.uk");
    // Suffixes by a wildcard of the list: one machine, one owner.
    check(
        "ec2-198-51-100-1.compute-1.amazonaws.com",
        "domain ec2-198-51-100-1.compute-1.amazonaws.com",
    );
    check("bad.mm", "domain bad.mm");
    check("https://github.io/bad", "url https://github.io/bad");
    check("8.8.9.0/24", "cidr 8.8.9.0/24");
    check("2001:4860:4861::/48", "cidr 2001:4860:4861::/48");
}

#[test]
fn what_counts_as_poison_is_configured() {
    let lab = Refusals {
        private: false,
        ..Refusals::default()
    };
    let strict = Refusals {
        documentation: true,
        own_domains: vec!["kommune.example".to_owned()],
        own_networks: vec![
            "198.18.7.0/24".parse().expect("a net"),
            "2a0f:1::/32".parse().expect("a net"),
        ],
        ..Refusals::default()
    };
    for (text, refusals, reason) in [
        ("10.1.2.3", &lab, None),
        ("fd00::1", &lab, None),
        ("AS64512", &lab, None),
        ("127.0.0.1", &lab, Some(Reason::SpecialAddress)),
        ("::1", &lab, Some(Reason::SpecialAddress)),
        ("203.0.113.7", &lab, None),
        ("203.0.113.7", &strict, Some(Reason::DocumentationAddress)),
        ("2001:db8::7", &strict, Some(Reason::DocumentationAddress)),
        ("3fff::1", &strict, Some(Reason::DocumentationAddress)),
        ("AS64500", &strict, Some(Reason::ReservedAsn)),
        ("198.18.7.9", &strict, Some(Reason::OwnNetwork)),
        ("2a0f:1::9", &strict, Some(Reason::OwnNetwork)),
        ("198.18.0.0/16", &strict, Some(Reason::OwnNetwork)),
        ("2a0f::/20", &strict, Some(Reason::OwnNetwork)),
        ("kommune.example", &strict, Some(Reason::OwnNetwork)),
        ("post.kommune.example", &strict, Some(Reason::OwnNetwork)),
        (
            "https://post.kommune.example/x",
            &strict,
            Some(Reason::OwnNetwork),
        ),
        ("falsk-kommune.example", &strict, None),
    ] {
        assert_eq!(read(text, None, refusals).err(), reason, "{text}");
    }
}

#[test]
fn what_is_no_indicator_is_refused() {
    for (text, reason) in [
        ("", Reason::Empty),
        ("\"\"", Reason::Empty),
        ("no such thing", Reason::Unrecognised),
        ("300.1.2.3", Reason::Unrecognised),
        ("word", Reason::Unrecognised),
        ("bad..example", Reason::Malformed),
        ("bad,example.no", Reason::Malformed),
        ("http://", Reason::Malformed),
        ("/gate.php", Reason::UrlPart),
        ("http://bad_host!/x", Reason::Malformed),
        ("203.0.113.7/33", Reason::Malformed),
        ("2001:db8::/129", Reason::Malformed),
    ] {
        assert_eq!(read(text, None, &Refusals::default()), Err(reason), "{text}");
    }
    let long = "x".repeat(VALUE_BYTES_MAX + 1);
    assert_eq!(read(&long, None, &Refusals::default()), Err(Reason::TooLong));
}

#[test]
fn nothing_makes_it_panic() {
    use proptest::prelude::*;
    proptest!(|(text in "[a-z0-9.:/\\[\\]@%#?|\\\\{}()æøå _-]{0,60}")| {
        if let Ok(normal) = parse(&text, None, &Refusals::default()) {
            // The normal form is its own normal form, of the same kind.
            let again = parse(&normal.value, Some(normal.kind), &Refusals::default());
            prop_assert_eq!(again.map(|again| again.value).ok(), Some(normal.value));
        }
    });
}
