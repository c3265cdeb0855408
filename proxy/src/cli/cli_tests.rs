//! The command line: it is consistent, and its flags mean what the documents say.

use super::*;

#[test]
fn the_definition_is_consistent() {
    command().debug_assert();
}

#[test]
fn explain_takes_headers_and_a_host() {
    let line = [
        "portcullis",
        "explain",
        "--config",
        "e.yaml",
        "GET /a?b=c",
        "-H",
        "X-Beta: 1",
        "-H",
        "Accept:*/*",
        "--host",
        "shop.example",
    ];

    let cli = Cli::try_parse_from(line).unwrap();

    let Command::Explain(args) = cli.command else { panic!("{cli:?}") };
    assert_eq!(args.request, "GET /a?b=c");
    assert_eq!(args.headers, [("X-Beta".into(), "1".into()), ("Accept".into(), "*/*".into())]);
    assert_eq!(args.host.as_deref(), Some("shop.example"));
}

#[test]
fn a_wrong_command_line_exits_with_2_and_help_with_0() {
    let wrong = [
        vec!["portcullis"],
        vec!["portcullis", "check"],
        vec!["portcullis", "chek", "a.yaml"],
        vec!["portcullis", "check", "--format", "xml", "a.yaml"],
        vec!["portcullis", "explain", "--config", "e.yaml", "GET /", "-H", "no colon"],
        vec!["portcullis", "explain", "--config", "e.yaml", "GET /", "-H", "bad name: x"],
    ];

    for line in wrong {
        assert_eq!(Cli::try_parse_from(&line).unwrap_err().exit_code(), 2, "{line:?}");
    }
    assert_eq!(Cli::try_parse_from(["portcullis", "check", "--help"]).unwrap_err().exit_code(), 0);
}

#[test]
fn every_command_but_the_small_ones_shows_an_example() {
    for one in command().get_subcommands() {
        let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();

        assert!(help.contains("portcullis") || help.contains("tests:"), "{}", one.get_name());
    }
}
