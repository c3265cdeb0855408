//! `ca bootstrap`: where the token comes from, that nobody sees it, and what is said when it is of no use.

use super::*;
use crate::cli::inspect::testing::{Ca, NOWHERE, ORDER, failing, parsed};
use crate::client::{AnswerFault, Contact, Distrust};
use crate::verify::VerifyError;
use advice::advice;
use std::fs;
use tonic::Code;

fn place(dir: &Path) -> Place<'_> {
    Place { dir, id: None, now: Timestamp(1_800_000_000) }
}

fn refusal(code: Code, pushback: Option<Duration>) -> ClientError {
    ClientError::Refused { code, message: "no".to_owned(), pushback }
}

#[test]
fn the_token_is_in_no_log_and_in_no_error() {
    let text = Ca::new().token([9; 32]).reveal();
    let (cut, _) = text.split_at(text.len() - 5);

    assert!(!parsed(&["bootstrap", &text]).unwrap().contains("pct1"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("svid");
    let said = failing(&["bootstrap", cut, "--out", out.to_str().unwrap()]);
    assert!(said.contains("copy it again") && !said.contains("pct1.eyJ"), "{said}");
    // Nothing was made for a token that is none.
    assert!(!out.exists());
}

#[test]
fn there_is_exactly_one_token() {
    assert!(parsed(&["bootstrap"]).is_err());
    assert!(parsed(&["bootstrap", "-", "--token-file", "x"]).is_err());
    assert!(parsed(&["bootstrap", "--token-file", "x"]).is_ok());
    assert!(parsed(&["bootstrap", "-", "--ttl", "soon"]).is_err());
}

#[test]
fn a_token_is_the_first_line() {
    let line = first_line("pct1.abc\nand more".as_bytes()).unwrap();
    assert_eq!(line.trim(), "pct1.abc");

    let endless = first_line(io::repeat(b'x')).unwrap();
    assert_eq!(endless.len() as u64, LARGEST_TOKEN);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "\n").unwrap();
    assert!(failing(&["bootstrap", "--token-file", file.to_str().unwrap()]).contains("holds no join token"));
    assert!(failing(&["bootstrap", "--token-file", "/nowhere"]).contains("/nowhere"));
}

#[test]
fn an_authority_that_does_not_answer_is_told_with_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, Ca::new().token([1; 32]).reveal()).unwrap();
    let out = folder.path().join("svid");

    let said =
        failing(&["bootstrap", "--token-file", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);

    for part in ["cannot reach", NOWHERE, "\nhint: ", "curl -vk"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn each_error_has_its_next_step() {
    let now = Timestamp(1_800_000_000);
    let expired = VerifyError::Expired { not_after: Timestamp(now.0 - 3_600), now };
    let early = VerifyError::NotYetValid { not_before: Timestamp(now.0 + 3_600), now };
    let url = || NOWHERE.to_owned();
    let clock = |why| ClientError::Clock { url: url(), why };
    let token = || ClientError::TokenInvalid { message: "spent".to_owned() };
    let cases = [
        (clock(expired), "1 h ago"),
        (clock(early), "date -u"),
        (ClientError::ClockSkew { ours: now, theirs: now }, "the same token"),
        (token(), "portcullis ca token create ENTRY"),
        (token(), "portcullis ca bootstrap --out 'my svid' -"),
        (ClientError::Expired { id: ORDER.parse().unwrap(), not_after: Timestamp(now.0 - 60) }, "1 m ago"),
        (
            ClientError::NotAccepted { url: url(), alert: "CertificateExpired".to_owned() },
            "is the clock right?",
        ),
        (ClientError::NotAccepted { url: url(), alert: "CertificateRevoked".to_owned() }, "revoke --list"),
        (ClientError::Lost { url: url(), source: "gone".into() }, "run the same command again"),
        (ClientError::NoUrl, "--url"),
        (refusal(Code::ResourceExhausted, Some(Duration::from_secs(20))), "in 20 s"),
        (refusal(Code::PermissionDenied, None), "audit tail"),
        (refusal(Code::Unauthenticated, None), "bootstrap"),
        (ClientError::Answer(AnswerFault::NoTrust), "audit tail"),
        (
            ClientError::NotTheCa {
                url: url(),
                contact: Contact::First,
                why: Distrust::Chain(VerifyError::NotPinned),
            },
            "root show",
        ),
    ];
    for (error, part) in cases {
        let hint = advice(&error, &place(Path::new("my svid"))).unwrap_or_default();

        assert!(hint.contains(part), "{error:?}: {hint}");
    }
}

#[test]
fn the_hint_names_the_entry_where_it_is_known() {
    let id = ORDER.parse().unwrap();
    let place = Place { id: Some(&id), ..place(Path::new("svid")) };

    assert!(place.join().contains("`portcullis ca token create svc/order`"), "{}", place.join());
}

#[test]
fn a_used_token_is_no_harm_where_there_is_a_good_certificate() {
    let ca = Ca::new();
    let before = ca.identity(3_600, (-60, 7_200));
    let used = || ClientError::TokenInvalid { message: "spent".to_owned() };

    let good = refused(used(), Path::new("svid"), Some(&before), ca.now).to_string();
    let late = refused(used(), Path::new("svid"), Some(&before), Timestamp(ca.now.0 + 7_201)).to_string();
    let none = refused(used(), Path::new("svid"), None, ca.now).to_string();

    assert!(good.contains("was not touched") && good.contains("portcullis ca renew --out svid"), "{good}");
    assert!(late.contains("token create svc/order") && !late.contains("not touched"), "{late}");
    assert!(none.contains("token create ENTRY"), "{none}");
}
