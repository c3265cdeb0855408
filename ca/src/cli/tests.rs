//! The command line of the authority: it is consistent, shows examples, and its commands do what they say, together.

use super::*;
use crate::spiffe::TrustDomain;
use clap::{CommandFactory, Parser};

/// As the binary has it: `ca` is one of its commands.
#[derive(Debug, Parser)]
#[command(name = "portcullis")]
enum Binary {
    Ca(CaArgs),
}

fn parse(line: &str) -> Result<CaArgs, clap::Error> {
    let words = ["portcullis", "ca"].into_iter().chain(line.split_whitespace());
    Binary::try_parse_from(words).map(|Binary::Ca(args)| args)
}

/// Every command without subcommands, with its whole name.
fn leaves(command: &clap::Command, name: &str) -> Vec<(String, clap::Command)> {
    let mut subcommands = command.get_subcommands().filter(|one| one.get_name() != "help").peekable();
    if subcommands.peek().is_none() {
        return vec![(name.to_owned(), command.clone())];
    }
    subcommands.flat_map(|one| leaves(one, &format!("{name} {}", one.get_name()))).collect()
}

fn all() -> Vec<(String, clap::Command)> {
    leaves(&Binary::command(), "portcullis")
}

#[test]
fn the_definition_is_consistent() {
    Binary::command().debug_assert();
}

#[test]
fn every_command_has_a_sentence_and_an_example() {
    for (name, command) in all() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();

        assert!(about.len() > 10 && !about.starts_with("Arguments of"), "{name}: {about:?}");
        assert!(
            after.contains("Example") && after.contains(&name),
            "{name} has no example of itself: {after:?}"
        );
    }
}

#[test]
fn examples_fit_the_terminal() {
    for (name, command) in all() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();

        for line in after.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
}

#[test]
fn examples_are_command_lines_that_are_understood() {
    let mut seen = 0;
    for (name, command) in all() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines().map(str::trim).filter(|line| line.starts_with("portcullis ca ")) {
            let plain =
                line.split(['#', '|', '>', '\'', '"', '(', '&', ';']).next().unwrap_or_default().trim();
            if plain != line.split('#').next().unwrap_or_default().trim()
                || plain.ends_with('\\')
                || plain.contains('…')
            {
                continue;
            }
            let parsed = Binary::try_parse_from(plain.split_whitespace());
            assert!(parsed.is_ok(), "{name}: {plain}: {}", parsed.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen}");
}

#[test]
fn folder_password_and_json_may_stand_anywhere() {
    for line in ["--dir x --json list", "list --json --dir x", "entry --dir x list --json"] {
        let args = parse(line).unwrap();

        assert_eq!((args.dir.to_str(), args.json), (Some("x"), true), "{line}");
    }
    let args = parse("init shop.example --password-file p").unwrap();
    assert_eq!(args.password_file.as_deref(), Some(std::path::Path::new("p")));
}

#[test]
fn a_wrong_command_line_exits_with_2_and_help_with_0() {
    let wrong = [
        "",
        "init",
        "init Shop.Example",
        "init shop.example --url http://ca",
        "init shop.example --ttl 24",
        "entry",
        "entry create",
        "entry create svc/order --grant root",
        "token create svc/order --ttl 0s",
        "revoke",
        "revoke --serial 12",
        "revoke --id a --list",
        "revoke --before now",
        "revoke --id a --before yesterday",
        "revoke --list --lift",
        "root",
        "root prepare --force",
        "bundle acknowledge NOT/AN/INSTANCE --sequence 1",
        "bundle export --format der",
        "serve --bind 8443",
        "serve --bootstraps-per-second 0",
        "list --limit all",
        "sign a.csr",
        "issue svc/order",
        "backup",
        "restore",
    ];

    for line in wrong {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    assert_eq!(parse("root activate --help").unwrap_err().exit_code(), 0);
}

#[test]
fn a_spiffe_id_may_be_written_short() {
    let ours: TrustDomain = "shop.example".parse().unwrap();
    let read = |text| context::id(text, &ours).map(|id| id.to_string());

    for text in ["svc/order", "/svc/order", "spiffe://shop.example/svc/order"] {
        assert_eq!(read(text).unwrap(), "spiffe://shop.example/svc/order", "{text}");
    }
    assert_eq!(read("spiffe://other.example/a").unwrap(), "spiffe://other.example/a");
    assert_eq!(read("edge").unwrap(), "spiffe://shop.example/edge");
    for wrong in
        ["", "/", "svc//order", "svc/order/", "svc/../ca", "SPIFFE://shop.example/a", "https://a/b", "a b"]
    {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("write it as svc/order or spiffe://shop.example/svc/order"), "{error}");
    }
}

/// Runs a command on the authority in `dir`; whether it ended with `code`.
fn ends(dir: &std::path::Path, line: &str, code: u8) {
    let args = parse(&format!("{line} --dir {}", dir.display())).unwrap();

    assert_eq!(run(&args, || ()), ExitCode::from(code), "{line}");
}

#[test]
fn an_operator_rotates_the_root_and_is_held_back_while_somebody_would_be_cut_off() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let (ca, out) = (folder.path().join("ca"), folder.path().join("order"));
    let authority = || crate::authority::Authority::open(&ca, None).unwrap();
    ends(&ca, "check", 1);
    ends(&ca, "init shop.example", 0);
    ends(&ca, "init shop.example", 1);
    ends(&ca, &format!("issue svc/order --out {}", out.display()), 1);
    assert!(!out.exists(), "nothing is made for nobody");
    ends(&ca, "entry create svc/order --ttl-max 1h", 0);
    ends(&ca, &format!("issue svc/order --out {}", out.display()), 0);
    ends(&ca, &format!("issue svc/order --out {}", out.display()), 1);
    let instance = authority().live_instances(clock()).unwrap().remove(0).instance;

    // when, then
    ends(&ca, "root activate", 1);
    ends(&ca, "root prepare", 0);
    ends(&ca, "root activate", 3);
    ends(&ca, &format!("bundle acknowledge {instance} --sequence 2"), 0);
    ends(&ca, "root activate", 0);
    ends(&ca, "root retire --json", 3);
    ends(&ca, "root retire --force", 0);
    ends(&ca, "root show", 0);
    ends(&ca, "check", 0);
    assert_eq!(authority().settings().unwrap().phase.active().as_str(), "root-2");
}

