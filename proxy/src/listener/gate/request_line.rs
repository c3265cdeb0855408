//! Reads a request line: method, target, version, nothing else.
//!
//! Decides the form only; what a path means (`..`, `%2F`, `;`, `\`) is for the path stage. Sources: RFC 9112
//! §3, RFC 9110 §9.

use super::octets::{self, PATH, QUERY};
use super::{Fault, Limits};

/// No registered method has more than 17 bytes.
pub(super) const MAX_METHOD: usize = 32;
/// The bytes of a request line beside method and target: two spaces, the version, CRLF.
const AROUND: usize = 12;

/// What a request line says, as far as it matters here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestLine {
    /// HTTP/1.0. The only other version that comes so far is 1.1.
    pub(super) http10: bool,
    /// The method sends a body (POST, PUT, PATCH).
    pub(super) sends: bool,
    /// The authority of an absolute target: its offset in the line and its length.
    pub(super) authority: Option<(usize, usize)>,
    /// CONNECT or TRACE: refused, unless the head has a worse fault.
    pub(super) not_allowed: bool,
}

/// How long a request line with its CRLF may be.
pub(super) fn max_line(limits: &Limits) -> usize {
    (MAX_METHOD + limits.target_bytes + AROUND).min(limits.head_bytes)
}

/// Reads `line`, without CRLF.
pub(super) fn parse(line: &[u8], limits: &Limits) -> Result<RequestLine, Fault> {
    let (method, rest) = cut(line).ok_or(Fault::RequestLine)?;
    let (target, version) = cut(rest).ok_or(Fault::RequestLine)?;
    if method.len() > MAX_METHOD || !octets::is_method(method) {
        return Err(Fault::Method);
    }
    if target.len() > limits.target_bytes {
        return Err(Fault::TargetTooLong);
    }
    if target.is_empty() {
        return Err(Fault::RequestLine);
    }
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        b"HTTP/2.0" if method == b"PRI" => return Err(Fault::Http2Preface),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Fault::VersionUnsupported);
        }
        _ => return Err(Fault::Version),
    };
    let not_allowed = matches!(method, b"CONNECT" | b"TRACE");
    let authority = if not_allowed { None } else { form(method, target)? };
    let sends = matches!(method, b"POST" | b"PUT" | b"PATCH");
    Ok(RequestLine {
        http10,
        sends,
        authority: authority.map(|(at, len)| (method.len() + 1 + at, len)),
        not_allowed,
    })
}

/// What stands before and after the first space.
fn cut(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memchr::memchr(b' ', text)?)?;
    Some((before, after.get(1..)?))
}

/// Checks the form of a target (RFC 9112 §3.2). Of an absolute one: where its authority stands.
fn form(method: &[u8], target: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    if target.first() == Some(&b'/') {
        return path_and_query(target).map(|()| None);
    }
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(None) } else { Err(Fault::Target) };
    }
    let at = scheme(target).ok_or(Fault::Target)?;
    let rest = target.get(at..).unwrap_or_default();
    let len = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    if len == 0 {
        return Err(Fault::Target);
    }
    path_and_query(rest.get(len..).unwrap_or_default())?;
    Ok(Some((at, len)))
}

/// The length of `http://` or `https://` in front.
fn scheme(target: &[u8]) -> Option<usize> {
    let begins =
        |scheme: &&[u8]| target.get(..scheme.len()).is_some_and(|front| front.eq_ignore_ascii_case(scheme));
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    schemes.iter().find(|scheme| begins(scheme)).map(|scheme| scheme.len())
}

fn path_and_query(text: &[u8]) -> Result<(), Fault> {
    let end = text.iter().position(|&byte| octets::class(byte) & PATH == 0).unwrap_or(text.len());
    match text.get(end..) {
        None | Some([]) => Ok(()),
        Some([b'?', query @ ..]) if octets::all(query, QUERY) => Ok(()),
        Some(_) => Err(Fault::Target),
    }
}
