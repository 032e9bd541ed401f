//! Flows as ordinary programs make them, and as what the flow model shall find: all drawn, none recorded.

use super::random::Random;
use crate::flow::{FlowDirection, FlowFeatures, FlowState, FlowTransport};

/// What a drawn flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// Pages, pictures and programming interfaces.
    Web,
    /// A question and its answer.
    Dns,
    /// Mail sent and fetched.
    Mail,
    /// Copies kept elsewhere, by night or all day.
    Backup,
    /// Programs that renew themselves.
    Update,
    /// A call with sound and picture.
    Call,
    /// Somebody at a terminal or a desktop elsewhere.
    Remote,
    /// Files and printers in the house.
    Internal,
    /// What nobody answered, by mistake.
    Unanswered,
    /// Much goes out, little comes back, to an unusual port or slowly.
    Exfiltration,
    /// A few bytes each way, kept up.
    KeepAlive,
    /// Knocking on doors.
    Scan,
    /// Something else inside DNS, ICMP or one long connection.
    Tunnel,
}

impl FlowKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Web,
        Self::Dns,
        Self::Mail,
        Self::Backup,
        Self::Update,
        Self::Call,
        Self::Remote,
        Self::Internal,
        Self::Unanswered,
        Self::Exfiltration,
        Self::KeepAlive,
        Self::Scan,
        Self::Tunnel,
    ];

    /// As tables say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Dns => "DNS",
            Self::Mail => "mail",
            Self::Backup => "backup",
            Self::Update => "update",
            Self::Call => "call",
            Self::Remote => "remote work",
            Self::Internal => "internal",
            Self::Unanswered => "unanswered",
            Self::Exfiltration => "exfiltration",
            Self::KeepAlive => "keep-alive",
            Self::Scan => "scan",
            Self::Tunnel => "tunnel",
        }
    }

    /// Whether the model shall find it.
    #[must_use]
    pub const fn is_target(self) -> bool {
        match self {
            Self::Exfiltration | Self::KeepAlive | Self::Scan | Self::Tunnel => true,
            Self::Web
            | Self::Dns
            | Self::Mail
            | Self::Backup
            | Self::Update
            | Self::Call
            | Self::Remote
            | Self::Internal
            | Self::Unanswered => false,
        }
    }

    /// Draws flows.
    pub(crate) fn flows(self, seed: u64, count: usize) -> Vec<FlowFeatures> {
        let mut random = Random::part(seed, 0xf10 + self as u64);
        (0..count).map(|_| self.flow(&mut random)).collect()
    }

    fn flow(self, random: &mut Random) -> FlowFeatures {
        let draw = self.draw(random);
        let packets = |bytes: u64, size: u64| if bytes == 0 { 0 } else { bytes / size.max(40) + 2 };
        let (out, back) = (
            random.scaled(draw.out.0, draw.out.1),
            random.scaled(draw.back.0, draw.back.1),
        );
        let (out, back) = (
            out - u64::from(draw.out.0 == 0),
            back - u64::from(draw.back.0 == 0),
        );
        let size = random.between(draw.packet / 2, draw.packet);
        FlowFeatures {
            duration_ms: random.scaled(draw.duration_ms.0, draw.duration_ms.1),
            source_bytes: out,
            destination_bytes: back,
            source_packets: packets(out, size).max(1) + packets(back, 2_800) / 2,
            destination_packets: packets(back, size) + packets(out, 2_800) / 2,
            destination_port: draw.port,
            direction: draw.direction,
            state: draw.state,
            transport: draw.transport,
        }
    }

    fn draw(self, random: &mut Random) -> Draw {
        let any_high = 1_024 + u16::try_from(random.below(64_000)).unwrap_or(0);
        match self {
            Self::Web => web(random),
            Self::Dns => dns(random),
            Self::Mail => mail(random),
            Self::Backup => backup(random),
            Self::Update => update(random),
            Self::Call => call(random, any_high),
            Self::Remote => remote(random),
            Self::Internal => internal(random),
            Self::Unanswered => unanswered(random, any_high),
            Self::Exfiltration => exfiltration(random, any_high),
            Self::KeepAlive => keep_alive(random, any_high),
            Self::Scan => scan(random, any_high),
            Self::Tunnel => tunnel(random),
        }
    }
}

fn web(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (20, 300_000),
        out: (300, 200_000),
        back: (300, 20_000_000),
        port: of(random, &[443, 443, 443, 80, 8080]),
        transport: if random.one_in(4) {
            FlowTransport::Udp
        } else {
            FlowTransport::Tcp
        },
        state: if random.one_in(12) {
            FlowState::Reset
        } else {
            FlowState::Answered
        },
        ..Draw::default()
    }
}

fn dns(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (1, 2_000),
        out: (40, 180),
        back: (60, 900),
        port: of(random, &[53, 53, 853]),
        packet: 200,
        transport: FlowTransport::Udp,
        direction: if random.one_in(2) {
            FlowDirection::Internal
        } else {
            FlowDirection::Outbound
        },
        ..Draw::default()
    }
}

