//! What is read from strangers, by [`Target`]: each takes arbitrary bytes, comes to an end, and holds more than that nothing
//! panics.
//!
//! ```text
//! capture          a file of packets: what was counted is what there was, in whatever chunks it came
//! dhcp … unknown   a conversation on that protocol's port, over IPv4 and IPv6: both tell the same
//! flows            datagrams of exporters, with a restart in between
//! access … zeek    lines of a log: each becomes one record
//! evtx, file       files, as they are opened, compressed or not
//! stream           syslog over TCP, in whatever chunks it came
//! spool            a segment of the spool after damage: each record is handed out or counted as lost
//! bundle … reveal  what the centre and sensors tell each other, and people write for them
//! answer … report  what comes in JSON over HTTPS; an event as the bus brings it
//! feed, rules      what others write to be looked for
//! ```
//!
//! What becomes an event goes on as in a sensor: what may not leave is taken out, and what is written is read again.
//! [`seeds`] has something that each target understands; `scripts/fuzz` looks for what no one thought of.

#![forbid(unsafe_code)]

mod account;
mod centre;
pub mod conversation;
mod exchanged;
mod exporters;
mod files;
mod lines;
mod packets;
mod quic;
pub mod seeds;
mod segment;
mod target;

pub use account::Account;
pub use target::{Reader, Target};
