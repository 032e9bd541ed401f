//! HTTP/1 in a conversation: requests wait for their answers, and answers find their requests.

use super::{
    super::{
        flow::Direction,
        http,
        http_walk::{HttpHead, SideState, request_step, response_step},
        tls,
    },
    Application, Conversation, Moment, Said, Statement, Subject, WAITING_MAX,
};

impl Conversation {
    /// The next bytes of an HTTP/1 connection.
    pub(super) fn http(
        &mut self,
        from: Direction,
        client: Direction,
        joined: bool,
        bytes: &[u8],
        moment: &mut Moment,
        out: &mut Vec<Statement>,
    ) {
        if from == client && self.side(from).state == SideState::Seek && tls::is_client_hello(bytes) {
            // Behind a CONNECT.
            out.extend(self.waiting.drain(..));
            return self.begin_tls(from, bytes, moment, out);
        }
        let side = self.side(from);
        match side.state {
            // The long way of a body is short.
            SideState::Body { left, chunked } if (bytes.len() as u64) < left => {
                side.state = SideState::Body {
                    left: left - bytes.len() as u64,
                    chunked,
                };
                return;
            }
            SideState::Seek if !http::is_request(bytes) && !http::is_response(bytes) => return,
            SideState::Body { .. } | SideState::Seek | SideState::Head | SideState::ChunkLine => {}
        }
        let mut held = std::mem::take(&mut side.buffer);
        held.extend_from_slice(bytes);
        let mut state = side.state;
        let was_seeking = state == SideState::Seek;
        let mut rest = &held[..];
        let mut joined = joined;
        while !rest.is_empty() {
            let (used, next, head) = if from == client {
                request_step(state, rest)
            } else {
                let to_head = self.waiting.front().is_some_and(Statement::asks_for_head_only);
                response_step(state, rest, to_head)
            };
            if used == 0 && next == state {
                break;
            }
            rest = rest.get(used..).unwrap_or_default();
            state = next;
            if head.is_some() {
                self.application = Some(Application::Http);
            }
            match head {
                Some(HttpHead::Request(request)) => {
                    let statement = moment.statement(client, Said::Http(request));
                    joined &= self.waiting.len() < WAITING_MAX;
                    self.ask(statement, joined, out);
                }
                Some(HttpHead::Response(answer))
                    if joined && !was_seeking && self.waiting.is_empty() && !answer.is_interim() =>
                {
                    // Of a request on another way, or of what is none.
                    out.push(moment.statement(client, Said::Http(http::Request::unseen(answer))));
                }
                Some(HttpHead::Response(answer)) => self.answer(answer, was_seeking, out),
                None => {}
            }
        }
        let kept = if state == SideState::Seek {
            Vec::new()
        } else {
            rest.to_vec()
        };
        let side = self.side(from);
        side.state = state;
        side.buffer = kept;
        self.subject = Subject::Http { client, joined };
    }

    /// Lets a request wait for its answer; if answers can't be told apart any more, nothing waits.
    fn ask(&mut self, statement: Statement, joined: bool, out: &mut Vec<Statement>) {
        if joined {
            self.waiting.push_back(statement);
        } else {
            out.extend(self.waiting.drain(..));
            out.push(statement);
        }
    }

    /// Joins a status to the request that it answers.
    fn answer(&mut self, answer: http::Answer, found_by_seeking: bool, out: &mut Vec<Statement>) {
        // Continue and early hints come before the answer.
        if answer.is_interim() {
            return;
        }
        if found_by_seeking && 1 < self.waiting.len() {
            // An answer may have been missed between: better none than a wrong one.
            out.extend(self.waiting.drain(..));
            return;
        }
        let Some(mut statement) = self.waiting.pop_front() else {
            return;
        };
        if let Said::Http(request) = &mut statement.said {
            request.answer = Some(answer);
        }
        out.push(statement);
    }
}
