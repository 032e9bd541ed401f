//! What leaves the building, looked for in the bytes: worlds of made-up machines and people seen by every source, through
//! the whole sensor; and, where they are at hand, all captures of others, event by event.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use ingest::disclose::Disclosure;
use ingest::disclose::policy::{DisclosureRule, Level};
use ingest::export::{Collector, draft};
use ingest::record::Record;
use ingest::site::keys::{self, SiteKey};
use ingest::{agent, clock::Clock, config};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use ingest_event::codec::flatten;
use ingest_event::{Fields, Timestamp, Zone, field};
use lab::Lab;
use tokio_util::sync::CancellationToken;

const DOMAIN: &str = "vardedal.kommune.no";
const OUTSIDE: [&str; 2] = ["203.0.113.9", "2001:db8:ffff::9"];

/// Numbers that look like chance and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn word(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(b'a' + (self.roll() % 26) as u8))
            .collect()
    }
}

/// A machine of ours and whose it is.
struct Machine {
    four: Ipv4Addr,
    six: Ipv6Addr,
    mac: [u8; 6],
    host: String,
    user: String,
}

impl Machine {
    fn roll(dice: &mut Dice) -> Self {
        let (low, high) = (dice.roll(), dice.roll());
        Self {
            four: Ipv4Addr::from_bits(0x0a00_0000 | low as u32 & 0x00ff_ffff | 0x0001_0101),
            six: Ipv6Addr::from_bits(0xfd_u128 << 120 | u128::from(high) << 40 | u128::from(low) >> 20),
            mac: (low.rotate_left(17) & 0xfcff_ffff_ffff | 0x0000_1b00_0000).to_be_bytes()[2..]
                .try_into()
                .unwrap(),
            host: format!("pc-{}", dice.word(7)),
            user: dice.word(9),
        }
    }

    fn mac(&self) -> String {
        let bytes: Vec<String> = self.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(":")
    }

    fn reverse(&self) -> [String; 2] {
        let [a, b, c, d] = self.four.octets();
        let nibbles: Vec<String> = (0..32)
            .map(|at| format!("{:x}", self.six.to_bits() >> (4 * at) & 15))
            .collect();
        [
            format!("{d}.{c}.{b}.{a}.in-addr.arpa"),
            format!("{}.ip6.arpa", nibbles.join(".")),
        ]
    }

    /// All that must not be found, in lower case.
    fn secrets(&self) -> Vec<String> {
        let [four, six] = self.reverse();
        let words: Vec<String> = self
            .six
            .segments()
            .iter()
            .map(|word| format!("{word:04x}"))
            .collect();
        vec![
            self.four.to_string(),
            self.four.to_string().replace('.', "-"),
            four,
            self.six.to_string(),
            words.join(":"),
            six,
            self.mac(),
            self.mac().replace(':', "-"),
            self.host.clone(),
            self.user.clone(),
        ]
    }
}

