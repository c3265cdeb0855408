//! Bodies: where they end.

use super::Headers;
use super::head::{Fault, field};

/// What is still to come of a body.
///
/// | state        | leaves when                                     |
/// |--------------|-------------------------------------------------|
/// | `None`       | it is the end                                   |
/// | `Length`     | that many bytes have come                       |
/// | `Size`       | a chunk size line has come                      |
/// | `Data`       | that many bytes and their CRLF have come        |
/// | `Trailers`   | an empty line has come                          |
/// | `UntilClose` | the connection ends                             |
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing more.
    None,
    /// This many bytes.
    Length(u64),
    /// The size of the next chunk.
    Size,
    /// This many bytes of a chunk, then CRLF.
    Data(u64),
    /// Trailer fields.
    Trailers,
    /// Everything until the connection ends.
    UntilClose,
}

impl Body {
    /// A chunked body that has not begun.
    pub fn chunked() -> Self {
        Self::Size
    }

    /// Whether the body is over.
    pub fn ended(&self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }

    /// Takes from the front of `inbox` what belongs to the body; `true` when the body is over.
    pub fn take(
        &mut self,
        inbox: &mut Vec<u8>,
        out: &mut Vec<u8>,
        trailers: &mut Headers,
    ) -> Result<bool, Fault> {
        let mut at = 0;
        while !self.ended() {
            let rest = &inbox[at..];
            let used = match self.step(rest, out, trailers)? {
                Some(used) => used,
                None => break,
            };
            at += used;
        }
        inbox.drain(..at);
        Ok(self.ended())
    }

    /// One step; the bytes it used, or `None` when more must come.
    fn step(
        &mut self,
        rest: &[u8],
        out: &mut Vec<u8>,
        trailers: &mut Headers,
    ) -> Result<Option<usize>, Fault> {
        match self {
            Self::None => Ok(None),
            Self::UntilClose => {
                out.extend_from_slice(rest);
                Ok((!rest.is_empty()).then_some(rest.len()))
            }
            Self::Length(left) | Self::Data(left) if *left > 0 => {
                let used = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                out.extend_from_slice(&rest[..used]);
                *left -= used as u64;
                Ok((used > 0).then_some(used))
            }
            Self::Length(_) => Ok(None),
            Self::Data(_) => match rest {
                [b'\r', b'\n', ..] => {
                    *self = Self::Size;
                    Ok(Some(2))
                }
                [] | [b'\r'] => Ok(None),
                _ => Err("a chunk is longer than its size".into()),
            },
            Self::Size => {
                let Some(line) = line(rest)? else { return Ok(None) };
                let sound =
                    !line.is_empty() && line.len() <= 16 && line.bytes().all(|b| b.is_ascii_hexdigit());
                let size = u64::from_str_radix(line, 16).ok().filter(|_| sound);
                let size = size.ok_or_else(|| format!("chunk size {line:?}"))?;
                *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                Ok(Some(line.len() + 2))
            }
            Self::Trailers => {
                let Some(line) = line(rest)? else { return Ok(None) };
                if line.is_empty() {
                    *self = Self::None;
                } else {
                    trailers.0.push(field(line)?);
                }
                Ok(Some(line.len() + 2))
            }
        }
    }
}

/// The first line of `bytes` without its CRLF, `None` while it is not there as a whole.
fn line(bytes: &[u8]) -> Result<Option<&str>, Fault> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return if bytes.len() > 100_000 { Err("a line without end".into()) } else { Ok(None) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or("a line ends with LF alone")?;
    std::str::from_utf8(line).map(Some).map_err(|_| "a line is not text".into())
}
