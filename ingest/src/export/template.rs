//! Templates: what an exporter says its records are made of, compiled to what is taken and where it stands.
//!
//! RFC 7011 sections 3.4.1 to 3.4.3, RFC 3954 sections 5.2 and 6.1. A template of fixed lengths becomes a list of the
//! fields that are taken, each with its place; one with a field of variable length is walked field by field.

use super::{
    cursor::Cursor,
    element::{Element, element},
    error::CollectError,
};

/// Fields of one template: no device is known with a third of it, and together with [`TEMPLATES_MAX`] it bounds
/// what templates can take of a small machine's memory.
pub const FIELDS_MAX: usize = 384;

/// Templates held for all exporters together: hundreds of devices with a dozen each.
pub const TEMPLATES_MAX: usize = 4_096;

/// The length that says that each record has its own (RFC 7011 section 7).
const VARIABLE: u16 = 0xffff;

/// The lowest number of a template; those below are kinds of sets.
pub(super) const TEMPLATE_MIN: u16 = 256;

/// How templates and sets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// NetFlow version 9: no enterprises; an options template counts bytes.
    Netflow9,
    /// IPFIX: enterprises, withdrawals; an options template counts fields.
    Ipfix,
}

/// A compiled template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Fields of a fixed layout that nearly every exporter has.
    pub(super) places: Places,
    /// All others that are taken; in a variable layout every field, in order.
    pub(super) plan: Box<[Planned]>,
    pub(super) layout: Layout,
    pub(super) kind: Kind,
    /// Whether records tell both directions.
    pub(super) is_biflow: bool,
    /// Whether the source of each record is who began.
    pub(super) names_initiator: bool,
    /// As it was sent, to know it again.
    pub(super) definition: Box<[u8]>,
}

/// What records of a template are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Flows, or whatever else is counted.
    Data,
    /// The exporter itself.
    Options,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) element: Element,
    /// Where it begins in the record; of no meaning in a variable layout.
    pub(super) at: u16,
    pub(super) length: u16,
}

/// Where a field stands in a record of fixed layout; no length where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    at: u16,
    length: u16,
}

/// Fields that are read without going through a plan: a third of the time of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) source: Place,
    pub(super) destination: Place,
    pub(super) source_port: Place,
    pub(super) destination_port: Place,
    pub(super) protocol: Place,
    pub(super) tcp_flags: Place,
    pub(super) octets: Place,
    pub(super) packets: Place,
    pub(super) start_uptime: Place,
    pub(super) end_uptime: Place,
    pub(super) start_millis: Place,
    pub(super) end_millis: Place,
    pub(super) ingress: Place,
    pub(super) egress: Place,
}

/// How long a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// So many bytes each.
    Fixed { bytes: usize },
    /// At least so many.
    Variable { least: usize },
}

/// What a record of a template set says.
#[derive(Debug)]
pub(super) enum Defined {
    /// A template of this number.
    Template(u16, Template),
    /// The template of this number is withdrawn (RFC 7011 section 8.1).
    Withdrawn(u16),
    /// All of the set's kind are.
    AllWithdrawn,
}

/// Reads the next record of a template set; `None` at its end or padding.
pub(super) fn next(
    cursor: &mut Cursor<'_>,
    kind: Kind,
    dialect: Dialect,
    set_at: usize,
) -> Option<Result<Defined, CollectError>> {
    let starts = *cursor;
    // Padding is shorter than any template, or is full of zeros: no template has number 0.
    if cursor.left() < 4 || cursor.rest().iter().take(4).all(|byte| *byte == 0) {
        return None;
    }
    let read = match (kind, dialect) {
        (Kind::Options, Dialect::Netflow9) => options_by_bytes(cursor),
        (Kind::Data, Dialect::Netflow9) | (_, Dialect::Ipfix) => by_fields(cursor, kind, dialect),
    };
    let Some((number, fields)) = read else {
        return Some(Err(CollectError::Template { at: set_at }));
    };
    if fields.is_empty() && dialect == Dialect::Ipfix {
        return Some(if TEMPLATE_MIN <= number {
            Ok(Defined::Withdrawn(number))
        } else {
            Ok(Defined::AllWithdrawn)
        });
    }
    if FIELDS_MAX < fields.len() {
        return Some(Err(CollectError::TemplateFields {
            template: number,
            fields: fields.len(),
        }));
    }
    let definition = starts
        .rest()
        .get(..starts.left() - cursor.left())
        .unwrap_or_default();
    Some(
        compile(&fields, kind, definition)
            .filter(|_| TEMPLATE_MIN <= number)
            .map(|template| Defined::Template(number, template))
            .ok_or(CollectError::Template { at: set_at }),
    )
}

