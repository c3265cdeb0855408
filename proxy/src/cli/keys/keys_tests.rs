//! The flags of `keys`, and what the commands do to a file.

use super::*;
use crate::admission::authenticate::api_key::{Key, KeyFile};
use clap::Parser;
use std::fs::{self, Permissions};
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_795_392_000); // 2026-11-23T00:00:00Z

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    keys: KeysArgs,
}

fn parsed(words: &[&str]) -> Result<KeysCommand, clap::Error> {
    Line::try_parse_from(std::iter::once(&"keys").chain(words)).map(|line| line.keys.command)
}

fn create_args(file: &Path, words: &str) -> CreateArgs {
    let file = file.display().to_string();
    let words: Vec<&str> = ["create", "--file", &file].into_iter().chain(words.split_whitespace()).collect();
    let KeysCommand::Create(args) = parsed(&words).unwrap() else { panic!("{words:?}") };
    args
}

fn made(file: &Path, words: &str) -> Result<Made, Ended> {
    make(&create_args(file, words), NOW, &mut Cursor::new(""))
}

fn revoked(file: &Path, id: &str) -> Result<ExitCode, Ended> {
    revoke(&RevokeArgs { file: file.to_owned(), id: id.to_owned() })
}

fn keys(file: &Path) -> KeyFile {
    KeyFile::parse(&fs::read_to_string(file).unwrap()).unwrap()
}

fn folder() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("partners.yaml");
    (dir, file)
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for words in [
        "create --file f --id a",
        "create --file f --owner a",
        "create --id a --owner a",
        "create --file f --id a/b --owner a",
        "create --file f --id a --owner a,b",
        "create --file f --id a --owner a --tier a:b",
        "create --file f --id a --owner a --role a'b",
        "create --file f --id a --owner a --scope é",
        "create --file f --id a --owner a --expires soon",
        "create --file f --id a --owner a --expires 2027-02-30",
        "create --file f --id a --owner a --secret pck_x",
        "revoke --file f",
        "list",
        "",
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();

        assert_eq!(parsed(&words).unwrap_err().exit_code(), 2, "{words:?}");
    }
}

#[test]
fn a_created_key_is_found_by_the_secret_that_was_shown() {
    let (_dir, file) = folder();

    let made =
        made(&file, "--id acme --owner acme-inc --tier premium --role r --scope orders:read --expires 90d");

    let made = made.unwrap();
    let caller = keys(&file).find(made.secret.unwrap().as_str(), NOW).unwrap();
    assert_eq!((&*caller.principal.user, caller.tier.as_deref()), ("acme-inc", Some("premium")));
    assert_eq!(caller.api_key.as_deref(), Some("acme"));
    let keys = keys(&file);
    let [key] = keys.keys() else { panic!("{keys:?}") };
    assert_eq!((key.created.as_deref(), key.expires.as_deref()), (Some("2026-11-23"), Some("2027-02-21")));
}

#[test]
fn the_secret_stands_alone_on_standard_output_and_nowhere_else() {
    let (_dir, file) = folder();
    let args = create_args(&file, "--id acme --owner acme");
    let as_json = create_args(&file, "--id other --owner acme --json");

    let made = make(&args, NOW, &mut Cursor::new("")).unwrap();
    let other = make(&as_json, NOW, &mut Cursor::new("")).unwrap();

    let secret = made.secret.clone().unwrap();
    assert_eq!(made.answer(&args), format!("{}\n", secret.as_str()));
    assert!(made.notes(&args).contains("by itself") && made.notes(&args).contains("this once"));
    let value: serde_json::Value = serde_json::from_str(&other.answer(&as_json)).unwrap();
    assert_eq!(value["secret"].as_str(), other.secret.as_ref().map(Secret::as_str));
    let kept = fs::read_to_string(&file).unwrap() + &made.notes(&args) + &other.notes(&as_json);
    assert!(!kept.contains("pck_"), "{kept}");
}

#[test]
fn a_file_that_is_made_is_for_its_owner_alone_and_one_that_was_there_keeps_its_mode() {
    let (_dir, file) = folder();
    let mode = || fs::metadata(&file).unwrap().mode() & 0o777;

    made(&file, "--id a --owner o").unwrap();
    assert_eq!(mode(), 0o600);

    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    made(&file, "--id b --owner o").unwrap();
    assert_eq!(mode(), 0o640);
    revoked(&file, "a").unwrap();
    assert_eq!(mode(), 0o640);
}

