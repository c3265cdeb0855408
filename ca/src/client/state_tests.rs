//! The state directory: what is stored is there, whole, whatever happens in between.

use super::super::swap::Step;
use super::super::testing::{Ca, USUAL};
use super::*;
use std::os::unix::fs::PermissionsExt;

fn folder() -> (tempfile::TempDir, StateDir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::open(&temporary.path().join("svid")).unwrap();
    (temporary, dir)
}

fn urls() -> Vec<String> {
    vec!["https://ca.shop.example:8443".to_owned()]
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(dir: &StateDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_empty_folder_holds_no_identity() {
    let (_temporary, dir) = folder();

    assert!(dir.load().unwrap().is_none());
    assert_eq!(mode(dir.path()), 0o700);
}

#[test]
fn what_is_stored_is_loaded() {
    let (_temporary, dir) = folder();
    let mut identity = Ca::new().identity(&urls(), USUAL);
    identity.ttl = Some(Duration::from_secs(3_600));
    identity.trust.denied = vec![Denial::Id("spiffe://shop.example/svc/old".parse().unwrap())];

    dir.store(&identity).unwrap();

    let loaded = dir.load().unwrap().unwrap();
    assert_eq!(loaded.chain, identity.chain);
    assert_eq!(loaded.svid, identity.svid);
    assert_eq!(loaded.key.fingerprint(), identity.key.fingerprint());
    assert_eq!(loaded.trust.bundle.roots, identity.trust.bundle.roots);
    assert_eq!(loaded.trust.bundle.sequence, 1);
    assert_eq!(loaded.trust.denied, identity.trust.denied);
    assert_eq!(loaded.trust.asserters, identity.trust.asserters);
    assert_eq!(
        (loaded.instance, loaded.renew_after, loaded.urls, loaded.ttl),
        (identity.instance, identity.renew_after, identity.urls, identity.ttl)
    );
}

#[test]
fn files_are_links_into_one_version_and_only_their_owner_reads_them() {
    let (_temporary, dir) = folder();
    let ca = Ca::new();

    dir.store(&ca.identity(&urls(), USUAL)).unwrap();
    dir.store(&ca.identity(&urls(), USUAL)).unwrap();

    let expected =
        ["..2", "..data", ".lock", "bundle.json", "bundle.pem", "state.json", "svid.key", "svid.pem"];
    assert_eq!(names(&dir), expected);
    assert_eq!(mode(&dir.path().join("..2")), 0o700);
    for name in FILES {
        let path = dir.path().join(name);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("..data").join(name));
        assert_eq!(mode(&fs::canonicalize(&path).unwrap()), 0o600);
    }
}

/// Takes the first `steps` steps of storing `next`, and if `torn` half of the one after.
fn crash(dir: &StateDir, next: &Identity, steps: usize, torn: bool) -> usize {
    let found = swap::look(dir.path(), &FILES).unwrap();
    let plan = swap::plan(dir.path(), &found, contents(next).unwrap());
    plan.iter().take(steps).for_each(|step| swap::take(step).unwrap());
    match plan.get(steps) {
        Some(Step::File(path, content)) if torn => fs::write(path, &content[..content.len() / 2]).unwrap(),
        Some(Step::RemoveFolder(path)) if torn => fs::remove_file(path.join(KEY)).unwrap(),
        _ => {}
    }
    plan.len()
}

#[test]
fn a_crash_at_any_step_leaves_the_old_identity_or_the_new_one() {
    let ca = Ca::new();
    let (first, second, third) =
        (ca.identity(&urls(), USUAL), ca.identity(&urls(), USUAL), ca.identity(&urls(), USUAL));
    for before in [None, Some(&first)] {
        let old = before.map(|identity| identity.svid.serial);
        let (mut steps, mut all, mut seen_new) = (0, 1, false);
        while steps <= all {
            for torn in [false, true] {
                let (_temporary, dir) = folder();
                before.into_iter().for_each(|identity| dir.store(identity).unwrap());

                all = crash(&dir, &second, steps, torn);

                let found = dir.load().unwrap().map(|identity| identity.svid.serial);
                assert!(found == old || found == Some(second.svid.serial), "after {steps} of {all} steps");
                assert!(!seen_new || found != old, "the new one, once there, stays");
                seen_new = found != old;

                // Who comes after the crash is not hindered, and cleans up.
                dir.store(&third).unwrap();
                assert_eq!(dir.load().unwrap().unwrap().svid.serial, third.svid.serial);
                assert_eq!(names(&dir).len(), 8, "{:?}", names(&dir));
            }
            steps += 1;
        }
        assert!(seen_new, "all steps make the new one");
    }
}

#[test]
fn who_reads_while_others_write_sees_a_whole_identity() {
    let (_temporary, dir) = folder();
    let ca = Ca::new();
    let identities: Vec<Identity> = (0..3).map(|_| ca.identity(&urls(), USUAL)).collect();
    dir.store(&identities[0]).unwrap();

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..30 {
                dir.store(&identities[round % 3]).unwrap();
            }
        });
        while !writer.is_finished() {
            assert!(dir.load().unwrap().is_some());
        }
        writer.join().unwrap();
    });
}

