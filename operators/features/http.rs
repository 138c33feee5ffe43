//! What HTTP/1 says in clear (RFC 9110, RFC 9112).
//!
//! Bodies are passed over. HTTP/2 is in `http2`.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::http::Part;
use crate::protocols::{Message, Protocols, ssh};
use crate::schema::Features;

/// Columns of group `http`, in output order. A message is one of HTTP/1.0 or HTTP/1.1: the first at the start of a direction of the
/// stream, each further one behind the body of the one before (RFC 9112 section 6), whose first line lies wholly in the first
/// `payload_prefix` bytes. Its fields are those whose lines do; white space around values is removed, folded lines are joined by one
/// space. Bytes outside 0x20..0x7e are shown as %XX.
#[derive(Features)]
#[features(profile = "JF-EXTRA", source = "RFC 9110, RFC 9112")]
pub struct Http {
    /// Method of the request that starts the stream of the initiator: a line of token, target and HTTP/1.0 or HTTP/1.1 with one space
    /// between, ended by LF (CR before it dropped).
    #[column(scope = "fwd", split = "no", null = "no request of the initiator")]
    pub http_method: Option<String>,
    /// Value of the first Host field of that request, its first 1,024 bytes.
    #[column(
        private = "name",
        scope = "fwd",
        split = "no",
        null = "no request of the initiator or no Host in it"
    )]
    pub http_host: Option<String>,
    /// Target of that request, its first 1,024 bytes.
    #[column(
        private = "name",
        scope = "fwd",
        split = "no",
        null = "no request of the initiator"
    )]
    pub http_uri: Option<String>,
    /// Value of the first User-Agent field of that request, its first 1,024 bytes.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no request of the initiator or no User-Agent in it"
    )]
    pub http_user_agent: Option<String>,
    /// Status of the first response of the responder that is final: not 1xx, but for 101.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no final response of the responder"
    )]
    pub http_status: Option<u16>,
    /// Value of the first Content-Type field of that response, its first 1,024 bytes.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no final response of the responder or no Content-Type in it"
    )]
    pub http_content_type: Option<String>,
    /// Requests of the initiator.
    #[column(unit = "count", scope = "fwd", split = "no", null = "not HTTP/1")]
    pub http_requests: Option<u32>,
    /// Responses of the responder that are final.
    #[column(unit = "count", scope = "bwd", split = "no", null = "not HTTP/1")]
    pub http_responses: Option<u32>,
}

/// Bytes kept of a value.
const VALUE: usize = 1024;

/// What is kept of an open record: nothing before its first message.
#[derive(Default)]
pub struct State(Option<Box<Facts>>);

#[derive(Default)]
struct Facts {
    method: Option<Value>,
    target: Option<Value>,
    host: Option<Value>,
    agent: Option<Value>,
    status: Option<u16>,
    content_type: Option<Value>,
    /// By direction: messages that count, and what the next line may go on with.
    counts: [u32; 2],
    open: [Option<Kept>; 2],
    /// By direction, whether fields are those of the message that is looked at.
    is_first: [bool; 2],
}

/// Fields that have a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Host,
    Agent,
    ContentType,
}

/// The first bytes of a value.
#[derive(Default)]
struct Value(Box<[u8]>);

impl Value {
    fn new(bytes: &[u8]) -> Self {
        Self(bytes.get(..VALUE).unwrap_or(bytes).into())
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.0.len() < VALUE {
            *self = Self::new(&[&self.0, &b" "[..], bytes].concat());
        }
    }

    fn text(value: &Option<Self>) -> Option<String> {
        value.as_ref().map(|value| ssh::text(&value.0))
    }
}

impl Facts {
    fn part(&mut self, part: &Part<'_>, from: Direction) {
        let side = from as usize;
        match (part, from) {
            (Part::Request { method, target, .. }, Direction::Forward) => {
                self.is_first[side] = self.counts[side] == 0;
                self.counts[side] = self.counts[side].saturating_add(1);
                self.open[side] = None;
                if self.is_first[side] {
                    self.method = Some(Value::new(method));
                    self.target = Some(Value::new(target));
                }
            }
            (Part::Response(status), Direction::Backward) => {
                let is_final = !(100..200).contains(status) || *status == 101;
                self.is_first[side] = is_final && self.counts[side] == 0;
                self.counts[side] = self.counts[side].saturating_add(is_final.into());
                self.open[side] = None;
                if self.is_first[side] {
                    self.status = Some(*status);
                }
            }
            (Part::Field { name, value }, _) => {
                self.open[side] = None;
                let Some(kept) = kept(name, from).filter(|_| self.is_first[side]) else {
                    return;
                };
                let place = self.place(kept);
                if place.is_none() {
                    *place = Some(Value::new(value));
                    self.open[side] = Some(kept);
                }
            }
            (Part::Folded(value), _) => {
                if let Some(kept) = self.open[side]
                    && let Some(open) = self.place(kept)
                {
                    open.extend(value);
                }
            }
            (Part::Body | Part::Request { .. } | Part::Response(_), _) => {
                self.is_first[side] = false;
            }
        }
    }

