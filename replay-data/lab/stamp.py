"""Keeps what sshd says together with when it said it, and writes it as syslog.

Usage:
  sshd -D -e 2>&1 | stamp.py > stamped.log             each line gets the time it came, in seconds since 1970
  stamp.py --format rfc3164|rfc5424 --host NAME --shifts-file FILE --about TEXT < stamped.log

The second form moves the times as retime.py moved the capture's packets, and keeps only lines with TEXT.
The process id is sshd's place in the log, numbered from 4001, since `sshd -e` does not print its own.
"""

import argparse
import bisect
import datetime
import math
import re
import sys
import time

PRIORITY_AUTHPRIV_INFO = 10 * 8 + 6  # RFC 5424 section 6.2.1: facility 10, severity 6
FIRST_PID = 4001


def stamp() -> None:
    for line in iter(sys.stdin.readline, ""):
        print(f"{time.time():.6f} {line.rstrip()}", flush=True)


def render(arguments: argparse.Namespace) -> None:
    with open(arguments.shifts_file, encoding="ascii") as file:
        rounds = [tuple(map(float, line.split())) for line in file]
    pids: dict[str, int] = {}
    for line in sys.stdin:
        seconds, _, message = line.rstrip("\n").partition(" ")
        if arguments.about not in message:
            continue
        index = max(bisect.bisect_right(rounds, (float(seconds), math.inf)) - 1, 0)
        at = datetime.datetime.fromtimestamp(float(seconds) + rounds[index][1], datetime.timezone.utc)
        port = re.search(r"port (\d+)", message)
        pid = pids.setdefault(port.group(1) if port else "", FIRST_PID + len(pids))
        if arguments.format == "rfc3164":
            # RFC 3164 section 4.1.2: no year, and the day padded with a space. The priority is left out, as in files.
            print(f"{at:%b} {at.day:2d} {at:%H:%M:%S} {arguments.host} sshd[{pid}]: {message}")
        else:
            print(f"<{PRIORITY_AUTHPRIV_INFO}>1 {at:%Y-%m-%dT%H:%M:%S.%f}Z {arguments.host} sshd {pid} - - {message}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", choices=["rfc3164", "rfc5424"])
    parser.add_argument("--host")
    parser.add_argument("--shifts-file")
    parser.add_argument("--about", default="")
    arguments = parser.parse_args()
    if arguments.format is None:
        stamp()
    else:
        render(arguments)


main()
