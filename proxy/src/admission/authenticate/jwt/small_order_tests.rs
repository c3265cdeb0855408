//! The list is right when signatures nobody made hold under its points.

use super::*;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};

/// R = the point, S = 0: holds when h·A = -R, which chance brings about where A has a small order.
fn is_forged(key: [u8; 32]) -> bool {
    let Ok(parsed) = ParsedPublicKey::new(&ED25519, key) else { return false };
    POINTS.iter().any(|point| {
        let signature: Vec<u8> = point.iter().copied().chain([0; 32]).collect();
        (0_u32..64).any(|message| parsed.verify_sig(&message.to_be_bytes(), &signature).is_ok())
    })
}

#[test]
fn a_point_of_the_list_lets_anybody_sign_and_is_named() {
    for index in [0, 1, 2, 5, 6] {
        assert!(is_forged(POINTS[index]), "{index}");
        assert!(is_small(&POINTS[index]));
    }
    let mut signed = POINTS[5];
    signed[31] |= 0x80;
    assert!(is_forged(signed));
    assert!(is_small(&signed));
}

#[test]
fn a_key_is_not_named() {
    // RFC 8032 §7.1, the first test.
    let key = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];

    assert!(!is_small(&key));
    assert!(!is_forged(key));
}
