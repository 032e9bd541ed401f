//! Made-up machines and people of ours, as each source tells of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lab::{self, Lab};

pub(crate) const DOMAIN: &str = "vardedal.kommune.no";
pub(crate) const OUTSIDE: [&str; 2] = ["203.0.113.9", "2001:db8:ffff::9"];

/// Numbers that look like chance and are the same in each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
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
pub(crate) struct Machine {
    pub(crate) four: Ipv4Addr,
    pub(crate) six: Ipv6Addr,
    pub(crate) mac: [u8; 6],
    pub(crate) host: String,
    pub(crate) user: String,
}

impl Machine {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
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

    pub(crate) fn mac(&self) -> String {
        let bytes: Vec<String> = self.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(":")
    }

    pub(crate) fn reverse(&self) -> [String; 2] {
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
    pub(crate) fn secrets(&self) -> Vec<String> {
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

pub(crate) fn eve(machine: &Machine) -> String {
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

pub(crate) fn zeek(machine: &Machine) -> String {
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

pub(crate) fn syslog(machine: &Machine) -> String {
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

pub(crate) fn pcap(machines: &[Machine]) -> Vec<u8> {
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
pub(crate) fn netflow(source: Ipv4Addr) -> Vec<u8> {
    let mut datagram = [0, 5, 0, 1, 0, 0, 0x27, 0x10].to_vec();
    datagram.extend(1_772_439_300_u32.to_be_bytes());
    datagram.extend([0; 12]);
    datagram.extend(source.octets());
    datagram.extend([203, 0, 113, 9, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 120]);
    datagram.extend([0, 0, 0x10, 0, 0, 0, 0x20, 0, 0xc3, 0x50, 1, 0xbb, 0, 2, 6, 0]);
    datagram.extend([0; 8]);
    datagram
}
