//! One record by its template: the fields that are taken become a [`FlowRecord`], or what an exporter says of itself.

use std::net::IpAddr;

use ingest_event::Timestamp;

use super::{
    cursor::{Cursor, number},
    element::Element,
    netflow5::has_ports,
    record::{Began, Count, FlowRecord, Translated},
    template::{Layout, Places, Template},
};

const NANOS_PER_MILLI: i64 = 1_000_000;
const NANOS_PER_SEC: i64 = 1_000_000_000;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECS: i64 = 2_208_988_800;

/// What of the datagram and its exporter a record needs to be understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// When the datagram was sent.
    pub(super) exported: Timestamp,
    /// The exporter's uptime then, in milliseconds, where the header has it.
    pub(super) uptime: Option<u32>,
    /// When its uptime was zero, where it said so.
    pub(super) system_init: Option<Timestamp>,
}

/// What a record says, before it is known of what it is one. One serves for all records of a set, since each sets the
/// same fields again: making a new one each time costs more than reading it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: u8,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    forward: Count,
    backward: Count,
    tcp_flags: Option<u8>,
    tcp_flags_backward: Option<u8>,
    began: Began,
    start: Moment,
    end: Moment,
    duration_nanos: Option<i64>,
    observed: Option<i64>,
    ingress: Option<u32>,
    egress: Option<u32>,
    vlan: Option<u16>,
    translated: Translated,
    firewall_event: Option<u8>,
    pub(super) sampler: Option<u64>,
    sampling_interval: Option<u64>,
    sampling_taken: Option<u64>,
    sampling_space: Option<u64>,
    pub(super) system_init: Option<Timestamp>,
}

/// A point in time as an exporter tells it.
#[derive(Clone, Copy, Debug, Default)]
enum Moment {
    #[default]
    Unknown,
    /// Milliseconds of uptime.
    Uptime(u32),
    /// Nanoseconds since 1970.
    Day(i64),
    /// Microseconds before the datagram was sent.
    Before(i64),
}

impl Template {
    /// Reads the record at the front into a reading of this template's; `None` if it leads out of the set.
    #[inline]
    pub(super) fn read(&self, cursor: &mut Cursor<'_>, reading: &mut Reading) -> Option<()> {
        reading.forget();
        match self.layout {
            Layout::Fixed { bytes } => {
                let record = cursor.take(bytes)?;
                reading.take_places(&self.places, record);
                for field in &self.plan {
                    let at = usize::from(field.at);
                    reading.take(field.element, record.get(at..at + usize::from(field.length))?);
                }
            }
            Layout::Variable { .. } => {
                for field in &self.plan {
                    reading.take(field.element, field.take(cursor)?);
                }
            }
        }
        Some(())
    }

    /// What remains of a set is padding if no record fits in it.
    pub(super) const fn least(&self) -> usize {
        match self.layout {
            Layout::Fixed { bytes } => bytes,
            Layout::Variable { least } => least,
        }
    }
}

impl Reading {
    /// Makes room for the next record: what is not overwritten in any case is taken out.
    #[inline]
    fn forget(&mut self) {
        (self.source, self.destination) = (None, None);
        (self.translated.source, self.translated.destination) = (None, None);
    }

