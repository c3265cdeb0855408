//! What a file of endpoints may say, and how it is told what it may not.

use super::*;

#[test]
fn a_list_of_endpoints_is_read() {
    let read =
        endpoints_file("- 10.0.0.8:80\n- { address: \"10.0.0.7:80\", weight: 3, zone: eu-1a }\n").unwrap();

    let short: Vec<_> = read
        .as_slice()
        .iter()
        .map(|one| (one.address.to_string(), one.weight, one.zone.as_deref()))
        .collect();
    assert_eq!(short, [("10.0.0.7:80".to_owned(), 3, Some("eu-1a")), ("10.0.0.8:80".to_owned(), 1, None)]);
    assert!(endpoints_file("[]").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("", "1:1: the file is empty (write a list, as in `[\"10.0.0.7:8080\"]`; when there are none, `[]`)"),
        (
            "endpoints: []",
            "1:1: the file must be a list of endpoints, not a map (write a list, as in `[\"10.0.0.7:8080\"]`; when there are none, `[]`)",
        ),
        (
            "- 10.0.0.8:80\n- order:80\n",
            "2:3: `order:80` is a host name, an endpoint is an IP address and a port (write `dns: order:80` instead of `endpoints:`)",
        ),
        (
            "- { address: \"10.0.0.8:80\", weight: 0 }\n- { adress: \"10.0.0.7:80\" }\n",
            "1:37: 0 is out of range (from 1 to 1000); 2:3: an endpoint needs `address` (add `address:`); 2:5: unknown key `adress` in an endpoint (did you mean `address`?)",
        ),
        (
            "- 10.0.0.8:80\n- { address: \"10.0.0.8:80\", weight: 2 }\n",
            "2:14: `10.0.0.8:80` is listed twice (its weights or zones differ: keep one of them)",
        ),
    ];

    for (text, problem) in cases {
        assert_eq!(endpoints_file(text), Err(problem.to_owned()), "{text}");
    }
}

#[test]
fn of_many_mistakes_some_are_told() {
    let problem = endpoints_file(&"- x\n".repeat(8)).unwrap_err();

    assert!(problem.contains("5:3: ") && !problem.contains("6:3: "), "{problem}");
    assert!(problem.ends_with("; and 3 more"), "{problem}");
}

#[test]
fn a_duplicate_is_no_mistake_and_broken_text_is() {
    assert_eq!(endpoints_file("- 10.0.0.8:80\n- 10.0.0.8:80\n").unwrap().as_slice().len(), 1);
    assert!(endpoints_file("- [").unwrap_err().contains("this is not YAML"));
}
