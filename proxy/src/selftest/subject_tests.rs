//! Which sidecar is tried, and as whom.

use super::super::support::config;
use super::*;
use crate::mesh::support::{Ca, EDGE, ORDER};
use std::os::unix::fs::PermissionsExt;

const TARGET: &str = "127.0.0.1:29999";

/// A sidecar whose certificate is in files of `folder`.
fn with_files(folder: &Path) -> Config {
    let ca = Ca::new();
    let own = ca.own(ORDER);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let pem =
        |ders: &[Vec<u8>]| ders.iter().map(|der| certificate::pem("CERTIFICATE", der)).collect::<String>();
    let mut config = config("");
    let mesh = config.mesh.as_mut().unwrap();
    mesh.source = Source::Files {
        cert: write("a.pem", &pem(&own.chain)),
        key: write("a.key", &own.key.to_pem(None).unwrap()),
        bundle: write("b.pem", &pem(&[ca.root().to_vec()])),
    };
    mesh.assert = vec![ORDER.parse().unwrap(), EDGE.parse().unwrap()];
    config
}

#[test]
fn an_address_bound_to_all_is_reached_on_loopback() {
    assert_eq!(reachable("0.0.0.0:1".parse().unwrap()).to_string(), "127.0.0.1:1");
    assert_eq!(reachable("[::]:1".parse().unwrap()).to_string(), "[::1]:1");
    assert_eq!(reachable("192.0.2.7:1".parse().unwrap()).to_string(), "192.0.2.7:1");
}

#[test]
fn who_has_not_joined_is_told_so_and_no_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut config = config("");
    config.mesh.as_mut().unwrap().source =
        Source::Authority { address: None, join_token: None, state: state.clone() };

    let error = Subject::new(config, None).unwrap_err();

    assert!(matches!(&error, SubjectError::NotJoined(path) if *path == state), "{error}");
    assert!(!error.is_usage() && !state.exists());
}

#[test]
fn a_configuration_of_something_else_and_an_unknown_port_are_usage() {
    let edge = Config { sidecar: None, ..config("") };
    let mut anywhere = config("");
    anywhere.listeners.iter_mut().for_each(|listener| listener.bind.set_port(0));

    assert!(matches!(Subject::new(edge, None), Err(error @ SubjectError::NotASidecar) if error.is_usage()));
    assert!(matches!(Subject::new(anywhere, None), Err(error @ SubjectError::NoPort) if error.is_usage()));
}

#[test]
fn a_certificate_in_files_is_shown_and_says_whose_word_counts() {
    let folder = tempfile::tempdir().unwrap();

    let subject = Subject::new(with_files(folder.path()), Some(TARGET.parse().unwrap())).unwrap();

    assert_eq!((subject.own.svid.id.as_str(), subject.target.to_string().as_str()), (ORDER, TARGET));
    assert!(subject.is_asserter && !subject.is_permissive());
    assert_eq!(subject.asserter.unwrap().as_str(), EDGE);
}
