//! Words that are no one's name: programs, protocols, results and places that every machine has.
//!
//! Logs let anybody choose what stands where a program, a unit or an action is named. A word of these leaves as it is, any
//! other under pseudonym, so that equal ones stay equal. First names and months are left out on purpose.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Programs and units of Unix systems and appliances.
const PROGRAMS: &str = "\
    accounts acpid agent agetty anacron apache apachectl apparmor apt arpwatch asterisk atd audispd audisp audit auditd \
    autofs avahi bash bind bird bluetoothd caddy cat certbot chronyd chrony clamav clamd cloud colord console containerd \
    containers cron crond crontab cups cupsd curl daemon dash dbus dhclient dhcp dhcpcd dhcpd dmesg dnf dnsmasq docker \
    dockerd dovecot dpkg dropbear elasticsearch exim fail2ban fcron filebeat firewall firewalld fluentd freeradius frr \
    fwupd gdm getty git gitlab gnome grafana grub haproxy htop httpd inetd init initramfs ipmi iptables irqbalance java \
    journal journald k3s kerberos kernel keepalived kibana kmod krb5kdc kube kubelet kworker launchd ldap lightdm lmtp \
    logger login logind logrotate logstash lvm mariadb mdadm memcached microk8s modemmanager mongod monit mount multipathd \
    munin mysql mysqld nagios named netdata networkd networkmanager newgrp nfs nfsd nftables nginx nmbd node nscd nslcd \
    ntpd ntpdate nxlog openvpn ossec packagekit pam passwd perl php pickup polkit polkitd pop3 postdrop postfix postgres \
    postgresql postlog prometheus proftpd puppet pure python qemu qmgr rabbitmq radiusd redis resolved rpc rpcbind rsync \
    rsyslog rsyslogd rtkit ruby runuser samba scope scp screen sendmail server service sftp sh shell shutdown slapd slice \
    smartd smbd smtp smtpd snapd snmpd snort socket squid ssh sshd sssd strongswan su sudo supervisord suricata swap sysctl \
    syslog syslogd syslogng sysmon sysstat systemctl systemd systemhostnamed target tcpdump telnetd tftpd thermald timedated \
    timer timesyncd tmux tomcat touch tty ubuntu udev udevd udisks ufw unattended unbound upgrades upower useradd userdel \
    usermod utmp vault vim virt vmtoolsd vsftpd wazuh wget winbindd wpa supplicant wtmp xinetd xorg xrdp yum zabbix zeek \
    zsh zypper btmp lastlog faillog mail maillog";

/// What devices and programs do, and how it went.
const ACTIONS: &str = "\
    accept accepted access account action activate active activity add added address admin administration alert alerted \
    allow allowed anomaly antivirus app application apply assigned attack attempt attempted auth authenticate \
    authentication authorization authorized backup bad ban banned begin bind block blocked botnet broken browser brute \
    buffer bypass cache call cancelled certificate change changed check clean cleaned client close closed command commit \
    compliance config configuration configured connect connected connection content control cookie corrupt create created \
    credential critical cross data database debug deferred delete deleted delivered denied deny destination detect detected \
    detection device dictionary disable disabled disconnect disconnected discard discarded domain down download drop \
    dropped duplicate email emergency enable enabled encrypted encryption end ended endpoint enforce engine error event \
    exceeded exception execute executed execution exit expired explicit exploit exported external fail failed failover \
    failure fatal file filter finished firewall flood flow force forced forward forwarded found ftp function generic get \
    global granted group guest handshake hash head heartbeat high host http https icmp identity idle ids ignore imap inbound \
    info information informational injection inspect install installed interface internal internet intrusion invalid ips \
    ipsec ipv4 ipv6 isolate kill link list local lock locked lockout log logged logging login logoff logon logout low lost \
    malicious malware management match matched medium member message miss mobile mode modified modify module monitor move \
    multiple native negotiation network new no none normal not notice notification null object offline ok online open \
    opened operation options other outbound outgoing overflow packet partial pass passed password patch path payload peer \
    permission permit permitted phishing ping policy port portal post preauth prevented prevention probe process program \
    protect protection protocol proxy put quarantine quarantined query queue quota ransomware rate read ready reboot receive \
    received reconnect record redirect redirected refused register registered reject rejected release remote remove removed \
    rename renamed renew repeated replaced reply report request requested required reset resolved resource response restart \
    restarted restore restored result resume retry revoked risk role rootkit route router rule run running scan scanned \
    scanner script secure security send sender sent session set shared signature site size skip skipped snmp software source \
    spam spoof spyware sql ssl start started starting state status stop stopped stopping storage stream submit success \
    succeeded successful successfully suspicious switch sync system table target task tcp telnet template terminate \
    terminated terminating test threat ticket tgt time timeout tls token tool traffic transfer translate trigger triggered \
    trojan tunnel type udp unauthorized unblock unconfirmed unexpected unknown unlock unlocked unreachable up update updated \
    upgrade upload url usage use user username users valid validated version violation virtual virus vlan vpn vulnerability \
    wan warn warning web webfilter website wifi wireless worm write xss yes zone by for from in of on to the and or with was \
    has is a an at as be it its after before during over under via";

