//! Whose count: 128 bits of everything that requests counted together have in common. Pure; the seed is passed in.
//!
//! All parts are written one after the other so that different parts never give the same bytes, and the bytes are
//! hashed. It does not judge who somebody is: [`Facts`] are believed.
//!
//! | bytes | what |
//! |--|--|
//! | algorithm, window | counts of another kind are other counts; a bucket outlives a change of its rate |
//! | name, tier | texts; no tier is a tag of its own |
//! | per part | its tag (and the name of the header), then its value |
//! | a text | `1`, length, bytes; or `2` and SHA-256 when longer than 256 bytes |
//! | a missing value | `0`: all who lack it share one count |
//! | an address | `4` and 4 bytes, or `6` and the first 8: a network has 2^64 of them |
//! | a header | how many values, each a text |
//!
//! | scope | hash | why |
//! |--|--|--|
//! | instance | keyed SipHash, twice | clients choose values, and must not find two that meet |
//! | global | SHA-256, the first 128 bits | the same in all processes |

use super::ask::{Ask, Key};
use crate::config::limit::{Algorithm, KeyPart, Limit, Scope, Window};
use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;
use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;

/// Longest text that is written as it is, in bytes.
const LONGEST: usize = 256;
/// What usual keys fit in.
const ROOM: usize = 512;

/// What is known about a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The client's address as far as it is believed.
    pub ip: IpAddr,
    /// The authenticated user.
    pub user: Option<&'a str>,
    /// The member of the mesh that asks.
    pub peer: Option<&'a str>,
    /// The id of the API key.
    pub api_key: Option<&'a str>,
    /// The tier of the caller.
    pub tier: Option<&'a str>,
    /// The name of the route.
    pub route: &'a str,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
}

/// The secret of a process: its keys cannot be foreseen.
#[derive(Clone)]
pub struct Seed([DefaultHasher; 2]);

/// What is hashed.
type Bytes = SmallVec<[u8; ROOM]>;

impl Seed {
    /// From random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        let keyed = |half: u64| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(half);
            hasher.write(random);
            hasher
        };
        Self([keyed(0), keyed(1)])
    }

    fn hash(&self, bytes: &[u8]) -> u128 {
        let [high, low] = self.0.each_ref().map(|keyed| {
            let mut hasher = keyed.clone();
            hasher.write(bytes);
            u128::from(hasher.finish())
        });
        high << 64 | low
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// The question of a request to a limit.
pub fn ask<'a>(limit: &'a Limit, cost: u32, facts: &Facts<'_>, seed: &Seed) -> Ask<'a> {
    let (tier, rate) = limit.rates.of(facts.tier);
    let name = tier.checked_sub(1).and(facts.tier);
    let bytes = parts(limit, &rate.window, name, facts);
    let key = match limit.scope {
        Scope::Instance => seed.hash(&bytes),
        Scope::Global(_) => shared(&bytes),
    };
    Ask { limit, tier, key: Key(key), cost }
}

/// The same in all processes.
fn shared(bytes: &[u8]) -> u128 {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().first_chunk().map_or(0, |first| u128::from_be_bytes(*first))
}

/// All that is hashed; `tier` is one that the limit lists.
fn parts(limit: &Limit, window: &Window, tier: Option<&str>, facts: &Facts<'_>) -> Bytes {
    let mut bytes = Bytes::new();
    write_kind(&mut bytes, limit.algorithm, window);
    write_text(&mut bytes, limit.name.as_bytes());
    write_optional(&mut bytes, tier);
    for part in &limit.key {
        match part {
            KeyPart::Ip => write_address(&mut bytes, facts.ip),
            KeyPart::User => write_named(&mut bytes, b'u', facts.user),
            KeyPart::Peer => write_named(&mut bytes, b'p', facts.peer),
            KeyPart::ApiKey => write_named(&mut bytes, b'k', facts.api_key),
            KeyPart::Header(name) => write_header(&mut bytes, name, facts.headers),
            KeyPart::Route => write_named(&mut bytes, b'r', Some(facts.route)),
        }
    }
    bytes
}

fn write_kind(bytes: &mut Bytes, algorithm: Algorithm, window: &Window) {
    bytes.push(match algorithm {
        Algorithm::TokenBucket => return bytes.push(b'b'),
        Algorithm::FixedWindow => b'f',
        Algorithm::SlidingWindow => b's',
    });
    let (unit, zone) = match window {
        Window::Every(length) => {
            bytes.push(b'e');
            return bytes.extend_from_slice(&length.as_nanos().to_be_bytes());
        }
        Window::Day(zone) => (b'd', zone),
        Window::Month(zone) => (b'm', zone),
    };
    bytes.push(unit);
    write_text(bytes, zone.as_bytes());
}

fn write_named(bytes: &mut Bytes, tag: u8, value: Option<&str>) {
    bytes.push(tag);
    write_optional(bytes, value);
}

fn write_optional(bytes: &mut Bytes, value: Option<&str>) {
    match value {
        Some(value) => write_text(bytes, value.as_bytes()),
        None => bytes.push(0),
    }
}

fn write_text(bytes: &mut Bytes, text: &[u8]) {
    if text.len() > LONGEST {
        bytes.push(2);
        bytes.extend_from_slice(digest(&SHA256, text).as_ref());
    } else {
        bytes.push(1);
        write_count(bytes, text.len());
        bytes.extend_from_slice(text);
    }
}

fn write_count(bytes: &mut Bytes, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
}

fn write_address(bytes: &mut Bytes, address: IpAddr) {
    bytes.push(b'i');
    match address.to_canonical() {
        IpAddr::V4(address) => {
            bytes.push(4);
            bytes.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            bytes.push(6);
            let network = address.to_bits() >> 64;
            bytes.extend_from_slice(&(network as u64).to_be_bytes());
        }
    }
}

fn write_header(bytes: &mut Bytes, name: &HeaderName, headers: &HeaderMap) {
    bytes.push(b'h');
    write_text(bytes, name.as_str().as_bytes());
    let values = headers.get_all(name);
    write_count(bytes, values.iter().count());
    values.iter().for_each(|value| write_text(bytes, value.as_bytes()));
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