    /// Takes what nearly every exporter has.
    #[inline]
    fn take_places(&mut self, places: &Places, record: &[u8]) {
        if let Some(bytes) = places.source.of(record) {
            address(&mut self.source, bytes);
        }
        if let Some(bytes) = places.destination.of(record) {
            address(&mut self.destination, bytes);
        }
        if let Some(bytes) = places.source_port.of(record) {
            self.source_port = Some(port(bytes));
        }
        if let Some(bytes) = places.destination_port.of(record) {
            self.destination_port = Some(port(bytes));
        }
        if let Some(bytes) = places.protocol.of(record) {
            self.protocol = low(bytes);
        }
        if let Some(bytes) = places.tcp_flags.of(record) {
            self.tcp_flags = Some(low(bytes));
        }
        if let Some(bytes) = places.octets.of(record) {
            self.forward.bytes = number(bytes);
        }
        if let Some(bytes) = places.packets.of(record) {
            self.forward.packets = number(bytes);
        }
        if let Some(bytes) = places.start_uptime.of(record) {
            self.start = Moment::Uptime(number(bytes) as u32);
        }
        if let Some(bytes) = places.end_uptime.of(record) {
            self.end = Moment::Uptime(number(bytes) as u32);
        }
        if let Some(bytes) = places.start_millis.of(record) {
            self.start = Moment::Day(nanos(number(bytes), NANOS_PER_MILLI));
        }
        if let Some(bytes) = places.end_millis.of(record) {
            self.end = Moment::Day(nanos(number(bytes), NANOS_PER_MILLI));
        }
        if let Some(bytes) = places.ingress.of(record) {
            self.ingress = index(bytes);
        }
        if let Some(bytes) = places.egress.of(record) {
            self.egress = index(bytes);
        }
    }

    fn take(&mut self, element: Element, bytes: &[u8]) {
        match element {
            Element::Octets => self.forward.bytes = number(bytes),
            Element::Packets => self.forward.packets = number(bytes),
            Element::OctetsBackward => self.backward.bytes = number(bytes),
            Element::PacketsBackward => self.backward.packets = number(bytes),
            Element::Protocol => self.protocol = low(bytes),
            Element::SourcePort => self.source_port = Some(port(bytes)),
            Element::DestinationPort => self.destination_port = Some(port(bytes)),
            Element::SourceV4 | Element::SourceV6 => address(&mut self.source, bytes),
            Element::DestinationV4 | Element::DestinationV6 => address(&mut self.destination, bytes),
            Element::TcpFlags => self.tcp_flags = Some(low(bytes)),
            Element::Ingress => self.ingress = index(bytes),
            Element::Egress => self.egress = index(bytes),
            Element::StartUptime => self.start = Moment::Uptime(number(bytes) as u32),
            Element::EndUptime => self.end = Moment::Uptime(number(bytes) as u32),
            Element::StartMillis => self.start = Moment::Day(nanos(number(bytes), NANOS_PER_MILLI)),
            Element::EndMillis => self.end = Moment::Day(nanos(number(bytes), NANOS_PER_MILLI)),
            Element::TcpFlagsBackward => self.tcp_flags_backward = Some(low(bytes)),
            Element::IcmpTypeCode => {
                let [kind, code] = port(bytes).to_be_bytes();
                (self.icmp_type, self.icmp_code) = (Some(kind), Some(code));
            }
            Element::IcmpType => self.icmp_type = Some(low(bytes)),
            Element::IcmpCode => self.icmp_code = Some(low(bytes)),
            Element::Vlan => self.vlan = Some(port(bytes)).filter(|vlan| *vlan != 0),
            Element::StartSecs => self.start = Moment::Day(nanos(number(bytes), NANOS_PER_SEC)),
            Element::EndSecs => self.end = Moment::Day(nanos(number(bytes), NANOS_PER_SEC)),
            Element::StartNtp => self.start = ntp(bytes).map_or(self.start, Moment::Day),
            Element::EndNtp => self.end = ntp(bytes).map_or(self.end, Moment::Day),
            Element::StartDeltaMicros => self.start = Moment::Before(nanos(number(bytes), 1_000)),
            Element::EndDeltaMicros => self.end = Moment::Before(nanos(number(bytes), 1_000)),
            Element::DurationMillis => self.duration_nanos = Some(nanos(number(bytes), NANOS_PER_MILLI)),
            Element::DurationMicros => self.duration_nanos = Some(nanos(number(bytes), 1_000)),
            Element::ObservedSecs => self.observed = Some(nanos(number(bytes), NANOS_PER_SEC)),
            Element::ObservedMillis => self.observed = Some(nanos(number(bytes), NANOS_PER_MILLI)),
            Element::ObservedNtp => self.observed = ntp(bytes),
            Element::SystemInit => {
                self.system_init = Some(Timestamp::from_nanos(nanos(number(bytes), NANOS_PER_MILLI)));
            }
            Element::SamplingInterval => self.sampling_interval = Some(number(bytes)),
            Element::SamplingTaken => self.sampling_taken = Some(number(bytes)),
            Element::SamplingSpace => self.sampling_space = Some(number(bytes)),
            Element::Sampler => self.sampler = Some(number(bytes)),
            Element::FirewallEvent => self.firewall_event = Some(low(bytes)),
            // 0 is arbitrary, 3 the perimeter of a network.
            Element::BiflowDirection => {
                self.began = match low(bytes) {
                    1 => Began::Source,
                    2 => Began::Destination,
                    _ => Began::Unknown,
                };
            }
            Element::TranslatedSource => address(&mut self.translated.source, bytes),
            Element::TranslatedDestination => address(&mut self.translated.destination, bytes),
            Element::TranslatedSourcePort => self.translated.source_port = Some(port(bytes)),
            Element::TranslatedDestinationPort => self.translated.destination_port = Some(port(bytes)),
            // The second ones were turned into others, or left out, when the template was compiled.
            Element::Skipped
            | Element::OctetsTotal
            | Element::OctetsOut
            | Element::OctetsInitiator
            | Element::PacketsInitiator
            | Element::PacketsTotal
            | Element::PacketsOut => {}
        }
    }

