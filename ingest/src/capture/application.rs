//! What is said in a flow.

/// Application protocol, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Application {
    Dns,
    Tls,
    Http,
    Ssh,
    Smtp,
}

/// Both directions of a TCP connection while they are of interest.
#[derive(Debug)]
pub(super) struct Conversation;

impl Application {
    /// As written in `network.protocol`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Smtp => "smtp",
        }
    }
}
