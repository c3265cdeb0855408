//! One segment of a path: its bytes judged, its escapes brought into their one form.
//!
//! Must not know its neighbours: slashes and literal dot segments are the caller's.

use super::{PathFault, Specials};
use std::borrow::Cow;

/// `%2F` as it stands in canonical text.
pub(super) const ENCODED_SLASH: &str = "%2F";
const ENCODED_SEMICOLON: &str = "%3B";

/// A segment in canonical form.
#[derive(Debug, Default)]
pub(super) struct Segment<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) specials: Specials,
}

impl<'a> Segment<'a> {
    /// `raw` holds no `/` and is neither `.` nor `..`.
    pub(super) fn parse(raw: &'a str) -> Result<Self, PathFault> {
        let mut specials = Specials::default();
        let mut copy = Copy { source: raw, done: 0, text: None };
        let mut left = raw.as_bytes();
        while let [first, tail @ ..] = left {
            left = if *first == b'%' {
                let (high, low, after) = digits(tail)?;
                escape(high, low, &mut specials, &mut copy)?;
                after
            } else {
                literal(*first)?;
                specials.semicolon |= *first == b';';
                copy.keep(1);
                tail
            };
        }
        let text = copy.finish();
        check_dots(&text, specials)?;
        Ok(Self { text, specials })
    }

    /// Nothing, or nothing in front of the first `;`: to some servers the two slashes around it are one.
    pub(super) fn name_is_empty(&self) -> bool {
        without_parameters(&self.text).is_empty()
    }
}

/// What stands in front of the first `;` or `%3B`.
pub(super) fn without_parameters(segment: &str) -> &str {
    let name = segment.split(';').next().unwrap_or_default();
    name.split(ENCODED_SEMICOLON).next().unwrap_or_default()
}

/// The two bytes after a `%`, and what follows them.
fn digits(after_percent: &[u8]) -> Result<(u8, u8, &[u8]), PathFault> {
    match after_percent {
        [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            Ok((*high, *low, after))
        }
        _ => Err(PathFault::BadEscape),
    }
}

/// One escape: refused, decoded, or kept with upper-case digits. Never decoded twice: `%25` stays.
fn escape(high: u8, low: u8, specials: &mut Specials, copy: &mut Copy<'_>) -> Result<(), PathFault> {
    let byte = (value(high) << 4) | value(low);
    match byte {
        0x00..=0x1f | 0x7f => return Err(PathFault::Control),
        b'\\' => return Err(PathFault::Backslash),
        b'#' => return Err(PathFault::Fragment),
        b'/' => specials.encoded_slash = true,
        b';' => specials.semicolon = true,
        _ => {}
    }
    if is_unreserved(byte) {
        copy.replace(3, &[byte]);
    } else if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
        copy.replace(3, &[b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
    } else {
        copy.keep(3);
    }
    Ok(())
}

/// A byte that stands for itself.
fn literal(byte: u8) -> Result<(), PathFault> {
    match byte {
        b'\\' => Err(PathFault::Backslash),
        b'#' => Err(PathFault::Fragment),
        _ if class(byte) == REFUSED => Err(PathFault::Character),
        _ => Ok(()),
    }
}

/// Literal `.` and `..` never come here, so what is one now was encoded; and what is one for a server that
/// cuts at `;` or decodes `%2F` is refused even where those are permitted.
fn check_dots(text: &str, specials: Specials) -> Result<(), PathFault> {
    if is_dots(text) {
        return Err(PathFault::EncodedDots);
    }
    let doubtful = specials != Specials::default();
    if doubtful && text.split(ENCODED_SLASH).map(without_parameters).any(is_dots) {
        return Err(PathFault::DisguisedDots);
    }
    Ok(())
}

fn is_dots(name: &str) -> bool {
    name == "." || name == ".."
}

fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A copy that is only made once something differs from the source.
struct Copy<'a> {
    source: &'a str,
    done: usize,
    text: Option<String>,
}

impl<'a> Copy<'a> {
    /// The next `count` bytes stay.
    fn keep(&mut self, count: usize) {
        if let Some(text) = &mut self.text {
            text.push_str(self.source.get(self.done..self.done + count).unwrap_or_default());
        }
        self.done += count;
    }

    /// The next `count` bytes become these ASCII bytes.
    fn replace(&mut self, count: usize, with: &[u8]) {
        let same = self.source.get(..self.done).unwrap_or_default();
        let capacity = self.source.len();
        let text = self.text.get_or_insert_with(|| {
            let mut text = String::with_capacity(capacity);
            text.push_str(same);
            text
        });
        text.extend(with.iter().copied().map(char::from));
        self.done += count;
    }

    fn finish(self) -> Cow<'a, str> {
        self.text.map_or(Cow::Borrowed(self.source), Cow::Owned)
    }
}

/// The class of a byte; the order matters to the caller: above [`DOT`] the short way ends.
pub(super) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(REFUSED)
}

/// Stands for itself anywhere.
pub(super) const PLAIN: u8 = 0;
/// `/`
pub(super) const SLASH: u8 = 1;
/// `.`
pub(super) const DOT: u8 = 2;
/// `%` and `;`: allowed, but to be looked at.
const CAREFUL: u8 = 3;
/// Never allowed as it is: controls, space, non-ASCII and `"` `#` `<` `>` `?` `\` `^` `` ` `` `{` `|` `}`.
const REFUSED: u8 = 4;

static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which refuses an index out of bounds")]
const fn classes() -> [u8; 256] {
    let mut table = [REFUSED; 256];
    let mut byte: u8 = 0x21;
    while byte < 0x7f {
        table[byte as usize] = match byte {
            b'/' => SLASH,
            b'.' => DOT,
            b'%' | b';' => CAREFUL,
            b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => REFUSED,
            _ => PLAIN,
        };
        byte += 1;
    }
    table
}