fn eve(machine: &Machine) -> String {
    let Machine {
        four,
        six,
        host,
        user,
        ..
    } = machine;
    let [reverse, reverse_six] = machine.reverse();
    let mac = machine.mac();
    let line = |kind: &str, source: &str, more: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"{kind}\",\"flow_id\":7,\"src_ip\":\"{source}\",\"src_port\":50000,\
             \"dest_ip\":\"{}\",\"dest_port\":443,\"proto\":\"TCP\",\"community_id\":\"1:{user}\",\"ether\":{{\"src_mac\":\"{mac}\"}}{more}}}\n",
            if source.contains(':') {
                OUTSIDE[1]
            } else {
                OUTSIDE[0]
            }
        )
    };
    let (four, six) = (four.to_string(), six.to_string());
    [
        line("flow", &four, ",\"flow\":{\"pkts_toserver\":1,\"state\":\"new\"}"),
        line("flow", &six, ""),
        line("flow", &format!("::ffff:{four}"), ""),
        line("dns", &four, &format!(",\"dns\":{{\"type\":\"query\",\"rrname\":\"{host}.{DOMAIN}\",\"rrtype\":\"A\"}}")),
        line("dns", &six, &format!(",\"dns\":{{\"type\":\"answer\",\"rrname\":\"{reverse}\",\"answers\":[{{\"rrtype\":\"PTR\",\"rdata\":\"{host}.{DOMAIN}\"}}]}}")),
        line("dns", &six, &format!(",\"dns\":{{\"type\":\"query\",\"rrname\":\"{reverse_six}\"}}")),
        line("dns", &six, &format!(",\"dns\":{{\"type\":\"answer\",\"rrname\":\"{host}.example.net\",\"answers\":[{{\"rrtype\":\"AAAA\",\"rdata\":\"{six}\"}}]}}")),
        line("tls", &four, &format!(",\"tls\":{{\"sni\":\"{host}.local\",\"subject\":\"CN={host}.{DOMAIN}, O=x\",\"ja3\":{{\"hash\":\"ab\"}}}}")),
        line("http", &six, &format!(",\"http\":{{\"hostname\":\"{four}\",\"url\":\"/users/{user}?name={user}\",\"http_user_agent\":\"x ({host}.{DOMAIN}; {six})\",\"http_refer\":\"http://{host}.local/~{user}/\",\"xff\":\"{four}\"}}")),
        line("http", &four, &format!(",\"http\":{{\"hostname\":\"www.example.org\",\"url\":\"http://{user}:x@www.example.org/?u={user}\"}}")),
        line("smtp", &four, &format!(",\"smtp\":{{\"helo\":\"{host}\",\"mail_from\":\"<{user}@{DOMAIN}>\",\"rcpt_to\":[\"<{user}@example.org>\"]}},\"email\":{{\"from\":\"{user}\"}}")),
        line("alert", &four, &format!(",\"payload_printable\":\"{user}\",\"alert\":{{\"signature\":\"probe of {four}\",\"signature_id\":1}},\"fileinfo\":{{\"filename\":\"/home/{user}/{host}\"}}")),
        line("krb5", &four, &format!(",\"krb5\":{{\"cname\":\"{user}\",\"sname\":\"cifs/{host}\"}}")),
        line("flow", &format!("{four}x"), ""),
    ]
    .concat()
}

fn zeek(machine: &Machine) -> String {
    let Machine {
        four,
        six,
        host,
        user,
        ..
    } = machine;
    let mac = machine.mac();
    let line = |log: &str, source: &str, more: &str| {
        format!(
            "{{\"_path\":\"{log}\",\"ts\":1772439300.5,\"uid\":\"C1\",\"id.orig_h\":\"{source}\",\"id.orig_p\":50000,\"id.resp_h\":\"{}\",\"id.resp_p\":443{more}}}\n",
            if source.contains(':') {
                OUTSIDE[1]
            } else {
                OUTSIDE[0]
            }
        )
    };
    let (four, six) = (four.to_string(), six.to_string());
    [
        line("conn", &four, &format!(",\"proto\":\"tcp\",\"community_id\":\"1:{user}\",\"orig_l2_addr\":\"{mac}\",\"conn_state\":\"SF\"")),
        line("conn", &six, ",\"proto\":\"tcp\",\"conn_state\":\"SF\""),
        line("dns", &four, &format!(",\"query\":\"{host}.{DOMAIN}\",\"answers\":[\"{four}\",\"TXT 5 {six}\"]")),
        line("ssl", &six, &format!(",\"server_name\":\"{host}\",\"client_subject\":\"CN={user},UID={user}\"")),
        line("http", &four, &format!(",\"host\":\"{host}:8080\",\"uri\":\"/home/{user}/\",\"username\":\"{user}\",\"password\":\"{user}\"")),
        line("dhcp", &four, &format!(",\"host_name\":\"{}\",\"mac\":\"{mac}\",\"client_fqdn\":\"{host}.{DOMAIN}\"", host.to_uppercase())),
        line("kerberos", &four, &format!(",\"client\":\"{user}/{}\",\"service\":\"cifs/{host}\"", DOMAIN.to_uppercase())),
        line("ntlm", &six, &format!(",\"username\":\"{}\",\"hostname\":\"{host}\",\"domainname\":\"x\"", user.to_uppercase())),
        line("rdp", &four, &format!(",\"cookie\":\"{user}\"")),
        line("smb_mapping", &four, &format!(",\"path\":\"\\\\\\\\{host}\\\\{user}$\"")),
        line("smb_files", &four, &format!(",\"name\":\"{user}\\\\plan.docx\",\"action\":\"SMB::FILE_OPEN\"")),
        line("smtp", &six, &format!(",\"mailfrom\":\"{user}@{DOMAIN}\",\"helo\":\"{host}\",\"msg_id\":\"<1@{host}.{DOMAIN}>\"")),
        line("notice", &four, &format!(",\"note\":\"Scan\",\"msg\":\"{four} and [{six}]:22 scanned {host}.{DOMAIN}\",\"sub\":\"{user}\"")),
        line("files", &four, &format!(",\"filename\":\"{user}.pdf\",\"tx_hosts\":[\"{four}\"]")),
        line("x509", &six, &format!(",\"certificate.subject\":\"CN={host}.{DOMAIN}\",\"san.dns\":[\"{host}.{DOMAIN}\",\"*.{host}.local\"]")),
    ]
    .concat()
}

