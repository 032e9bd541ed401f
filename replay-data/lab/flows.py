"""Writes the cases whose events take hours or days: made up by rule from a seed, in Varde's own wire format.

Usage: flows.py CASE FOLDER     the same bytes each time; the cases are the functions at the end

The lab records packets of what takes minutes. What takes hours is made here instead: ordinary use of the internet by a
dozen machines at chance times, and between it what the case is about.
"""

import datetime
import json
import pathlib
import random
import sys
from collections.abc import Iterator

UTC = datetime.timezone.utc
Event = dict[str, object]

# The machines of the town hall; each has an address of either family.
MACHINES = [(f"10.20.0.{number}", f"2001:db8:20::{number}") for number in range(21, 33)]
# Sites outside, the first ones visited most.
SITES = [(f"198.51.100.{number}", f"2001:db8:f::{number}") for number in range(80, 140)]


class Day:
    """Collects events of one case; times are seconds after its start."""

    def __init__(self, start: str, seed: str) -> None:
        self.start = datetime.datetime.fromisoformat(start).replace(tzinfo=UTC)
        self.random = random.Random(seed)
        self.events: list[tuple[float, int, Event]] = []
        self.port = 49_152

    def add(self, at: float, event: Event) -> None:
        self.events.append((at, len(self.events), event))

    def flow(self, at: float, source: str, target: str, port: int, sent: int, received: int, **more: object) -> None:
        """A connection, as Varde's sensor tells of it: outwards and taken, unless `more` says otherwise."""
        self.port = 49_152 + (self.port + 1 - 49_152) % 16_000
        transport = str(more.pop("transport", "tcp"))
        event: Event = {
            "event.dataset": "network.flow", "source.ip": source, "source.port": self.port, "destination.ip": target,
            "destination.port": port, "network.transport": transport, "network.type": "ipv6" if ":" in source else "ipv4",
            "network.direction": "outbound", "source.bytes": sent, "source.packets": 4 + sent // 1200,
            "destination.bytes": received, "destination.packets": 3 + received // 1200,
        }  # fmt: skip
        if transport == "tcp":
            event["varde.flow.state"] = "closed"
        names = {"direction": "network.direction", "state": "varde.flow.state", "answers": "destination.packets"}
        event.update({names.get(name, name): value for name, value in more.items()})
        self.add(at, event)

    def inside(self, at: float, source: str, target: str, port: int, state: str = "closed") -> None:
        """A connection between two machines on the inside."""
        sent, received = (self.size(4_000), self.size(9_000)) if state == "closed" else (60, 0)
        self.flow(at, source, target, port, sent, received, direction="internal", state=state)

    def inbound(self, at: float, source: str, target: str, port: int, state: str) -> None:
        """An attempt from outside that did not get through."""
        self.flow(at, source, target, port, 60, 0, direction="inbound", state=state)

    def question(self, at: float, source: str, resolver: str, name: str, kind: str, **more: object) -> None:
        """A question to a name server outside."""
        event = self.between("network.dns", source, resolver, 53, "udp")
        event |= {"dns.type": "query", "dns.question.name": name, "dns.question.type": kind}
        self.add(at, event | more)

    def hello(self, at: float, source: str, target: str, port: int, ja4: str, **more: object) -> None:
        """The start of TLS, without a server name."""
        event = self.between("network.tls", source, target, port, "tcp")
        self.add(at, event | {"tls.version": "1.3", "tls.client.ja4": ja4} | more)

    def between(self, dataset: str, source: str, target: str, port: int, transport: str) -> Event:
        return {
            "event.dataset": dataset, "source.ip": source, "destination.ip": target, "destination.port": port,
            "network.transport": transport, "network.direction": "outbound",
        }  # fmt: skip

    def windows_login(self, at: float, source: str, user: str, is_let_in: bool, **more: object) -> None:
        """A login at a Windows server, as a shipper that writes ECS tells of it."""
        event = {
            "event.dataset": "windows.security", "event.code": "4624" if is_let_in else "4625",
            "event.outcome": "success" if is_let_in else "failure", "user.name": user, "source.ip": source, "host.name": "dc1",
        }  # fmt: skip
        self.add(at, event | more)

    def ssh_login(self, at: float, source: str, host: str, **more: object) -> None:
        """A login at an SSH server that succeeds."""
        event = {
            "event.dataset": "system.auth", "process.name": "sshd", "event.action": "ssh_login", "event.outcome": "success",
            "user.name": "drift", "source.ip": source, "host.name": host,
        }  # fmt: skip
        self.add(at, event | more)

    def ordinary(self, seconds: float, visits_an_hour: float) -> None:
        """People at work: visits at chance times, each of a few connections; and what their machines do by themselves."""
        for machine in MACHINES:
            for at in self.chance(0, seconds, visits_an_hour):
                site = SITES[min(int(self.random.expovariate(0.2)), len(SITES) - 1)]
                family = self.random.randrange(2)
                for _ in range(self.random.randint(1, 4)):
                    sent, received = self.size(900), self.size(14_000)
                    self.flow(at, machine[family], site[family], 443, sent, received)
                    at += self.random.expovariate(0.5)
            # Time each 1,024 seconds and mail each five minutes: regular, known, and left out by the base rule.
            for at in self.regular(self.random.uniform(0, 300), seconds, 1_024, 2):
                self.flow(at, machine[0], "198.51.100.12", 123, 48, 48, transport="udp")
            if machine in MACHINES[:4]:
                for at in self.regular(self.random.uniform(0, 300), seconds, 300, 1):
                    self.flow(at, machine[1], "2001:db8:f::25", 993, 640, 1_100)

    def chance(self, start: float, end: float, an_hour: float) -> Iterator[float]:
        """Times that have nothing to do with each other."""
        at = start
        while (at := at + self.random.expovariate(an_hour / 3_600)) < end:
            yield at

    def regular(self, start: float, end: float, every: float, jitter: float) -> Iterator[float]:
        """Times with an interval, each up to `jitter` early or late."""
        at = start
        while at < end:
            yield at + self.random.uniform(-jitter, jitter)
            at += every

    def size(self, usual: int) -> int:
        """Bytes of something people do: mostly near the usual, at times ten times as much."""
        return int(usual * self.random.lognormvariate(0, 0.8)) + 60

    def lines(self) -> str:
        """In order of time, one event a line."""
        lines = []
        for at, _, event in sorted(self.events, key=lambda item: item[:2]):
            time = self.start + datetime.timedelta(seconds=at)
            stamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            lines.append(json.dumps({"@timestamp": stamp} | event, separators=(",", ":")))
        return "\n".join(lines) + "\n"