/// A field as it is specified.
#[derive(Clone, Copy, Debug)]
struct Specified {
    element: Element,
    length: u16,
}

/// Number, count of fields, for options also the count of scope fields, then the fields.
fn by_fields(cursor: &mut Cursor<'_>, kind: Kind, dialect: Dialect) -> Option<(u16, Vec<Specified>)> {
    let number = cursor.u16()?;
    let count = cursor.u16()?;
    if kind == Kind::Options && count != 0 {
        // Scope fields are ordinary elements (RFC 7011 section 3.4.2.1), and of the same list.
        cursor.u16()?;
    }
    // A count that leads out of the set reserves nothing.
    let mut fields = Vec::with_capacity(usize::from(count).min(cursor.left() / 4));
    for _ in 0..count {
        let (first, length) = (cursor.u16()?, cursor.u16()?);
        let field = if dialect == Dialect::Ipfix && first & 0x8000 != 0 {
            element(Some(cursor.u32()?), first & 0x7fff)
        } else {
            element(None, first)
        };
        fields.push(Specified {
            element: field,
            length,
        });
    }
    Some((number, fields))
}

/// Number, bytes of scope fields, bytes of option fields, then both (RFC 3954 section 6.1).
fn options_by_bytes(cursor: &mut Cursor<'_>) -> Option<(u16, Vec<Specified>)> {
    let number = cursor.u16()?;
    let (scope_bytes, option_bytes) = (cursor.u16()?, cursor.u16()?);
    if scope_bytes % 4 != 0 || option_bytes % 4 != 0 {
        return None;
    }
    let mut fields = Vec::new();
    for is_scope in [true, false] {
        let bytes = if is_scope { scope_bytes } else { option_bytes };
        let mut specified = Cursor::new(cursor.take(usize::from(bytes))?);
        while let (Some(first), Some(length)) = (specified.u16(), specified.u16()) {
            fields.push(Specified {
                // A scope has numbers of its own, none of which says how packets are sampled.
                element: if is_scope {
                    Element::Skipped
                } else {
                    element(None, first)
                },
                length,
            });
        }
    }
    Some((number, fields))
}

/// `None` if its records had no byte: there would be no end to them.
fn compile(specified: &[Specified], kind: Kind, definition: &[u8]) -> Option<Template> {
    let there = specified.iter().fold(0, |bits, field| bits | bit(field.element));
    let has = |element| there & bit(element) != 0;
    let (mut once, mut twice) = (0, 0);
    for field in specified {
        let bit = bit(end_of(preferred(field.element, &has)));
        twice |= once & bit;
        once |= bit;
    }
    let is_variable = specified.iter().any(|field| field.length == VARIABLE);
    let (mut places, mut plan, mut at) = (Places::default(), Vec::new(), 0_usize);
    for field in specified {
        let planned = Planned {
            element: preferred(field.element, &has),
            at: u16::try_from(at).ok()?,
            length: field.length,
        };
        let is_alone = twice & bit(end_of(planned.element)) == 0;
        match places.of(planned.element).filter(|_| !is_variable && is_alone) {
            Some(place) => {
                *place = Place {
                    at: planned.at,
                    length: planned.length,
                };
            }
            None if is_variable || planned.element != Element::Skipped => plan.push(planned),
            None => {}
        }
        // A field of variable length takes at least the byte that says how long it is.
        at += if field.length == VARIABLE {
            1
        } else {
            usize::from(field.length)
        };
    }
    if at == 0 {
        return None;
    }
    Some(Template {
        is_biflow: has(Element::OctetsBackward) || has(Element::PacketsBackward),
        names_initiator: has(Element::OctetsInitiator) || has(Element::PacketsInitiator),
        places,
        plan: plan.into_boxed_slice(),
        layout: if is_variable {
            Layout::Variable { least: at }
        } else {
            Layout::Fixed { bytes: at }
        },
        kind,
        definition: definition.into(),
    })
}