fn syslog(machine: &Machine) -> String {
    let Machine {
        four,
        six,
        host,
        user,
        ..
    } = machine;
    let line = |text: &str| format!("<38>1 2026-03-02T08:15:00Z {host} {text}\n");
    [
        line(&format!(
            "sshd 7 - - Failed password for {user} from {four} port 50000 ssh2"
        )),
        line(&format!(
            "sshd 7 - - Accepted publickey for {user} from {six} port 50000 ssh2: RSA SHA256:{user}"
        )),
        line(&format!("sshd 7 - - Invalid user {user} from {four} port 50000")),
        line(&format!(
            "sudo 7 - - {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/bin/id"
        )),
        line(&format!(
            "app 7 - [x@1 user=\"{user}\" ip=\"{four}\"] {user} did something at {host} from {six}"
        )),
        format!("<38>1 2026-03-02T08:15:00Z {four} app 7 - - hello {user}\n"),
        format!("<38>Mar  2 08:15:00 {host} CRON[7]: ({user}) CMD (x)\n"),
    ]
    .concat()
}

/// One label after another, each behind its length.
fn dns_query(name: &str) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

fn pcap(machines: &[Machine]) -> Vec<u8> {
    let mut lab = Lab::new();
    for machine in machines {
        for (source, outside) in [
            (IpAddr::from(machine.four), OUTSIDE[0]),
            (IpAddr::from(machine.six), OUTSIDE[1]),
        ] {
            let outside: IpAddr = outside.parse().unwrap();
            let name = format!("{}.{DOMAIN}", machine.host);
            lab.udp((source, 50_000), (outside, 53), &dns_query(&name));
            for name in machine.reverse() {
                lab.udp((source, 50_001), (outside, 53), &dns_query(&name));
            }
            lab.echo(source, outside, false).echo(outside, source, true);
            lab.open((source, 50_002), (outside, 80));
            let head = format!(
                "GET /users/{user}?token={user} HTTP/1.1\r\nHost: {host}.local\r\nUser-Agent: x {source}\r\nReferer: http://{source}/{user}\r\n\r\n",
                user = machine.user,
                host = machine.host,
            );
            lab.tcp((source, 50_002), (outside, 80), lab::ACK, 1, head.as_bytes());
        }
    }
    lab.bytes
}

/// One flow of NetFlow version 5.
fn netflow(source: Ipv4Addr) -> Vec<u8> {
    let mut datagram = [0, 5, 0, 1, 0, 0, 0x27, 0x10].to_vec();
    datagram.extend(1_772_439_300_u32.to_be_bytes());
    datagram.extend([0; 12]);
    datagram.extend(source.octets());
    datagram.extend([203, 0, 113, 9, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 120]);
    datagram.extend([0, 0, 0x10, 0, 0, 0, 0x20, 0, 0xc3, 0x50, 1, 0xbb, 0, 2, 6, 0]);
    datagram.extend([0; 8]);
    datagram
}

