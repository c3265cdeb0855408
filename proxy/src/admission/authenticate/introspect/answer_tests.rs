//! What answers mean.

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn word(body: &str) -> &'static str {
    match judge(body.as_bytes(), NOW) {
        Ok(Ok(_)) => "active",
        Ok(Err(refused)) => refused.word(),
        Err(Unsound) => "unsound",
    }
}

#[test]
fn only_the_boolean_true_makes_a_token_active() {
    let table = [
        (r#"{"active":true}"#, "active"),
        (r#"{"active":false}"#, "inactive"),
        (r#"{"active":false,"exp":"x"}"#, "inactive"),
        (r#"{"active":"true"}"#, "unsound"),
        (r#"{"active":1}"#, "unsound"),
        (r#"{"active":null}"#, "unsound"),
        (r#"{"sub":"alice"}"#, "unsound"),
        (r#"{"active":{"active":true}}"#, "unsound"),
    ];

    for (body, verdict) in table {
        assert_eq!(word(body), verdict, "{body}");
    }
}

#[test]
fn what_is_no_object_says_nothing() {
    for body in [
        "",
        "true",
        "[]",
        "<html></html>",
        "{\"active\":true",
        "{\"active\":true} x",
        "{\"active\":true,\"a\":1e400}",
    ] {
        assert_eq!(word(body), "unsound", "{body}");
    }
    assert_eq!(word(&format!("{{\"active\":true,\"a\":{}", "[".repeat(10_000))), "unsound");
}

#[test]
fn an_answer_that_says_two_things_says_nothing() {
    assert_eq!(word(r#"{"active":false,"active":true}"#), "unsound");
}

#[test]
fn times_hold_with_half_a_minute_to_spare() {
    let table = [
        (r#"{"active":true,"exp":999971}"#, "active"),
        (r#"{"active":true,"exp":999970}"#, "expired"),
        (r#"{"active":true,"exp":0}"#, "expired"),
        (r#"{"active":true,"exp":1e300}"#, "active"),
        (r#"{"active":true,"exp":18446744073709551615}"#, "active"),
        (r#"{"active":true,"nbf":1000030}"#, "active"),
        (r#"{"active":true,"nbf":1000031}"#, "not_yet"),
        (r#"{"active":true,"nbf":1000030.9}"#, "active"),
    ];

    for (body, verdict) in table {
        assert_eq!(word(body), verdict, "{body}");
    }
}

#[test]
fn a_time_that_is_no_number_is_not_ignored() {
    for time in ["\"9999999999\"", "true", "[1]", "null", "{}", "-1"] {
        assert_eq!(word(&format!(r#"{{"active":true,"exp":{time}}}"#)), "unsound", "exp {time}");
        assert_eq!(word(&format!(r#"{{"active":true,"nbf":{time}}}"#)), "unsound", "nbf {time}");
    }
}

#[test]
fn the_members_and_the_end_are_told() {
    let active = judge(br#"{"active":true,"sub":"alice","exp":1000060.7}"#, NOW).unwrap().unwrap();

    assert_eq!((&active.members["sub"], active.expires), (&"alice".into(), Some(Timestamp(1_000_060))));
}
