//! What is refused and why, and what others can't fill.

use super::*;

#[test]
fn what_waits_is_bounded_in_bytes_and_time() {
    let mut run = Run::new();
    let big = ipfix(0, &[set(300, &[7; 60_000])]);
    for _ in 0..100 {
        run.read(&big).expect("reads");
    }
    let counts = run.collector.counts();
    assert_eq!(counts.sets_waiting + counts.sets_dropped, 100);
    assert!(
        counts.sets_waiting * 60_000 <= WAITING_BYTES_MAX as u64,
        "{counts:?}"
    );
    assert!(60 < counts.sets_waiting, "{counts:?}");
    let later = NOW.saturating_add(Duration::from_secs(2 * 60 * 60));
    let late = ipfix(0, &[set(2, &template(300, &V4))]);
    run.read_at("203.0.113.9", &late, later).expect("reads");
    let counts = run.collector.counts();
    assert_eq!(
        (run.flows.len(), counts.sets_waiting, counts.sets_dropped),
        (0, 0, 100)
    );
}

#[test]
fn what_is_broken_is_refused_by_its_reason() {
    let (source, destination, fields) = families()[0];
    let data = record(source, destination);
    let good = ipfix(0, &[set(2, &template(300, &fields)), set(300, &data)]);
    let variable = [(8, 4, None), (12, 4, None), (82, 0xffff, None)];
    let wide = vec![(8, 4, None); FIELDS_MAX + 1];
    for (datagram, code) in [
        (vec![], "header_cut"),
        (vec![0], "header_cut"),
        (vec![0, 9, 0, 0], "header_cut"),
        (vec![0, 10, 0, 20, 0], "header_cut"),
        (vec![0, 5, 0, 1], "header_cut"),
        (vec![0, 0, 0, 5, 0], "header_cut"),
        (b"GET / HTTP/1.1".to_vec(), "unknown_version"),
        (vec![0, 8, 0, 0], "unknown_version"),
        (good[..good.len() - 1].to_vec(), "cut"),
        (netflow5(0, 0, &[6, 6])[..80].to_vec(), "cut"),
        (netflow9(0, &[bytes().u16(300).u16(99).u32(0).0]), "set_length"),
        (ipfix(0, &[bytes().u16(300).u16(3).u32(1).0]), "set_length"),
        (ipfix(0, &[set(2, &template(255, &fields))]), "template"),
        (ipfix(0, &[set(2, &template(300, &[(8, 0, None)]))]), "template"),
        (ipfix(0, &[set(2, &template(300, &fields)[..20])]), "template"),
        (
            netflow9(0, &[set(1, &bytes().u16(400).u16(3).u16(4).u32(0).u32(0).0)]),
            "template",
        ),
        (ipfix(0, &[set(2, &template(300, &wide))]), "template_fields"),
        (
            ipfix(
                0,
                &[
                    set(2, &template(300, &variable)),
                    set(300, &bytes().bytes(&[1; 8]).u8(200).u16(0).0),
                ],
            ),
            "record",
        ),
        (
            bytes()
                .u32(5)
                .u32(1)
                .u32(1)
                .u32(0)
                .u32(0)
                .u32(0)
                .u32(1)
                .u32(1)
                .u32(99)
                .0,
            "sample",
        ),
    ] {
        let mut run = Run::new();
        let error = run.read(&datagram).expect_err(code);
        assert_eq!(error.code(), code, "{error}");
        assert!(CollectError::CODES.contains(&code));
        assert_eq!(run.flows.len(), 0);
    }
    // What is beside a broken set is read.
    let mut run = Run::new();
    let broken = set(2, &template(300, &[(8, 0, None)]));
    let sets = [broken, set(2, &template(301, &fields)), set(301, &data)];
    let error = run.read(&ipfix(0, &sets)).expect_err("refused");
    assert_eq!((error.code(), run.flows.len()), ("template", 1));
}