def beacon_four_hours() -> dict[str, str]:
    """Two machines call home each five minutes, a fifth of that early or late, and miss one call in ten."""
    day = Day("2026-03-16T08:00:00", "beacon-four-hours")
    seconds = 4 * 3_600
    day.ordinary(seconds, 12)
    for source, target in [("10.20.0.21", "198.51.100.66"), ("2001:db8:20::22", "2001:db8:f::66")]:
        for at in day.regular(130, seconds, 300, 60):
            if day.random.random() < 0.9:
                day.flow(at, source, target, 443, day.random.randint(780, 840), day.random.randint(300, 330))
    return {"flows.ndjson": day.lines()}


def dns_beacon() -> dict[str, str]:
    """Two machines fetch orders from a TXT record every three minutes; a mail server asks for TXT records at any time."""
    day = Day("2026-03-17T08:00:00", "dns-beacon")
    seconds = 3 * 3_600
    for family, resolver in [(0, "192.0.2.53"), (1, "2001:db8:f::53")]:
        for machine in MACHINES:
            for at in day.chance(0, seconds, 12):
                name = f"www{day.random.randrange(40)}.avis.example"
                day.question(at, machine[family], resolver, name, ("A", "AAAA")[family])
        for at in day.regular(40, seconds, 180, 25):
            day.question(at, MACHINES[family][family], resolver, "o.skygge.example", "TXT")
        mail_server = ("10.20.0.25", "2001:db8:20::25")[family]
        for at in day.chance(0, seconds, 40):
            day.question(at, mail_server, resolver, f"avsender{day.random.randrange(4)}.example", "TXT")
    return {"names.ndjson": day.lines()}


