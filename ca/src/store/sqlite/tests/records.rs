//! Each record is read as it was written, and each list is the right one.

use super::*;
use crate::deny::Denial;
use crate::store::{AuditHead, AuthorityRecord, Denied, Filter};

fn denied(rule: Denial, until: Option<Timestamp>) -> Denied {
    Denied { rule, reason: "key lost".to_owned(), at: NOW, until }
}

#[test]
fn settings_are_replaced_whole() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| write.put_settings(&settings()));
    let other = Settings {
        sequence: u64::try_from(i64::MAX).unwrap(),
        phase: Phase::Stable { active: AuthorityId::root(2) },
        restored: None,
        ..settings()
    };

    assert_eq!(temporary.store.read().unwrap().settings().unwrap(), settings());
    change(&temporary.store, |write| write.put_settings(&other));

    assert_eq!(temporary.store.read().unwrap().settings().unwrap(), other);
}

#[test]
fn entries_are_listed_by_name_and_replaced_by_name() {
    let temporary = Temporary::new();
    let changed = Entry { dns: vec![], grants: Grants { assert: false, admin: true }, ..entry("order") };
    change(&temporary.store, |write| {
        ["stock", "order", "bill"].into_iter().try_for_each(|name| write.put_entry(&entry(name)))
    });

    change(&temporary.store, |write| write.put_entry(&changed));

    let read = temporary.store.read().unwrap();
    assert_eq!(read.entries().unwrap(), [entry("bill"), changed.clone(), entry("stock")]);
    assert_eq!(read.entry(&id("order")).unwrap(), Some(changed));
    assert_eq!(read.entry(&id("ORDER")).unwrap(), None, "byte by byte");
}

#[test]
fn an_entry_takes_its_fresh_tokens_with_it_and_leaves_the_spent_ones() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| {
        write.put_entry(&entry("order"))?;
        write.put_entry(&entry("stock"))?;
        issue(write, 1)?;
        write.add_token(&token(2))?;
        write.add_token(&Token { entry: id("stock"), ..token(3) })
    });

    change(&temporary.store, |write| {
        assert!(write.delete_entry(&id("order"))?);
        assert!(!write.delete_entry(&id("order"))?, "there is none any more");
        Ok(())
    });

    let read = temporary.store.read().unwrap();
    assert_eq!(read.entries().unwrap(), [entry("stock")]);
    assert!(read.token(&fingerprint(1)).unwrap().is_some_and(|token| token.spent.is_some()));
    assert_eq!(read.token(&fingerprint(2)).unwrap(), None);
    assert!(read.token(&fingerprint(3)).unwrap().is_some());
}

#[test]
fn a_token_is_spent_once() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| {
        write.add_token(&token(1))?;
        (1..=2).try_for_each(|number| write.add_issued(&issued(number)))
    });

    change(&temporary.store, |write| {
        assert_eq!(write.token(&fingerprint(1))?, Some(token(1)));
        assert!(write.spend_token(&fingerprint(1), &spent(1))?);
        assert!(!write.spend_token(&fingerprint(1), &spent(2))?, "it is spent");
        assert!(!write.spend_token(&fingerprint(9), &spent(2))?, "it was never made");
        Ok(())
    });

    let found = temporary.store.read().unwrap().token(&fingerprint(1)).unwrap();
    assert_eq!(found, Some(Token { spent: Some(spent(1)), ..token(1) }));
}

#[test]
fn a_token_is_not_spent_for_a_certificate_that_is_not_in_the_ledger() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| write.add_token(&token(1)));

    let write = temporary.store.write().unwrap();
    assert!(write.spend_token(&fingerprint(1), &spent(1)).unwrap());
    assert!(write.commit().is_err());

    assert_eq!(temporary.store.read().unwrap().token(&fingerprint(1)).unwrap(), Some(token(1)));
}

#[test]
fn fresh_tokens_are_neither_spent_nor_expired() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| {
        issue(write, 1)?;
        write.add_token(&token(2))?;
        write.add_token(&Token { expires: NOW, ..token(3) })?;
        write.add_token(&Token { expires: later(1), roots: vec![], ..token(4) })
    });

    let fresh = temporary.store.read().unwrap().fresh_tokens(NOW).unwrap();

    let mut expected = vec![token(2), Token { expires: later(1), roots: vec![], ..token(4) }];
    expected.sort_by_key(|token| token.hash);
    assert_eq!(fresh, expected);

    change(&temporary.store, |write| {
        assert_eq!(write.drop_fresh_tokens()?, 3, "the expired one too");
        Ok(())
    });
    let read = temporary.store.read().unwrap();
    assert_eq!(read.fresh_tokens(NOW).unwrap(), []);
    assert!(read.token(&fingerprint(1)).unwrap().is_some());
}

