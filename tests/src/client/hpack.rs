//! HPACK (RFC 7541), as little as possible: literals to send anything, and the status of an answer.
//!
//! Only right for peers that were told to keep no dynamic table: the frame writer says so in its SETTINGS.

/// A field as a literal without indexing, its name given as well.
pub(super) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    for text in [name, value] {
        out.extend(integer(text.len(), 7));
        out.extend(text);
    }
    out
}

/// A field as a literal that goes into the dynamic table.
pub(super) fn indexed_literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = literal(name, value);
    out[0] = 0x40;
    out
}

/// An integer with a prefix of `bits` bits, the bits above it zero.
fn integer(mut value: usize, bits: u32) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![value as u8];
    }
    let mut out = vec![most as u8];
    value -= most;
    while value >= 128 {
        out.push((value % 128 + 128) as u8);
        value /= 128;
    }
    out.push(value as u8);
    out
}

/// The status of a header block, which must be its first field; `None` when it is not (trailers).
pub(super) fn status(mut block: &[u8]) -> Option<u16> {
    // Size updates stand in front.
    while let [first, rest @ ..] = block
        && first & 0xe0 == 0x20
    {
        block = rest;
        if first & 0x1f == 0x1f {
            let end = block.iter().position(|byte| byte & 0x80 == 0)?;
            block = &block[end + 1..];
        }
    }
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [byte @ 0x88..=0x8e, ..] => indexed.get(usize::from(byte - 0x88)).copied(),
        // A literal whose name is `:status`, indexed or not.
        [0x48 | 0x08 | 0x18, length, text @ ..] => {
            let bytes = text.get(..usize::from(length & 0x7f))?;
            let digits = if length & 0x80 == 0 { bytes.to_vec() } else { huffman_digits(bytes)? };
            std::str::from_utf8(&digits).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Digits in Huffman code (RFC 7541 Appendix B): `0`–`2` have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut out = Vec::new();
    while out.len() < 3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code * 2 + bits.next()?;
        }
        out.push(match code {
            0..=2 => b'0' + code,
            _ => match code * 2 + bits.next()? {
                code @ 0x19..=0x1f => b'3' + code - 0x19,
                _ => return None,
            },
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_however_it_is_written() {
        let blocks: [(&[u8], u16); 5] = [
            (&[0x88, 1, 2], 200),
            (&[0x20, 0x8c], 400),
            (&[0x48, 3, b'4', b'2', b'1'], 421),
            // 302 of RFC 7541 C.6.1, then 307 of C.6.2.
            (&[0x48, 0x82, 0x64, 0x02], 302),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], 307),
        ];

        for (block, expected) in blocks {
            assert_eq!(status(block), Some(expected), "{block:x?}");
        }
    }

    #[test]
    fn long_texts_have_their_length_in_several_bytes() {
        assert_eq!(integer(10, 5), [10]);
        assert_eq!(integer(1337, 5), [31, 154, 10]);
    }
}
