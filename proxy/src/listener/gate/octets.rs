//! Which bytes may stand where: one table, one bit per place.
//!
//! Knows nothing of messages or their order.
//!
//! Sources: RFC 9110 §5.5 and §5.6.2, RFC 3986 §3. The bits for the path and the query are what the `http`
//! crate takes in a `Uri`, without `#` and without bytes above 0x7F, so that a target that passes here never
//! fails behind the gate.

/// `tchar`, RFC 9110 §5.6.2.
pub(super) const TOKEN: u8 = 1;
/// A method as we take it: upper-case letters, digits, `-` and `_`.
pub(super) const METHOD: u8 = 1 << 1;
/// The path of a request target.
pub(super) const PATH: u8 = 1 << 2;
/// The query of a request target.
pub(super) const QUERY: u8 = 1 << 3;
/// HTAB, SP, VCHAR and obs-text: field values, reason phrases and chunk extensions.
pub(super) const VALUE: u8 = 1 << 4;
/// A registered name or IPv4 address in a Host value.
pub(super) const HOST: u8 = 1 << 5;
/// `_`, which applications fold to `-`.
pub(super) const UNDERSCORE: u8 = 1 << 6;

/// The places `byte` may stand in.
#[inline]
pub(super) fn class(byte: u8) -> u8 {
    TABLE.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Whether all of `bytes` may stand in every place of `wanted`.
#[inline]
pub(super) fn all(bytes: &[u8], wanted: u8) -> bool {
    bytes.iter().all(|&byte| class(byte) & wanted == wanted)
}

/// Whether `bytes` are a method as we take it.
#[inline]
pub(super) fn is_method(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_uppercase) && all(bytes, METHOD)
}

/// Whether `bytes` are a field value. Eight at a time; what is left over is looked at as the last eight, because
/// most values are short and one by one would cost more than all the rest.
#[inline]
pub(super) fn is_value(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        Some(last) => eights.iter().all(|eight| are_value(eight)) && are_value(last),
        None => are_value(rest),
    }
}

/// Without a branch per byte, so that the compiler can take many at once.
#[inline]
fn are_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |fine, &byte| fine & (((byte >= b' ') & (byte != 0x7f)) | (byte == b'\t')))
}

/// `bytes` without the SP and HTAB around it (OWS, RFC 9110 §5.6.3).
#[inline]
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

static TABLE: [u8; 256] = table();

#[expect(clippy::indexing_slicing, reason = "runs while compiling only")]
const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classes(byte as u8);
        byte += 1;
    }
    table
}

const fn classes(byte: u8) -> u8 {
    let mut classes = 0;
    if byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
    {
        classes |= TOKEN;
    }
    if byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_') {
        classes |= METHOD;
    }
    if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'?' | b'`') {
        classes |= PATH;
    }
    if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'"') {
        classes |= QUERY;
    }
    if matches!(byte, b'\t' | b' '..=b'~' | 0x80..) {
        classes |= VALUE;
    }
    if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~') {
        classes |= HOST;
    }
    if byte == b'_' {
        classes |= UNDERSCORE;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_branchless_check_agree_on_every_byte() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_value(&[byte]), class(byte) & VALUE != 0, "{byte:#04x}");
        }
    }

    #[test]
    fn every_byte_of_a_path_and_a_query_is_taken_by_the_uri_type() {
        for byte in 0..=u8::MAX {
            let path = http::Uri::try_from([b"/a", [byte].as_slice()].concat());
            let query = http::Uri::try_from([b"/a?b", [byte].as_slice()].concat());

            assert!(class(byte) & PATH == 0 || path.is_ok(), "path {byte:#04x}");
            assert!(class(byte) & QUERY == 0 || query.is_ok(), "query {byte:#04x}");
        }
    }

    #[test]
    fn a_hash_and_a_space_stand_nowhere_in_a_target() {
        for byte in [b'#', b' ', 0, b'\r', b'\n', b'\t', 0x7f, 0x80, 0xff] {
            assert_eq!(class(byte) & (PATH | QUERY), 0, "{byte:#04x}");
        }
    }
}