#[test]
fn a_certificate_is_found_by_its_serial_number() {
    let temporary = Temporary::new();
    let all: Vec<_> = [How::Bootstrap, How::Renew, How::Issue, How::Sign]
        .into_iter()
        .zip(1..)
        .map(|(how, number)| Issued { how, der: vec![7; 5_000], ..issued(number) })
        .collect();
    change(&temporary.store, |write| all.iter().try_for_each(|issued| write.add_issued(issued)));

    let read = temporary.store.read().unwrap();
    for issued in all {
        assert_eq!(read.issued(&issued.serial).unwrap(), Some(issued));
    }
    assert_eq!(read.issued(&serial(9)).unwrap(), None);
}

#[test]
fn a_serial_number_is_given_out_once() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| write.add_issued(&issued(1)));

    let write = temporary.store.write().unwrap();

    assert!(write.add_issued(&issued(1)).is_err());
}

#[test]
fn the_ledger_is_filtered_and_the_newest_comes_first() {
    let temporary = Temporary::new();
    let (first, second) = (issued(5), Issued { id: id("stock"), ..issued(3) });
    let third = Issued { root: AuthorityId::root(2), not_after: later(-1), ..issued(8) };
    let fourth = Issued { not_after: NOW, ..issued(1) };
    let all = [&first, &second, &third, &fourth];
    change(&temporary.store, |write| all.iter().try_for_each(|issued| write.add_issued(issued)));
    let [first, second, third, fourth] = all.map(|issued| listed(issued.clone()));
    let read = temporary.store.read().unwrap();
    let ledger = |filter: Filter| -> Vec<Issued> { read.ledger(&filter).unwrap() };
    let none = Filter::default;

    assert_eq!(ledger(none()), [&fourth, &third, &second, &first].map(Clone::clone));
    assert_eq!(ledger(Filter { limit: Some(2), ..none() }), [&fourth, &third].map(Clone::clone));
    assert_eq!(ledger(Filter { limit: Some(0), ..none() }), []);
    assert_eq!(ledger(Filter { limit: Some(u64::MAX), ..none() }).len(), 4);
    assert_eq!(ledger(Filter { id: Some(id("stock")), ..none() }), std::slice::from_ref(&second));
    assert_eq!(ledger(Filter { root: Some(AuthorityId::root(2)), ..none() }), std::slice::from_ref(&third));
    let live = Filter { live_at: Some(NOW), ..none() };
    assert_eq!(
        ledger(live.clone()),
        [&fourth, &second, &first].map(Clone::clone),
        "NotAfter is the last second"
    );
    assert_eq!(ledger(Filter { root: Some(AuthorityId::root(2)), ..live.clone() }), []);
    let narrow = Filter { id: Some(id("order")), root: Some(AuthorityId::root(1)), limit: Some(1), ..live };
    assert_eq!(ledger(narrow), [fourth]);
}

#[test]
fn a_key_belongs_to_whoever_has_an_unexpired_certificate_for_it() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| write.add_issued(&issued(1)));
    let read = temporary.store.read().unwrap();

    assert_eq!(read.key_holder(&fingerprint(1), later(3_600)).unwrap(), Some(id("order")));
    assert_eq!(read.key_holder(&fingerprint(1), later(3_601)).unwrap(), None);
    assert_eq!(read.key_holder(&fingerprint(2), NOW).unwrap(), None);
}

#[test]
fn instances_are_live_until_their_last_certificate_expires() {
    let temporary = Temporary::new();
    let stock = Instance { id: id("stock"), ..instance(1) };
    let renewed = Instance { acknowledged: 9, serial: serial(7), not_after: later(7_200), ..instance(3) };
    change(&temporary.store, |write| {
        write.put_instance(&stock)?;
        write.put_instance(&instance(3))?;
        write.put_instance(&instance(2))?;
        write.put_instance(&Instance { not_after: later(-1), ..instance(4) })
    });

    change(&temporary.store, |write| write.put_instance(&renewed));

    let read = temporary.store.read().unwrap();
    assert_eq!(read.instance(&instance_id(3)).unwrap(), Some(renewed.clone()));
    assert_eq!(read.instance(&instance_id(99)).unwrap(), None);
    assert_eq!(read.live_instances(NOW).unwrap(), [instance(2), renewed.clone(), stock], "by SPIFFE ID");
    assert_eq!(read.live_instances(later(3_601)).unwrap(), [renewed]);
    assert_eq!(read.live_instances(later(7_201)).unwrap(), []);
}

