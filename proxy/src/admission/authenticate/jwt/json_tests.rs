//! What has two readings has none.

use super::*;
use proptest::prelude::*;

#[test]
fn an_object_is_read_as_it_stands() {
    let text = r#" {"a":[1,-2,0.5,"x",null,true],"b":{"c":{}}} "#;

    let read = object(text.as_bytes()).unwrap();

    assert_eq!(Value::Object(read), serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn what_is_no_object_or_says_something_twice_or_does_not_end_is_refused() {
    let twice =
        [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"a":2}]}"#];
    let others = ["", "[]", "1", "null", "{", "{} {}", "{},", r#"{"a":1e400}"#, r#"{"a":NaN}"#, "\u{feff}{}"];

    for text in twice.into_iter().chain(others) {
        assert_eq!(object(text.as_bytes()), Err(NotStrict), "{text}");
    }
    assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(NotStrict));
    assert_eq!(object(b"{\"\xff\":1}"), Err(NotStrict));
}

#[test]
fn levels_are_bounded() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));

    assert!(object(nested(usize::from(DEEPEST) - 1).as_bytes()).is_ok());
    assert_eq!(object(nested(usize::from(DEEPEST)).as_bytes()), Err(NotStrict));
    assert_eq!(object(format!("{{\"a\":{}", "[".repeat(100_000)).as_bytes()), Err(NotStrict));
    assert_eq!(object("{\"a\":".repeat(100_000).as_bytes()), Err(NotStrict));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(members) = object(&bytes) {
            prop_assert_eq!(Value::Object(members), serde_json::from_slice::<Value>(&bytes).unwrap());
        }
    }
}
