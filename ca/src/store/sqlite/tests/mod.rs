//! Tests of the SQLite store: what stands in the records of these tests, and how a store is made for them.

mod backup;
mod crash;
mod full;
mod large;
mod open;
mod race;
mod records;
mod schema;
mod transactions;

use super::Sqlite;
use crate::entry::{Entry, Grants, Spent, Token};
use crate::names::{AuthorityId, Fingerprint, InstanceId, Serial};
use crate::rotation::Phase;
use crate::spiffe::SpiffeId;
use crate::store::{How, Instance, Issued, Settings, Store, StoreError, Writing};
use crate::time::Timestamp;
use std::path::PathBuf;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_790_000_000);

fn later(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

/// A store that goes away with its folder.
struct Temporary {
    store: Sqlite,
    folder: TempDir,
}

impl Temporary {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Sqlite::create(&folder.path().join("store.db")).unwrap();
        Self { store, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }
}

/// One whole change.
fn change(store: &Sqlite, what: impl FnOnce(&dyn Writing) -> Result<(), StoreError>) {
    let write = store.write().unwrap();
    what(&*write).unwrap();
    write.commit().unwrap();
}

fn serial(number: u64) -> Serial {
    let mut bits = [0; 16];
    bits[8..].copy_from_slice(&number.to_be_bytes());
    Serial::from_random(bits)
}

fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint::of(&number.to_be_bytes())
}

fn id(name: &str) -> SpiffeId {
    format!("spiffe://shop.example/svc/{name}").parse().unwrap()
}

fn instance_id(number: u64) -> InstanceId {
    InstanceId::from_random(number.to_be_bytes())
}

fn settings() -> Settings {
    Settings {
        trust_domain: "shop.example".parse().unwrap(),
        urls: vec!["https://ca.shop.example:8443".to_owned()],
        ttl_default: 86_400,
        sequence: 7,
        phase: Phase::Prepared { active: AuthorityId::root(1), next: AuthorityId::root(2), since: 6 },
        roots: 2,
        intermediates: 1,
        signing: AuthorityId::intermediate(1),
        restored: Some(NOW),
    }
}

fn entry(name: &str) -> Entry {
    Entry {
        id: id(name),
        dns: vec![format!("{name}.shop.example"), name.to_owned()],
        ttl_max: 3_600,
        grants: Grants { assert: true, admin: false },
        created: NOW,
    }
}

fn token(number: u64) -> Token {
    Token {
        hash: fingerprint(number),
        entry: id("order"),
        roots: vec![fingerprint(1_000), fingerprint(1_001)],
        created: NOW,
        expires: later(600),
        spent: None,
    }
}

fn spent(number: u64) -> Spent {
    Spent { at: NOW, key: fingerprint(number), serial: serial(number) }
}

/// A certificate as lists have it.
fn listed(issued: Issued) -> Issued {
    Issued { der: Vec::new(), ..issued }
}

fn issued(number: u64) -> Issued {
    Issued {
        serial: serial(number),
        id: id("order"),
        instance: instance_id(number),
        how: How::Bootstrap,
        key: fingerprint(number),
        issuer: AuthorityId::intermediate(1),
        root: AuthorityId::root(1),
        not_before: later(-60),
        not_after: later(3_600),
        at: NOW,
        der: vec![0x30; 600],
    }
}

fn instance(number: u64) -> Instance {
    Instance {
        instance: instance_id(number),
        id: id("order"),
        acknowledged: 0,
        seen: NOW,
        serial: serial(number),
        not_after: later(3_600),
        shown: false,
    }
}

/// The whole of a first issue, as the authority does it.
fn issue(write: &dyn Writing, number: u64) -> Result<(), StoreError> {
    write.add_token(&token(number))?;
    write.add_issued(&issued(number))?;
    write.put_instance(&instance(number))?;
    assert!(write.spend_token(&fingerprint(number), &spent(number))?);
    write.add_audit("{\"what\":\"issued\"}")?;
    Ok(())
}
