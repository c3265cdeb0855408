//! The verbs of the authority together with its real store, keys and audit file.

use super::*;
use crate::certificate;
use crate::deny::DenyList;
use crate::entry::Grants;
use crate::rotation::Refused;
use crate::spiffe::SpiffeId;
use crate::store::Filter;
use crate::token::JoinToken;
use crate::verify::{Side, verify};
use tempfile::TempDir;

const START: Timestamp = Timestamp(1_790_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

struct Given {
    folder: TempDir,
    authority: Authority,
}

fn id(path: &str) -> SpiffeId {
    format!("spiffe://shop.example{path}").parse().expect("an ID")
}

/// An authority with the entry `/svc/order`.
fn given() -> Given {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("ca");
    let init = Init {
        trust_domain: "shop.example".parse().expect("a trust domain"),
        urls: vec!["https://127.0.0.1:8443".into()],
        ttl_default: 24 * HOUR,
        root_life: Duration::from_secs(5 * 365 * 86_400),
        password: None,
        now: START,
    };
    Authority::init(&dir, &init).expect("an authority");
    let authority = Authority::open(&dir, None).expect("it opens");
    register(&authority, "/svc/order");
    Given { folder, authority }
}

fn register(authority: &Authority, path: &str) {
    let new = NewEntry {
        id: id(path),
        dns: Vec::new(),
        ttl_max: 24 * HOUR,
        grants: Grants::default(),
        replace: false,
    };
    authority.create_entry(new, START).expect("an entry");
}

fn token(authority: &Authority, path: &str, now: Timestamp) -> JoinToken {
    let new = NewToken { entry: id(path), ttl: Duration::from_secs(600), urls: Vec::new() };
    authority.create_token(&new, now).expect("a token").0
}

fn join(authority: &Authority, token: &JoinToken, key: &Key, now: Timestamp) -> Result<Granted, Refusal> {
    let csr = key.request().expect("a request");
    let caller = Caller::default();
    authority.bootstrap(BootstrapAsk { token: &token.reveal(), csr: &csr, ttl: None, caller: &caller, now })
}

fn renew(authority: &Authority, before: &Granted, now: Timestamp) -> Result<Granted, Refusal> {
    let csr = Key::generate().and_then(|key| key.request()).expect("a request");
    authority.renew(RenewAsk {
        peer: &before.chain[0],
        csr: &csr,
        ttl: None,
        caller: &Caller::default(),
        now,
    })
}

fn sound(granted: &Granted, trust: &Trust, now: Timestamp) -> bool {
    let chain: Vec<&[u8]> = granted.chain.iter().map(Vec::as_slice).collect();
    let denied = DenyList::new(trust.denied.clone());
    [Side::Client, Side::Server].iter().all(|side| verify(&chain, &trust.bundle, &denied, *side, now).is_ok())
}

fn acknowledge(authority: &Authority, granted: &Granted, sequence: u64, now: Timestamp) {
    let svid = certificate::svid(&granted.chain[0]).expect("an SVID");
    authority.acknowledge(&svid, sequence, now).expect("acknowledged");
}

#[test]
fn a_token_brings_a_certificate_that_verifies_and_the_same_one_again_for_the_same_key() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let key = Key::generate().expect("a key");

    let first = join(&authority, &token, &key, START).expect("granted");
    let again = join(&authority, &token, &key, START).expect("granted again");
    let other = join(&authority, &token, &Key::generate().expect("a key"), START);

    assert!(sound(&first, &first.trust, START));
    assert_eq!(first.chain, again.chain);
    assert!(matches!(other, Err(Refusal::TokenSpent { at: START, .. })), "{other:?}");
    assert_eq!(authority.ledger(&Filter::default()).expect("a ledger").len(), 1);
}

#[test]
fn an_expired_token_and_one_of_a_deleted_entry_are_worth_nothing() {
    let Given { authority, folder: _folder } = given();
    let (late, orphan) = (token(&authority, "/svc/order", START), token(&authority, "/svc/order", START));
    let key = Key::generate().expect("a key");

    let expired = join(&authority, &late, &key, START.after(Duration::from_secs(600)));
    authority.delete_entry(&id("/svc/order"), START).expect("deleted");
    let orphaned = join(&authority, &orphan, &key, START);

    assert!(matches!(expired, Err(Refusal::TokenExpired { .. })), "{expired:?}");
    assert!(matches!(orphaned, Err(Refusal::UnknownToken)), "{orphaned:?}");
}

#[test]
fn a_renewal_stays_one_instance_and_keeps_what_it_acknowledged() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let first = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    acknowledge(&authority, &first, 1, START);

    let second = renew(&authority, &first, START.after(HOUR)).expect("granted");

    assert_eq!(second.instance, first.instance);
    let live = authority.live_instances(START.after(HOUR)).expect("instances");
    assert_eq!(live.iter().map(|instance| instance.acknowledged).collect::<Vec<_>>(), [1]);
}

