//! Filters: which packets are wanted, in the words of `tcpdump`.
//!
//! `[not] ip|ip6|arp|tcp|udp|sctp|icmp|icmp6|vlan`, `[src|dst] host|net|port|portrange`, joined by `and`, `or` and
//! parentheses. As with `tcpdump`, `and` and `or` bind equally and from the left, and a value after them takes the words
//! before it along: `port 80 or 443`. Read by [`words`], translated by [`code`] to the kernel's instructions, which
//! [`machine`] can run as well.
//!
//! One thing differs: the kernel takes a frame's outer VLAN tag out before a filter sees it. So all words look behind that
//! tag, and `vlan` asks for it, wherever it stands.

mod code;
mod machine;
mod words;

use thiserror::Error;

pub(crate) use code::Instruction;

/// A filter that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    instructions: Vec<Instruction>,
}

/// Why a filter was not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("column {column}: {detail}")]
pub struct FilterError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What is wrong, and what would mend it.
    pub detail: String,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`], with the place and the mend.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let wanted = words::read(text)?;
        let instructions = code::translate(&wanted).ok_or(FilterError {
            column: 1,
            detail: format!(
                "it takes more than the {} instructions that the kernel allows, say less",
                code::INSTRUCTIONS_MAX
            ),
        })?;
        Ok(Self {
            text: text.to_owned(),
            instructions,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a frame passes: without its outer VLAN tag, whose content is `tag`.
    #[must_use]
    pub fn accepts(&self, frame: &[u8], tag: Option<u16>) -> bool {
        machine::run(&self.instructions, frame, tag) != 0
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}

#[cfg(test)]
mod tests;