/// Parts of protocols' and Windows' names that values of traffic are made of.
const NAMES: &str = "\
    aes aes256 gcm cbc ccm chacha20 poly1305 ecdhe dhe rsa dsa ecdsa ed25519 sha sha1 sha256 sha384 md5 null tlsv1 sslv3 rc4 des \
    microsoft windows auditing powershell operational security defender taskscheduler sysmon scheduler wmi activity ntlm \
    kerberos dns dhcp ldap smb rdp quic ssdp mdns llmnr nbns netbios stun rtp sip mqtt modbus dnp3 syn ack fin rst psh urg \
    cwr ece query answer a aaaa cname mx txt ptr srv soa ns any noerror nxdomain servfail options patch trace gre esp ah \
    igmp sctp dccp pim ospf vrrp emergency cef leef cron authpriv auth kern lpr news uucp local0 local1 local2 local3 local4 \
    local5 local6 local7 clock ntp panic err crit emerg warn dbg utc stdout stderr stdin driver hostname file json xml html \
    text plain image audio video css javascript octet pdf zip gzip charset utf bsd linux macos android ios fortinet \
    fortigate checkpoint cisco asa paloalto pan panos juniper sophos sonicwall watchguard barracuda clavister zyxel ubiquiti \
    mikrotik vmware citrix f5 bigip imperva trendmicro mcafee symantec kaspersky eset bitdefender crowdstrike sentinelone \
    forcepoint zscaler proofpoint arcsight qradar splunk elastic varde";

/// Folders and files in which logs lie.
const PLACES: &str = "\
    var log logs srv opt usr bin sbin libexec tmp run data mnt media home lib local etc root hosts remote messages secure debug eve conn \
    current spool archive old stats fast capture captures pcap pcapng dump csv tsv txt gz zst bz2 xz zip evtx winevt \
    programdata program files system32 inetpub logfiles w3svc daily archives events ndjson jsonl ssl x509 weird files \
    notice wire input inputs sensor export exporter heartbeat canary sock";

static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lists = [PROGRAMS, ACTIONS, NAMES, PLACES];
    lists
        .iter()
        .flat_map(|list| list.split_ascii_whitespace())
        .collect()
});

/// Whether a word is one of them, with or without a number behind it.
pub(super) fn is_word(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let bare = lower.trim_end_matches(|letter: char| letter.is_ascii_digit());
    // A number says which of many, as long as it is no more than that.
    WORDS.contains(lower.as_str()) || (lower.len() - bare.len() <= 2 && WORDS.contains(bare))
}

/// Whether a text is a number, a time, or a digest: nobody's name.
pub(super) fn is_number(word: &str) -> bool {
    const DIGEST_MIN: usize = 16;
    // Eight digits are a telephone, eleven a person; the long ones are times since 1970, to the second and finer.
    const DIGITS_MAX: usize = 7;
    const TIME_DIGITS: [usize; 4] = [10, 13, 16, 19];
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.len() <= DIGITS_MAX || TIME_DIGITS.contains(&word.len());
    }
    let hexadecimal = word.strip_prefix("0x").unwrap_or(word);
    let is_hexadecimal = hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit());
    // `02T08` and `00Z` are parts of a time.
    let is_date = |digits: &str| digits.len() == 8 && digits.starts_with("20");
    let is_time = 2 < word.len()
        && word.split_once(['T', 'Z']).is_some_and(|(date, time)| {
            let is_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            (date.len() <= DIGITS_MAX || is_date(date))
                && time.len() <= DIGITS_MAX
                && is_part(date)
                && is_part(time)
        });
    is_time || (is_hexadecimal && (hexadecimal.len() < word.len() || DIGEST_MIN <= word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_machines_are_called_is_a_word_and_what_people_are_called_is_none() {
        for (word, expected) in [
            ("sshd", true),
            ("SSH2", true),
            ("Blocked", true),
            ("kari", false),
            ("Kari", false),
            ("normann", false),
            ("april", false),
            ("pc12", false),
            ("user1000", false),
            ("", false),
        ] {
            assert_eq!(is_word(word), expected, "{word}");
        }
        for (word, expected) in [
            ("4625", true),
            ("0xc000006d", true),
            ("d41d8cd98f00b204e9800998ecf8427e", true),
            ("02T08", true),
            ("00Z", true),
            ("1772438400", true),
            ("1772438400000000000", true),
            ("1234567", true),
            ("20260302T081500", true),
            ("98765432", false),
            ("98765432Z", false),
            ("01019012345", false),
            ("01019012345Z", false),
            ("12345678901234567", false),
            ("ada", false),
            ("7a", false),
        ] {
            assert_eq!(is_number(word), expected, "{word}");
        }
    }
}