    fn place(&mut self, kept: Kept) -> &mut Option<Value> {
        match kept {
            Kept::Host => &mut self.host,
            Kept::Agent => &mut self.agent,
            Kept::ContentType => &mut self.content_type,
        }
    }
}

fn kept(name: &[u8], from: Direction) -> Option<Kept> {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    match from {
        Direction::Forward if is("Host") => Some(Kept::Host),
        Direction::Forward if is("User-Agent") => Some(Kept::Agent),
        Direction::Backward if is("Content-Type") => Some(Kept::ContentType),
        _ => None,
    }
}

impl Extractor for State {
    type Features = Http;
    type Options = NoOptions;
    type Plan = ();

    fn needs((): &()) -> Needs {
        Needs::messages(Protocols::HTTP1)
    }

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, (): &()) {}

    fn message(&mut self, message: &Message<'_>, from: Direction, _: i64, (): &()) {
        if let Message::Http1(part) = message {
            self.0.get_or_insert_default().part(part, from);
        }
    }

    fn finish(&self, _: &Flow, (): &()) -> Http {
        let facts = self.0.as_deref();
        let text =
            |of: fn(&Facts) -> &Option<Value>| facts.and_then(|facts| Value::text(of(facts)));
        Http {
            http_method: text(|facts| &facts.method),
            http_host: text(|facts| &facts.host),
            http_uri: text(|facts| &facts.target),
            http_user_agent: text(|facts| &facts.agent),
            http_status: facts.and_then(|facts| facts.status),
            http_content_type: text(|facts| &facts.content_type),
            http_requests: facts.map(|facts| facts.counts[0]),
            http_responses: facts.map(|facts| facts.counts[1]),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |facts| {
            let values = [
                &facts.method,
                &facts.target,
                &facts.host,
                &facts.agent,
                &facts.content_type,
            ];
            let bytes = values.into_iter().flatten().map(|value| value.0.len());
            size_of::<Facts>() + bytes.sum::<usize>()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Packets;
    use super::*;
    use crate::protocols::http::Messages;
    use Direction::{Backward, Forward};

    fn row(streams: &[(Direction, &[u8])]) -> Http {
        let mut state = State::default();
        for (from, bytes) in streams {
            Messages::default().push(bytes, &mut |part| {
                state.message(&Message::Http1(part), *from, 0, &());
            });
        }
        state.finish(&Packets::tcp().flow, &())
    }

    #[test]
    fn the_first_request_and_the_first_final_response() {
        let row = row(&[
            (
                Forward,
                b"GET /a?b HTTP/1.1\r\nHOST: x\xff\r\nHost: y\r\nUser-Agent: a\r\n  b\r\n\r\nGET /c HTTP/1.1\r\nHost: z\r\n\r\n",
            ),
            (
                Backward,
                b"HTTP/1.1 100 x\r\nContent-Type: no\r\n\r\nHTTP/1.1 404 x\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n",
            ),
        ]);
        assert_eq!(row.http_method.as_deref(), Some("GET"));
        assert_eq!(row.http_uri.as_deref(), Some("/a?b"));
        assert_eq!(row.http_host.as_deref(), Some("x%FF"));
        assert_eq!(row.http_user_agent.as_deref(), Some("a b"));
        assert_eq!(
            (row.http_status, row.http_requests, row.http_responses),
            (Some(404), Some(2), Some(2))
        );
        assert_eq!(row.http_content_type.as_deref(), Some("text/html"));
    }

    #[test]
    fn fields_that_are_not_there_and_sides_that_are_turned() {
        let bare = row(&[(Forward, b"GET / HTTP/1.0\n\n")]);
        assert_eq!((bare.http_host, bare.http_status), (None, None));
        assert_eq!(
            (bare.http_requests, bare.http_responses),
            (Some(1), Some(0))
        );
        let turned = row(&[(Backward, b"GET / HTTP/1.0\nHost: x\n\n")]);
        assert_eq!((turned.http_method, turned.http_host), (None, None));
        let none = row(&[(Forward, b"HELO x\r\n")]);
        assert_eq!((none.http_method, none.http_requests), (None, None));
        let long = [&b"GET "[..], &[b'x'; 2000], b" HTTP/1.1\r\n"].concat();
        let long = row(&[(Forward, &long)]);
        assert_eq!(long.http_uri.map(|uri| uri.len()), Some(1024));
    }
}