    /// One packet in so many, as this record says it. Sampling takes some packets and leaves a space
    /// (RFC 5477 section 8.2); an interval counts both.
    pub(super) fn sampling(&self) -> Option<u32> {
        let interval = match (self.sampling_interval, self.sampling_taken, self.sampling_space) {
            (Some(interval), _, _) => interval,
            (None, taken, Some(space)) => {
                let taken = taken.unwrap_or(1).max(1);
                taken.saturating_add(space) / taken
            }
            // What softflowd and others call an interval is the whole of it.
            (None, Some(interval), None) => interval,
            (None, None, None) => return None,
        };
        u32::try_from(interval).ok().map(|interval| interval.max(1))
    }

    /// The flow, if it is one: a record with both addresses.
    #[inline]
    pub(super) fn flow(
        &self,
        template: &Template,
        offset: u32,
        sampling: u32,
        around: &Surroundings,
    ) -> Option<FlowRecord> {
        let (source, destination) = (self.source?, self.destination?);
        let (start, end) = self.times(around);
        let has_ports = has_ports(self.protocol);
        let ports = match (self.source_port, self.destination_port) {
            (Some(source), Some(destination)) if has_ports => Some((source, destination)),
            _ => None,
        };
        let has_icmp = matches!(self.protocol, 1 | 58);
        let icmp = match (self.icmp_type, self.icmp_code, self.destination_port) {
            (Some(kind), code, _) if has_icmp => Some((kind, code.unwrap_or(0))),
            // Most exporters have type and code in the place of the destination port.
            (None, _, Some(both)) if has_icmp => {
                let [kind, code] = both.to_be_bytes();
                Some((kind, code))
            }
            _ => None,
        };
        Some(FlowRecord {
            offset,
            source,
            destination,
            protocol: self.protocol,
            ports,
            icmp,
            forward: self.forward,
            backward: template.is_biflow.then_some(self.backward),
            tcp_flags: self.tcp_flags,
            tcp_flags_backward: self.tcp_flags_backward,
            began: if template.names_initiator {
                Began::Source
            } else {
                self.began
            },
            start,
            end,
            sampling,
            ingress: self.ingress,
            egress: self.egress,
            vlan: self.vlan,
            translated: self.translated,
            firewall_event: self.firewall_event,
        })
    }

