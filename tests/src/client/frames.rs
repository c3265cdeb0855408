//! HTTP/2 frames one by one (RFC 9113 §4, §6), also those no client should send.

use super::{Raw, hpack};
use crate::wait;
use std::net::SocketAddr;
use std::time::Duration;

/// Frame types.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of the RFC")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Frame flags.
pub mod flag {
    #![allow(missing_docs, reason = "the names are those of the RFC")]
    pub const NONE: u8 = 0;
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    /// A whole request without a body.
    pub const WHOLE: u8 = END_STREAM | END_HEADERS;
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Stream; 0 = the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// How a stream or the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// An answer with this status, whole.
    Answer(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code that is not zero.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
    /// Nothing of it in time.
    Silence,
}

impl Ended {
    /// Whether it is a refusal: a 4xx or 5xx, a reset, or the end of the connection.
    pub fn refused(self) -> bool {
        match self {
            Self::Answer(status) => (400..600).contains(&status),
            Self::Reset(_) | Self::GoAway(_) | Self::Closed => true,
            Self::Silence => false,
        }
    }
}

/// A connection to write frames on.
#[derive(Debug)]
pub struct Frames {
    raw: Raw,
    statuses: Vec<(u32, u16)>,
}

impl Frames {
    /// Connects, sends preface and SETTINGS, and takes the other side's SETTINGS.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(Raw::connect(address))
    }

    /// As [`Frames::connect`], over a connection that is there.
    pub fn over(raw: Raw) -> Self {
        // No dynamic table towards us: the status reader keeps none.
        Self::with_settings(raw, &[(1, 0)])
    }

    /// As [`Frames::over`], with these settings.
    pub fn with_settings(raw: Raw, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self { raw, statuses: Vec::new() };
        frames.raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.settings(settings);
        let first = frames.next(wait::PATIENCE).expect("SETTINGS");
        assert_eq!((first.kind, first.flags), (kind::SETTINGS, 0), "the first frame");
        frames.frame(kind::SETTINGS, flag::ACK, 0, &[]);
        frames
    }

    /// Any frame; `false` when the other side does not take it any more.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.raw.send(Self::bytes(kind, flags, stream, payload))
    }

    /// The bytes of a frame.
    pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut out = length[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    /// Bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.raw.send(bytes)
    }

    /// A header block of literals.
    pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        fields.iter().flat_map(|(name, value)| hpack::literal(name.as_bytes(), value.as_bytes())).collect()
    }

    /// A header block of literals, any bytes.
    pub fn block_of_bytes(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
        fields.iter().flat_map(|(name, value)| hpack::literal(name, value)).collect()
    }

    /// One field that goes into the dynamic table of the other side.
    pub fn indexed(name: &str, value: &str) -> Vec<u8> {
        hpack::indexed_literal(name.as_bytes(), value.as_bytes())
    }

    /// HEADERS with literals.
    pub fn headers(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> bool {
        let block = Self::block(fields);
        self.frame(kind::HEADERS, flags, stream, &block)
    }

    /// A GET of `path`, whole.
    pub fn get(&mut self, stream: u32, path: &str) -> bool {
        self.headers(stream, flag::WHOLE, &Self::pseudo("GET", path))
    }

    /// The four pseudo-headers of a request to host `a`.
    pub fn pseudo<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
        [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
    }

    /// RST_STREAM.
    pub fn reset(&mut self, stream: u32, code: u32) -> bool {
        self.frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    /// WINDOW_UPDATE.
    pub fn window(&mut self, stream: u32, by: u32) -> bool {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
    }

    /// SETTINGS.
    pub fn settings(&mut self, settings: &[(u16, u32)]) -> bool {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        self.frame(kind::SETTINGS, 0, 0, &payload)
    }

    /// The next frame; `None` when the connection ends or the time does.
    pub fn next(&mut self, patience: Duration) -> Option<Frame> {
        let end = wait::now() + patience;
        loop {
            let inbox = self.raw.inbox();
            if let Some(head) = inbox.first_chunk::<9>().copied() {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                if inbox.len() >= 9 + length {
                    let bytes: Vec<u8> = inbox.drain(..9 + length).collect();
                    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
                    let frame = Frame { kind: head[3], flags: head[4], stream, payload: bytes[9..].to_vec() };
                    self.note(&frame);
                    return Some(frame);
                }
            }
            if !self.raw.read(end) {
                return None;
            }
        }
    }

    /// How `stream` ends, or the connection before it.
    pub fn ending(&mut self, stream: u32) -> Ended {
        self.ending_within(stream, wait::PATIENCE)
    }

    /// As [`Frames::ending`]; answers SETTINGS and PING on the way.
    pub fn ending_within(&mut self, stream: u32, patience: Duration) -> Ended {
        let end = wait::now() + patience;
        let mut goaway = None;
        loop {
            let left = end.saturating_duration_since(wait::now());
            let Some(frame) = self.next(left) else {
                return match (goaway, self.raw.end()) {
                    (Some(code), _) => Ended::GoAway(code),
                    (None, Some(_)) => Ended::Closed,
                    (None, None) => Ended::Silence,
                };
            };
            match frame.kind {
                kind::SETTINGS if frame.flags & flag::ACK == 0 => {
                    self.frame(kind::SETTINGS, flag::ACK, 0, &[]);
                }
                kind::PING if frame.flags & flag::ACK == 0 => {
                    self.frame(kind::PING, flag::ACK, 0, &frame.payload);
                }
                kind::RST_STREAM if frame.stream == stream => {
                    return Ended::Reset(code_at(&frame.payload, 0));
                }
                kind::GOAWAY => match code_at(&frame.payload, 4) {
                    0 => goaway = Some(0),
                    code => return Ended::GoAway(code),
                },
                kind::HEADERS | kind::DATA
                    if frame.stream == stream && frame.flags & flag::END_STREAM != 0 =>
                {
                    return Ended::Answer(self.status(stream).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    /// GOAWAY's code; `None` when the connection ends or the time does without one.
    pub fn goaway(&mut self, patience: Duration) -> Option<u32> {
        let end = wait::now() + patience;
        loop {
            let frame = self.next(end.saturating_duration_since(wait::now()))?;
            if frame.kind == kind::GOAWAY {
                return Some(code_at(&frame.payload, 4));
            }
        }
    }

    /// The status that came on `stream`.
    pub fn status(&self, stream: u32) -> Option<u16> {
        self.statuses.iter().find(|(id, _)| *id == stream).map(|(_, status)| *status)
    }

    /// The connection below.
    pub fn raw(&mut self) -> &mut Raw {
        &mut self.raw
    }

    fn note(&mut self, frame: &Frame) {
        if frame.kind == kind::HEADERS
            && self.status(frame.stream).is_none()
            && let Some(status) = hpack::status(&frame.payload)
        {
            self.statuses.push((frame.stream, status));
        }
    }
}

/// A 32 bit code at this place of a payload.
fn code_at(payload: &[u8], at: usize) -> u32 {
    payload.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes).unwrap_or(u32::MAX)
}