#[test]
fn a_rule_of_the_deny_list_stays_as_it_was_first_written() {
    let temporary = Temporary::new();
    let before = |seconds| Denial::Before { id: id("order"), not_before: later(seconds) };
    let rules = [
        denied(Denial::Id(id("stock")), None),
        denied(before(2), Some(later(9))),
        denied(before(1), None),
        denied(Denial::Serial(serial(1)), None),
        denied(Denial::Id(id("order")), None),
    ];
    change(&temporary.store, |write| rules.iter().try_for_each(|rule| write.add_denied(rule)));

    change(&temporary.store, |write| {
        write.add_denied(&Denied { reason: "again".to_owned(), at: later(5), ..rules[0].clone() })?;
        assert!(write.remove_denied(&before(2))?);
        assert!(!write.remove_denied(&before(2))?, "it is gone");
        assert!(!write.remove_denied(&Denial::Serial(serial(2)))?, "it never was");
        Ok(())
    });

    let [first, _, third, fourth, fifth] = rules;
    assert_eq!(temporary.store.read().unwrap().denials().unwrap(), [first, third, fourth, fifth]);
}

#[test]
fn authorities_come_in_the_order_they_were_made() {
    let temporary = Temporary::new();
    let record =
        |id, root| AuthorityRecord { id, root, der: vec![1, 2], not_before: NOW, not_after: later(9) };
    let all = [
        record(AuthorityId::root(1), None),
        record(AuthorityId::intermediate(1), Some(AuthorityId::root(1))),
        record(AuthorityId::root(10), None),
        record(AuthorityId::root(2), None),
    ];
    change(&temporary.store, |write| all.iter().try_for_each(|record| write.add_authority(record)));

    assert_eq!(temporary.store.read().unwrap().authorities().unwrap(), all);
    let write = temporary.store.write().unwrap();
    assert!(write.add_authority(&all[0]).is_err(), "a name is given once");
}

#[test]
fn audit_events_are_numbered_without_a_gap_and_kept_until_they_are_written() {
    let temporary = Temporary::new();
    let head = |number| AuditHead { number, hash: fingerprint(number) };
    change(&temporary.store, |write| {
        assert_eq!(write.audit_head()?, None);
        assert_eq!((write.add_audit("a")?, write.add_audit("b")?, write.add_audit("c")?), (1, 2, 3));
        Ok(())
    });
    assert_eq!(temporary.store.write().unwrap().add_audit("undone").unwrap(), 4);

    change(&temporary.store, |write| write.audit_written(&head(2)));

    let pending = || temporary.store.read().unwrap().audit_pending().unwrap();
    assert_eq!(pending(), [(3, "c".to_owned())]);
    assert_eq!(temporary.store.read().unwrap().audit_head().unwrap(), Some(head(2)));
    change(&temporary.store, |write| write.audit_written(&head(3)));
    assert_eq!(pending(), []);
    change(&temporary.store, |write| {
        assert_eq!(write.add_audit("d")?, 4, "although none is pending");
        // The file is ahead of a store that was put back from a backup.
        write.audit_written(&head(9))?;
        assert_eq!(write.add_audit("e")?, 10);
        Ok(())
    });
    assert_eq!(pending(), [(10, "e".to_owned())]);
}

#[test]
fn pruning_deletes_what_is_of_no_use_and_nothing_else() {
    let temporary = Temporary::new();
    let old = later(-100);
    change(&temporary.store, |write| {
        write.add_token(&Token { expires: NOW, ..token(1) })?;
        write.add_token(&Token { expires: later(1), ..token(2) })?;
        write.add_issued(&Issued { not_after: later(-101), ..issued(3) })?;
        write.add_issued(&Issued { not_after: old, ..issued(4) })?;
        write.put_instance(&Instance { not_after: later(-101), ..instance(3) })?;
        write.put_instance(&Instance { not_after: old, ..instance(4) })?;
        write.add_denied(&denied(Denial::Id(id("order")), Some(later(-101))))?;
        write.add_denied(&denied(Denial::Id(id("stock")), Some(old)))?;
        write.add_denied(&denied(Denial::Id(id("bill")), None))
    });

    change(&temporary.store, |write| {
        assert_eq!(write.prune(NOW, old)?, 4);
        assert_eq!(write.prune(NOW, old)?, 0);
        Ok(())
    });

    let read = temporary.store.read().unwrap();
    assert!(read.token(&fingerprint(1)).unwrap().is_none() && read.token(&fingerprint(2)).unwrap().is_some());
    assert!(read.issued(&serial(3)).unwrap().is_none() && read.issued(&serial(4)).unwrap().is_some());
    assert!(
        read.instance(&instance_id(3)).unwrap().is_none()
            && read.instance(&instance_id(4)).unwrap().is_some()
    );
    let left: Vec<_> = read.denials().unwrap().into_iter().map(|denied| denied.rule).collect();
    assert_eq!(left, [Denial::Id(id("stock")), Denial::Id(id("bill"))]);
}

#[test]
fn a_certificate_stays_as_long_as_the_token_that_brought_it() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| {
        write.add_issued(&Issued { not_after: later(60), ..issued(1) })?;
        write.add_token(&Token { spent: Some(spent(1)), ..token(1) })
    });

    change(&temporary.store, |write| {
        assert_eq!(write.prune(later(599), later(599))?, 0);
        assert_eq!(write.prune(later(600), later(600))?, 2);
        Ok(())
    });
}