#[test]
fn made_up_exporters_fill_nothing_for_good() {
    let mut run = Run::new();
    let full = (0..TEMPLATES_MAX as u16).map(|number| template(300 + number, &[(8, 4, None)]));
    for some in full.collect::<Vec<_>>().chunks(1_000) {
        run.read_at("2001:db8::bad", &ipfix(0, &[set(2, &some.concat())]), NOW)
            .expect("reads");
    }
    let own = ipfix(0, &[set(2, &template(300, &V4))]);
    let error = run.read_at("192.0.2.9", &own, NOW).expect_err("full");
    assert_eq!(error.code(), "templates_full");
    // Those who have templates keep them, and may change them.
    run.read_at("2001:db8::bad", &own, NOW).expect("reads");
    assert_eq!(run.collector.counts().templates, TEMPLATES_MAX as u64);
    let later = NOW.saturating_add(TEMPLATE_LIFETIME + Duration::from_secs(1));
    run.read_at("192.0.2.9", &own, later)
        .expect("the old ones gave way");
    assert_eq!(run.collector.counts().templates, 1);

    let mut run = Run::new();
    for number in 0..2 * DOMAINS_MAX as u128 {
        let exporter = std::net::Ipv6Addr::from((0x2001_0db8_u128 << 96) + number);
        run.read_at(&exporter.to_string(), &netflow5(0, 0, &[6]), NOW)
            .expect("reads");
    }
    assert_eq!(run.flows.len(), 2 * DOMAINS_MAX);
    assert!(run.collector.domains.len() <= DOMAINS_MAX);
}

/// 4 MiB of sets with records of eight bytes are half a million flows.
#[test]
fn what_waited_for_a_template_comes_back_in_bites() {
    const RECORDS: usize = 8_000;
    let mut run = Run::new();
    let record = [192, 0, 2, 1, 198, 51, 100, 2];
    for _ in 0..20 {
        run.read(&ipfix(0, &[set(300, &record.repeat(RECORDS))]))
            .expect("reads");
    }
    assert_eq!(run.collector.counts().sets_waiting, 20);
    let late = ipfix(0, &[set(2, &template(300, &[(8, 4, None), (12, 4, None)]))]);
    run.read(&late).expect("reads");
    let mut bites = vec![run.flows.len()];
    while run.collector.is_resuming() {
        let before = run.flows.len();
        let flows = &mut run.flows;
        run.collector
            .resume(NOW, &mut |origin, record| flows.push((*origin, *record)));
        bites.push(run.flows.len() - before);
    }
    let most = RESUMED_MAX as usize + RECORDS;
    assert!(bites.iter().all(|bite| *bite < most), "{bites:?}");
    assert_eq!(run.flows.len(), 20 * RECORDS);
    assert_eq!(run.collector.counts().sets_waiting, 0);
}

/// What is kept is enough to read data without the template, and changes when there is something to keep.
#[test]
fn templates_are_known_after_a_restart() {
    for (source, destination, fields) in families() {
        let data = set(300, &record(source, destination));
        for datagram in [
            ipfix(0, &[set(2, &template(300, &fields))]),
            netflow9(0, &[set(0, &template(300, &fields))]),
        ] {
            let mut run = Run::new();
            let unchanged = run.collector.changes();
            run.read(&datagram).expect("reads");
            let changes = run.collector.changes();
            assert!(unchanged < changes);
            run.read(&datagram).expect("reads");
            assert_eq!(run.collector.changes(), changes, "the same again is nothing new");
            let written = serde_json::to_vec(&run.collector.kept()).expect("JSON");
            let kept: Vec<KeptDomain> = serde_json::from_slice(&written).expect("JSON");
            let mut next = Run::new();
            next.collector.restore(&kept);
            assert_eq!(next.collector.counts().templates, 1);
            let is_ipfix = datagram[1] == 10;
            let early = if is_ipfix {
                ipfix(1, std::slice::from_ref(&data))
            } else {
                netflow9(1, std::slice::from_ref(&data))
            };
            next.read(&early).expect("reads");
            assert_eq!((next.flows.len(), next.flows[0].1.source), (1, source));
            assert_eq!(next.collector.kept().len(), 1);
        }
    }
    let mut run = Run::new();
    run.collector.restore(&[KeptDomain {
        exporter: ip("192.0.2.1"),
        version: 10,
        domain: 0,
        seen: 0,
        sampling: None,
        samplers: Vec::new(),
        system_init: None,
        templates: vec!["no hex".to_owned(), "0100".to_owned(), "01000001".to_owned()],
        options: Vec::new(),
    }]);
    assert_eq!(
        run.collector.counts().templates,
        0,
        "what can't be read is passed over"
    );
}