/// Runs the sensor over files of all sources in a folder; what is on the bus, by topic, and every byte that it wrote there.
async fn run(folder: &Path, machines: &[Machine]) -> (BTreeMap<&'static str, Vec<Fields>>, Vec<u8>) {
    let text = |of: fn(&Machine) -> String| machines.iter().map(of).collect::<String>();
    let inputs = [
        ("eve.json", text(eve).into_bytes()),
        ("zeek.json", text(zeek).into_bytes()),
        ("messages", text(syslog).into_bytes()),
        ("wire.pcap", pcap(machines)),
        ("generic.json", machines.iter().map(|machine| format!("{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"who\":\"{}\",\"{}\":1,\"event.dataset\":\"{}\"}}\n", machine.user, machine.host, machine.four)).collect::<String>().into_bytes()),
    ];
    let mut sources = String::new();
    for (name, bytes) in inputs {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        sources += &format!("  - file: {{ path: {}, year: 2026 }}\n", path.display());
    }
    let root = folder.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nhome_networks: [10.0.0.0/8, \"fd00::/8\"]\nhome_domains: [{DOMAIN}]\n\
         state: {root}/state\nbus: {{ embedded: {{ directory: {root}/bus }} }}\nexit_when_done: true\nsources:\n{sources}"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let summary = agent::run(config, bus, Clock::System, CancellationToken::new())
        .await
        .expect("runs");
    assert_eq!(
        summary.records_refused,
        machines.len() as u64,
        "one line of each machine"
    );
    let mut seen = BTreeMap::new();
    for topic in ["varde.events.964965226", "varde.quarantine.964965226"] {
        seen.insert(topic, published(folder, topic).await);
    }
    let mut bytes = Vec::new();
    for place in ["bus", "state"] {
        for entry in fs::read_dir(folder.join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                bytes.extend(fs::read(path).unwrap());
            }
        }
    }
    (seen, bytes)
}

async fn published(folder: &Path, topic: &str) -> Vec<Fields> {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: folder.join("bus"),
    })
    .await
    .unwrap();
    let topic = Topic::parse(topic).unwrap();
    let wanted: u64 = bus
        .end_positions(&topic)
        .await
        .unwrap()
        .iter()
        .map(|end| end.offset)
        .sum();
    let mut consumer = bus.consumer("test", Subscription::Topics(vec![topic])).unwrap();
    let mut seen = Vec::new();
    while (seen.len() as u64) < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        let batch = consumer.poll(limit).await.unwrap();
        seen.extend(
            batch
                .deliveries
                .iter()
                .map(|delivery| flatten(&delivery.record.value).unwrap()),
        );
    }
    seen
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).enumerate().any(|(at, part)| {
        let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let is_alone = !is_digit(at.checked_sub(1)) && !is_digit(Some(at + secret.len()));
        is_alone && part.eq_ignore_ascii_case(secret.as_bytes())
    })
}

#[tokio::test]
async fn no_address_name_or_user_of_a_world_is_in_the_bytes_that_leave() {
    for seed in 0..3 {
        let mut dice = Dice(seed);
        let machines: Vec<Machine> = (0..4).map(|_| Machine::roll(&mut dice)).collect();
        let folder = tempfile::tempdir().unwrap();
        let (seen, bytes) = run(folder.path(), &machines).await;
        assert!(20 * machines.len() < seen["varde.events.964965226"].len());
        for machine in &machines {
            for secret in machine.secrets() {
                assert!(
                    !holds(&bytes, &secret),
                    "seed {seed}: {secret} is on the bus or in the spool"
                );
            }
        }
        let inputs: Vec<u8> = ["eve.json", "zeek.json", "messages"]
            .iter()
            .flat_map(|name| fs::read(folder.path().join(name)).unwrap())
            .collect();
        assert!(
            holds(&inputs, &machines[0].four.to_string()),
            "the search finds what is there"
        );
        same_in_all_sources(folder.path(), &machines, &seen["varde.events.964965226"]);
    }
}

/// The values of a field of events that a test picks out.
fn values(events: &[Fields], name: &str, pick: impl Fn(&Fields) -> bool) -> Vec<String> {
    let texts = events
        .iter()
        .filter(|event| pick(event))
        .filter_map(|event| event.text(name));
    texts.map(str::to_owned).collect()
}

