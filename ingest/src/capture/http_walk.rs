//! One direction of an HTTP/1 connection: from head to head, past bodies and chunks (RFC 9112 sections 6 and 7).

use super::http;

/// Where one direction of a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SideState {
    /// A head, hello or length comes next, or its rest.
    Head,
    /// So many bytes of a body are still to come; then a head, or the line of the next chunk.
    Body { left: u64, chunked: bool },
    /// The line before a chunk comes next.
    ChunkLine,
    /// A head may come at the beginning of any segment.
    Seek,
}

/// A head that was read.
pub(super) enum HttpHead {
    Request(http::Request),
    Response(http::Answer),
}

/// Bytes used, the next state, and a head if one was read.
pub(super) type HttpStep = (usize, SideState, Option<HttpHead>);

/// A step through what the client sends.
pub(super) fn request_step(state: SideState, rest: &[u8]) -> HttpStep {
    http_step(state, rest, http::is_request, |rest| match http::request(rest) {
        http::Progress::Complete(head) => {
            http::Progress::Complete((head.bytes, head.body, HttpHead::Request(head.said)))
        }
        http::Progress::Partial => http::Progress::Partial,
        http::Progress::Not => http::Progress::Not,
    })
}

/// A step through what the server sends; `to_head` if the answer has a length and no body.
pub(super) fn response_step(state: SideState, rest: &[u8], to_head: bool) -> HttpStep {
    http_step(state, rest, http::is_response, |rest| {
        match http::response(rest) {
            http::Progress::Complete(head) => {
                let body = if to_head { http::Body::Length(0) } else { head.body };
                http::Progress::Complete((head.bytes, body, HttpHead::Response(head.said)))
            }
            http::Progress::Partial => http::Progress::Partial,
            http::Progress::Not => http::Progress::Not,
        }
    })
}

/// One step through a direction: bytes used, the next state, and a head if one was read. A step that uses nothing and
/// changes nothing waits for more.
fn http_step(
    state: SideState,
    rest: &[u8],
    begins: fn(&[u8]) -> bool,
    read: impl Fn(&[u8]) -> http::Progress<(usize, http::Body, HttpHead)>,
) -> HttpStep {
    match state {
        SideState::Body { left, chunked } => {
            let used = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let next = match (left - used as u64, chunked) {
                (0, true) => SideState::ChunkLine,
                (0, false) => SideState::Head,
                (left, chunked) => SideState::Body { left, chunked },
            };
            (used, next, None)
        }
        SideState::ChunkLine => match http::chunk(rest) {
            // After the last chunk come trailers, as a rule none: two bytes of an empty line.
            http::Progress::Complete((line, 0)) => (
                line,
                SideState::Body {
                    left: 2,
                    chunked: false,
                },
                None,
            ),
            http::Progress::Complete((line, size)) => (
                line,
                SideState::Body {
                    left: size.saturating_add(2),
                    chunked: true,
                },
                None,
            ),
            http::Progress::Partial => (0, state, None),
            http::Progress::Not => (rest.len(), SideState::Seek, None),
        },
        SideState::Seek if begins(rest) => (0, SideState::Head, None),
        SideState::Seek => (rest.len(), SideState::Seek, None),
        SideState::Head => match read(rest) {
            http::Progress::Complete((bytes, body, head)) => {
                let next = match body {
                    http::Body::Length(0) => SideState::Head,
                    http::Body::Length(left) => SideState::Body { left, chunked: false },
                    http::Body::Chunked => SideState::ChunkLine,
                    http::Body::Unknown => SideState::Seek,
                };
                // What follows in the same segment is body, not the beginning of anything.
                let used = if next == SideState::Seek {
                    rest.len()
                } else {
                    bytes
                };
                (used, next, Some(head))
            }
            http::Progress::Partial if rest.len() < http::HEAD_BYTES_MAX => (0, state, None),
            http::Progress::Partial | http::Progress::Not => (rest.len(), SideState::Seek, None),
        },
    }
}
