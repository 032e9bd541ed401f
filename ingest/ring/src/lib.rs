//! Packets of a network interface, by the kernel's ring (`AF_PACKET` with `TPACKET_V3`), and filters for it.
//!
//! [`Ring`] is the only place with unsafe code: it maps the ring and asks for it. What lies in a block is walked by
//! [`walk`], and what a filter means is decided by [`Filter`]; both are pure and see bytes only. Nothing here knows what
//! is in a packet beyond its link header, or what becomes of it.

mod block;
mod filter;
mod ring;

pub use block::{RawFrame, STATUS_END, Walk, walk};
pub use filter::{Filter, FilterError};
pub use ring::{Block, Group, OpenError, Ring, RingError, RingOptions, Statistics};
