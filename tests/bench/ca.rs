//! What the authority costs: certificates a second, joining under load, memory and listing with a long ledger.
//!
//! `cargo bench -p portcullis-tests --bench ca`; the server is the binary in `PORTCULLIS_BIN_DIR` (build it with
//! `--profile dist`), else the one beside the benchmark. Prints one line a figure; nothing here fails for being slow.

use portcullis_ca::authority::{Authority, NewEntry, NewToken};
use portcullis_ca::client::{self, StateDir};
use portcullis_ca::entry::{Entry, Grants};
use portcullis_ca::issuer::{Issuer, self_signed_root};
use portcullis_ca::key::Key;
use portcullis_ca::names::{AuthorityId, Fingerprint, InstanceId, Serial};
use portcullis_ca::policy::{Ask, Grant, decide};
use portcullis_ca::profile::Validity;
use portcullis_ca::store::{How, Instance, Issued, Sqlite, Store};
use portcullis_ca::time::Timestamp;
use portcullis_ca::{SpiffeId, clock, csr};
use portcullis_tests::{Ca, wait};
use std::time::Duration;

const LEDGER: usize = 100_000;
const JOINS: u32 = 500;
const A_SECOND: u32 = 50;
const DAY: Duration = Duration::from_secs(86_400);

fn random<const N: usize>() -> [u8; N] {
    std::array::from_fn(|_| fastrand::u8(..))
}

fn id(name: &str) -> SpiffeId {
    format!("spiffe://shop.example/{name}").parse().expect("an ID")
}

fn entry(name: &str, now: Timestamp) -> Entry {
    Entry { id: id(name), dns: Vec::new(), ttl_max: DAY.as_secs(), grants: Grants::default(), created: now }
}

/// An issuer in memory.
fn issuer(now: Timestamp) -> Issuer {
    let domain = "shop.example".parse().expect("a trust domain");
    let validity = Validity { not_before: now.before(DAY), not_after: now.after(30 * DAY) };
    let key = Key::generate().expect("a key");
    let root =
        self_signed_root((&domain, &AuthorityId::root(1)), validity, Serial::from_random(random()), &key);
    Issuer::new(root.expect("a root"), key).expect("an issuer")
}

/// The best of five seconds, in calls a second.
fn per_second(mut call: impl FnMut()) -> u32 {
    let second = |call: &mut dyn FnMut()| {
        let end = wait::now() + Duration::from_secs(1);
        let mut calls = 0;
        while wait::now() < end {
            call();
            calls += 1;
        }
        calls
    };
    (0..5).map(|_| second(&mut call)).max().unwrap_or(0)
}

fn signing() {
    let now = clock::wall();
    let issuer = issuer(now);
    let entry = entry("svc/order", now);
    let request = Key::generate().and_then(|key| key.request()).expect("a request");
    let whole = per_second(|| {
        let csr = csr::parse(&request).expect("a request");
        let ask = Ask {
            entry: &entry,
            wishes: &csr.wishes,
            ttl: None,
            ttl_default: DAY,
            issuer_not_after: issuer.not_after(),
            denied_before: None,
            now,
        };
        let grant = decide(&ask).expect("granted");
        issuer.leaf(&grant, &csr.public_key, Serial::from_random(random())).expect("a certificate");
    });
    println!("certificates a second and core (request checked, decided, signed): {whole}");
}

/// An authority whose ledger is long: every certificate live, twenty to an instance.
fn fill(ca: &Ca) {
    let now = clock::wall();
    let key = Key::generate().expect("a key");
    let grant = Grant { id: id("svc/order"), dns: Vec::new(), not_before: now, not_after: now.after(DAY) };
    let der = issuer(now).leaf(&grant, key.public(), Serial::from_random(random())).expect("a certificate");
    let store = Sqlite::open(&ca.dir().join("ca.db")).expect("a store");
    let write = store.write().expect("a transaction");
    for index in 0..LEDGER {
        let issued = Issued {
            serial: Serial::from_random(random()),
            id: id(&format!("svc/service-{}", index % 500)),
            instance: InstanceId::from_random((index as u64 / 20).to_be_bytes()),
            how: How::Renew,
            key: Fingerprint::of(&index.to_be_bytes()),
            issuer: AuthorityId::intermediate(1),
            root: AuthorityId::root(1),
            not_before: now,
            not_after: now.after(DAY),
            at: now,
            der: der.clone(),
        };
        write.add_issued(&issued).expect("added");
        let Issued { instance, id, serial, not_after, .. } = issued;
        write
            .put_instance(&Instance {
                instance,
                id,
                acknowledged: 1,
                seen: now,
                serial,
                not_after,
                shown: true,
            })
            .expect("put");
    }
    write.commit().expect("committed");
}

fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

fn listing(ca: &Ca) {
    for words in
        [["list", "--limit", "100000"].as_slice(), &["list", "--limit", "100000", "--json"], &["check"]]
    {
        let times = (0..3).map(|_| {
            let begin = wait::now();
            ca.run(words).ok();
            begin.elapsed()
        });
        println!("portcullis ca {}: {:.0?}", words.join(" "), times.min().unwrap_or_default());
    }
}

/// Joins at an even pace; from connecting to the identity on the disk of the workload.
async fn joining(ca: &Ca, tokens: Vec<portcullis_ca::token::JoinToken>) -> Vec<Duration> {
    let begin = tokio::time::Instant::from_std(wait::now());
    let mut joins = Vec::new();
    for (number, token) in (0u32..).zip(tokens) {
        tokio::time::sleep_until(begin + Duration::from_secs(1) / A_SECOND * number).await;
        let dir = ca.path(&format!("member-{number}"));
        joins.push(tokio::task::spawn_local(async move {
            let begin = wait::now();
            let dir = StateDir::open(&dir).expect("a folder");
            client::bootstrap(&dir, &token, None).await.expect("it joins");
            begin.elapsed()
        }));
    }
    let mut times = Vec::new();
    for join in joins {
        times.push(join.await.expect("a task"));
    }
    times.sort_unstable();
    times
}

fn main() {
    signing();
    let ca = Ca::new();
    fill(&ca);
    listing(&ca);
    let server = ca.serve_with(&["--bootstraps-per-second", "200"]);
    println!("resident with {LEDGER} certificates in the ledger: {:.1} MiB", resident(server.id()));
    let authority = Authority::open(&ca.dir(), None).expect("an authority");
    let now = clock::wall();
    let grants = Grants::default();
    let new = NewEntry { id: id("svc/order"), dns: Vec::new(), ttl_max: DAY, grants, replace: false };
    authority.create_entry(new, now).expect("an entry");
    let ask = NewToken { entry: id("svc/order"), ttl: Duration::from_secs(600), urls: vec![server.url()] };
    let tokens = (0..JOINS).map(|_| authority.create_token(&ask, now).expect("a token").0).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    let times = runtime.expect("a runtime").block_on(joining(&ca, tokens));
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "a join at {A_SECOND}/s, everything: median {:.1?}, p99 {:.1?}, most {:.1?}",
        at(50),
        at(99),
        at(100)
    );
    println!("resident afterwards: {:.1} MiB", resident(server.id()));
}