fn mail(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (100, 1_800_000),
        out: (400, 10_000_000),
        back: (400, 2_000_000),
        port: of(random, &[25, 465, 587, 993, 143]),
        direction: if random.one_in(3) {
            FlowDirection::Inbound
        } else {
            FlowDirection::Outbound
        },
        ..Draw::default()
    }
}

fn backup(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (10_000, 14_400_000),
        out: (10_000_000, 40_000_000_000),
        back: (20_000, 40_000_000),
        port: of(random, &[443, 443, 22, 445, 9102]),
        direction: if random.one_in(2) {
            FlowDirection::Internal
        } else {
            FlowDirection::Outbound
        },
        ..Draw::default()
    }
}

fn update(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (500, 3_600_000),
        out: (500, 4_000_000),
        back: (50_000, 4_000_000_000),
        port: of(random, &[443, 80]),
        ..Draw::default()
    }
}

fn call(random: &mut Random, any_high: u16) -> Draw {
    Draw {
        duration_ms: (20_000, 7_200_000),
        out: (100_000, 1_000_000_000),
        back: (100_000, 1_500_000_000),
        port: if random.one_in(2) { 3_478 } else { any_high },
        packet: 1_000,
        transport: FlowTransport::Udp,
        ..Draw::default()
    }
}

fn remote(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (5_000, 28_800_000),
        out: (5_000, 20_000_000),
        back: (20_000, 500_000_000),
        port: of(random, &[22, 3389, 443]),
        packet: 300,
        direction: if random.one_in(2) {
            FlowDirection::Internal
        } else {
            FlowDirection::Outbound
        },
        ..Draw::default()
    }
}

fn internal(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (2, 3_600_000),
        out: (100, 100_000_000),
        back: (100, 500_000_000),
        port: of(random, &[445, 139, 88, 389, 631, 9100, 1433, 443]),
        direction: FlowDirection::Internal,
        ..Draw::default()
    }
}

fn unanswered(random: &mut Random, any_high: u16) -> Draw {
    Draw {
        duration_ms: (1, 60_000),
        out: (40, 300),
        back: (0, 60),
        port: of(random, &[443, 80, 53, 5353, 1900, any_high]),
        packet: 100,
        direction: if random.one_in(2) {
            FlowDirection::Internal
        } else {
            FlowDirection::Outbound
        },
        state: if random.one_in(4) {
            FlowState::Rejected
        } else {
            FlowState::Attempted
        },
        transport: if random.one_in(2) {
            FlowTransport::Udp
        } else {
            FlowTransport::Tcp
        },
    }
}

fn exfiltration(random: &mut Random, any_high: u16) -> Draw {
    Draw {
        duration_ms: (2_000, 14_400_000),
        out: (500_000, 20_000_000_000),
        back: (500, 2_000_000),
        port: of(random, &[443, 80, 22, 21, any_high, any_high]),
        ..Draw::default()
    }
}

fn keep_alive(random: &mut Random, any_high: u16) -> Draw {
    Draw {
        duration_ms: (60_000, 86_400_000),
        out: (200, 200_000),
        back: (200, 200_000),
        port: of(random, &[443, 8080, any_high, any_high, any_high]),
        packet: 160,
        ..Draw::default()
    }
}

fn scan(random: &mut Random, any_high: u16) -> Draw {
    Draw {
        duration_ms: (0, 3_000),
        out: (40, 200),
        back: (0, 120),
        port: of(random, &[22, 23, 445, 3389, 5900, 1433, 3306, any_high, any_high]),
        packet: 80,
        direction: [
            FlowDirection::Outbound,
            FlowDirection::Internal,
            FlowDirection::Inbound,
        ]
        .get(usize::try_from(random.below(3)).unwrap_or(0))
        .copied()
        .unwrap_or_default(),
        state: if random.one_in(3) {
            FlowState::Attempted
        } else {
            FlowState::Rejected
        },
        ..Draw::default()
    }
}

fn tunnel(random: &mut Random) -> Draw {
    Draw {
        duration_ms: (30_000, 14_400_000),
        out: (20_000, 200_000_000),
        back: (5_000, 200_000_000),
        port: of(random, &[53, 53, 443, 123]),
        packet: 260,
        transport: of_transport(random),
        ..Draw::default()
    }
}

fn of(random: &mut Random, ports: &[u16]) -> u16 {
    random.pick(ports).copied().unwrap_or(443)
}

fn of_transport(random: &mut Random) -> FlowTransport {
    if random.one_in(4) {
        FlowTransport::Icmp
    } else {
        FlowTransport::Udp
    }
}

/// Between what a kind's flows are; outbound, answered and TCP if nothing else is said.
struct Draw {
    duration_ms: (u64, u64),
    out: (u64, u64),
    back: (u64, u64),
    port: u16,
    /// Largest usual packet, in bytes.
    packet: u64,
    direction: FlowDirection,
    state: FlowState,
    transport: FlowTransport,
}

impl Default for Draw {
    fn default() -> Self {
        Self {
            duration_ms: (0, 0),
            out: (0, 0),
            back: (0, 0),
            port: 443,
            packet: 1_400,
            direction: FlowDirection::Outbound,
            state: FlowState::Answered,
            transport: FlowTransport::Tcp,
        }
    }
}