def data_leaving() -> dict[str, str]:
    """Two machines call home and then send away what they found; two others send to many addresses. Near them work that looks alike."""
    day = Day("2026-03-18T06:00:00", "data-leaving")
    seconds = 9 * 3_600
    day.ordinary(seconds, 4)
    for source, target in [("10.20.0.41", "198.51.100.66"), ("2001:db8:20::42", "2001:db8:f::66")]:
        for at in day.regular(100, 5 * 3_600, 600, 60):
            day.flow(at, source, target, 443, day.random.randint(780, 840), day.random.randint(300, 330))
        for at in day.regular(6 * 3_600, 7 * 3_600, 90, 20):
            day.flow(at, source, target, 443, day.random.randint(80_000_000, 120_000_000), 350_000)
    for source, targets in [("10.20.0.43", "198.51.100."), ("2001:db8:20::44", "2001:db8:f::")]:
        for number, at in enumerate(day.regular(4 * 3_600, 8 * 3_600, 240, 60)):
            day.flow(at, source, f"{targets}{140 + number % 40}", 443, day.random.randint(150_000_000, 250_000_000), 900_000)
    # A meeting with pictures goes both ways, a drawing is large but one, a colleague's pictures are some.
    for source, target in [("10.20.0.45", "198.51.100.190"), ("2001:db8:20::45", "2001:db8:f::190")]:
        for at in day.chance(3_600, 5 * 3_600, 9):
            day.flow(at, source, target, 443, day.size(110_000_000), day.size(110_000_000))
    day.flow(2 * 3_600, "10.20.0.46", "198.51.100.191", 443, 1_900_000_000, 4_000_000)
    for at in day.chance(0, seconds, 6):
        day.flow(at, "2001:db8:20::46", "2001:db8:f::191", 443, day.size(4_000_000), 60_000)
    return {"flows.ndjson": day.lines()}


def password_spray() -> dict[str, str]:
    """Somebody tries two passwords on each of thirty users and gets in as one; people mistype, many through one terminal server."""
    day = Day("2026-03-19T07:00:00", "password-spray")
    seconds = 2 * 3_600
    for number, machine in enumerate(MACHINES):
        user = f"ansatt{number}"
        for family in (0, 1):
            for at in day.chance(0, seconds, 3):
                if day.random.random() < 0.2:
                    day.windows_login(at - 9, machine[family], user, is_let_in=False)
                day.windows_login(at, machine[family], user, is_let_in=True)
    for number in range(14):
        day.windows_login(day.random.uniform(0, 3_600), "10.20.0.15", f"ansatt{number}", is_let_in=False)
    for family, source in enumerate(["203.0.113.9", "2001:db8:f:bad::9"]):
        for turn in (0, 1):
            for number in range(30):
                at = 1_200 + family * 120 + turn * 1_500 + number * 45 + day.random.uniform(0, 20)
                day.windows_login(at, source, f"ansatt{number}", is_let_in=False)
        day.windows_login(5_400 + family * 60, source, f"ansatt{17 + family}", is_let_in=True)
    return {"security.ndjson": day.lines()}


def smb_sweep_inside() -> dict[str, str]:
    """Sixteen days of a small network; then a machine is reached by one that never did so, and looks for file sharing everywhere."""
    day = Day("2026-03-01T00:00:00", "smb-sweep-inside")
    prefixes = ["10.20.0.", "2001:db8:20::"]
    for prefix in prefixes:
        for date in range(16):
            morning = date * 86_400 + 7 * 3_600
            for number in range(21, 29):
                at = morning + day.random.uniform(0, 7_200)
                day.inside(at, prefix + str(number), prefix + "10", 445)
            for server in ("10", "11", "12"):
                day.inside(morning + day.random.uniform(0, 20_000), prefix + "5", prefix + server, 3389)
    for family, prefix in enumerate(prefixes):
        at = 15 * 86_400 + (13 + family) * 3_600
        day.inside(at, prefix + "31", prefix + "12", 3389)
        for number in range(60, 110):
            at += day.random.uniform(6, 12)
            taken = number % 9 == 0
            day.inside(at, prefix + "12", prefix + str(number), 445, state="closed" if taken else "attempted")
    return {"flows.ndjson": day.lines()}


