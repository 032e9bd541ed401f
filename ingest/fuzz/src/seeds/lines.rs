//! Lines of logs.

/// Those of a target.
pub(super) fn of(name: &str) -> &'static str {
    match name {
        "access" => concat!(
            "192.0.2.7 - kari [02/Mar/2026:09:15:00 +0100] \"GET /one?x=1 HTTP/1.1\" 200 512 \"-\" \"probe/1\"\n",
            "2001:db8::7 - - [02/Mar/2026:09:15:00 +0100] \"\\x16\\x03\" 400 -\n",
        ),
        "auditd" => concat!(
            "type=SYSCALL msg=audit(1772442900.123:7): arch=c000003e syscall=59 success=yes exit=0 uid=0 comm=\"sh\"\n",
            "node=srv type=USER_LOGIN msg=audit(1772442900.123:8): pid=7 msg='op=login acct=\"ola\" addr=2001:db8::7 res=failed'\n",
            "type=PROCTITLE msg=audit(1772442900.123:9): proctitle=2F62696E2F7368002D63\n",
        ),
        "cef" => concat!(
            "Mar  2 09:15:00 fw CEF:0|Vendor|Wall|1|100|Blocked \\| it|5|src=192.0.2.7 spt=7 msg=a\\=b rt=1772442900123\n",
            "Mar  2 09:15:00 fw LEEF:2.0|Vendor|Wall|1|100|^|src=2001:db8::7^usrName=ola^devTime=1772442900\n",
        ),
        "ecs" => concat!(
            "{\"@timestamp\":\"2026-03-02T08:15:00Z\",\"event.dataset\":\"web.access\",\"source.ip\":\"192.0.2.7\",",
            "\"http\":{\"request\":{\"method\":\"GET\"}},\"event.id\":\"x\",\"tags\":[\"a\",[\"b\"]]}\n",
        ),
        "eve" => concat!(
            "{\"timestamp\":\"2026-03-02T08:15:00.123456+0000\",\"event_type\":\"dns\",\"src_ip\":\"192.0.2.7\",\"src_port\":7,",
            "\"dest_ip\":\"2001:db8::7\",\"dest_port\":53,\"proto\":\"UDP\",\"dns\":{\"type\":\"query\",\"id\":1,\"rrname\":\"a.no\",\"rrtype\":\"A\"}}\n",
            "{\"timestamp\":\"2026-03-02T08:15:00.123456+0000\",\"event_type\":\"alert\",\"alert\":{\"signature\":\"x\",\"severity\":1}}\n",
        ),
        "journald" => concat!(
            "{\"__REALTIME_TIMESTAMP\":\"1772442900123456\",\"_HOSTNAME\":\"srv\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"_PID\":\"7\",",
            "\"PRIORITY\":\"6\",\"SYSLOG_FACILITY\":\"10\",\"MESSAGE\":\"Failed password for ola from 2001:db8::7 port 4022 ssh2\"}\n",
            "{\"__REALTIME_TIMESTAMP\":\"1772442900123456\",\"MESSAGE\":[104,105],\"_TRANSPORT\":\"kernel\",\"PRIORITY\":\"4\"}\n",
        ),
        "mail" => concat!(
            "Mar  2 09:15:00 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from pc-7.example.no[192.0.2.7]: 504 5.5.2 <X>: Helo ",
            "command rejected; from=<a@example.com> to=<b@example.no> proto=ESMTP helo=<X>\n",
            "Mar  2 09:15:00 mx dovecot: imap-login: Login: user=<kari>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.8, TLS\n",
        ),
        "ndjson" => {
            "{\"time\":\"2026-03-02T08:15:00Z\",\"level\":\"warn\",\"user\":{\"name\":\"kari\"},\"n\":[1,2.5,null]}\n"
        }
        "syslog" => concat!(
            "<38>Mar  2 09:15:00 gate sshd[12]: Accepted publickey for kari from 192.0.2.7 port 4022 ssh2: RSA SHA256:x\n",
            "<165>1 2026-03-02T08:15:00.003Z host app 7 ID47 [x@32473 a=\"b\\\"c\" d=\"\"][y@1] \u{feff}text\n",
            "Mar  2 09:15:00 srv sshd[7]: message repeated 3 times: [ Failed password for ola from 2001:db8::7 port 4022 ssh2]\n",
            "2026-03-02T08:15:00+01:00 host kernel: [1.5] x\n",
        ),
        "windows" => concat!(
            "{\"EventID\":4625,\"EventTime\":\"2026-03-02 09:15:00\",\"Hostname\":\"pc-7\",\"Channel\":\"Security\",",
            "\"SourceModuleType\":\"im_msvistalog\",\"TargetUserName\":\"ola\",\"IpAddress\":\"::ffff:192.0.2.7\",\"LogonType\":\"3\"}\n",
            "{\"Event\":{\"System\":{\"EventID\":4624,\"Channel\":\"Security\",\"Computer\":\"pc-7\",\"TimeCreated\":{\"#attributes\":",
            "{\"SystemTime\":\"2026-03-02T08:15:00.1Z\"}}},\"EventData\":{\"TargetUserName\":\"kari\"}}}\n",
            "{\"@timestamp\":\"2026-03-02T08:15:00Z\",\"winlog\":{\"channel\":\"Security\",\"event_id\":4688,\"event_data\":{\"a\":\"b\"}}}\n",
        ),
        "zeek-json" => concat!(
            "{\"_path\":\"conn\",\"ts\":1772442900.5,\"uid\":\"C1\",\"id.orig_h\":\"192.0.2.7\",\"id.orig_p\":7,\"id.resp_h\":\"2001:db8::7\",",
            "\"id.resp_p\":53,\"proto\":\"udp\",\"duration\":0.5,\"orig_bytes\":7,\"conn_state\":\"SF\",\"local_orig\":true}\n",
        ),
        "zeek-tsv" => concat!(
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n",
            "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\ttunnel_parents\n",
            "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\tcount\tset[string]\n",
            "1772442900.500000\tC1\t192.0.2.7\t7\t2001:db8::7\t53\tudp\t0.5\t7\tCa,Cb\n",
            "1772442900.500000\tC2\t192.0.2.7\t7\t192.0.2.8\t53\ttcp\t-\t-\t(empty)\n#close\t2026-03-02-09-15-00\n",
        ),
        _ => "",
    }
}