/// One machine has one pseudonym in Suricata's, Zeek's, the wire's, the exporter's and the log's events.
fn same_in_all_sources(folder: &Path, machines: &[Machine], events: &[Fields]) {
    let from = |module: Option<&'static str>, dataset: &'static str| {
        move |event: &Fields| {
            event.text("event.module") == module && event.text("event.dataset") == Some(dataset)
        }
    };
    let set = |values: Vec<String>| -> BTreeSet<String> { values.into_iter().collect() };
    let is_inside = |text: &String| text.starts_with("10.") || text.starts_with("fd");
    let flows = |module| {
        let all = set(values(events, field::SOURCE_IP, from(module, "network.flow")));
        all.into_iter().filter(is_inside).collect::<BTreeSet<_>>()
    };
    let wire = flows(None);
    assert_eq!(wire.len(), 2 * machines.len(), "{wire:?}");
    assert_eq!(wire, flows(Some("suricata")));
    assert_eq!(wire, flows(Some("zeek")));
    assert_eq!(
        wire,
        set(values(
            events,
            field::SOURCE_IP,
            from(Some("system"), "system.auth")
        ))
    );
    // The exporter's, by the same key.
    let state = folder.join("state");
    let key = keys::read(&state).unwrap().pop().unwrap();
    let mut disclosure = disclosure(&key, &[]);
    let mut exported = BTreeSet::new();
    for machine in machines {
        let mut take = |origin: &_, record: &_| {
            let mut draft = draft(origin, record, &[]);
            disclosure.apply(&mut draft);
            exported.insert(draft.fields.text(field::SOURCE_IP).unwrap().to_owned());
        };
        let from = "192.0.2.1".parse().unwrap();
        let now = Timestamp::from_millis(1_772_439_300_000);
        Collector::new()
            .collect(from, &netflow(machine.four), now, &mut take)
            .expect("one flow");
    }
    let fours: BTreeSet<String> = wire
        .iter()
        .filter(|text| text.starts_with("10."))
        .cloned()
        .collect();
    assert_eq!(exported, fours);
    // Names: asked for, on the wire and by Zeek, called by themselves in logs and in leases.
    let label = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    let hosts = set(values(
        events,
        field::HOST_NAME,
        from(Some("system"), "system.auth"),
    ));
    assert_eq!(hosts.len(), machines.len());
    assert_eq!(
        hosts,
        set(values(events, field::HOST_NAME, from(Some("zeek"), "zeek.dhcp")))
    );
    for module in [None, Some("suricata"), Some("zeek")] {
        let asked = values(events, field::DNS_QUESTION_NAME, from(module, "network.dns"));
        let asked: BTreeSet<String> = asked
            .iter()
            .filter(|name| name.ends_with(DOMAIN))
            .map(label)
            .collect();
        assert_eq!(hosts, asked, "{module:?}");
    }
    let users = set(values(
        events,
        field::USER_NAME,
        from(Some("system"), "system.auth"),
    ));
    assert_eq!(users.len(), machines.len());
    assert_eq!(
        users,
        set(values(events, field::USER_NAME, from(Some("zeek"), "zeek.ntlm")))
    );
    assert_eq!(
        users,
        set(values(events, field::USER_NAME, from(Some("zeek"), "zeek.rdp")))
    );
    // The flow's id is one in all sources, and the one of its addresses as they leave.
    let ids = |module| {
        set(values(
            events,
            field::NETWORK_COMMUNITY_ID,
            from(module, "network.flow"),
        ))
    };
    assert!(
        ids(Some("suricata")).iter().all(|id| id.len() == 30),
        "{:?}",
        ids(Some("suricata"))
    );
}

fn disclosure(key: &SiteKey, rules: &[DisclosureRule]) -> Disclosure {
    Disclosure::new(Zone::Administration, rules, key, &[], &[])
}