def sensor_silent() -> dict[str, str]:
    """Two sensors for sixteen days: on the last one of them sees nothing any more, and at the other one of two logs stops."""
    day = Day("2026-03-02T00:00:00", "sensor-silent")
    end, stop = 16 * 86_400, 15 * 86_400 + 11 * 3_600
    for sensor, until in [("sensor-hamar-1", stop), ("sensor-hamar-2", end)]:
        for number, at in enumerate(day.regular(60, until, 2_700, 700)):
            source, resolver = [("10.20.0.21", "192.0.2.53"), ("2001:db8:20::22", "2001:db8:f::53")][number % 2]
            day.question(at, source, resolver, "www.avis.example", ("A", "AAAA")[number % 2], **{"observer.name": sensor})
    for at in day.regular(200, stop, 4_800, 900):
        day.windows_login(at, "10.20.0.21", "ansatt1", is_let_in=True, **{"observer.name": "sensor-hamar-2"})
    for at in day.regular(300, end, 4_800, 900):
        day.ssh_login(at, "2001:db8:20::5", "srv1", **{"observer.name": "sensor-hamar-2"})
    return {"events.ndjson": day.lines()}


def same_indicator_everywhere() -> dict[str, str]:
    """One false login page, two servers of orders and one odd program, each in some municipalities of a week; and in too few."""
    day = Day("2026-03-23T08:00:00", "same-indicator-everywhere")
    # Hamar, Narvik, Alta, Voss, Drammen, Tromsø
    owners = ["970540008", "959469059", "944588132", "960510542", "921234554", "940101808"]
    for number, owner in enumerate(owners):
        whose = {"organization.id": owner, "observer.name": f"sensor-{owner}"}
        begin = number * 20_000
        family = number % 2
        source, resolver = [("10.20.0.21", "192.0.2.53"), ("2001:db8:20::22", "2001:db8:f::53")][family]
        day.question(begin, source, resolver, "falsk-innlogging.example", ("A", "AAAA")[family], **whose)
        if number < 4:  # four: one too few
            day.question(begin + 5, source, resolver, "oppdatering-sky.example", ("A", "AAAA")[family], **whose)
        # An address of either family, each in three municipalities; a third address in two.
        target = [("10.20.0.31", "198.51.100.66"), ("2001:db8:20::31", "2001:db8:f::66")][family]
        for at in day.regular(begin + 100, begin + 100 + 30 * 300, 300, 30):
            day.flow(at, *target, 443, day.random.randint(780, 840), 310, **whose)
        if number in (0, 2):
            for at in day.regular(begin + 100, begin + 100 + 30 * 300, 300, 30):
                day.flow(at, source, "198.51.100.69", 443, day.random.randint(780, 840), 310, **whose)
        if number < 3:
            day.hello(begin + 7, *target, 4444, "t13i190900_9dc949149365_97f8aa674fd9", **whose)
        if number < 2:
            day.hello(begin + 8, *target, 4445, "t13i200900_9dc949149365_97f8aa674fd9", **whose)
    return {"events.ndjson": day.lines()}


def scan_then_login() -> dict[str, str]:
    """Somebody scans a server and then logs in; others scan so slowly that no minute shows it; a colleague only logs in."""
    day = Day("2026-03-24T06:00:00", "scan-then-login")
    for family, prefix in enumerate(["10.20.0.", "2001:db8:20::"]):
        scanner, slow, sweeper, colleague = [
            ("203.0.113.9", "203.0.113.10", "203.0.113.11", "198.51.100.77"),
            ("2001:db8:f:bad::9", "2001:db8:f:bad::10", "2001:db8:f:bad::11", "2001:db8:f::77"),
        ][family]
        for number in range(40):
            day.inbound(3_600 + number * 0.5 + family * 60, scanner, prefix + "10", 8_000 + number, "rejected")
        for at in (1_800, 20_000):
            day.ssh_login(at + family * 30, colleague, "srv1")
        day.ssh_login(9_000 + family * 30, scanner, "srv1")
        for number in range(200):
            day.inbound(number * 200 + family * 17, slow, prefix + "11", 1 + number * 3, "attempted")
            day.inbound(number * 190 + family * 23, sweeper, prefix + str(40 + number), 23, "attempted")
    return {"events.ndjson": day.lines()}


CASES = {
    "beacon-four-hours": beacon_four_hours,
    "data-leaving": data_leaving,
    "dns-beacon": dns_beacon,
    "password-spray": password_spray,
    "same-indicator-everywhere": same_indicator_everywhere,
    "scan-then-login": scan_then_login,
    "sensor-silent": sensor_silent,
    "smb-sweep-inside": smb_sweep_inside,
}


def main() -> None:
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in CASES[name]().items():
        (folder / file).write_text(text, encoding="ascii")


main()
