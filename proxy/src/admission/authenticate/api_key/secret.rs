//! What a secret looks like, and what is kept of it.
//!
//! Ours is `pck_`, 32 random bytes in base64url (43 characters), and 6 characters of check: the beginning of the
//! SHA-256 of what stands before them, in base64url. The prefix lets scanners find a secret that was published, the
//! check tells a cut or mistyped one without a look-up. Secrets made elsewhere are 16 … 256 visible ASCII characters.
//!
//! Kept is the SHA-256 of the whole text and nothing else. A slow hash with salt, as for passwords, would buy nothing:
//! it protects what people choose and others guess, and nobody guesses 256 random bits. It would only make every request
//! slow. That holds for secrets made elsewhere as long as they are random too. Pure.

use super::Refused;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::ops::RangeInclusive;

/// How ours begin.
pub const PREFIX: &str = "pck_";
/// Characters of ours before the check: the prefix and 32 bytes.
const UNCHECKED: usize = PREFIX.len() + 43;
/// Characters of the check: 36 bits.
const CHECK: usize = 6;
/// Characters of secrets made elsewhere.
const LENGTHS: RangeInclusive<usize> = 16..=256;

/// A secret. It is shown once and never written anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Ours, out of 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let mut text = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        let check = check(&text);
        text.push_str(check.as_str());
        Self(text)
    }

    /// One that was made elsewhere.
    ///
    /// # Errors
    /// [`Refused::Malformed`] when [`whole`] says so: clients could never use it.
    pub fn from_elsewhere(text: &str) -> Result<Self, Refused> {
        whole(text).map(|()| Self(text.to_owned()))
    }

    /// The text a client shows.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret. It is written as 64 lower-case hex digits, into key files only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of a secret as it was shown.
    pub fn of(shown: &str) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest::digest(&digest::SHA256, shown.as_bytes()).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// As a key file has it; `None` when these are not 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0; 32];
        for (to, [high, low]) in bytes.iter_mut().zip(pairs) {
            *to = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    /// As a key file has it.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes, to be compared in constant time.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Whether a text can be a secret at all.
///
/// # Errors
/// [`Refused::Malformed`] when it begins as ours but does not check out, or is not 16 … 256 visible ASCII characters.
pub fn whole(text: &str) -> Result<(), Refused> {
    let sound = match text.split_at_checked(UNCHECKED) {
        Some((unchecked, shown)) if text.starts_with(PREFIX) => shown == check(unchecked).as_str(),
        _ => {
            !text.starts_with(PREFIX)
                && LENGTHS.contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        }
    };
    if sound { Ok(()) } else { Err(Refused::Malformed) }
}

/// The check of what stands before it. No allocation: it is made for every request with a key of ours.
fn check(unchecked: &str) -> Check {
    let Digest([a, b, c, d, e, ..]) = Digest::of(unchecked);
    let mut text = [0; CHECK + 1];
    // Five bytes are seven characters: they fit.
    let _ = URL_SAFE_NO_PAD.encode_slice([a, b, c, d, e], &mut text);
    let [text @ .., _] = text;
    Check(text)
}

/// Characters of base64url.
struct Check([u8; CHECK]);

impl Check {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Where one of our secrets stands in a text, whole or nearly: byte offset and length.
pub fn within(text: &str) -> Option<(usize, usize)> {
    /// Characters behind the prefix from which on it is a secret and not a name that begins alike.
    const ENOUGH: usize = 40;
    let body = |rest: &str| {
        rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count()
    };
    let mut found =
        text.match_indices(PREFIX).map(|(at, _)| (at, text.get(at + PREFIX.len()..).map_or(0, body)));
    found.find(|(_, count)| *count >= ENOUGH).map(|(at, count)| (at, PREFIX.len() + count))
}