#[test]
fn an_acknowledgement_of_what_never_was_counts_for_nothing() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let granted = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    let live = || authority.live_instances(START).expect("instances").remove(0);

    acknowledge(&authority, &granted, 99, START);
    let by_hand = authority.acknowledge_by_hand(&granted.instance, 99, START);

    assert_eq!(live().acknowledged, 0);
    assert!(matches!(by_hand, Err(AuthorityError::UnknownSequence { said: 99, known: 1 })), "{by_hand:?}");
}

#[test]
fn one_key_has_one_name() {
    let Given { authority, folder: _folder } = given();
    register(&authority, "/svc/payment");
    let key = Key::generate().expect("a key");
    join(&authority, &token(&authority, "/svc/order", START), &key, START).expect("granted");

    let taken = join(&authority, &token(&authority, "/svc/payment", START), &key, START);

    assert!(matches!(taken, Err(Refusal::KeyTaken(holder)) if holder == id("/svc/order")));
}

#[test]
fn who_is_revoked_is_not_renewed_and_may_join_again_after_before() {
    let Given { authority, folder: _folder } = given();
    let first = token(&authority, "/svc/order", START);
    let granted = join(&authority, &first, &Key::generate().expect("a key"), START).expect("granted");

    let revoked = authority
        .revoke(&Revoke::IssuedBefore { id: id("/svc/order"), moment: START }, "lost", START)
        .expect("revoked");
    let renewed = renew(&authority, &granted, START);
    let again =
        join(&authority, &token(&authority, "/svc/order", START), &Key::generate().expect("a key"), START);

    assert_eq!(revoked.certificates.len(), 1);
    assert!(matches!(renewed, Err(Refusal::Denied(_))), "{renewed:?}");
    let again = again.expect("granted");
    let trust = authority.trust().expect("trust");
    assert!(!sound(&granted, &trust, START));
    assert!(sound(&again, &trust, START));
    assert_eq!(trust.bundle.sequence, 2);
}

#[test]
fn a_whole_rotation_keeps_everybody_verifiable_and_refuses_to_hurry() {
    let Given { authority, folder: _folder } = given();
    let early = token(&authority, "/svc/order", START);
    let granted = join(&authority, &early, &Key::generate().expect("a key"), START).expect("granted");

    let prepared = authority.prepare_root(5 * 365 * 24 * HOUR, START).expect("prepared");
    let hurried = authority.activate_root(false, START);
    acknowledge(&authority, &granted, prepared.sequence, START);
    authority.activate_root(false, START).expect("activated");
    let renewed = renew(&authority, &granted, START).expect("granted");
    let held = authority.retire_root(false, START);
    let later = START.after(25 * HOUR);
    authority.retire_root(false, later).expect("retired");

    for refused in [hurried, held] {
        assert!(matches!(refused, Err(AuthorityError::Rotation(Refused::Laggards(_)))), "{refused:?}");
    }
    let trust = authority.trust().expect("trust");
    assert_eq!(trust.bundle.roots.len(), 1);
    assert!(sound(&renewed, &trust, START), "signed under the new root");
    assert!(!sound(&granted, &trust, START), "signed under the old one");
}

/// What a thief of the signing key makes.
fn forged(authority: &Authority, now: Timestamp) -> Granted {
    let settings = authority.settings().expect("settings");
    let read = authority.store.read().expect("a store");
    let signer = authority.signer(&*read, &settings).expect("a signer");
    let key = Key::generate().expect("a key");
    let grant = crate::policy::Grant {
        id: id("/svc/order"),
        dns: Vec::new(),
        not_before: now,
        not_after: now.after(HOUR),
    };
    let serial = crate::names::Serial::from_random([7; 16]);
    let leaf = signer.issuer.leaf(&grant, key.public(), serial).expect("a certificate");
    let trust = authority.trust().expect("trust");
    Granted { chain: vec![leaf], renew_after: now, trust, instance: InstanceId::from_random([0; 8]) }
}

#[test]
fn a_fresh_token_that_names_the_old_root_alone_is_in_the_way() {
    let Given { authority, folder: _folder } = given();
    let _unused = token(&authority, "/svc/order", START);
    authority.prepare_root(5 * 365 * 24 * HOUR, START).expect("prepared");

    let now = authority.activate_root(false, START);
    let later = authority.activate_root(false, START.after(Duration::from_secs(600)));

    assert!(matches!(now, Err(AuthorityError::Rotation(Refused::Laggards(_)))), "{now:?}");
    later.expect("the token has expired");
}