/// A stream with counted messages and lines (RFC 6587).
pub(super) fn counted() -> Vec<u8> {
    let message = "<38>Mar  2 09:15:00 gate sshd[12]: Connection closed by 192.0.2.7 port 4022";
    format!("{} {message}{message}\n7 <1>a\nbc{message}\0", message.len()).into_bytes()
}

/// A chunk of a Windows event log: its header, and one record whose XML is in clear ("Windows XML Event Log (EVTX) format",
/// libyal).
pub(super) fn event_log() -> Vec<u8> {
    let text = |text: &str| -> Vec<u8> {
        let letters = u16::try_from(text.len()).unwrap_or(0).to_le_bytes();
        [
            vec![5, 1],
            letters.to_vec(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ]
        .concat()
    };
    let mut chunk = b"ElfChnk\0".to_vec();
    for number in [1_u64, 1, 1, 1] {
        chunk.extend(number.to_le_bytes());
    }
    chunk.extend(128_u32.to_le_bytes());
    chunk.extend(512_u32.to_le_bytes());
    chunk.resize(512, 0);
    let start = chunk.len() + 24;
    // Fragment, and elements: each with the place of its name, which follows at once.
    let mut xml = vec![15, 1, 1, 0];
    let name = |xml: &mut Vec<u8>, name: &str| {
        let place = u32::try_from(start + xml.len() + 4).unwrap_or(0);
        xml.extend(place.to_le_bytes());
        xml.extend([0, 0, 0, 0, 0, 0]);
        xml.extend(u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
        xml.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        xml.extend([0, 0]);
    };
    let element = |xml: &mut Vec<u8>, called: &str| {
        xml.extend([1, 0, 0, 0, 0]);
        name(xml, called);
        xml.push(2);
    };
    element(&mut xml, "Event");
    element(&mut xml, "System");
    for (name, value) in [("EventID", "4625"), ("Channel", "Security"), ("Computer", "pc-7")] {
        element(&mut xml, name);
        xml.extend(text(value));
        xml.push(4);
    }
    // An element without content, of which the attribute says the time.
    xml.extend([0x41, 0, 0, 0, 0]);
    name(&mut xml, "TimeCreated");
    xml.extend([0, 0, 0, 0, 6]);
    name(&mut xml, "SystemTime");
    xml.extend(text("2026-03-02T08:00:00Z"));
    xml.extend([3, 4, 4, 0]);
    let bytes = u32::try_from(24 + xml.len() + 4).unwrap_or(0).to_le_bytes();
    chunk.extend([0x2a, 0x2a, 0, 0]);
    chunk.extend(bytes);
    chunk.extend(1_u64.to_le_bytes());
    // 100-nanosecond steps since 1601: 2026-03-02T08:00:00Z.
    chunk.extend(134_169_120_000_000_000_u64.to_le_bytes());
    chunk.extend(xml);
    chunk.extend(bytes);
    let end = u32::try_from(chunk.len()).unwrap_or(0).to_le_bytes();
    chunk.splice(48..52, end);
    chunk.splice(44..48, 512_u32.to_le_bytes());
    chunk
}