/// Of several elements that say the same, the best: what was counted since the last record before what was counted
/// since the flow began, before what was counted on the way out; times of the day before times of uptime.
fn preferred(element: Element, has: &impl Fn(Element) -> bool) -> Element {
    use Element as E;
    let unless = |better: &[E], same: E| {
        if better.iter().any(|better| has(*better)) {
            E::Skipped
        } else {
            same
        }
    };
    match element {
        E::OctetsInitiator => E::Octets,
        E::Octets => unless(&[E::OctetsInitiator], E::Octets),
        E::OctetsTotal => unless(&[E::Octets, E::OctetsInitiator], E::Octets),
        E::OctetsOut => unless(&[E::Octets, E::OctetsInitiator, E::OctetsTotal], E::Octets),
        E::PacketsInitiator => E::Packets,
        E::Packets => unless(&[E::PacketsInitiator], E::Packets),
        E::PacketsTotal => unless(&[E::Packets, E::PacketsInitiator], E::Packets),
        E::PacketsOut => unless(&[E::Packets, E::PacketsInitiator, E::PacketsTotal], E::Packets),
        E::StartUptime => unless(&[E::StartSecs, E::StartMillis, E::StartNtp], element),
        E::EndUptime => unless(&[E::EndSecs, E::EndMillis, E::EndNtp], element),
        E::StartSecs => unless(&[E::StartMillis, E::StartNtp], element),
        E::EndSecs => unless(&[E::EndMillis, E::EndNtp], element),
        other => other,
    }
}

/// Sets of elements are bits of a number: a template is compiled in one go over its fields, however many there are.
const fn bit(element: Element) -> u64 {
    1 << element as u8
}

const _: () = assert!((Element::TranslatedDestinationPort as u8) < 64);

/// Each end has one address, of either family.
const fn end_of(element: Element) -> Element {
    match element {
        Element::SourceV6 => Element::SourceV4,
        Element::DestinationV6 => Element::DestinationV4,
        other => other,
    }
}

/// Which of the places.
type Which = fn(&mut Places) -> &mut Place;

/// The elements that have places.
const PLACES: [(Element, Which); 16] = [
    (Element::SourceV4, |places| &mut places.source),
    (Element::SourceV6, |places| &mut places.source),
    (Element::DestinationV4, |places| &mut places.destination),
    (Element::DestinationV6, |places| &mut places.destination),
    (Element::SourcePort, |places| &mut places.source_port),
    (Element::DestinationPort, |places| &mut places.destination_port),
    (Element::Protocol, |places| &mut places.protocol),
    (Element::TcpFlags, |places| &mut places.tcp_flags),
    (Element::Octets, |places| &mut places.octets),
    (Element::Packets, |places| &mut places.packets),
    (Element::StartUptime, |places| &mut places.start_uptime),
    (Element::EndUptime, |places| &mut places.end_uptime),
    (Element::StartMillis, |places| &mut places.start_millis),
    (Element::EndMillis, |places| &mut places.end_millis),
    (Element::Ingress, |places| &mut places.ingress),
    (Element::Egress, |places| &mut places.egress),
];

impl Places {
    /// The place of an element, if it has one here.
    fn of(&mut self, element: Element) -> Option<&mut Place> {
        let (_, place) = PLACES.iter().find(|(own, _)| *own == element)?;
        Some(place(self))
    }
}

impl Place {
    /// The field's bytes; `None` where there is none.
    #[inline]
    pub(super) fn of(self, record: &[u8]) -> Option<&[u8]> {
        if self.length == 0 {
            return None;
        }
        let at = usize::from(self.at);
        record.get(at..at + usize::from(self.length))
    }
}

impl Planned {
    /// Takes the bytes of this field from the front of a record of variable layout (RFC 7011 section 7).
    pub(super) fn take<'a>(self, cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
        let length = match self.length {
            VARIABLE => match cursor.u8()? {
                255 => cursor.u16()?,
                short => u16::from(short),
            },
            fixed => fixed,
        };
        cursor.take(usize::from(length))
    }
}
