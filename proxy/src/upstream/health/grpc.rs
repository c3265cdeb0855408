//! The words of `grpc.health.v1.Health/Check`: the question, and what an answer says. Pure.
//!
//! Source: grpc.io "GRPC Health Checking Protocol" and "gRPC over HTTP2". Must not know: how they are sent. What comes in
//! is anybody's bytes.

use bytes::Bytes;

/// Where it is asked.
pub(super) const PATH: &str = "/grpc.health.v1.Health/Check";
/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// `HealthCheckRequest`: field 1, the name of the service; in the frame of gRPC. At most 16 KiB of a name.
pub(super) fn question(name: &str) -> Bytes {
    let mut message = Vec::new();
    if !name.is_empty() {
        let length = name.len().min((1 << 14) - 1);
        message.push(0x0a);
        if length > 0x7f {
            message.push((length & 0x7f) as u8 | 0x80);
            message.push((length >> 7) as u8);
        } else {
            message.push(length as u8);
        }
        message.extend(name.as_bytes().iter().take(length));
    }
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame.into()
}

/// Whether an answer says SERVING: HTTP status, `grpc-status`, body; or why it does not.
pub(super) fn answer(http: u16, status: Option<&str>, body: &[u8]) -> Result<(), String> {
    match (http, status) {
        (_, Some("0")) => {}
        (200, None) => return Err("no grpc-status".to_owned()),
        (_, None) => return Err(format!("status {http}")),
        (_, Some(code)) => return Err(format!("grpc-status {code}{}", meaning(code))),
    }
    match message(body).and_then(serving) {
        Some(1) => Ok(()),
        Some(0) => Err("it says UNKNOWN".to_owned()),
        Some(2) => Err("it says NOT_SERVING".to_owned()),
        Some(3) => Err("it says SERVICE_UNKNOWN".to_owned()),
        Some(other) => Err(format!("it says {other}")),
        None => Err("its answer is not one of grpc.health.v1".to_owned()),
    }
}

/// What a code usually means here, for whoever reads it at night.
fn meaning(code: &str) -> &'static str {
    match code {
        "4" => " (DEADLINE_EXCEEDED)",
        "5" => " (NOT_FOUND: it does not know this service)",
        "7" => " (PERMISSION_DENIED)",
        "12" => " (UNIMPLEMENTED: it has no health service)",
        "14" => " (UNAVAILABLE)",
        "16" => " (UNAUTHENTICATED)",
        _ => "",
    }
}

/// The only message of a body, uncompressed.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let (compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    (*compressed == 0 && u32::try_from(message.len()) == Ok(length)).then_some(message)
}

/// Field 1 of a `HealthCheckResponse`; 0 when it is not there. `None`: this is no message.
fn serving(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (0, _) => return None,
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

/// Takes a number of seven bits a byte from the front.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The name in a question, read by a reader of our own.
    fn name(question: &[u8]) -> String {
        let mut rest = message(question).expect("a frame");
        if rest.is_empty() {
            return String::new();
        }
        assert_eq!(varint(&mut rest), Some(0x0a));
        assert_eq!(varint(&mut rest), Some(rest.len() as u64));
        String::from_utf8(rest.to_vec()).unwrap()
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend(message);
        frame
    }

    #[test]
    fn the_question_is_framed_as_grpc_has_it() {
        assert_eq!(question("ab").as_ref(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(question("").as_ref(), [0, 0, 0, 0, 0]);
        let long = question(&"x".repeat(200));
        assert_eq!(long.get(..8).unwrap(), [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
    }

    #[test]
    fn only_serving_is_good() {
        let fault = |message: &[u8]| answer(200, Some("0"), &framed(message)).unwrap_err();

        assert_eq!(answer(200, Some("0"), &framed(&[8, 1])), Ok(()));
        // An unknown field before it, and the last one counts.
        assert_eq!(answer(200, Some("0"), &framed(&[0x12, 1, 9, 8, 2, 8, 1])), Ok(()));
        assert_eq!(fault(&[]), "it says UNKNOWN");
        assert_eq!(fault(&[8, 2]), "it says NOT_SERVING");
        assert_eq!(fault(&[8, 1, 8, 3]), "it says SERVICE_UNKNOWN");
        assert_eq!(fault(&[8, 0x81, 1]), "it says 129");
        for broken in [&[8][..], &[8, 0x80], &[0x12, 200, 1], &[0x0b], &[0, 1], &[0x0d, 1]] {
            assert_eq!(fault(broken), "its answer is not one of grpc.health.v1", "{broken:?}");
        }
    }

    #[test]
    fn a_frame_that_is_compressed_short_or_followed_by_another_is_none() {
        for body in
            [&[][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 3, 8, 1], &[0, 0, 0, 0, 1, 8, 1]]
        {
            assert!(answer(200, Some("0"), body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn without_success_the_message_says_nothing() {
        let serving = framed(&[8, 1]);
        let fault = |http, status| answer(http, status, &serving).unwrap_err();

        assert_eq!(fault(200, None), "no grpc-status");
        assert_eq!(fault(404, None), "status 404");
        assert_eq!(fault(200, Some("5")), "grpc-status 5 (NOT_FOUND: it does not know this service)");
        assert_eq!(fault(200, Some("12")), "grpc-status 12 (UNIMPLEMENTED: it has no health service)");
        assert_eq!(fault(200, Some("00")), "grpc-status 00");
    }

    proptest! {
        #[test]
        fn a_name_of_any_length_arrives_whole(text in "[a-z./]{0,300}") {
            prop_assert_eq!(name(&question(&text)), text);
        }

        #[test]
        fn no_bytes_panic_and_only_a_true_frame_is_good(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if answer(200, Some("0"), &body).is_ok() {
                prop_assert_eq!(body.first(), Some(&0));
                prop_assert_eq!(usize::from(body[4]), body.len() - PREFIX);
            }
        }

        #[test]
        fn no_message_panics(message in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = serving(&message);
            let _ = answer(200, Some("0"), &framed(&message));
        }
    }
}
