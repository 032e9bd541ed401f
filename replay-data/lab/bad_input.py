"""Writes the broken inputs of replay-data/cases/bad-input, each with good records around the broken one.

Usage: bad_input.py FOLDER                 writes all the small files; the same bytes each time
       bad_input.py --huge-line FILE       writes good line, a line of 50 MB, good line (never committed)
"""

import json
import pathlib
import struct
import sys

HUGE_LINE_BYTES = 50_000_000
START_SECS = 1_773_219_600  # 2026-03-11T09:00:00Z
LINK_ETHERNET = 1
LINK_USER0 = 147  # reserved for private use: nobody can know what is inside
BAD_NAME = "falsk-innlogging.example"  # stands in rulesets/indicators/example.csv


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def dns_question(number: int, name: str, record_type: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", record_type, 1)


def frame(number: int, name: str) -> bytes:
    """A DNS question in UDP: even numbers over IPv4, odd ones over IPv6."""
    dns = dns_question(number, name, 1 if number % 2 == 0 else 28)
    length = 8 + len(dns)
    ports = struct.pack("!2H", 40_000 + number, 53)
    if number % 2 == 0:
        source, target = bytes([10, 20, 0, 21]), bytes([192, 0, 2, 53])
        pseudo = source + target + struct.pack("!BBH", 0, 17, length)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, number, 0, 64, 17, 0) + source + target
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        kind = 0x0800
    else:
        source = bytes.fromhex("20010db8002000000000000000000022")
        target = bytes.fromhex("20010db8000f00000000000000000053")
        pseudo = source + target + struct.pack("!IHBB", length, 0, 0, 17)
        header = struct.pack("!IHBB", 0x6000_0000, length, 17, 64) + source + target
        kind = 0x86DD
    udp = ports + struct.pack("!2H", length, checksum(pseudo + ports + struct.pack("!2H", length, 0) + dns)) + dns
    return bytes.fromhex("022000000101" "022000000102") + struct.pack("!H", kind) + header + udp


def pcap(link_type: int, frames: list[bytes]) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link_type)
    for index, data in enumerate(frames):
        out += struct.pack("<IIII", START_SECS + index, 0, len(data), len(data)) + data
    return out


def event(minute: int, name: str, **more: object) -> str:
    address, server = ("10.20.0.21", "192.0.2.53") if minute % 2 == 0 else ("2001:db8:20::22", "2001:db8:f::53")
    fields = {
        "@timestamp": f"2026-03-11T10:{minute:02d}:00.000Z",
        "event.dataset": "network.dns",
        "source.ip": address,
        "source.port": 41_000 + minute,
        "destination.ip": server,
        "destination.port": 53,
        "network.transport": "udp",
        "dns.type": "query",
        "dns.question.name": name,
        "dns.question.type": "A" if minute % 2 == 0 else "AAAA",
    }
    return json.dumps(fields | more)


def failed_password(second: int) -> bytes:
    return f"Mar 11 11:00:{second:02d} srv1 sshd[{4000 + second}]: Failed password for drift from 203.0.113.9 port {41_000 + second} ssh2\n".encode()


def rule(number: int, field: str, value: str) -> str:
    return f"""title: Lab Rule {number}
id: 4ef5091e-11d5-4674-8109-51d97a1f1c{number:02d}
status: test
description: Only for the case bad-input.
author: Varde
date: 2026-11-22
logsource:
  category: network
  service: dns
detection:
  selection:
    {field}: {value}
  condition: selection
level: low
varde:
  owner: Varde
  legal_basis: Lab only
  purpose: security-monitoring
  review: 2027-05-01
  summary:
    nb: Et navn fra laben ble slått opp.
    nn: Eit namn frå laben vart slått opp.
    en: A name of the lab was looked up.
  first_step:
    nb: Du trenger ikke gjøre noe.
    nn: Du treng ikkje gjere noko.
    en: You need not do anything.
"""


def write_all(folder: pathlib.Path) -> None:
    frames = [frame(number, BAD_NAME if number < 2 else "www.avis.example") for number in range(5)]
    whole = pcap(LINK_ETHERNET, frames)
    lines = [
        event(0, BAD_NAME),
        "this line is no JSON",
        event(1, BAD_NAME),
        '["an array", "is no event"]',
        event(2, "www.avis.example") + ' {"two": "objects on one line"}',
        '{"@timestamp": "2026-03-11T10:03:00.000Z", "event.dataset": "network.dns", "cut off in the mid',
        event(4, "www.avis.example", **{"@timestamp": "not a time"}),
        "",
        event(6, BAD_NAME),
        event(7, "www.avis.example"),
    ]
    broken_login = b"Mar 11 11:00:06 srv1 sshd[4006]: Failed password for dr\xc3\x28ft\xff\xfe from 203.0.113.9 port 41006 ssh2\n"
    syslog = b"".join(map(failed_password, range(6))) + broken_login + b"".join(map(failed_password, range(7, 13)))
    files: dict[str, bytes | str] = {
        "truncated.pcap": whole[:-17],
        "unknown-link-type.pcap": pcap(LINK_USER0, frames),
        "lines.ndjson": "\n".join(lines) + "\n",
        "broken-utf8.log": syslog,
        "rules/good_before.yml": rule(1, "dns.question.name", "www.avis.example"),
        "rules/unknown_modifier.yml": rule(2, "dns.question.name|endswidth", ".example"),
        "rules/good_after.yml": rule(3, "dns.question.name|endswith", ".avis.example"),
        "indicators/not-an-address.csv": "type,value,source,confidence,tlp,valid_from,valid_until,description\n"
        "ip,203.0.113.66,varde-lab,high,TLP:GREEN,2026-01-01T00:00:00Z,2028-01-01T00:00:00Z,Good\n"
        "ip,203.0.113.666,varde-lab,high,TLP:GREEN,2026-01-01T00:00:00Z,2028-01-01T00:00:00Z,No address: 666 is more than 255\n"
        "ip,2001:db8::bad::1,varde-lab,high,TLP:GREEN,2026-01-01T00:00:00Z,2028-01-01T00:00:00Z,No address: two gaps\n"
        f"domain,{BAD_NAME},varde-lab,high,TLP:GREEN,2026-01-01T00:00:00Z,2028-01-01T00:00:00Z,Good\n",
        "indicators/not-an-indicator.txt": f"203.0.113.66\nthis is no indicator\n{BAD_NAME}\n",
        "config/unknown-key.yml": "# A detector's configuration with one key misspelt: `indicaters`.\n"
        "bus:\n  embedded:\n    directory: /var/lib/varde/bus\n"
        "rules:\n  - /etc/varde/rulesets/sigma\nindicaters:\n  - /etc/varde/rulesets/indicators/example.csv\n",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_huge_line(path: pathlib.Path) -> None:
    huge = event(1, "www.avis.example", **{"message": "v" * HUGE_LINE_BYTES})
    path.write_text("\n".join([event(0, BAD_NAME), huge, event(2, BAD_NAME)]) + "\n", encoding="utf-8")


def main() -> None:
    match sys.argv[1:]:
        case ["--huge-line", path]:
            write_huge_line(pathlib.Path(path))
        case [folder]:
            write_all(pathlib.Path(folder))
        case _:
            sys.exit(__doc__)


main()
