"""A time server and a time question of 48 bytes each (RFC 5905, section 7.3), enough to look like NTP on the wire.

Usage: ntp.py serve | ntp.py ask ADDRESS
"""

import socket
import struct
import sys
import time

NTP_EPOCH_OFFSET_SECS = 2_208_988_800


def packet(mode: int, stratum: int) -> bytes:
    now = int((time.time() + NTP_EPOCH_OFFSET_SECS) * 2**32)
    return struct.pack("!BBbbII4sQQQQ", 0x20 | mode, stratum, 6, -20, 0, 0, b"LAB\0", now, 0, now, now)


def main() -> None:
    if sys.argv[1] == "serve":
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 123))
        while True:
            _, peer = server.recvfrom(512)
            server.sendto(packet(4, 2), peer)
    family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(2)
    client.sendto(packet(3, 0), (sys.argv[2], 123))
    client.recvfrom(512)


main()