#[test]
fn an_intermediate_that_is_due_is_replaced_by_itself_when_the_root_key_is_here() {
    let Given { authority, folder: _folder } = given();
    let half = START.after(16 * 24 * HOUR);

    let fresh = authority.maintain(START).expect("maintained");
    let due = authority.maintain(half).expect("maintained");
    std::fs::remove_file(authority.dir().key(&AuthorityId::root(1))).expect("taken away");
    let away = authority.maintain(half.after(16 * 24 * HOUR)).expect("maintained");

    assert_eq!(fresh.rotated, None);
    assert_eq!(due.rotated, Some(AuthorityId::intermediate(2)));
    assert!(away.needs_root_key);
    let (chain, _) = authority.server_identity(half).expect("an identity");
    assert_eq!(chain.len(), 3);
}

#[test]
fn a_certificate_from_after_the_backup_is_renewed_after_a_restore_and_a_forged_later_one_is_not() {
    let Given { authority, folder } = given();
    let copy = folder.path().join("copy");
    let unused = token(&authority, "/svc/order", START);
    authority.backup(&copy, START).expect("a backup");
    let used = token(&authority, "/svc/order", START);
    let granted = join(&authority, &used, &Key::generate().expect("a key"), START).expect("granted");
    let restored = START.after(HOUR);
    let back = folder.path().join("back");

    Authority::restore(&copy, &back, restored).expect("restored");

    let authority = Authority::open(&back, None).expect("it opens");
    renew(&authority, &granted, restored).expect("granted");
    let refused = join(&authority, &unused, &Key::generate().expect("a key"), START);
    assert!(matches!(refused, Err(Refusal::UnknownToken)), "{refused:?}");
    assert!(authority.settings().expect("settings").sequence > 1_000_000);
    let forged = forged(&authority, restored.after(HOUR));
    let refused = renew(&authority, &forged, restored.after(HOUR));
    assert!(matches!(refused, Err(Refusal::NotInLedger(_))), "{refused:?}");
}

#[test]
fn check_counts_what_an_outage_is_survived_for() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");

    let health = authority.health(START.after(HOUR)).expect("health");

    let first = health.first_to_expire.expect("a certificate");
    assert_eq!((first.id, first.seconds), (id("/svc/order"), 23 * 3_600));
    assert_eq!((health.live, health.behind), (1, 1));
    assert_eq!(health.problems, []);
}

#[test]
fn nothing_is_made_where_something_is() {
    let Given { folder, .. } = given();
    let again = Init {
        trust_domain: "shop.example".parse().expect("a trust domain"),
        urls: Vec::new(),
        ttl_default: HOUR,
        root_life: Duration::from_secs(365 * 86_400),
        password: None,
        now: START,
    };

    let refused = Authority::init(&folder.path().join("ca"), &again);

    assert!(matches!(refused, Err(AuthorityError::AlreadyInitialised(_))), "{refused:?}");
}

#[test]
fn a_certificate_that_was_renewed_and_whose_successor_is_in_use_is_not_renewed_again() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let first = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    let lost = renew(&authority, &first, START).expect("granted");
    let second = renew(&authority, &first, START).expect("the answer may have been lost");

    acknowledge(&authority, &second, 1, START);

    let copied = renew(&authority, &first, START);
    assert!(matches!(copied, Err(Refusal::Superseded { .. })), "{copied:?}");
    let copied = renew(&authority, &lost, START);
    assert!(matches!(copied, Err(Refusal::Superseded { .. })), "{copied:?}");
    renew(&authority, &second, START).expect("the newest is renewed");
}

#[test]
fn revoking_an_instance_denies_all_it_holds_and_revoking_one_serial_says_what_is_left() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let first = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    let second = renew(&authority, &first, START).expect("granted");
    let serial = |granted: &Granted| certificate::svid(&granted.chain[0]).expect("an SVID").serial;

    let one = Revoke::Serial { serial: serial(&first), unknown: false };
    let one = authority.revoke(&one, "", START).expect("revoked");
    let all = authority.revoke(&Revoke::Instance(first.instance.clone()), "", START).expect("revoked");
    let none = authority.revoke(&Revoke::Instance(first.instance.clone()), "", START);

    assert_eq!((one.certificates, one.left), (vec![serial(&first)], vec![serial(&second)]));
    assert_eq!(all.certificates, [serial(&second)]);
    assert!(matches!(none, Err(AuthorityError::NoInstance(_))), "{none:?}");
    assert!(matches!(renew(&authority, &second, START), Err(Refusal::Denied(_))));
}

