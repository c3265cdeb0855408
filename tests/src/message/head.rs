//! Heads: the request line or status line, the fields, and what they say about the body.

use super::{Body, Headers, Request, Response};

/// What is wrong with a message, as a sentence.
pub type Fault = String;

/// A head at the beginning of `bytes`: the message without its body, the body's framing, the length of the head.
/// `None` while the head is not there as a whole.
pub fn read_request(bytes: &[u8]) -> Result<Option<(Request, Body, usize)>, Fault> {
    let Some((line, headers, length)) = read_head(bytes)? else { return Ok(None) };
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts.as_slice() else { return Err(format!("request line {line:?}")) };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(format!("method {method:?}"));
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || !target.starts_with(['/', '*']) {
        return Err(format!("target {target:?}"));
    }
    if headers.all("host").len() != 1 {
        return Err(format!("{} Host fields", headers.all("host").len()));
    }
    let body = match framing(&headers)? {
        Framing::None => Body::None,
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::chunked(),
    };
    let request =
        Request { method: (*method).into(), target: (*target).into(), headers, ..Request::default() };
    Ok(Some((request, body, length)))
}

/// As [`read_request`], for the answer to a request with `method`.
pub fn read_response(bytes: &[u8], method: &str) -> Result<Option<(Response, Body, usize)>, Fault> {
    let Some((line, headers, length)) = read_head(bytes)? else { return Ok(None) };
    let status = line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.split_at_checked(3))
        .filter(|(_, reason)| reason.starts_with(' ') || reason.is_empty())
        .and_then(|(digits, _)| digits.parse::<u16>().ok())
        .ok_or_else(|| format!("status line {line:?}"))?;
    let framing = framing(&headers)?;
    let body = match framing {
        _ if method == "HEAD" || status == 304 => Body::None,
        Framing::None if status < 200 || status == 204 => Body::None,
        _ if status < 200 || status == 204 => return Err(format!("{status} announces a body")),
        Framing::None => Body::UntilClose,
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::chunked(),
    };
    Ok(Some((Response { status, headers, ..Response::default() }, body, length)))
}

enum Framing {
    None,
    Length(u64),
    Chunked,
}

fn framing(headers: &Headers) -> Result<Framing, Fault> {
    match (headers.all("content-length").as_slice(), headers.all("transfer-encoding").as_slice()) {
        ([], []) => Ok(Framing::None),
        ([length], []) => {
            canonical(length).map(Framing::Length).ok_or_else(|| format!("content-length {length:?}"))
        }
        ([], ["chunked"]) => Ok(Framing::Chunked),
        (lengths, codings) => Err(format!("content-length {lengths:?} with transfer-encoding {codings:?}")),
    }
}

fn canonical(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

fn read_head(bytes: &[u8]) -> Result<Option<(String, Headers, usize)>, Fault> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return match bytes.len() {
            0..2_000_000 => Ok(None),
            many => Err(format!("no end of the head in {many} bytes")),
        };
    };
    let mut lines = bytes[..end].split(|&byte| byte == b'\n').map(|line| (line, line.ends_with(b"\r")));
    let count = bytes[..end].iter().filter(|&&byte| byte == b'\n').count();
    let mut texts = Vec::new();
    for index in 0..=count {
        let (line, has_cr) = lines.next().unwrap_or_default();
        // The CR of the last line belongs to the blank line we searched for.
        if index < count && !has_cr {
            return Err(format!("bare LF after {:?}", String::from_utf8_lossy(line)));
        }
        let line = if index < count { &line[..line.len() - 1] } else { line };
        texts.push(plain(line)?);
    }
    let first = texts.remove(0);
    let fields = texts.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some((first, Headers(fields), end + 4)))
}

/// A line without control bytes.
fn plain(line: &[u8]) -> Result<String, Fault> {
    match line.iter().find(|&&byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        Some(byte) => Err(format!("byte {byte:#04x} in {:?}", String::from_utf8_lossy(line))),
        None => Ok(String::from_utf8_lossy(line).into_owned()),
    }
}

/// `name: value`, in headers and trailers.
pub(super) fn field(line: &str) -> Result<(String, String), Fault> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("no colon in {line:?}"))?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("field name {name:?}"));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