    /// First and last packet. Without times the record is of the moment at which it was sent.
    #[inline]
    fn times(&self, around: &Surroundings) -> (Timestamp, Timestamp) {
        let exported = around.exported.as_nanos();
        let day = |moment| match moment {
            Moment::Unknown => None,
            Moment::Day(nanos) => Some(nanos),
            Moment::Before(nanos) => Some(exported.saturating_sub(nanos)),
            Moment::Uptime(uptime) => around.day(uptime),
        };
        let (start, end) = match (self.start, self.end) {
            // Nobody said when the uptime began: the flow is taken to end as its record is sent.
            (Moment::Uptime(start), Moment::Uptime(end)) if around.day(end).is_none() => {
                let lasted = i64::from(end.wrapping_sub(start)) * NANOS_PER_MILLI;
                (exported.saturating_sub(lasted), exported)
            }
            (start, end) => match (day(start), day(end), self.duration_nanos) {
                (Some(start), Some(end), _) => (start.min(end), end),
                (Some(start), None, lasted) => (start, start.saturating_add(lasted.unwrap_or(0))),
                (None, Some(end), lasted) => (end.saturating_sub(lasted.unwrap_or(0)), end),
                (None, None, lasted) => {
                    let end = self.observed.unwrap_or(exported);
                    (end.saturating_sub(lasted.unwrap_or(0)), end)
                }
            },
        };
        (Timestamp::from_nanos(start), Timestamp::from_nanos(end))
    }
}

impl Surroundings {
    /// The time of the day at an uptime, in nanoseconds. The header's uptime counts from the same zero, and both
    /// wrap after 49 days, so only their difference counts.
    pub(super) fn day(&self, uptime: u32) -> Option<i64> {
        match (self.uptime, self.system_init) {
            (Some(now), _) => {
                let before = i64::from(now.wrapping_sub(uptime).cast_signed());
                Some(self.exported.as_nanos().saturating_sub(before * NANOS_PER_MILLI))
            }
            (None, Some(init)) => Some(
                init.as_nanos()
                    .saturating_add(i64::from(uptime) * NANOS_PER_MILLI),
            ),
            (None, None) => None,
        }
    }
}

#[inline]
fn low(bytes: &[u8]) -> u8 {
    bytes.last().copied().unwrap_or(0)
}

#[inline]
fn port(bytes: &[u8]) -> u16 {
    number(bytes) as u16
}

/// An interface's index; 0 is none (RFC 2863 section 3.1.5).
#[inline]
fn index(bytes: &[u8]) -> Option<u32> {
    u32::try_from(number(bytes)).ok().filter(|index| *index != 0)
}

/// An address of either family by its length. Exporters that have both families in one template fill the one that is
/// not meant with zeros. Of a packet in a packet (SRv6), the inner one's fields come last, and hold.
#[inline]
fn address(into: &mut Option<IpAddr>, bytes: &[u8]) {
    let read = if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        IpAddr::from(v4)
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        IpAddr::from(v6)
    } else {
        return;
    };
    if into.is_none() || !read.is_unspecified() {
        *into = Some(read);
    }
}

/// Nanoseconds, to the end of the range.
#[inline]
fn nanos(value: u64, unit: i64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX).saturating_mul(unit)
}

/// Seconds since 1900 and their fraction, nanoseconds since 1970; times before 1970 are those after 2036.
fn ntp(bytes: &[u8]) -> Option<i64> {
    let value = u64::from_be_bytes(bytes.try_into().ok()?);
    let (secs, fraction) = ((value >> 32) as i64, value & 0xffff_ffff);
    let secs = secs - NTP_TO_UNIX_SECS;
    let secs = if secs < 0 { secs + (1 << 32) } else { secs };
    // To the nearest, so that a time that was written as a fraction comes back whole.
    let nanos = (fraction * 1_000_000_000 + (1 << 31)) >> 32;
    Some(secs * NANOS_PER_SEC + nanos as i64)
}
