//! The words of a filter: from text to what is wanted.

use std::net::IpAddr;

use super::FilterError;

/// Parentheses and negations in each other: more than anybody writes, few enough for any stack.
const DEPTH_MAX: usize = 64;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Not(Box<Wanted>),
    And(Box<Wanted>, Box<Wanted>),
    Or(Box<Wanted>, Box<Wanted>),
    /// Packets of a protocol.
    Protocol(Protocol),
    /// The outer tag, of any or of this VLAN.
    Vlan(Option<u16>),
    /// An address in a network: of this many bits. With or without a protocol that must carry it.
    Net {
        carrier: Option<Protocol>,
        side: Side,
        address: IpAddr,
        bits: u8,
    },
    /// A port from the first to the last.
    Port {
        carrier: Option<Protocol>,
        side: Side,
        first: u16,
        last: u16,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ip,
    Ip6,
    Arp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
}

/// Which end is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Either,
    Source,
    Destination,
}

/// What kind of value follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
}

/// The words before a value, which the next value takes along.
#[derive(Clone, Copy, Debug)]
struct Before {
    carrier: Option<Protocol>,
    side: Side,
    kind: Kind,
}

const PROTOCOLS: [(&str, Protocol); 8] = [
    ("ip", Protocol::Ip),
    ("ip6", Protocol::Ip6),
    ("arp", Protocol::Arp),
    ("tcp", Protocol::Tcp),
    ("udp", Protocol::Udp),
    ("sctp", Protocol::Sctp),
    ("icmp", Protocol::Icmp),
    ("icmp6", Protocol::Icmp6),
];

const KINDS: [(&str, Kind); 4] = [
    ("host", Kind::Host),
    ("net", Kind::Net),
    ("port", Kind::Port),
    ("portrange", Kind::PortRange),
];

/// Reads a whole filter.
pub(super) fn read(text: &str) -> Result<Wanted, FilterError> {
    let mut reader = Reader {
        words: split(text),
        at: 0,
        end: text.chars().count() + 1,
        before: None,
        depth: 0,
    };
    let wanted = reader.joined()?;
    match reader.peek() {
        None => Ok(wanted),
        Some(")") => Err(reader.wrong("this closes nothing, take it away")),
        Some(word) => {
            let detail = format!("`{word}` follows without `and` or `or` before it");
            Err(reader.wrong(detail))
        }
    }
}

/// Words and signs, each with its column.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, letter) in text.chars().enumerate() {
        let is_sign = matches!(letter, '(' | ')' | '!');
        if letter.is_whitespace() {
            goes_on = false;
        } else if !is_sign
            && goes_on
            && let Some((_, word)) = words.last_mut()
        {
            word.push(letter);
        } else {
            words.push((index + 1, letter.to_string()));
            goes_on = !is_sign;
        }
    }
    words
}

