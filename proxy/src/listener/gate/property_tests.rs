//! What must hold for every input: how it was cut does not matter, no incomplete head passes, nothing panics,
//! and the work grows with the bytes alone.

use super::*;
use crate::config::trust::Strictness;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What a gate made of a whole stream.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    passed: Vec<u8>,
    fault: Option<(Fault, bool)>,
}

/// Feeds `pieces` one after the other, as a shell would: what was not passed is shown again.
fn feed(mut inspect: impl FnMut(&[u8]) -> Verdict, pieces: &[&[u8]]) -> Whole {
    let mut whole = Whole { passed: Vec::new(), fault: None };
    let mut left = Vec::new();
    for piece in pieces {
        left.extend_from_slice(piece);
        let (sound, fault) = match inspect(&left) {
            Verdict::Pass { sound } => (sound, None),
            Verdict::Refuse { sound, fault, in_body } => (sound, Some((fault, in_body))),
        };
        assert!(sound <= left.len(), "passed more than there was");
        whole.passed.extend(left.drain(..sound));
        if fault.is_some() {
            whole.fault = fault;
            break;
        }
    }
    whole
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).filter(|piece| !piece.is_empty()).collect()
}

fn rules() -> impl Strategy<Value = RequestRules> {
    let strictness = || select(vec![Strictness::Refuse, Strictness::Drop, Strictness::Keep]);
    (strictness(), strictness(), any::<bool>(), any::<bool>()).prop_map(
        |(underscores, http10, upgrades, small)| {
            // Small limits are reached often.
            let limits = Limits {
                head_bytes: 120,
                target_bytes: 20,
                headers: 4,
                name_bytes: 20,
                chunk_extension_bytes: 8,
                trailer_bytes: 24,
            };
            RequestRules {
                underscores,
                http10,
                upgrades,
                limits: if small { limits } else { Limits::default() },
            }
        },
    )
}

/// Words of HTTP that, strung together, are often nearly a message.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = vec![
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        b"HEAD http://a/ HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 \r\n\r\n",
        b"HTTP/1.1 204 \r\n",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n",
        b"Upgrade: x\r\n",
        b"Expect: 100-continue\r\n",
        b"X: y\r\n",
        b"X_Y: z\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b";a=b",
        b"5",
        b"0",
        b"hello",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\xff",
        b"A",
    ];
    vec(select(words), 0..14).prop_map(|words| words.concat())
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => fragments(), 1 => vec(any::<u8>(), 0..200)]
}

/// Whether `passed` may be all that passed of a stream of which `most` passed in one piece: the same, or more
/// of the last message, whose head had been passed on before its fault was there.
fn passes_as_much(passed: &[u8], most: &Whole) -> bool {
    passed.starts_with(&most.passed) && (most.fault.is_some() || passed.len() == most.passed.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn how_a_stream_of_requests_was_cut_does_not_matter(
        rules in rules(), bytes in stream(), cuts in vec(any::<Index>(), 0..8),
    ) {
        let whole = feed(|input| RequestGate::new(rules).inspect(input), &[&bytes]);

        let mut gate = RequestGate::new(rules);
        let pieces = feed(|input| gate.inspect(input), &cut(&bytes, &cuts));
        let mut gate = RequestGate::new(rules);
        let bytewise = feed(|input| gate.inspect(input), &bytes.chunks(1).collect::<Vec<_>>());

        for other in [&pieces, &bytewise] {
            prop_assert_eq!(other.fault.map(|fault| fault.0), whole.fault.map(|fault| fault.0));
            prop_assert!(passes_as_much(&other.passed, &whole), "{:?} {:?}", other, whole);
            let more = other.passed.len() > whole.passed.len();
            prop_assert_eq!(more, other.fault.is_some_and(|fault| fault.1), "only in a body may more pass");
        }
    }

    #[test]
    fn how_an_answer_was_cut_does_not_matter(
        head in any::<bool>(),
        bytes in stream(),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let gate = || {
            let mut gate = ResponseGate::new(Limits::of_responses());
            gate.expect(head);
            gate
        };
        let whole = feed(|input| gate().inspect(input), &[&bytes]);

        let mut cut_gate = gate();
        let pieces = feed(|input| cut_gate.inspect(input), &cut(&bytes, &cuts));

        prop_assert_eq!(pieces.fault.map(|fault| fault.0), whole.fault.map(|fault| fault.0));
        prop_assert!(passes_as_much(&pieces.passed, &whole), "{:?} {:?}", pieces, whole);
    }

    #[test]
    fn a_head_passes_whole_or_not_at_all(
        rules in rules(), bytes in stream(), cuts in vec(any::<Index>(), 0..8),
    ) {
        let mut gate = RequestGate::new(rules);
        let mut left = Vec::new();

        for piece in cut(&bytes, &cuts) {
            let fresh = !gate.in_body() && !gate.awaits_upgrade();
            left.extend_from_slice(piece);
            let sound = match gate.inspect(&left) {
                Verdict::Pass { sound } | Verdict::Refuse { sound, .. } => sound,
            };
            if fresh && sound > 0 {
                let head = left[..sound].windows(4).any(|four| four == b"\r\n\r\n");
                prop_assert!(head, "passed {}", left[..sound].escape_ascii());
            }
            if gate.in_head() {
                prop_assert!(sound < left.len(), "passed the beginning of a head");
            }
            left.drain(..sound);
        }
    }

    #[test]
    fn a_finished_gate_stays_finished(rules in rules(), bytes in stream(), more in stream()) {
        let mut gate = RequestGate::new(rules);

        if let Verdict::Refuse { fault, .. } = gate.inspect(&bytes) {
            prop_assert_eq!(gate.inspect(&more), Verdict::Refuse { sound: 0, fault, in_body: false });
            prop_assert!(!gate.at_boundary() && !gate.in_head() && !gate.in_body());
        }
    }
}
