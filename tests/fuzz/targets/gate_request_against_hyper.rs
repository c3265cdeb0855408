//! Any bytes as requests: the gate and hyper's server agree on every message, or the gate refuses.
//!
//! The first byte chooses the rules and how the rest is cut into pieces.

#![no_main]

#[expect(dead_code, reason = "a target asks one of its two questions")]
#[path = "../oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;
use portcullis::config::trust::Strictness;
use portcullis::listener::gate::RequestRules;

fuzz_target!(|input: &[u8]| {
    let Some((choice, stream)) = input.split_first() else { return };
    let keep = |bit| if choice & bit == 0 { Strictness::Keep } else { Strictness::Refuse };
    let rules = RequestRules { underscores: keep(0x80), http10: keep(0x40), ..RequestRules::default() };
    let pieces: Vec<&[u8]> = stream.chunks(1 + usize::from(choice & 0x3f)).collect();
    oracle::requests(rules, &pieces);
    oracle::requests(rules, &[stream]);
});