#[test]
fn an_operator_revokes_backs_up_and_restores() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let (ca, copy, new) = (folder.path().join("ca"), folder.path().join("copy"), folder.path().join("new"));
    ends(&ca, "init shop.example", 0);
    ends(&ca, "entry create svc/order --token", 0);
    ends(&ca, &format!("issue svc/order --out {}", folder.path().join("order").display()), 0);

    // when, then
    ends(&ca, "revoke --id svc/order --before 2026-01-01T00:00:00Z", 0);
    ends(&ca, "revoke --lift --id svc/order --before 2026-01-01T00:00:00Z", 0);
    ends(&ca, "revoke --lift --id svc/order --before 2026-01-01T00:00:00Z", 1);
    ends(&ca, "revoke --id svc/order", 0);
    ends(&ca, "token create svc/order", 0);
    ends(&ca, &format!("crl --out {}", folder.path().join("crl.pem").display()), 0);
    ends(&ca, "list --all --json", 0);
    ends(&ca, &format!("backup {}", copy.display()), 0);
    ends(&new, &format!("restore {}", copy.display()), 0);
    ends(&new, &format!("restore {}", copy.display()), 1);
    ends(&new, "audit verify", 0);
    let text = std::fs::read_to_string(new.join("audit.jsonl")).unwrap();
    std::fs::write(new.join("audit.jsonl"), text.replacen("svc/order", "svc/other", 1)).unwrap();
    ends(&new, "audit verify", 1);
}

#[test]
fn new_keys_are_protected_as_the_others_are() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let (ca, good, wrong) =
        (folder.path().join("ca"), folder.path().join("good"), folder.path().join("wrong"));
    for (file, password) in [(&good, "right\n"), (&wrong, "other\n")] {
        std::fs::write(file, password).unwrap();
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let with = |line: &str, file: &std::path::Path| format!("{line} --password-file {}", file.display());
    ends(&ca, &with("init shop.example", &good), 0);

    for line in ["root prepare", "intermediate rotate"] {
        // when, then
        ends(&ca, line, 1);
        ends(&ca, &with(line, &wrong), 1);
        ends(&ca, &with(line, &good), 0);
    }
    for key in std::fs::read_dir(ca.join("keys")).unwrap() {
        let text = std::fs::read_to_string(key.unwrap().path()).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    }
}

fn clock() -> crate::time::Timestamp {
    crate::clock::wall()
}
