//! Any bytes as an upstream's answer: the gate and hyper's client agree on it, or the gate refuses.
//!
//! The first byte chooses the method and how the rest is cut into pieces.

#![no_main]

#[expect(dead_code, reason = "a target asks one of its two questions")]
#[path = "../oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, stream)) = input.split_first() else { return };
    let pieces: Vec<&[u8]> = stream.chunks(1 + usize::from(choice & 0x7f)).collect();
    oracle::answers(choice & 0x80 != 0, &pieces);
    oracle::answers(choice & 0x80 != 0, &[stream]);
});
