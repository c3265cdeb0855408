//! Reads the lines of a head: cuts them, checks each field line, and collects what says how long the body is.
//!
//! Must not know whether the head is a request or an answer, and never looks at a byte twice: a head that
//! trickles in byte by byte costs no more than one that comes at once. Sources: RFC 9112 §2.2, §5 and §6, RFC
//! 9110 §5.

use super::octets::{self, TOKEN, UNDERSCORE};
use super::{Fault, Limits};

/// How far into a held-back head we are. Offsets count from the head's first byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    /// Where the next line begins.
    pub(super) next: usize,
    /// Up to where there is surely no line end.
    pub(super) searched: usize,
}

impl Lines {
    /// The next whole line of `head` without its CRLF. None: more must arrive first.
    pub(super) fn take<'a>(&mut self, head: &'a [u8], max: usize) -> Result<Option<&'a [u8]>, Fault> {
        let Some(found) = memchr::memchr(b'\n', head.get(self.searched..).unwrap_or_default()) else {
            self.searched = head.len();
            return if head.len() > max { Err(Fault::HeadTooLarge) } else { Ok(None) };
        };
        let end = self.searched + found;
        let line = head.get(self.next..end).unwrap_or_default();
        self.next = end + 1;
        self.searched = end + 1;
        if self.next > max {
            return Err(Fault::HeadTooLarge);
        }
        line.strip_suffix(b"\r").map(Some).ok_or(Fault::BareLf)
    }

    /// Whether bytes of a line have been seen that is not complete yet.
    pub(super) fn mid_line(&self) -> bool {
        self.searched > self.next
    }
}

/// The field names that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Host,
    ContentLength,
    TransferEncoding,
    Expect,
    Upgrade,
    Other,
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) known: Name,
    /// Whether the name holds a `_`.
    pub(super) underscore: bool,
    /// Without the white space around it.
    pub(super) value: &'a [u8],
}

/// What Transfer-Encoding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// `chunked` alone.
    Chunked,
    /// Other codings, `chunked` last.
    Unknown,
}

/// What the field lines so far say about the body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fields {
    count: usize,
    pub(super) length: Option<u64>,
    pub(super) coding: Option<Coding>,
}

impl Fields {
    /// Checks one line, which must not be empty, and remembers what it says about the body.
    pub(super) fn read<'a>(&mut self, line: &'a [u8], limits: &Limits) -> Result<Field<'a>, Fault> {
        self.count += 1;
        if self.count > limits.headers {
            return Err(Fault::TooManyFields);
        }
        let field = split(line, limits.name_bytes)?;
        match field.known {
            Name::ContentLength if self.length.is_some() => return Err(Fault::LengthRepeated),
            Name::ContentLength => self.length = Some(length(field.value)?),
            Name::TransferEncoding if self.coding.is_some() => return Err(Fault::CodingRepeated),
            Name::TransferEncoding => self.coding = Some(coding(field.value)?),
            _ => {}
        }
        Ok(field)
    }

    /// The faults that only the whole head shows. `http10`: the message says HTTP/1.0.
    pub(super) fn agree(&self, http10: bool) -> Result<(), Fault> {
        match (self.coding, self.length) {
            (Some(_), _) if http10 => Err(Fault::CodingInHttp10),
            (Some(_), Some(_)) => Err(Fault::LengthAndCoding),
            _ => Ok(()),
        }
    }
}

/// Cuts a line at its colon.
fn split(line: &[u8], max_name: usize) -> Result<Field<'_>, Fault> {
    let mut seen = 0;
    let end = line.iter().position(|&byte| {
        let class = octets::class(byte);
        seen |= class;
        class & TOKEN == 0
    });
    let (name, rest) = line.split_at_checked(end.unwrap_or(line.len())).unwrap_or_default();
    let [b':', value @ ..] = rest else { return Err(misplaced(name, rest)) };
    if name.is_empty() {
        return Err(Fault::FieldName);
    }
    if name.len() > max_name {
        return Err(Fault::FieldNameTooLong);
    }
    if !octets::is_value(value) {
        return Err(if value.contains(&b'\r') { Fault::BareCr } else { Fault::FieldValue });
    }
    Ok(Field { name, known: known(name), underscore: seen & UNDERSCORE != 0, value: octets::trim(value) })
}

/// Why a line is no field line, when after `name` comes `rest` instead of a colon.
fn misplaced(name: &[u8], rest: &[u8]) -> Fault {
    match rest.first() {
        Some(b' ' | b'\t') if name.is_empty() => Fault::FoldedLine,
        Some(b' ' | b'\t') if octets::trim(rest).first() == Some(&b':') => Fault::SpaceBeforeColon,
        Some(b'\r') => Fault::BareCr,
        Some(_) if rest.contains(&b':') => Fault::FieldName,
        _ => Fault::ColonMissing,
    }
}

fn known(name: &[u8]) -> Name {
    let (known, spelled): (_, &[u8]) = match name.len() {
        4 => (Name::Host, b"host"),
        6 => (Name::Expect, b"expect"),
        7 => (Name::Upgrade, b"upgrade"),
        14 => (Name::ContentLength, b"content-length"),
        17 => (Name::TransferEncoding, b"transfer-encoding"),
        _ => return Name::Other,
    };
    if name.eq_ignore_ascii_case(spelled) { known } else { Name::Other }
}

/// Whether an application that folds `_` to `-` would take `name` for one that frames messages.
///
/// Host, Connection, Expect, Upgrade, TE and Trailer hold no `-`, so no name with `_` folds to them.
pub(super) fn folds_to_framing(name: &[u8]) -> bool {
    let folds_to = |framing: &[u8]| {
        let same = |(&a, &b): (&u8, &u8)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
        name.len() == framing.len() && name.iter().zip(framing).all(same)
    };
    folds_to(b"content-length") || folds_to(b"transfer-encoding")
}

/// 1 to 18 digits without sign, blank, list or leading zero.
fn length(value: &[u8]) -> Result<u64, Fault> {
    let plain = matches!(value, [b'0'] | [b'1'..=b'9', ..]) && value.len() <= 18;
    if !plain || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::LengthInvalid);
    }
    Ok(value.iter().fold(0, |number, &digit| number * 10 + u64::from(digit - b'0')))
}

/// `chunked` alone, or a list of codings without parameters in which `chunked` stands once, at the end.
fn coding(value: &[u8]) -> Result<Coding, Fault> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(Coding::Chunked);
    }
    let mut codings = value.rsplit(|&byte| byte == b',').map(octets::trim);
    let others_sound =
        |coding: &[u8]| !coding.is_empty() && octets::all(coding, TOKEN) && !is_chunked(coding);
    if codings.next().is_some_and(is_chunked) && codings.all(others_sound) {
        return Ok(Coding::Unknown);
    }
    Err(Fault::CodingInvalid)
}
