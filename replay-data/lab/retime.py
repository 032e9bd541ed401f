"""Moves a classic pcap (microseconds, as tcpdump writes it) to a fixed time, so that a new recording lands on the same day.

Usage: retime.py --start 2026-03-02T09:00:00Z [--marks FILE --spacing-secs 60 --jitter-secs 5 --seed 1] IN OUT

Without --marks all packets move by the same amount, and their distances stay as recorded.
With --marks (one start of a round a line, in seconds since 1970) each round is moved as a whole: round N starts at
START + N * spacing, give or take the jitter, which comes from the seed. Distances within a round stay as recorded.
--shifts-file receives each round's start and the seconds it moved by, for logs of the same recording.
"""

import argparse
import bisect
import datetime
import random
import struct

RECORD = struct.Struct("<IIII")
MAGIC_MICROSECONDS = 0xA1B2C3D4
GLOBAL_HEADER_BYTES = 24


def read(path: str) -> tuple[bytes, list[tuple[float, int, bytes]]]:
    with open(path, "rb") as file:
        data = file.read()
    if struct.unpack_from("<I", data)[0] != MAGIC_MICROSECONDS:
        raise SystemExit(f"{path}: not a little-endian pcap with microseconds")
    packets, at = [], GLOBAL_HEADER_BYTES
    while at + RECORD.size <= len(data):
        seconds, micros, captured, original = RECORD.unpack_from(data, at)
        at += RECORD.size
        packets.append((seconds + micros / 1e6, original, data[at : at + captured]))
        at += captured
    return data[:GLOBAL_HEADER_BYTES], packets


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--start", required=True)
    parser.add_argument("--marks")
    parser.add_argument("--spacing-secs", type=float, default=60.0)
    parser.add_argument("--jitter-secs", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shifts-file")
    parser.add_argument("source")
    parser.add_argument("target")
    arguments = parser.parse_args()

    start = datetime.datetime.fromisoformat(arguments.start.replace("Z", "+00:00")).timestamp()
    header, packets = read(arguments.source)
    marks = []
    if arguments.marks:
        with open(arguments.marks, encoding="ascii") as file:
            marks = [float(line) for line in file]
    if not marks:
        marks = [packets[0][0]]
    jitter = random.Random(arguments.seed)
    shifts = []
    for index, begun in enumerate(marks):
        wanted = start + index * arguments.spacing_secs
        if index:
            wanted += jitter.uniform(-arguments.jitter_secs, arguments.jitter_secs)
        shifts.append(wanted - begun)

    moved = []
    for order, (time, original, payload) in enumerate(packets):
        round_index = max(bisect.bisect_right(marks, time) - 1, 0)
        moved.append((round((time + shifts[round_index]) * 1e6), order, original, payload))
    moved.sort()
    with open(arguments.target, "wb") as file:
        file.write(header)
        for micros, _, original, payload in moved:
            file.write(RECORD.pack(micros // 1_000_000, micros % 1_000_000, len(payload), original))
            file.write(payload)
    if arguments.shifts_file:
        with open(arguments.shifts_file, "w", encoding="ascii") as file:
            for begun, shift in zip(marks, shifts):
                file.write(f"{begun:.6f} {shift:.6f}\n")


main()