#[test]
fn the_authority_its_root_and_what_signs_cannot_be_revoked() {
    let Given { authority, folder: _folder } = given();
    let old = authority.authorities().expect("authorities");
    authority.rotate_intermediate(None, None, START).expect("rotated");
    let authorities = authority.authorities().expect("authorities");
    let serial = |record: &AuthorityRecord| Revoke::Serial {
        serial: crate::names::Serial::from_bytes(&certificate::read(&record.der).expect("readable").serial)
            .expect("16 bytes"),
        unknown: true,
    };

    for what in [
        Revoke::Id(id("/ca")),
        Revoke::IssuedBefore { id: id("/ca"), moment: START },
        Revoke::Id(id("")),
        serial(&authorities[0]),
        serial(&authorities[2]),
    ] {
        let refused = authority.revoke(&what, "", START);
        assert!(matches!(refused, Err(AuthorityError::NotRevocable { .. })), "{what:?}: {refused:?}");
    }

    authority.revoke(&serial(&old[1]), "", START).expect("one that signs no more");
}

#[test]
fn what_an_intermediate_signed_falls_with_it_and_the_list_of_its_root_says_so() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let granted = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    let old = authority.authorities().expect("authorities").remove(1);
    authority.rotate_intermediate(None, None, START).expect("rotated");
    let serial = crate::names::Serial::from_bytes(&certificate::read(&old.der).expect("readable").serial);
    let serial = serial.expect("16 bytes");
    let before = authority.crls(HOUR, None, START).expect("lists");

    let revoked = authority.revoke(&Revoke::Serial { serial, unknown: false }, "", START).expect("revoked");

    assert_eq!(revoked.certificates.len(), 1);
    assert!(!sound(&granted, &authority.trust().expect("trust"), START));
    assert_eq!(authority.live_instances(START).expect("instances"), []);
    let after = authority.crls(HOUR, None, START).expect("lists");
    assert!(after[0].len() > before[0].len(), "the list of the root has an entry now");
}

#[test]
fn an_entry_registered_anew_renews_nothing_of_the_one_before() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let granted = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    let later = START.after(HOUR);
    authority.delete_entry(&id("/svc/order"), later).expect("deleted");
    let new = NewEntry {
        id: id("/svc/order"),
        dns: Vec::new(),
        ttl_max: HOUR,
        grants: Grants::default(),
        replace: false,
    };
    authority.create_entry(new, later).expect("an entry");

    let refused = renew(&authority, &granted, later);

    assert!(matches!(refused, Err(Refusal::OlderThanEntry { .. })), "{refused:?}");
}

#[test]
fn a_root_whose_intermediate_grew_old_is_not_activated_until_it_has_a_new_one() {
    let Given { authority, folder: _folder } = given();
    authority.prepare_root(5 * 365 * 24 * HOUR, START).expect("prepared");
    let late = START.after(31 * 24 * HOUR);

    let refused = authority.activate_root(false, late);
    authority.rotate_intermediate(Some(&AuthorityId::root(2)), None, late).expect("rotated");
    let activated = authority.activate_root(false, late);

    assert!(matches!(refused, Err(AuthorityError::IntermediateOld { .. })), "{refused:?}");
    activated.expect("activated");
    authority.server_identity(late).expect("it signs");
}

#[test]
fn a_clock_that_was_ahead_for_a_moment_loses_no_revocation() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    let granted = join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");
    authority.revoke(&Revoke::Instance(granted.instance.clone()), "", START).expect("revoked");

    authority.maintain(START.after(5 * 24 * HOUR)).expect("maintained");

    assert!(matches!(renew(&authority, &granted, START), Err(Refusal::Denied(_))));
}

#[test]
fn the_audit_names_whose_token_was_used_twice() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");

    let _refused = join(&authority, &token, &Key::generate().expect("a key"), START);

    authority.flush_audit().expect("written");
    let audit = std::fs::read_to_string(authority.dir().audit()).expect("a file");
    let line = audit.lines().last().expect("a line");
    assert!(line.contains("request_refused") && line.contains("spiffe://shop.example/svc/order"), "{line}");
}

#[test]
fn who_should_have_renewed_long_ago_is_a_serious_problem() {
    let Given { authority, folder: _folder } = given();
    let token = token(&authority, "/svc/order", START);
    join(&authority, &token, &Key::generate().expect("a key"), START).expect("granted");

    let soon = authority.health(START.after(16 * HOUR)).expect("health");
    let late = authority.health(START.after(20 * HOUR)).expect("health");

    assert_eq!(soon.problems, []);
    let late: Vec<_> = late.problems.iter().filter(|problem| problem.serious).collect();
    assert!(matches!(late.as_slice(), [one] if one.what.contains("/svc/order")), "{late:?}");
}

#[test]
fn a_revocation_does_not_reach_into_the_future() {
    let Given { authority, folder: _folder } = given();
    let what = Revoke::IssuedBefore { id: id("/svc/order"), moment: START.after(HOUR) };

    let refused = authority.revoke(&what, "", START);

    assert!(matches!(refused, Err(AuthorityError::NotRevocable { .. })), "{refused:?}");
}
