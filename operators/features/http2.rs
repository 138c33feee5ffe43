//! HTTP/2 in clear (RFC 9113), and which version of HTTP a flow speaks as far as it shows.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::http::{self, Version, frame};
use crate::protocols::tls::{self, Hellos};
use crate::protocols::{Message, Protocols, quic};
use crate::schema::Features;
use std::collections::BTreeSet;

/// Columns of group `http2`, in output order. HTTP/2 inside TLS has no frames that can be seen.
#[derive(Features)]
#[features(
    group = "http2",
    profile = "JJ-EXTENDED",
    source = "RFC 9112, RFC 9113"
)]
pub struct Http2 {
    /// Client connection preface at the start of the initiator stream, or ALPN h2 selected in a visible ServerHello, or an HTTP/1.1
    /// request answered by 101 with Upgrade: h2c.
    #[column(scope = "flow", differs = "http2-guess")]
    pub http2_detected: bool,
    /// The first ALPN offer of the ClientHello in QUIC is "h3" or starts with "h3-".
    #[column(scope = "flow", differs = "http3-bytes")]
    pub http3_detected: bool,
    /// The 24-byte preface starts the initiator stream.
    #[column(scope = "flow", differs = "http2-guess")]
    pub http2_preface_seen: bool,
    /// HTTP/2 frames of all types of both directions whose nine-byte header lies in the first `payload_prefix` bytes: F from behind
    /// the preface, B from its start (after h2c: from behind the 101 response). B counts only if it opens with SETTINGS (RFC 9113
    /// 3.4).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_frame_count: Option<u64>,
    /// Those of type DATA (0).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_data_frames: Option<u64>,
    /// Those of type HEADERS (1).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_headers_frames: Option<u64>,
    /// Those of type SETTINGS (4).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_settings_frames: Option<u64>,
    /// Those of type PUSH_PROMISE (5).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_push_promise_frames: Option<u64>,
    /// Those of type GOAWAY (7).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_goaway_frames: Option<u64>,
    /// Those of type WINDOW_UPDATE (8).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "http2-guess"
    )]
    pub http2_window_update_frames: Option<u64>,
    /// Distinct non-zero stream ids of those frames.
    #[column(
        unit = "count",
        scope = "flow",
        null = "no cleartext HTTP/2",
        differs = "stream-zero"
    )]
    pub http2_streams_estimate: Option<u32>,
    /// A PUSH_PROMISE among those frames of B.
    #[column(scope = "flow", differs = "http2-guess")]
    pub http2_server_push: bool,
    /// At least two distinct non-zero stream ids among those frames.
    #[column(scope = "flow", differs = "stream-zero")]
    pub http2_multiplexed: bool,
    /// "h2" if http2_detected; "h3" if http3_detected; "1.0" or "1.1" if that ALPN was selected visibly; else the version of the
    /// HTTP/1 response that starts B, else of the request that starts F (else the same with F and B exchanged).
    #[column(scope = "flow", null = "none of these", differs = "http2-guess")]
    pub http_version: Option<&'static str>,
}

/// What is kept of an open record: nothing before its first message.
#[derive(Default)]
pub struct State(Option<Box<Facts>>);

#[derive(Default)]
struct Facts {
    /// By direction: the version in the first line, and whether it is that of a response.
    lines: [Option<(Version, bool)>; 2],
    /// What the server chose, where it shows.
    hellos: Hellos<(), Option<Protocol>>,
    is_http3: bool,
    frames: Option<Box<Frames>>,
}

/// An application protocol of interest (IANA, TLS ALPN Protocol IDs).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http2,
    Http1(Version),
}

impl Protocol {
    fn read(name: &[u8]) -> Option<Self> {
        match name {
            b"h2" => Some(Self::Http2),
            b"http/1.0" => Some(Self::Http1(Version::Http10)),
            b"http/1.1" => Some(Self::Http1(Version::Http11)),
            _ => None,
        }
    }
}

/// Frames of both directions, once HTTP/2 opens.
#[derive(Default)]
struct Frames {
    has_preface: bool,
    all: u32,
    /// By type, those that have a column.
    kinds: [u32; 9],
    is_pushed: bool,
    streams: BTreeSet<u32>,
}

impl Facts {
    fn http(&mut self, message: http::Message, from: Direction) {
        let frames = &mut self.frames;
        match message {
            http::Message::Request(version) => self.lines[from as usize] = Some((version, false)),
            http::Message::Response(version) => self.lines[from as usize] = Some((version, true)),
            http::Message::Preface => frames.get_or_insert_default().has_preface = true,
            http::Message::Upgrade => _ = frames.get_or_insert_default(),
            http::Message::Frame(kind, stream) => {
                let frames = frames.get_or_insert_default();
                frames.all += 1;
                if let Some(count) = frames.kinds.get_mut(usize::from(kind)) {
                    *count += 1;
                }
                frames.is_pushed |= kind == frame::PUSH_PROMISE && from == Direction::Backward;
                if stream != 0 {
                    frames.streams.insert(stream);
                }
            }
        }
    }

    /// Version of the first response, else of the first request.
    fn line_version(&self) -> Option<Version> {
        let [forward, backward] = self.lines;
        let response = |line: Option<(Version, bool)>| line.filter(|line| line.1);
        let request = |line: Option<(Version, bool)>| line.filter(|line| !line.1);
        let found = response(backward).or(request(forward));
        let found = found.or(response(forward)).or(request(backward));
        found.map(|line| line.0)
    }
}

