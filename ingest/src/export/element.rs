//! Which information elements are taken, by number.
//!
//! Numbers are IANA's registry "IPFIX Information Elements", of which the first 127 are those of NetFlow v9 (RFC 3954
//! section 8). All others are passed over by their length. Cisco's firewalls use numbers above 33,000 in NetFlow v9,
//! which has no enterprises.

/// What an element says, as far as it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// Passed over.
    Skipped,
    Octets,
    Packets,
    /// Counted since the flow began, where nothing is counted since the last record.
    OctetsTotal,
    PacketsTotal,
    /// Counted on the way out, where nothing is counted on the way in.
    OctetsOut,
    PacketsOut,
    OctetsBackward,
    PacketsBackward,
    Protocol,
    TcpFlags,
    TcpFlagsBackward,
    SourcePort,
    DestinationPort,
    SourceV4,
    DestinationV4,
    SourceV6,
    DestinationV6,
    Ingress,
    Egress,
    IcmpTypeCode,
    IcmpType,
    IcmpCode,
    Vlan,
    StartUptime,
    EndUptime,
    StartSecs,
    EndSecs,
    StartMillis,
    EndMillis,
    /// NTP's 64 bits (RFC 7011 sections 6.1.9 and 6.1.10).
    StartNtp,
    EndNtp,
    /// Microseconds before the datagram was sent.
    StartDeltaMicros,
    EndDeltaMicros,
    DurationMillis,
    DurationMicros,
    /// When what the record tells happened, for records without start and end.
    ObservedSecs,
    ObservedMillis,
    ObservedNtp,
    /// When the exporter's uptime was zero.
    SystemInit,
    SamplingInterval,
    /// Packets that are taken, one after the other; [`Element::SamplingSpace`] are then left out.
    SamplingTaken,
    SamplingSpace,
    Sampler,
    FirewallEvent,
    /// Which end of a biflow began (RFC 5103 section 6.3).
    BiflowDirection,
    /// As [`Element::Octets`] and [`Element::Packets`], of who began.
    OctetsInitiator,
    PacketsInitiator,
    TranslatedSource,
    TranslatedDestination,
    TranslatedSourcePort,
    TranslatedDestinationPort,
}

/// The enterprise whose elements are IANA's in the other direction (RFC 5103 section 6.1).
const REVERSE: u32 = 29_305;

/// What the element of this number says. `enterprise` is `None` for IANA's.
pub(super) const fn element(enterprise: Option<u32>, number: u16) -> Element {
    match enterprise {
        None => iana(number),
        Some(REVERSE) => reverse(number),
        Some(_) => Element::Skipped,
    }
}

const fn iana(number: u16) -> Element {
    match number {
        1 => Element::Octets,
        2 => Element::Packets,
        4 => Element::Protocol,
        6 => Element::TcpFlags,
        7 => Element::SourcePort,
        8 => Element::SourceV4,
        10 => Element::Ingress,
        11 => Element::DestinationPort,
        12 => Element::DestinationV4,
        14 => Element::Egress,
        21 => Element::EndUptime,
        22 => Element::StartUptime,
        23 => Element::OctetsOut,
        24 => Element::PacketsOut,
        27 => Element::SourceV6,
        28 => Element::DestinationV6,
        32 | 139 => Element::IcmpTypeCode,
        // samplingInterval, samplerRandomInterval
        34 | 50 => Element::SamplingInterval,
        // samplerId, selectorId
        48 | 302 => Element::Sampler,
        58 => Element::Vlan,
        85 => Element::OctetsTotal,
        86 => Element::PacketsTotal,
        150 => Element::StartSecs,
        151 => Element::EndSecs,
        152 => Element::StartMillis,
        153 => Element::EndMillis,
        154 | 156 => Element::StartNtp,
        155 | 157 => Element::EndNtp,
        158 => Element::StartDeltaMicros,
        159 => Element::EndDeltaMicros,
        160 => Element::SystemInit,
        161 => Element::DurationMillis,
        162 => Element::DurationMicros,
        176 | 178 => Element::IcmpType,
        177 | 179 => Element::IcmpCode,
        225 | 281 | 40_001 => Element::TranslatedSource,
        226 | 282 | 40_002 => Element::TranslatedDestination,
        227 | 40_003 => Element::TranslatedSourcePort,
        228 | 40_004 => Element::TranslatedDestinationPort,
        // initiatorOctets and -Packets count what the source sent, responderOctets and -Packets the answer.
        231 => Element::OctetsInitiator,
        232 => Element::OctetsBackward,
        233 | 40_005 => Element::FirewallEvent,
        239 => Element::BiflowDirection,
        298 => Element::PacketsInitiator,
        299 => Element::PacketsBackward,
        305 => Element::SamplingTaken,
        306 => Element::SamplingSpace,
        322 => Element::ObservedSecs,
        323 => Element::ObservedMillis,
        324 | 325 => Element::ObservedNtp,
        _ => Element::Skipped,
    }
}

/// Of the answers only what is counted is taken: a biflow's times span both ways by its forward elements.
const fn reverse(number: u16) -> Element {
    match number {
        1 | 85 => Element::OctetsBackward,
        2 | 86 => Element::PacketsBackward,
        6 => Element::TcpFlagsBackward,
        _ => Element::Skipped,
    }
}