/// What looks like an address of a private network in a text, by another way than the sensor's.
fn private(text: &str) -> BTreeSet<IpAddr> {
    let is_part = |letter: char| letter.is_ascii_hexdigit() || matches!(letter, '.' | ':');
    let parts = text
        .split(|letter| !is_part(letter))
        .map(|part| part.trim_end_matches(['.', ':']));
    let addresses = parts
        .filter_map(|part| part.parse::<IpAddr>().ok())
        .map(|address| address.to_canonical());
    addresses
        .filter(|address| match address {
            IpAddr::V4(four) => four.is_private() || four.is_link_local(),
            IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
        })
        .collect()
}

/// In all captures of others: each address of a private network that leaves is the pseudonym of one that was seen in the
/// same event, and no name of a user leaves.
#[test]
fn of_captures_only_pseudonyms_of_what_was_seen_leave() {
    let root = env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
        PathBuf::from,
    );
    if !root.is_dir() {
        println!("skipped: captures not found at {}", root.display());
        return;
    }
    let key = SiteKey::of(1, [7; 32]);
    let mut disclosure = disclosure(&key, &[]);
    let (mut events, mut hidden) = (0, 0);
    for path in lab::captures_under(&root) {
        for record in lab::try_read(&fs::read(&path).unwrap()[..]) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            let clear = serde_json::to_string(&draft.fields).unwrap();
            let users: Vec<String> = [
                "kerberos.client.name",
                "ldap.bind.name",
                "ntlm.user.name",
                "rdp.cookie",
            ]
            .iter()
            .filter_map(|name| draft.fields.text(name).map(str::to_owned))
            .collect();
            disclosure.apply(&mut draft);
            events += 1;
            let left = serde_json::to_string(&draft.fields).unwrap();
            let seen = private(&clear);
            let made: BTreeSet<IpAddr> = seen
                .iter()
                .map(|address| pseudonym(&mut disclosure, *address))
                .collect();
            for address in private(&left) {
                assert!(
                    made.contains(&address),
                    "{}: {address} left, of {clear} as {left}",
                    path.display()
                );
                hidden += 1;
            }
            for user in users.iter().filter(|user| 3 < user.len()) {
                let there = draft
                    .fields
                    .iter()
                    .find(|(_, value)| value.as_str() == Some(user));
                assert_eq!(there, None, "{}", path.display());
            }
        }
    }
    println!("{hidden} pseudonyms in {events} events");
    assert!(1_000 < hidden && 1_000 < events);
}

fn pseudonym(disclosure: &mut Disclosure, address: IpAddr) -> IpAddr {
    let mut draft = ingest::record::Draft {
        timestamp: Timestamp::EPOCH,
        dataset: "network.flow".into(),
        fields: Fields::new(),
        position: 1,
        ordinal: 0,
    };
    draft.fields.set(field::SOURCE_IP, address.to_string());
    disclosure.apply(&mut draft);
    draft.fields.text(field::SOURCE_IP).unwrap().parse().unwrap()
}

#[test]
fn the_same_input_leaves_as_the_same_bytes_and_another_key_gives_others() {
    let machines = [Machine::roll(&mut Dice(7))];
    let bytes = |key: &SiteKey, level| {
        let rule = DisclosureRule {
            level: Some(level),
            ..DisclosureRule::default()
        };
        let mut disclosure = disclosure(key, &[rule]);
        let mut out = String::new();
        for record in lab::try_read(&pcap(&machines)[..]) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            disclosure.apply(&mut draft);
            out += &serde_json::to_string(&draft.fields).unwrap();
        }
        out
    };
    let (one, other) = (SiteKey::of(1, [1; 32]), SiteKey::of(1, [2; 32]));
    assert_eq!(
        bytes(&one, Level::Pseudonymised),
        bytes(&one, Level::Pseudonymised)
    );
    assert_ne!(
        bytes(&one, Level::Pseudonymised),
        bytes(&other, Level::Pseudonymised)
    );
    assert!(bytes(&one, Level::Full).contains(&machines[0].host));
    let counts = bytes(&one, Level::Counts);
    for secret in ["10.", "fd", "h-", "203.0.113", "2001:db8", DOMAIN] {
        assert!(!counts.contains(&format!("\"{secret}")), "{secret} in {counts}");
    }
}