impl Extractor for State {
    type Features = Http2;
    type Options = NoOptions;
    type Plan = ();

    fn needs((): &()) -> Needs {
        let hellos = Protocols::TLS.union(Protocols::QUIC);
        Needs::messages(Protocols::HTTP.union(hellos))
    }

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, (): &()) {}

    fn message(&mut self, message: &Message<'_>, from: Direction, _: i64, (): &()) {
        match message {
            Message::Http(message) => self.0.get_or_insert_default().http(*message, from),
            Message::Tls(tls::Message::ClientHello(_)) => {
                self.0.get_or_insert_default().hellos.client(from, || ());
            }
            Message::Tls(tls::Message::ServerHello(hello)) => {
                let chosen = hello.extensions.protocols().next().and_then(Protocol::read);
                self.0
                    .get_or_insert_default()
                    .hellos
                    .server(from, || chosen);
            }
            Message::Quic(quic::Message::ClientHello(hello)) => {
                let offer = hello.extensions.protocols().next();
                let is_http3 = |name: &[u8]| name == b"h3" || name.starts_with(b"h3-");
                self.0.get_or_insert_default().is_http3 = offer.is_some_and(is_http3);
            }
            _ => {}
        }
    }

    fn finish(&self, _: &Flow, (): &()) -> Http2 {
        let facts = self.0.as_deref();
        let frames = facts.and_then(|facts| facts.frames.as_deref());
        let chosen = facts.and_then(|facts| facts.hellos.pair().1.copied().flatten());
        let is_http2 = frames.is_some() || chosen == Some(Protocol::Http2);
        let is_http3 = facts.is_some_and(|facts| facts.is_http3);
        let kind = |kind: u8| frames.map(|frames| frames.kinds[usize::from(kind)].into());
        let line = || facts.and_then(Facts::line_version);
        let streams = frames.map_or(0, |frames| frames.streams.len());
        Http2 {
            http2_detected: is_http2,
            http3_detected: is_http3,
            http2_preface_seen: frames.is_some_and(|frames| frames.has_preface),
            http2_frame_count: frames.map(|frames| frames.all.into()),
            http2_data_frames: kind(frame::DATA),
            http2_headers_frames: kind(frame::HEADERS),
            http2_settings_frames: kind(frame::SETTINGS),
            http2_push_promise_frames: kind(frame::PUSH_PROMISE),
            http2_goaway_frames: kind(frame::GOAWAY),
            http2_window_update_frames: kind(frame::WINDOW_UPDATE),
            http2_streams_estimate: frames.map(|_| streams as u32),
            http2_server_push: frames.is_some_and(|frames| frames.is_pushed),
            http2_multiplexed: streams >= 2,
            http_version: match chosen {
                _ if is_http2 => Some("h2"),
                _ if is_http3 => Some("h3"),
                Some(Protocol::Http1(version)) => Some(version.name()),
                _ => line().map(Version::name),
            },
        }
    }

    fn heap_bytes(&self) -> usize {
        // a node of the set holds 11 identifiers
        let streams = |frames: &Frames| frames.streams.len() * 2 * size_of::<u32>();
        let frames = |frames: &Frames| size_of::<Frames>() + streams(frames);
        self.0.as_deref().map_or(0, |facts| {
            size_of::<Facts>() + facts.frames.as_deref().map_or(0, frames)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Packets;
    use super::*;
    use Direction::{Backward, Forward};
    use http::Message as Http;

    fn row(messages: &[(Direction, Http)]) -> Http2 {
        let mut state = State::default();
        for (from, message) in messages {
            state.message(&Message::Http(*message), *from, 0, &());
        }
        state.finish(&Packets::tcp().flow, &())
    }

    #[test]
    fn frames_are_counted_by_type() {
        let row = row(&[
            (Forward, Http::Preface),
            (Forward, Http::Frame(frame::SETTINGS, 0)),
            (Forward, Http::Frame(frame::HEADERS, 1)),
            (Backward, Http::Frame(frame::PUSH_PROMISE, 1)),
            (Backward, Http::Frame(frame::DATA, 2)),
            (Backward, Http::Frame(200, 2)),
        ]);
        assert!(row.http2_detected && row.http2_preface_seen && row.http2_server_push);
        assert_eq!(
            (row.http2_frame_count, row.http2_data_frames),
            (Some(5), Some(1))
        );
        assert_eq!(
            (row.http2_streams_estimate, row.http2_multiplexed),
            (Some(2), true)
        );
        assert_eq!(
            (row.http2_goaway_frames, row.http_version),
            (Some(0), Some("h2"))
        );
    }

    #[test]
    fn a_response_tells_the_version_before_a_request() {
        let ask = (Forward, Http::Request(Version::Http10));
        let answer = (Backward, Http::Response(Version::Http11));
        assert_eq!(row(&[ask, answer]).http_version, Some("1.1"));
        assert_eq!(row(&[ask]).http_version, Some("1.0"));
        let turned = (Forward, Http::Response(Version::Http11));
        let asked = (Backward, Http::Request(Version::Http10));
        assert_eq!(row(&[asked, turned]).http_version, Some("1.1"));
        assert_eq!(row(&[]).http_version, None);
        assert_eq!(row(&[ask]).http2_frame_count, None);
    }
}
