//! Files that are renewed, half-renewed, damaged and put back.

use super::super::support::{self, Ca, DOMAIN, ORDER, PAYMENT};
use super::super::{Membership, Origin, Own, now};
use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tokio::sync::watch;

struct Folder {
    folder: tempfile::TempDir,
    looker: Looker,
    memberships: watch::Receiver<Option<Arc<Membership>>>,
}

fn write(folder: &Path, name: &str, text: &str) {
    let (draft, path) = (folder.join("draft"), folder.join(name));
    fs::write(&draft, text).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(draft, path).unwrap();
}

fn write_cert(folder: &Path, own: &Own) {
    let pem: String = own.chain.iter().map(|der| certificate::pem("CERTIFICATE", der)).collect();
    write(folder, "svid.pem", &pem);
}

fn write_key(folder: &Path, own: &Own) {
    write(folder, "svid.key", &own.key.to_pem(None).unwrap());
}

fn write_bundle(folder: &Path, roots: &[&Ca]) {
    let pem: String = roots.iter().map(|ca| certificate::pem("CERTIFICATE", ca.root())).collect();
    write(folder, "bundle.pem", &pem);
}

impl Folder {
    /// Starts in a folder that holds this.
    fn with(own: Option<&Own>, roots: &[&Ca]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        if let Some(own) = own {
            write_cert(path, own);
            write_key(path, own);
            write_bundle(path, roots);
        }
        let files = Files {
            cert: path.join("svid.pem"),
            key: path.join("svid.key"),
            bundle: path.join("bundle.pem"),
            trust_domain: DOMAIN.parse().unwrap(),
        };
        let publisher = Publisher::new(DOMAIN.parse().unwrap(), Origin::Files);
        let memberships = publisher.subscribe();
        Self { looker: Looker::start(files, publisher, now()), folder, memberships }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Two seconds pass.
    fn settle(&mut self) {
        self.looker.step(now());
        self.looker.step(now());
    }

    /// Generation, version and leaf in force.
    fn now(&self) -> Option<(u64, u64, portcullis_ca::names::Fingerprint)> {
        let now = self.memberships.borrow();
        now.as_ref().map(|now| (now.own.generation, now.trust.version, now.own.leaf))
    }
}

#[test]
fn what_is_there_at_the_start_is_taken_and_what_comes_later_too() {
    let ca = Ca::new();
    let own = ca.own(ORDER);
    let there = Folder::with(Some(&own), &[&ca]);
    let mut later = Folder::with(None, &[]);
    assert_eq!(later.now(), None);

    write_cert(later.path(), &own);
    write_key(later.path(), &own);
    write_bundle(later.path(), &[&ca]);
    later.settle();

    assert_eq!(there.now(), Some((1, 1, own.leaf)));
    assert_eq!(later.now(), Some((1, 1, own.leaf)));
}

#[test]
fn a_new_certificate_with_the_old_key_keeps_the_last_good_until_the_key_is_there() {
    let ca = Ca::new();
    let (old, new) = (ca.own(ORDER), ca.own(ORDER));
    let mut folder = Folder::with(Some(&old), &[&ca]);

    write_cert(folder.path(), &new);
    folder.settle();
    folder.settle();
    let half_way = folder.now();
    write_key(folder.path(), &new);
    folder.settle();

    assert_eq!(half_way, Some((1, 1, old.leaf)));
    assert_eq!(folder.now(), Some((2, 1, new.leaf)));
}

#[test]
fn another_bundle_is_another_trust_and_the_same_content_is_nothing_new() {
    let (ca, next) = (Ca::new(), Ca::new());
    let own = ca.own(ORDER);
    let mut folder = Folder::with(Some(&own), &[&ca]);

    write_bundle(folder.path(), &[&ca]);
    write_key(folder.path(), &own);
    folder.settle();
    let same = folder.now();
    write_bundle(folder.path(), &[&ca, &next]);
    folder.settle();

    assert_eq!(same, Some((1, 1, own.leaf)));
    assert_eq!(folder.now(), Some((1, 2, own.leaf)));
}

/// Puts something wrong in a folder.
type Spoil = fn(&Path, &Ca);

#[test]
fn what_cannot_be_used_keeps_the_last_good() {
    let spoils: [(&str, Spoil); 8] = [
        ("no certificate", |path, _| fs::remove_file(path.join("svid.pem")).unwrap()),
        ("damaged", |path, _| write(path, "svid.pem", "-----BEGIN CERTIFICATE-----\nAAAA")),
        ("an open key", |path, _| {
            fs::set_permissions(path.join("svid.key"), fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(path.join("svid.pem"), fs::read_to_string(path.join("svid.pem")).unwrap() + "\n")
                .unwrap();
        }),
        ("a foreign root", |path, _| write_bundle(path, &[&Ca::new()])),
        ("an empty bundle", |path, _| write(path, "bundle.pem", "")),
        ("expired", |path, ca| {
            let over = ca.spoiled(ORDER, |params| support::period(params, -7_200, -3_600));
            write_cert(path, &over);
            write_key(path, &over);
        }),
        ("another trust domain", |path, ca| {
            let foreign = ca.own("spiffe://lab.example/svc/order");
            write_cert(path, &foreign);
            write_key(path, &foreign);
        }),
        ("only a client", |path, ca| {
            let client = ca.spoiled(PAYMENT, |params| {
                params
                    .extended_key_usages
                    .retain(|usage| *usage == rcgen::ExtendedKeyUsagePurpose::ClientAuth);
            });
            write_cert(path, &client);
            write_key(path, &client);
        }),
    ];
    for (what, spoil) in spoils {
        let ca = Ca::new();
        let own = ca.own(ORDER);
        let mut folder = Folder::with(Some(&own), &[&ca]);

        spoil(folder.path(), &ca);
        folder.settle();

        assert_eq!(folder.now(), Some((1, 1, own.leaf)), "{what}");
        assert!(folder.looker.bad.is_some(), "{what}");
    }
}

#[test]
fn files_that_were_only_refused_by_the_clock_are_taken_when_it_is_right() {
    let ca = Ca::new();
    let mut folder = Folder::with(None, &[]);
    let early = ca.spoiled(ORDER, |params| support::period(params, 600, 3_600));
    write_cert(folder.path(), &early);
    write_key(folder.path(), &early);
    write_bundle(folder.path(), &[&ca]);
    folder.settle();
    let before = folder.now();

    folder.looker.step(now().after(std::time::Duration::from_secs(700)));

    assert_eq!(before, None);
    assert_eq!(folder.now(), Some((1, 1, early.leaf)));
    assert!(folder.looker.bad.is_none());
}
