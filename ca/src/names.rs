//! The names things have besides their SPIFFE ID: serial numbers, fingerprints, authorities, instances.
//!
//! Decides their one spelling. Pure: randomness comes in.

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The serial number of a certificate: 128 random bits with the first one 0, so that it is a positive number of
/// 16 bytes (RFC 5280, section 4.1.2.2). Written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial([u8; 16]);

impl Serial {
    /// A serial out of 128 random bits. The first byte is 0x40 to 0x7f: positive, and 16 bytes long without padding.
    pub fn from_random(mut bits: [u8; 16]) -> Self {
        let [first, ..] = &mut bits;
        *first = (*first & 0x3f) | 0x40;
        Self(bits)
    }

    /// A serial as it stands in a certificate; `None` when it is not 16 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Big-endian.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The SHA-256 of something: a root's certificate, a public key. Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        let hash = digest::digest(&digest::SHA256, bytes);
        out.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(out)
    }

    /// A fingerprint as it was stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why a text is none of these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a serial number.
    #[error("a serial number is 32 hex digits")]
    Serial,
    /// Not a fingerprint.
    #[error("a SHA-256 fingerprint is 64 hex digits")]
    Fingerprint,
    /// Not the name of an authority or instance.
    #[error("such a name has 1 to 64 characters of a-z 0-9 -")]
    Label,
}

macro_rules! hex_name {
    ($name:ident, $length:literal, $error:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&to_hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            /// Reads hex digits of either case; colons between bytes, as openssl prints them, are ignored.
            fn from_str(text: &str) -> Result<Self, NameError> {
                from_hex::<$length>(text).map(Self).ok_or($error)
            }
        }

        text_serde!($name);
    };
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_serde;

hex_name!(Serial, 16, NameError::Serial);
hex_name!(Fingerprint, 32, NameError::Fingerprint);

/// Lower-case hex digits of `bytes`.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Option<Vec<u8>> =
        text.bytes().filter(|b| *b != b':').map(|b| char::from(b).to_digit(16)?.try_into().ok()).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * N)?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, d| sum << 4 | d)).collect();
    bytes.try_into().ok()
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as it is printed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let sound = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
                let right = (1..=64).contains(&text.len()) && text.chars().all(sound);
                right.then(|| Self(text.into())).ok_or(NameError::Label)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&self.0)
            }
        }

        text_serde!($name);
    };
}

label! {
    /// A root or an intermediate of this CA: `root-1`, `intermediate-3`.
    AuthorityId
}

label! {
    /// One running workload over all its renewals; replicas of a service have one SPIFFE ID and an instance each.
    /// 16 hex digits.
    InstanceId
}

impl AuthorityId {
    /// The name of the `number`-th root.
    pub fn root(number: u64) -> Self {
        Self(format!("root-{number}").into())
    }

    /// The name of the `number`-th intermediate.
    pub fn intermediate(number: u64) -> Self {
        Self(format!("intermediate-{number}").into())
    }
}

impl InstanceId {
    /// An instance out of 64 random bits.
    pub fn from_random(bits: [u8; 8]) -> Self {
        Self(to_hex(&bits).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_serial_is_positive_and_sixteen_bytes_long() {
        for first in 0..=255 {
            let serial = Serial::from_random([first; 16]);

            assert!((0x40..=0x7f).contains(&serial.as_bytes()[0]));
        }
    }

    #[test]
    fn hex_names_are_read_as_they_are_written_and_as_openssl_writes_them() {
        let serial = Serial::from_random([0xab; 16]);

        assert_eq!(serial.to_string().parse(), Ok(serial));
        let colons: Vec<_> = serial.as_bytes().iter().map(|b| format!("{b:02X}")).collect();
        assert_eq!(colons.join(":").parse(), Ok(serial));
        for wrong in ["", "ab", "zz000000000000000000000000000000", "é"] {
            assert_eq!(wrong.parse::<Serial>(), Err(NameError::Serial), "{wrong}");
        }
    }

    #[test]
    fn labels_have_one_alphabet() {
        assert_eq!("root-1".parse(), Ok(AuthorityId::root(1)));
        for wrong in ["", "Root-1", "../x", "a b"] {
            assert_eq!(wrong.parse::<AuthorityId>(), Err(NameError::Label), "{wrong}");
        }
    }
}