#[test]
fn an_identity_that_does_not_belong_together_is_named() {
    let ca = Ca::new();
    let (one, other) = (ca.identity(&urls(), USUAL), Ca::new().identity(&urls(), USUAL));
    let spoil = |name: &str, content: &str| {
        let (_temporary, dir) = folder();
        dir.store(&one).unwrap();
        fs::write(dir.path().join(name), content).unwrap();
        dir.load().unwrap_err()
    };

    let key = spoil(KEY, &other.key.to_pem(None).unwrap());
    let bundle = spoil(BUNDLE, &other.trust.bundle.to_jwks());
    let record = spoil(RECORD, "{");
    let cut = spoil(KEY, "-----BEGIN PRIVATE KEY-----\n");

    assert!(matches!(key, StateError::Damaged { fault: Fault::OtherKey, .. }), "{key}");
    assert!(matches!(bundle, StateError::Damaged { fault: Fault::Untrusted(_), .. }), "{bundle}");
    assert!(matches!(record, StateError::Damaged { fault: Fault::Record(_), .. }), "{record}");
    assert!(matches!(cut, StateError::Key(_)), "{cut}");
}

#[test]
fn an_expired_identity_is_loaded() {
    let (_temporary, dir) = folder();
    let identity = Ca::new().identity(&urls(), super::super::testing::Life(-7_200, -3_600, -5_000));

    dir.store(&identity).unwrap();

    assert_eq!(dir.load().unwrap().unwrap().svid, identity.svid);
}

#[test]
fn a_trust_replaces_an_older_one_and_nothing_else() {
    let (_temporary, dir) = folder();
    let ca = Ca::new();
    let identity = ca.identity(&urls(), USUAL);
    dir.store(&identity).unwrap();

    let newer = dir.store_trust(&ca.trust(5)).unwrap();
    let overtaken = dir.store_trust(&ca.trust(4)).unwrap();

    assert_eq!((newer.bundle.sequence, overtaken.bundle.sequence), (5, 5));
    let loaded = dir.load().unwrap().unwrap();
    assert_eq!((loaded.trust.bundle.sequence, loaded.svid), (5, identity.svid));
}

#[test]
fn a_trust_without_an_identity_is_not_stored() {
    let (_temporary, dir) = folder();

    assert!(matches!(dir.store_trust(&Ca::new().trust(1)), Err(StateError::Empty(_))));
}

#[test]
fn a_renewal_does_not_bring_an_old_trust_back() {
    let (_temporary, dir) = folder();
    let ca = Ca::new();
    dir.store(&ca.identity(&urls(), USUAL)).unwrap();
    dir.store_trust(&ca.trust(5)).unwrap();

    let stored = dir.store_renewed(ca.identity(&urls(), USUAL)).unwrap();

    assert_eq!(stored.trust.bundle.sequence, 5);
    assert_eq!(dir.load().unwrap().unwrap().svid, stored.svid);
}

#[test]
fn a_pending_key_belongs_to_one_token_and_goes_when_it_has_served() {
    let (_temporary, dir) = folder();
    let (one, other) = (Fingerprint::of(b"one"), Fingerprint::of(b"other"));

    let first = dir.pending_key(&one).unwrap().fingerprint();
    let again = dir.pending_key(&one).unwrap().fingerprint();
    let elsewhere = dir.pending_key(&other).unwrap().fingerprint();

    assert_eq!(first, again);
    assert_ne!(first, elsewhere);
    let pending: Vec<String> = names(&dir).into_iter().filter(|name| name.starts_with(PENDING)).collect();
    assert_eq!(pending.len(), 1);
    assert_eq!(mode(&dir.path().join(&pending[0])), 0o600);

    dir.store(&Ca::new().identity(&urls(), USUAL)).unwrap();
    assert!(!names(&dir).iter().any(|name| name.starts_with(PENDING)));
}

#[test]
fn files_of_somebody_else_are_not_replaced() {
    let (_temporary, dir) = folder();
    fs::write(dir.path().join(CHAIN), "mine").unwrap();

    let error = dir.store(&Ca::new().identity(&urls(), USUAL)).unwrap_err();

    assert!(error.to_string().contains("choose an empty folder"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join(CHAIN)).unwrap(), "mine");
}

#[test]
fn a_folder_others_can_write_to_is_not_used() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("svid");
    StateDir::open(&path).unwrap();

    for open in [0o770, 0o707, 0o1777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();

        let error = StateDir::open(&path).unwrap_err();

        assert!(matches!(error, StateError::Unsafe(_)), "{error}");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    StateDir::open(&path).unwrap();
}

#[test]
fn files_others_could_have_written_are_not_believed() {
    let (_temporary, dir) = folder();
    dir.store(&Ca::new().identity(&urls(), USUAL)).unwrap();
    for name in [CHAIN, BUNDLE, RECORD] {
        let path = dir.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();

        let error = dir.load().unwrap_err();

        assert!(matches!(error, StateError::Unsafe(_)), "{name}: {error}");
        // To read them is everybody's right.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        dir.load().unwrap();
    }
}