struct Reader {
    words: Vec<(usize, String)>,
    at: usize,
    /// The column after the last letter.
    end: usize,
    before: Option<Before>,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|(_, word)| word.as_str())
    }

    fn take(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?.1.clone();
        self.at += 1;
        Some(word)
    }

    /// Takes a word if it is one of these.
    fn take_one_of<T: Copy>(&mut self, known: &[(&str, T)]) -> Option<T> {
        let word = self.peek()?;
        let found = known.iter().find(|(name, _)| *name == word)?.1;
        self.at += 1;
        Some(found)
    }

    /// An error at the next word.
    fn wrong(&self, detail: impl Into<String>) -> FilterError {
        FilterError {
            column: self.words.get(self.at).map_or(self.end, |(column, _)| *column),
            detail: detail.into(),
        }
    }

    /// Parts joined by `and` and `or`, which bind equally.
    fn joined(&mut self) -> Result<Wanted, FilterError> {
        let mut left = self.part()?;
        while let Some(is_and) =
            self.take_one_of(&[("and", true), ("&&", true), ("or", false), ("||", false)])
        {
            let right = self.part()?;
            left = if is_and {
                Wanted::And(Box::new(left), Box::new(right))
            } else {
                Wanted::Or(Box::new(left), Box::new(right))
            };
        }
        Ok(left)
    }

    fn part(&mut self) -> Result<Wanted, FilterError> {
        if DEPTH_MAX <= self.depth {
            return Err(self.wrong(format!("more than {DEPTH_MAX} parentheses are in each other")));
        }
        self.depth += 1;
        let part = self.one();
        self.depth -= 1;
        part
    }

    fn one(&mut self) -> Result<Wanted, FilterError> {
        if self.take_one_of(&[("not", ()), ("!", ())]).is_some() {
            return Ok(Wanted::Not(Box::new(self.part()?)));
        }
        if self.take_one_of(&[("(", ())]).is_some() {
            let opened = self.at - 1;
            let inside = self.joined()?;
            if self.take_one_of(&[(")", ())]).is_some() {
                return Ok(inside);
            }
            if self.peek().is_none() {
                self.at = opened;
                return Err(self.wrong("this is never closed, write `)` where it ends"));
            }
            return Err(self.wrong("`and`, `or` or `)` is missing before this"));
        }
        if self.take_one_of(&[("vlan", ())]).is_some() {
            return self.vlan();
        }
        let start = self.at;
        let carrier = self.take_one_of(&PROTOCOLS);
        let side = self.take_one_of(&[("src", Side::Source), ("dst", Side::Destination)]);
        let kind = self.take_one_of(&KINDS);
        let before = match (carrier, side, kind) {
            (Some(carrier), None, None) => return Ok(Wanted::Protocol(carrier)),
            (None, None, None) => self.taken_along()?,
            // `src 192.0.2.1` asks for a host.
            (carrier, side, kind) => Before {
                carrier,
                side: side.unwrap_or(Side::Either),
                kind: kind.unwrap_or(Kind::Host),
            },
        };
        self.before = Some(before);
        let value = self.value(before)?;
        if let Some(detail) = misfit(&value) {
            self.at = start;
            return Err(self.wrong(detail));
        }
        Ok(value)
    }

    /// What a value without words before it is: as the one before, or a host.
    fn taken_along(&self) -> Result<Before, FilterError> {
        let Some(word) = self.peek() else {
            return Err(self.wrong("a word is missing here, such as `host 192.0.2.1` or `tcp`"));
        };
        if word.starts_with(|c: char| c.is_ascii_digit()) || word.parse::<IpAddr>().is_ok() {
            return Ok(self.before.unwrap_or(Before {
                carrier: None,
                side: Side::Either,
                kind: Kind::Host,
            }));
        }
        Err(self.wrong(format!(
            "`{word}` is no word of a filter; known are not, and, or, (, ), ip, ip6, arp, tcp, udp, sctp, icmp, icmp6, \
             vlan, src, dst, host, net, port and portrange"
        )))
    }

    fn vlan(&mut self) -> Result<Wanted, FilterError> {
        let Some(word) = self
            .peek()
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        else {
            return Ok(Wanted::Vlan(None));
        };
        let number = word.parse().ok().filter(|number| *number < 4096);
        let number =
            number.ok_or_else(|| self.wrong(format!("`{word}` is no VLAN, they go from 0 to 4095")))?;
        self.at += 1;
        Ok(Wanted::Vlan(Some(number)))
    }

    fn value(&mut self, before: Before) -> Result<Wanted, FilterError> {
        let Before { carrier, side, kind } = before;
        let column = self.at;
        let missing = match kind {
            Kind::Host => "an address is missing here",
            Kind::Net => "a network is missing here, write one as 10.20.0.0/24",
            Kind::Port => "a port is missing here",
            Kind::PortRange => "ports are missing here, write them as 6000-6010",
        };
        let word = self.take().ok_or_else(|| self.wrong(missing))?;
        let wrong = |reader: &mut Self, detail: String| {
            reader.at = column;
            reader.wrong(detail)
        };
        let port = |text: &str| text.parse::<u16>().ok();
        match kind {
            Kind::Host => {
                let address: IpAddr = word
                    .parse()
                    .map_err(|_| wrong(self, format!("`{word}` is no address; names are not looked up")))?;
                let bits = if address.is_ipv4() { 32 } else { 128 };
                Ok(Wanted::Net {
                    carrier,
                    side,
                    address,
                    bits,
                })
            }
            Kind::Net => {
                let (address, bits) = network(&word).map_err(|detail| wrong(self, detail))?;
                Ok(Wanted::Net {
                    carrier,
                    side,
                    address,
                    bits,
                })
            }
            Kind::Port => {
                let first = port(&word)
                    .ok_or_else(|| wrong(self, format!("`{word}` is no port, write its number")))?;
                Ok(Wanted::Port {
                    carrier,
                    side,
                    first,
                    last: first,
                })
            }
            Kind::PortRange => {
                let range = word
                    .split_once('-')
                    .and_then(|(first, last)| port(first).zip(port(last)));
                let (first, last) = range.filter(|(first, last)| first <= last).ok_or_else(|| {
                    wrong(
                        self,
                        format!("`{word}` is no range of ports, write one as 6000-6010"),
                    )
                })?;
                Ok(Wanted::Port {
                    carrier,
                    side,
                    first,
                    last,
                })
            }
        }
    }
}

/// A network whose host part is zero.
fn network(word: &str) -> Result<(IpAddr, u8), String> {
    let unknown = || format!("`{word}` is no network, write one as 10.20.0.0/24 or 2001:db8::/64");
    let (address, bits) = word.split_once('/').ok_or_else(unknown)?;
    let address: IpAddr = address.parse().map_err(|_| unknown())?;
    let bits: u8 = bits.parse().map_err(|_| unknown())?;
    let (number, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    if width < bits {
        return Err(unknown());
    }
    let host = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
    if number & host == 0 {
        Ok((address, bits))
    } else {
        Err(format!(
            "`{word}` is an address in a network, write zeros after its first {bits} bits"
        ))
    }
}

/// Why words do not belong together.
fn misfit(value: &Wanted) -> Option<String> {
    match value {
        Wanted::Net {
            carrier: Some(carrier),
            address,
            ..
        } => {
            let fits = match carrier {
                Protocol::Ip | Protocol::Arp => address.is_ipv4(),
                Protocol::Ip6 => address.is_ipv6(),
                Protocol::Tcp | Protocol::Udp | Protocol::Sctp | Protocol::Icmp | Protocol::Icmp6 => false,
            };
            (!fits).then(|| {
                format!("this protocol has no address such as {address}, write `… and host {address}`")
            })
        }
        Wanted::Port {
            carrier: Some(carrier),
            ..
        } => {
            let fits = matches!(carrier, Protocol::Tcp | Protocol::Udp | Protocol::Sctp);
            (!fits).then(|| "this protocol has no ports; tcp, udp and sctp have".to_owned())
        }
        Wanted::Net { .. }
        | Wanted::Port { .. }
        | Wanted::Not(_)
        | Wanted::And(..)
        | Wanted::Or(..)
        | Wanted::Protocol(_)
        | Wanted::Vlan(_) => None,
    }
}
