//! The gate against hyper: for streams that are often nearly right, both agree on every message, or the gate
//! refuses.

#[path = "../fuzz/oracle.rs"]
mod oracle;

use portcullis::config::trust::Strictness;
use portcullis::listener::gate::RequestRules;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// The most permissive gate: what the rules refuse by default is framed all the same.
fn rules() -> RequestRules {
    RequestRules { underscores: Strictness::Keep, http10: Strictness::Keep, ..RequestRules::default() }
}

type Bytes = Vec<u8>;

/// Mostly one of `usual`, now and then one of `odd`.
fn mostly(usual: &[&'static str], odd: &[&'static str]) -> impl Strategy<Value = Bytes> + use<> {
    let bytes =
        |texts: &[&str]| select(texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    prop_oneof![20 => bytes(usual), 1 => bytes(odd)]
}

fn request_line() -> impl Strategy<Value = Bytes> {
    (
        mostly(&["", "", "", "", "\r\n"], &["\r\n\r\n", "\n", "\r", " "]),
        mostly(
            &["GET", "POST", "HEAD", "OPTIONS", "DELETE", "M-SEARCH", "X_Y2"],
            &["get", "TRACE", "CONNECT", "PRI", "G@T", ""],
        ),
        mostly(&[" "], &["  ", "\t", ""]),
        mostly(
            &[
                "/",
                "/a/b?c=d",
                "/a;b\\%zz",
                "//x/",
                "/?",
                "/a?b?/\\^`{|}",
                "/\"{}|^[]@:",
                "http://a/x",
                "HTTP://A",
                "https://a?q",
            ],
            &[
                "*",
                "?x",
                "/#x",
                "/<",
                "/`",
                "/?\"",
                "/\u{e9}",
                "/\0",
                "a:80",
                "http://b/",
                "http://u@a/",
                "http://a/#x",
                "http://a?\"",
                "http://a/<",
                "http://",
                "gopher://a/",
                "x",
            ],
        ),
        mostly(&[" "], &["  ", "\t"]),
        mostly(
            &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"],
            &["HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""],
        ),
    )
        .prop_map(|(empty, method, blank, target, space, version)| {
            [empty, method, blank, target, space, version].concat()
        })
}

fn status_line() -> impl Strategy<Value = Bytes> {
    mostly(
        &[
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200",
            "HTTP/1.0 404 ",
            "HTTP/1.1 204 None",
            "HTTP/1.1 304 \u{e9}",
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 103 Hints",
            "HTTP/1.1 500 a\tb",
            "HTTP/1.1 599 x",
        ],
        &[
            "HTTP/1.1 101 Switch",
            "HTTP/2.0 200 OK",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 999 x",
            "HTTP/1.1 20",
            "\r\nHTTP/1.1 200 OK",
        ],
    )
}

/// A field that says nothing about the body.
fn field() -> impl Strategy<Value = Bytes> {
    mostly(
        &[
            "X: y",
            "x:y",
            "X:",
            "X: \t y z\t ",
            "Connection: close",
            "Connection: keep-alive",
            "Connection: a, CLOSE",
            "Connection: \u{e9}, close",
            "Expect: 100-continue",
            "Upgrade: x",
            "X_Y: z",
            "!#$%&'*+-.^_`|~9A: \u{e9}~",
            "Trailer: X",
            "TE: trailers",
            "Host_: a",
        ],
        &[
            " X: y",
            "\tX: y",
            "X : y",
            ": y",
            "X",
            "X[]: y",
            "X: a\0",
            "X: a\rb",
            "X: a\nY: b",
            "X\u{e9}: y",
            "X: \x7f",
            "Expect: x",
            "Host: a",
            "Host: b",
        ],
    )
}

fn host() -> impl Strategy<Value = Bytes> {
    mostly(
        &["Host: a", "host:A", "HOST:\ta "],
        &["Host: a, b", "Host: ", "Host: u@a", "Host: a:0", "X: no host", "Host : a"],
    )
}

/// The fields that frame, and a body that fits them.
fn framed() -> impl Strategy<Value = (Vec<Bytes>, Bytes)> {
    let coding = mostly(
        &["Transfer-Encoding: chunked", "transfer-encoding:CHUNKED", "Transfer-Encoding: \tchunked\t"],
        &[
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked;q=1",
            "Transfer-Encoding: \x0bchunked",
            "Transfer-Encoding: ,chunked",
            "Transfer_Encoding: chunked",
        ],
    );
    let data =
        || prop_oneof![vec(any::<u8>(), 0..20), Just(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".to_vec())];
    let length = |data: Bytes| {
        let field = |form: &'static str, len: usize| form.replace("{}", &len.to_string()).into_bytes();
        let forms = prop_oneof![
            20 => Just("Content-Length: {}"),
            1 => select(vec!["Content-Length: +{}", "Content-Length: 0{}", "Content-Length: {}, {}", "Content-Length:", "Content_Length: {}"]),
            1 => Just("Content-Length: {}\r\nContent-Length: {}"),
            1 => Just("Content-Length: {}\r\nTransfer-Encoding: chunked"),
        ];
        forms.prop_map(move |form| (vec![field(form, data.len())], data.clone()))
    };
    prop_oneof![
        3 => Just((vec![], vec![])),
        3 => data().prop_flat_map(length),
        5 => (coding, chunks()).prop_map(|(coding, chunks)| (vec![coding], chunks)),
        1 => (mostly(&["Content-Length: 5"], &["Content-Length: 0"]), chunks()).prop_map(|(length, chunks)| {
            (vec![b"Transfer-Encoding: chunked".to_vec(), length], chunks)
        }),
    ]
}

fn chunks() -> impl Strategy<Value = Bytes> {
    let data = prop_oneof![
        vec(any::<u8>(), 1..40),
        Just(b"\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec())
    ];
    let form =
        || mostly(&["{}", "{}", "0{}"], &[" {}", "{} ", "{}\t", "+{}", "0x{}", "", "fffffffffffffffff"]);
    let extension = || {
        mostly(&["", "", ";a", ";a=\"b\";c", ";\u{e9}"], &[";", ";a;", "; ", " ;a", ";\0", ";a\rb", ";a\nb"])
    };
    let end = || mostly(&["\r\n"], &["\n", "\r", "", "X\r\n", "\r\r\n"]);
    let sized = move |form: Bytes, size: usize| {
        String::from_utf8(form).unwrap().replace("{}", &format!("{size:x}")).into_bytes()
    };
    let chunk = (form(), extension(), end(), data, end()).prop_map(move |(form, ext, line, data, end)| {
        [sized(form, data.len()), ext, line, data, end].concat()
    });
    let last =
        (mostly(&["0", "000"], &["", "0 ", "00x"]), extension(), end(), vec((field(), end()), 0..3), end())
            .prop_map(|(size, ext, line, trailers, end)| {
                let trailers = trailers
                    .into_iter()
                    .map(|(field, end)| [field, end].concat())
                    .collect::<Vec<_>>()
                    .concat();
                [size, ext, line, trailers, end].concat()
            });
    (vec(chunk, 0..3), prop_oneof![15 => last, 1 => Just(vec![])])
        .prop_map(|(chunks, last)| [chunks.concat(), last].concat())
}

fn message(first: impl Strategy<Value = Bytes>, with_host: bool) -> impl Strategy<Value = Bytes> {
    let eol = || mostly(&["\r\n", "\r\n", "\r\n"], &["\n", "\r", "\r\r\n"]);
    (first, eol(), host(), vec(field(), 0..3), framed(), any::<Index>(), any::<bool>()).prop_map(
        move |(first, eol, host, mut fields, (framing, body), at, last)| {
            if with_host {
                fields.insert(at.index(fields.len() + 1), host);
            }
            let at = if last { fields.len() } else { at.index(fields.len() + 1) };
            fields.splice(at..at, framing);
            let head =
                fields.iter().flat_map(|field| [field.as_slice(), b"\r\n"]).collect::<Vec<_>>().concat();
            [first, eol, head, b"\r\n".to_vec(), body].concat()
        },
    )
}

/// Messages one after the other, sometimes with a byte changed, gone, doubled or put in, or with the end cut
/// off.
fn stream(messages: impl Strategy<Value = Vec<Bytes>>) -> impl Strategy<Value = Bytes> {
    let change = (any::<Index>(), 0..5, select(b"\r\n :;,\t\0x0".to_vec()));
    (messages, prop_oneof![4 => vec(change.clone(), 0..1), 1 => vec(change, 1..3)]).prop_map(
        |(messages, changes)| {
            let mut bytes = messages.concat();
            for (at, kind, byte) in changes {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, byte),
                    3 => bytes.insert(at, bytes[at]),
                    _ => bytes.truncate(at.max(1)),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            bytes
        },
    )
}

fn requests() -> impl Strategy<Value = Bytes> {
    stream(vec(message(request_line(), true), 1..5))
}

fn answers() -> impl Strategy<Value = Bytes> {
    let answer = || message(status_line(), false);
    let interim = || {
        mostly(&["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 \r\nLink: x\r\n\r\n"], &["HTTP/1.1 100 \n\n"])
    };
    stream(prop_oneof![
        6 => vec(answer(), 1),
        2 => (vec(interim(), 1..10), answer()).prop_map(|(interims, answer)| [interims, vec![answer]].concat()),
        1 => vec(answer(), 2),
    ])
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).filter(|piece| !piece.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_gate_and_hypers_server_agree_on_every_request(bytes in requests(), cuts in vec(any::<Index>(), 0..5)) {
        oracle::requests(rules(), &cut(&bytes, &cuts));
    }

    #[test]
    fn the_gate_and_hypers_client_agree_on_every_answer(
        head in prop_oneof![4 => Just(false), 1 => Just(true)],
        bytes in answers(),
        cuts in vec(any::<Index>(), 0..5),
    ) {
        oracle::answers(head, &cut(&bytes, &cuts));
    }

    #[test]
    fn the_gate_and_hyper_survive_any_bytes(bytes in vec(any::<u8>(), 1..300)) {
        oracle::requests(rules(), &[&bytes]);
        oracle::answers(false, &[&bytes]);
    }
}

#[test]
fn what_just_fits_the_limits_of_the_gate_fits_those_of_hyper() {
    let head = |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let chunked = |body: &str| head("Transfer-Encoding: chunked\r\n") + body;
    let cases = [
        head(&"a: b\r\n".repeat(99)),
        head(&format!("a: {}\r\n", "b".repeat(32 * 1024 - 33))),
        head(&format!("{}: b\r\n", "a".repeat(256))),
        head("").replace("POST /", &format!("POST /{}", "x".repeat(8 * 1024 - 1))),
        chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(16 * 1024 - 2))),
        chunked(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(100))),
        chunked(&format!("0\r\na: {}\r\n\r\n", "b".repeat(16 * 1024 - 8))),
    ];

    for (n, case) in cases.iter().enumerate() {
        let seen = oracle::requests(rules(), &[case.as_bytes()]);
        assert_eq!((seen.messages, seen.refused), (1, None), "case {n}");
    }
}

#[test]
fn the_generated_streams_reach_both_sides_of_the_gate() {
    let mut runner = TestRunner::deterministic();
    let mut sample = |strategy: BoxedStrategy<Bytes>, read: fn(&[u8]) -> oracle::Seen| -> Vec<_> {
        (0..500).map(|_| read(&strategy.new_tree(&mut runner).unwrap().current())).collect()
    };

    let seen = [
        sample(requests().boxed(), |bytes| oracle::requests(rules(), &[bytes])),
        sample(answers().boxed(), |bytes| oracle::answers(false, &[bytes])),
    ];

    for seen in seen {
        let with_body = seen.iter().filter(|seen| seen.body_bytes > 0).count();
        let faults: std::collections::HashSet<_> = seen.iter().filter_map(|seen| seen.refused).collect();
        let messages: usize = seen.iter().map(|seen| seen.messages).sum();
        assert!(messages > 100 && with_body > 25 && faults.len() > 15, "{messages} {with_body} {faults:?}");
    }
}
