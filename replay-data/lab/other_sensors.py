"""Writes the case other-sensors: what Zeek and Suricata would have said about a small scan, a beacon and ordinary traffic.

Usage: other_sensors.py FOLDER     the same bytes each time

Written from the formats' documentation, not by those programs: the lab records packets, and these files show that a
municipality which already has Zeek or Suricata gets the same alerts from the same rules.
"""

import datetime
import json
import pathlib
import sys

START = datetime.datetime(2026, 3, 12, 7, 30, tzinfo=datetime.timezone.utc)
SCANNED_PORTS = range(8000, 8040)
CONN_FIELDS = [
    ("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"),
    ("id.resp_p", "port"), ("proto", "enum"), ("service", "string"), ("duration", "interval"), ("orig_bytes", "count"),
    ("resp_bytes", "count"), ("conn_state", "string"), ("local_orig", "bool"), ("local_resp", "bool"),
    ("missed_bytes", "count"), ("history", "string"), ("orig_pkts", "count"), ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"), ("resp_ip_bytes", "count"), ("tunnel_parents", "set[string]"),
]  # fmt: skip


class Clock:
    """Hands out times a tenth of a second apart, and a number for each."""

    def __init__(self, offset_secs: int) -> None:
        self.at = START + datetime.timedelta(seconds=offset_secs)
        self.number = 0

    def next(self) -> tuple[datetime.datetime, int]:
        self.at += datetime.timedelta(milliseconds=100)
        self.number += 1
        return self.at, self.number


def zeek_conn() -> str:
    """conn.log in Zeek's own columns: a scan of refused ports over IPv4, of unanswered ones over IPv6, and web traffic."""
    clock = Clock(0)
    rows = []

    def row(source: str, target: str, port: int, state: str) -> None:
        at, number = clock.next()
        taken = state == "SF"
        values = {
            "ts": f"{at.timestamp():.6f}", "uid": f"CVardeLab{number:04d}", "id.orig_h": source, "id.orig_p": 50_000 + number,
            "id.resp_h": target, "id.resp_p": port, "proto": "tcp", "service": "ssl" if taken else "-",
            "duration": "0.250000" if taken else "-", "orig_bytes": 900 if taken else 0, "resp_bytes": 4200 if taken else 0,
            "conn_state": state, "local_orig": "T" if taken else "F", "local_resp": "F" if taken else "T", "missed_bytes": 0,
            "history": {"SF": "ShADadFf", "REJ": "Sr", "S0": "S"}[state], "orig_pkts": 9 if taken else 1,
            "orig_ip_bytes": 1380 if taken else 44, "resp_pkts": {"SF": 9, "REJ": 1, "S0": 0}[state],
            "resp_ip_bytes": {"SF": 4680, "REJ": 40, "S0": 0}[state], "tunnel_parents": "-",
        }  # fmt: skip
        rows.append("\t".join(str(values[name]) for name, _ in CONN_FIELDS))

    for port in SCANNED_PORTS:
        row("203.0.113.9", "10.20.0.10", port, "REJ")
        row("10.20.0.21", "198.51.100.80", 443, "SF")
        row("2001:db8:f:bad::9", "2001:db8:20::10", port, "S0")
        row("2001:db8:20::22", "2001:db8:f::80", 443, "SF")
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn", "#open\t2026-03-12-07-30-00"]
    head.append("#fields\t" + "\t".join(name for name, _ in CONN_FIELDS))
    head.append("#types\t" + "\t".join(kind for _, kind in CONN_FIELDS))
    return "\n".join([*head, *rows, "#close\t2026-03-12-08-00-00"]) + "\n"


def zeek_dns() -> str:
    """dns.log as JSON, one record for question and answer together: a false login page asked for, and ordinary names."""
    clock = Clock(120)
    lines = []
    for source, server, name, kind, answer in [
        ("10.20.0.21", "192.0.2.53", "www.avis.example", "A", "198.51.100.80"),
        ("10.20.0.21", "192.0.2.53", "www.falsk-innlogging.example", "A", "198.51.100.90"),
        ("2001:db8:20::22", "2001:db8:f::53", "falsk-innlogging.example", "AAAA", "2001:db8:f::90"),
        ("2001:db8:20::22", "2001:db8:f::53", "ikke-falsk-innlogging.example", "AAAA", "2001:db8:f::80"),
    ]:
        at, number = clock.next()
        record = {
            "_path": "dns", "ts": at.timestamp(), "uid": f"CVardeDns{number:04d}", "id.orig_h": source, "id.orig_p": 40_000 + number,
            "id.resp_h": server, "id.resp_p": 53, "proto": "udp", "trans_id": 4100 + number, "query": name, "qclass": 1,
            "qclass_name": "C_INTERNET", "qtype": 1 if kind == "A" else 28, "qtype_name": kind, "rcode": 0,
            "rcode_name": "NOERROR", "AA": False, "TC": False, "RD": True, "RA": True, "Z": 0, "answers": [answer],
            "TTLs": [300.0], "rejected": False,
        }  # fmt: skip
        lines.append(json.dumps(record))
    return "\n".join(lines) + "\n"


def suricata_eve() -> str:
    """eve.json: TLS to the beacon's server, a scanner at the web server, ordinary TLS and HTTP."""
    clock = Clock(240)
    lines = []

    def event(kind: str, source: str, target: str, port: int, **more: object) -> None:
        at, number = clock.next()
        record = {
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f+0000"), "flow_id": 70_000_000 + number, "in_iface": "uplink",
            "event_type": kind, "src_ip": source, "src_port": 52_000 + number, "dest_ip": target, "dest_port": port, "proto": "TCP",
        }  # fmt: skip
        lines.append(json.dumps(record | more))

    def tls(source: str, target: str, name: str) -> None:
        event("tls", source, target, 443, tls={"sni": name, "version": "TLS 1.3"})

    def http(source: str, target: str, agent: str) -> None:
        request = {"hostname": "www.vardedal.example", "url": "/", "http_user_agent": agent, "http_method": "GET",
                   "protocol": "HTTP/1.1", "status": 200, "length": 82}  # fmt: skip
        event("http", source, target, 80, tx_id=0, http=request)

    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    scanner = "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)"
    tls("10.20.0.21", "198.51.100.66", "synk.oppdatering-sky.example")
    tls("10.20.0.21", "198.51.100.80", "www.avis.example")
    tls("2001:db8:20::22", "2001:db8:f::66", "synk.oppdatering-sky.example")
    tls("2001:db8:20::22", "2001:db8:f::80", "skole.laering.example")
    http("203.0.113.9", "10.20.0.10", scanner)
    http("198.51.100.77", "10.20.0.10", browser)
    http("2001:db8:f:bad::9", "2001:db8:20::10", scanner)
    http("2001:db8:f::77", "2001:db8:20::10", browser)
    return "\n".join(lines) + "\n"


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in [("conn.log", zeek_conn()), ("dns.log", zeek_dns()), ("eve.json", suricata_eve())]:
        (folder / name).write_text(text, encoding="ascii")


main()