#[test]
fn nothing_is_left_beside_the_file_and_a_link_still_leads_to_it() {
    let (dir, file) = folder();
    let link = dir.path().join("link.yaml");
    made(&file, "--id a --owner o").unwrap();
    std::os::unix::fs::symlink("partners.yaml", &link).unwrap();

    made(&link, "--id b --owner o").unwrap();
    made(&link, "--id b --owner o").map(drop).unwrap_err();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(keys(&file).keys().len(), 2);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn keys_that_are_made_at_the_same_time_all_land() {
    let (_dir, file) = folder();
    let (file, count) = (file.as_path(), 8);
    let start = &std::sync::Barrier::new(count);

    std::thread::scope(|scope| {
        for number in 0..count {
            scope.spawn(move || {
                start.wait();
                made(file, &format!("--id k{number} --owner o")).unwrap()
            });
        }
    });

    assert_eq!(keys(file).keys().len(), count);
}

#[test]
fn a_key_that_would_never_be_good_is_not_made() {
    let (_dir, file) = folder();

    let ended = made(&file, "--id a --owner o --expires 2026-11-22").map(drop).unwrap_err();

    assert!(matches!(ended, Ended::Past));
    assert!(!file.exists());
    made(&file, "--id a --owner o --expires 2026-11-23").unwrap();
    made(&file, "--id b --owner o --expires 12h").unwrap();
    let ends: Vec<_> = keys(&file).keys().iter().map(|key: &Key| key.expires.clone().unwrap()).collect();
    assert_eq!(ends, ["2026-11-23", "2026-11-23T12:00:00Z"].map(Box::<str>::from));
}

#[test]
fn a_secret_from_elsewhere_is_taken_from_standard_input_and_not_shown() {
    let (_dir, file) = folder();
    let args = create_args(&file, "--id a --owner o --secret-from-stdin");

    let made = make(&args, NOW, &mut Cursor::new("a secret-made-elsewhere\n".replace(' ', "-"))).unwrap();

    assert_eq!(made.answer(&args), "");
    assert_eq!(keys(&file).find("a-secret-made-elsewhere", NOW).unwrap().api_key.as_deref(), Some("a"));
}

#[test]
fn a_secret_that_no_client_could_show_is_refused() {
    let (_dir, file) = folder();
    let args = create_args(&file, "--id a --owner o --secret-from-stdin");
    let long = "x".repeat(5000);

    for line in ["", "\n", "short\n", "with a space in it\n", "pck_0123456789abcdef\n", &long] {
        let ended = make(&args, NOW, &mut Cursor::new(line)).map(drop).unwrap_err();

        assert!(matches!(ended, Ended::BadSecret(Refused::Malformed)), "{line}: {ended}");
    }
    assert!(!file.exists());
}

#[test]
fn a_file_that_cannot_be_edited_stays_and_the_entry_to_add_is_told() {
    let (_dir, file) = folder();
    let digest = Secret::from_random([1; 32]).digest().to_hex();
    let old = format!("version: 1\nkeys: [{{ id: a, sha256: {digest}, owner: o }}]\n");
    fs::write(&file, &old).unwrap();
    let args = create_args(&file, "--id b --owner o");

    let made = make(&args, NOW, &mut Cursor::new("")).unwrap();

    assert!(!made.added);
    assert!(made.notes(&args).contains(&made.entry.line()), "{}", made.notes(&args));
    assert_eq!(revoked(&file, "a").unwrap(), ExitCode::FAILURE);
    assert_eq!(fs::read_to_string(&file).unwrap(), old);
}

#[test]
fn a_revoked_key_is_out_of_the_file_and_one_that_is_not_there_an_error() {
    let (_dir, file) = folder();
    made(&file, "--id acme-2026 --owner o").unwrap();
    made(&file, "--id b --owner o").unwrap();

    revoked(&file, "b").unwrap();
    let ended = revoked(&file, "acme2026").unwrap_err();

    assert_eq!(keys(&file).keys().len(), 1);
    assert!(ended.to_string().ends_with("there is no key `acme2026`; did you mean `acme-2026`?"), "{ended}");
}

#[test]
fn an_error_of_the_file_is_told_with_its_place() {
    let (_dir, file) = folder();
    fs::write(&file, "version: 1\nkesy: []\n").unwrap();

    let ended = made(&file, "--id b --owner o").map(drop).unwrap_err().to_string();

    assert!(ended.contains("partners.yaml:2:1: unknown key `kesy`"), "{ended}");
}

#[test]
fn a_file_that_is_missing_is_an_error_for_all_but_create() {
    let (dir, file) = folder();
    let dangling = dir.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();

    assert!(matches!(revoked(&file, "a"), Err(Ended::File(..))));
    assert!(matches!(write::text(&file), Err(Ended::File(..))));
    assert!(matches!(made(&dangling, "--id a --owner o"), Err(Ended::File(..))));
    assert!(matches!(made(dir.path(), "--id a --owner o"), Err(Ended::File(..))));
}

#[test]
fn the_list_says_whose_keys_there_are_and_which_have_expired() {
    let (_dir, file) = folder();
    made(&file, "--id acme-2026 --owner acme --tier premium --expires 2026-11-23").unwrap();
    made(&file, "--id b --owner bits").unwrap();
    let later = Timestamp(NOW.0 + 86_400);

    let table = list::table(&keys(&file), later);
    let json: serde_json::Value = serde_json::from_str(&list::json(&keys(&file), later)).unwrap();

    assert_eq!(
        table,
        "\
ID         OWNER  TIER     CREATED     EXPIRES     STATE
acme-2026  acme   premium  2026-11-23  2026-11-23  expired
b          bits   -        2026-11-23  -           active
"
    );
    assert_eq!((&json[0]["state"], &json[1]["state"]), (&"expired".into(), &"active".into()));
    assert_eq!(json[0].as_object().unwrap().len(), 8);
}
