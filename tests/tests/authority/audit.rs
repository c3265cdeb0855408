//! The audit file: what was done is there, and who edits it is found out.

use portcullis_tests::Ca;

fn edit(ca: &Ca, change: impl FnOnce(Vec<&str>) -> Vec<String>) {
    let file = ca.dir().join("audit.jsonl");
    let text = std::fs::read_to_string(&file).expect("a file");
    let lines = change(text.lines().collect());
    std::fs::write(&file, lines.join("\n") + "\n").expect("written");
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

#[test]
fn an_edited_audit_file_is_found_out() {
    type Change = fn(Vec<&str>) -> Vec<String>;
    let changes: [(&str, Change); 5] = [
        ("changed", |lines| lines.iter().map(|line| line.replace("svc/order", "svc/other")).collect()),
        ("removed", |mut lines| {
            lines.remove(1);
            owned(&lines)
        }),
        ("reordered", |mut lines| {
            lines.swap(1, 2);
            owned(&lines)
        }),
        ("cut off", |lines| owned(lines.split_last().expect("lines").1)),
        ("added", |lines| owned(&[lines.as_slice(), &["{}"]].concat())),
    ];
    for (name, change) in changes {
        let ca = Ca::new();
        ca.issue("svc/order", &[]);
        ca.issue("svc/payment", &[]);
        ca.run(&["audit", "verify"]).ok();

        edit(&ca, change);
        let verified = ca.run(&["audit", "verify"]);

        assert_eq!(verified.code, Some(1), "{name}: {}", verified.out);
    }
}

#[test]
fn the_audit_says_who_got_what() {
    let ca = Ca::new();
    let server = ca.serve();
    let order = ca.join("svc/order", &server);
    let inspected = ca.json(&["inspect", &order.join("svid.pem").display().to_string()]);

    let tail = ca.run(&["audit", "tail", "--json"]).ok();

    let issued = tail.lines().find(|line| line.contains("certificate_issued")).expect("an event");
    let serial = inspected["found"][0]["serial"].as_str().expect("a serial");
    for part in [serial, "spiffe://shop.example/svc/order", "127.0.0.1", "intermediate-1", "bootstrap"] {
        assert!(issued.contains(part), "{part} in {issued}");
    }
    let token = std::fs::read_to_string(ca.dir().join("audit.jsonl")).expect("a file");
    assert!(!token.contains("pct1."), "a token is in the audit");
}
