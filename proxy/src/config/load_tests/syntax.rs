//! Text that is no YAML, or more of it than is good.

use super::*;

#[test]
fn text_that_is_not_yaml_is_reported_where_it_breaks() {
    expect(
        "a: [1, 2\nb: 3\n",
        &[
            "2:2 [:] syntax: this is not YAML: illegal placement of ':' indicator | is a bracket, brace or quote of an earlier line left open?",
        ],
    );
    expect(
        "routes:\n  - { match: * /x }\n",
        &[
            "2:14 [*] syntax: this is not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character | a value that starts with `*` or `&` needs quotes, as in `match: \"* /admin/**\"`",
        ],
    );
    expect(
        "routes: [{ match: GET /a/{b}, name: x }]\n",
        &[
            "1:26 [{] syntax: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}' | inside `{ … }` a value with `{`, `}`, `[`, `]` or `,` needs quotes, as in `match: \"GET /users/{id}\"`",
        ],
    );
    expect(
        "a:\n\t- b\n",
        &[
            "2:2 [-] syntax: this is not YAML: tabs disallowed within this context (block indentation) | indent with spaces",
        ],
    );
    expect(
        "a: \"x\n",
        &["1:4 [\"] syntax: this is not YAML: unclosed quote | close the quote on the same line"],
    );
    expect(
        "a: *x\n",
        &[
            "1:4 [*] syntax: this alias has no anchor | define it earlier with `&name`, or quote the value if it is meant to start with `*`",
        ],
    );
    expect(
        "--- a\n--- b\n",
        &["2:5 [b] syntax: a second document begins here | one file, one document: remove the `---`"],
    );
    expect("[a]: b\n", &["1:1 [[] syntax: a key must be a plain text"]);
}

#[test]
fn an_empty_file_is_reported() {
    for text in ["", "# only a comment\n", "~\n", "\u{feff}"] {
        expect(text, &["0:0 [] syntax: the file is empty | begin with `version: 1`"]);
    }
}

#[test]
fn bombs_are_refused() {
    let limits = "at most 32 levels, 1000000 values and 100000 values repeated by aliases";
    let deep = "[".repeat(200);
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..8 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }

    let (deep, bomb) = (said(&deep), said(&bomb));

    for said in [deep, bomb] {
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("too-large: the file nests too deeply") && said[0].ends_with(limits),
            "{said:?}"
        );
    }
}

#[test]
fn all_double_keys_are_reported_at_once() {
    expect(
        &format!("{HEAD}workers: 1\nworkers: 2\nroutes: [{{ name: a, name: b }}]\nversion: 1\n")[..],
        &[
            "4:1 [workers] duplicate-key: `workers` is written twice | it stands at line 3 already; keep one of them",
            "5:10 [{] missing-key: route `a` needs `match` | add `match:`",
            "5:10 [{] missing-key: route `a` does not say who may use it | add `auth: public` if everybody may",
            "5:10 [{] missing-key: route `a` goes nowhere | add `to: SERVICE`, or `split:` for several",
            "5:21 [name] duplicate-key: `name` is written twice | it stands at line 5 already; keep one of them",
            "6:1 [version] duplicate-key: `version` is written twice | it stands at line 1 already; keep one of them",
        ],
    );
}
