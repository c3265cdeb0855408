//! What stands in a line, what the verifier finds, and that neither crash, full disk nor rivals lose an event.

use super::chain::{append, beginning, go_on, hash};
use super::*;
use crate::store::{AuditHead, Sqlite, Store};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A folder with a store and, later, an audit file.
struct Place {
    folder: tempfile::TempDir,
    store: Sqlite,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::create(&folder.path().join("ca.db")).unwrap();
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn add(&self, events: std::ops::Range<u64>) {
        let write = self.store.write().unwrap();
        for number in events {
            write.add_audit(&event(number)).unwrap();
        }
        write.commit().unwrap();
    }

    fn flush(&self) -> Result<(), AuditError> {
        AuditFile::open(&self.path())?.flush(&self.store)
    }

    fn head(&self) -> Option<AuditHead> {
        self.store.read().unwrap().audit_head().unwrap()
    }

    fn pending(&self) -> Vec<(u64, String)> {
        self.store.read().unwrap().audit_pending().unwrap()
    }

    fn report(&self) -> Report {
        verify(&self.path(), self.head()).unwrap()
    }

    /// The `count` fields of the lines, in order: which events there are.
    fn counts(&self) -> Vec<u64> {
        let lines = tail(&self.path(), usize::MAX).unwrap();
        lines.iter().map(|line| Line::parse(line).unwrap().event().unwrap().count.unwrap()).collect()
    }
}

fn event(number: u64) -> String {
    let event = Event::new(What::RequestsLimited, Timestamp(1_790_000_000), Caller::default());
    Event { count: Some(number), ..event }.to_json()
}

type Tamper = fn(&mut Vec<String>);

/// A sound chain of lines 1 to `last`, and its head.
fn chain(last: u64) -> (Vec<String>, AuditHead) {
    let pending: Vec<_> = (1..=last).map(|number| (number, event(number))).collect();
    let addition = go_on(None, &[], &pending, |_| panic!("nothing foreign"));
    (addition.text.lines().map(str::to_owned).collect(), addition.head)
}

fn findings(lines: &[String], head: Option<AuditHead>) -> Vec<Finding> {
    let mut verifier = Verifier::new(head);
    lines.iter().for_each(|line| verifier.eat(line.as_bytes()));
    verifier.finish(false).findings
}

fn found(line: u64, fault: Fault) -> Vec<Finding> {
    vec![Finding { line, fault }]
}

#[test]
fn an_event_is_one_flat_object_without_empty_fields() {
    let caller = Caller { uid: Some(1000), ..Caller::default() };
    let mut event = Event {
        spiffe_id: Some("spiffe://shop.example/svc/order".parse().unwrap()),
        ..Event::new(What::RequestRefused, Timestamp(1_790_000_000), caller)
    };
    event.refused("the join token is \"unknown\"\n".to_owned());

    let json = event.to_json();

    let expected = concat!(
        r#"{"ts":"2026-09-21T14:13:20Z","event":"request_refused","result":"refused","#,
        r#""reason":"the join token is \"unknown\"\n","caller":{"uid":1000},"#,
        r#""spiffe_id":"spiffe://shop.example/svc/order"}"#
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
}

#[test]
fn an_event_with_every_field_is_read_as_it_was_written() {
    let event = Event {
        instance: Some(InstanceId::from_random([1; 8])),
        dns: vec!["order.shop.example".to_owned()],
        how: Some(How::Bootstrap),
        serial: Some(Serial::from_random([2; 16])),
        key: Some(Fingerprint::of(b"key")),
        not_before: Some(Timestamp(1)),
        not_after: Some(Timestamp(2)),
        issuer: Some(AuthorityId::intermediate(1)),
        root: Some(AuthorityId::root(1)),
        sequence: Some(7),
        forced: Some(true),
        count: Some(3),
        details: Some("passed over 3".to_owned()),
        reason: Some("reason".to_owned()),
        spiffe_id: Some("spiffe://shop.example/svc/order".parse().unwrap()),
        ..Event::new(
            What::CertificateIssued,
            Timestamp(3),
            Caller {
                address: Some("[::1]:4711".parse().unwrap()),
                peer: Some("spiffe://shop.example/svc/order".parse().unwrap()),
                uid: Some(0),
            },
        )
    };

    let line = append(1, &beginning().hash, &event.to_json());

    assert_eq!(Line::parse(&line).unwrap().event(), Some(event));
}

#[test]
fn a_strangers_long_words_are_cut_at_a_character() {
    let mut event = Event::new(What::RequestRefused, Timestamp(0), Caller::default());
    event.refused("ä".repeat(100_000));

    let json = event.to_json();

    assert!(json.len() < 2_200, "{}", json.len());
    assert!(json.contains("ää…\""));
}

#[test]
fn the_first_line_follows_zeros_and_the_next_its_hash() {
    let (lines, head) = chain(2);

    assert!(lines[0].starts_with(&format!(r#"{{"n":1,"prev":"{}","ts":"#, "0".repeat(64))), "{}", lines[0]);
    assert!(lines[1].starts_with(&format!(r#"{{"n":2,"prev":"{}","ts":"#, hash(&lines[0]))), "{}", lines[1]);
    assert_eq!(head, AuditHead { number: 2, hash: hash(&lines[1]) });
}

#[test]
fn a_damaged_record_is_kept_in_a_line_that_is_one() {
    let prev = beginning().hash;
    for damaged in ["", "{", "[1]", "7", "{\"a\":1}{", "{\"a\":\n1}", "\u{0}\"}\n{\"n\":3"] {
        let line = append(1, &prev, damaged);

        assert!(!line.contains('\n'), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["damaged"], damaged);
    }
    assert_eq!(Line::parse(&append(1, &prev, "{}")).unwrap().number, 1);
}

#[test]
fn a_sound_chain_has_no_findings_whatever_the_store_remembers_of_it() {
    let (lines, head) = chain(5);
    let earlier = AuditHead { number: 3, hash: hash(&lines[2]) };

    for (known, ahead) in [(None, 5), (Some(earlier), 2), (Some(head.clone()), 0)] {
        let mut verifier = Verifier::new(known);
        lines.iter().for_each(|line| verifier.eat(line.as_bytes()));
        let report = verifier.finish(false);

        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.lines, report.ahead, report.last), (5, ahead, Some(head.clone())));
    }
}

#[test]
fn a_changed_line_is_named_the_last_one_too() {
    for changed in 0..5 {
        let (mut lines, head) = chain(5);
        lines[changed] = lines[changed].replace("limited", "lifted_");

        let findings = findings(&lines, Some(head));

        assert_eq!(findings, found(changed as u64 + 1, Fault::Changed));
    }
}

#[test]
fn removed_lines_are_named_the_first_and_the_last_too() {
    for (from, to) in [(1, 1), (2, 4), (4, 4), (1, 4)] {
        let (mut lines, head) = chain(5);
        lines.drain(from - 1..to);

        let findings = findings(&lines, Some(head));

        let (first, last) = (from as u64, to as u64);
        assert_eq!(findings, found(first, Fault::Missing { first, last }));
    }
    let (mut lines, head) = chain(5);
    lines.truncate(3);
    assert_eq!(findings(&lines, Some(head.clone())), found(3, Fault::CutOff { first: 4, last: 5 }));
    assert_eq!(findings(&[], Some(head)), found(0, Fault::CutOff { first: 1, last: 5 }));
}

#[test]
fn lines_that_were_moved_or_repeated_are_named() {
    let (lines, head) = chain(4);
    let order =
        |order: &[usize]| -> Vec<_> { order.iter().map(|number| lines[number - 1].clone()).collect() };

    let swapped = findings(&order(&[1, 3, 2, 4]), Some(head.clone()));
    let repeated = findings(&order(&[1, 2, 2, 3, 4]), Some(head));

    let gap = Finding { line: 2, fault: Fault::Missing { first: 2, last: 2 } };
    let late = Finding { line: 3, fault: Fault::OutOfOrder { number: 2, after: 3 } };
    assert_eq!(swapped, [gap, late]);
    assert_eq!(repeated, found(3, Fault::OutOfOrder { number: 2, after: 2 }));
}

#[test]
fn garbage_is_named_once_put_in_or_in_the_place_of_a_line() {
    for garbage in ["", "garbage", "{}", "[1,\"00\"]", "{\"n\":3}", "{\"n\":3,\"n\":3,\"prev\":\"00\"}"] {
        let (lines, head) = chain(4);
        let (mut more, mut instead) = (lines.clone(), lines);
        more.insert(2, garbage.to_owned());
        garbage.clone_into(&mut instead[2]);

        assert_eq!(findings(&more, Some(head.clone())), found(3, Fault::Garbage), "{garbage}");
        assert_eq!(findings(&instead, Some(head)), found(3, Fault::Garbage), "{garbage}");
    }
}

#[test]
fn a_file_of_nothing_but_faults_is_reported_in_bounded_space() {
    let mut verifier = Verifier::new(None);
    (0..10_000).for_each(|_| verifier.eat(b"garbage"));

    let report = verifier.finish(true);

    assert_eq!((report.lines, report.findings.len(), report.more), (10_000, 100, 9_900));
    assert!(report.unfinished);
}

#[test]
fn findings_are_sentences() {
    let texts = [
        Fault::Garbage,
        Fault::Changed,
        Fault::Missing { first: 2, last: 2 },
        Fault::Missing { first: 2, last: 4 },
        Fault::OutOfOrder { number: 2, after: 3 },
        Fault::CutOff { first: 4, last: 5 },
    ]
    .map(|fault| Finding { line: 7, fault }.to_string());

    assert_eq!(
        texts,
        [
            "line 7: not a line of an audit file",
            "line 7: changed after it was written, or the hash in the line after it was",
            "line 7: number 2 is missing before it",
            "line 7: numbers 2 to 4 are missing before it",
            "line 7: number 2 stands after number 3: lines were moved or repeated",
            "line 7: the file ends here, but numbers 4 to 5 were written after it",
        ]
    );
}

proptest! {
    #[test]
    fn no_flipped_bit_goes_unseen(place in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let (lines, head) = chain(4);
        let mut bytes = (lines.join("\n") + "\n").into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;

        let mut verifier = Verifier::new(Some(head));
        let mut pieces: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        let rest = pieces.pop().unwrap();
        pieces.iter().for_each(|line| verifier.eat(line));
        let report = verifier.finish(!rest.is_empty());

        prop_assert!(!report.is_sound());
    }

    #[test]
    fn a_crash_anywhere_in_a_flush_writes_each_event_once(
        before in 0_u64..3,
        count in 1_u64..6,
        cut in any::<prop::sample::Index>(),
        later in 0_u64..3,
    ) {
        // Given a file into which a flush wrote up to some byte, and more events since then.
        let (mut lines, head) = chain(before);
        let head = Some(head).filter(|_| before > 0);
        let mut pending: Vec<_> = (before + 1..=before + count).map(|number| (number, event(number))).collect();
        let whole = go_on(head.clone(), &[], &pending, |_| panic!("nothing foreign")).text;
        let written = &whole[..=cut.index(whole.len())];
        let complete = &written[..written.rfind('\n').map_or(0, |end| end + 1)];
        pending.extend((1..=later).map(|more| (before + count + more, event(before + count + more))));

        // When the next flush goes on.
        let end: Vec<_> = complete.lines().map(|line| Line::parse(line).unwrap()).collect();
        let addition = go_on(head, &end, &pending, |_| panic!("nothing foreign"));

        // Then the file is what it would be without the crash.
        lines.extend(complete.lines().chain(addition.text.lines()).map(str::to_owned));
        let (expected, head) = chain(before + count + later);
        prop_assert_eq!(lines, expected);
        prop_assert_eq!(addition.head, head);
    }
}

#[test]
fn a_flush_moves_the_events_from_the_store_to_a_file_of_its_owner_alone() {
    let place = Place::new();
    place.add(1..4);

    place.flush().unwrap();

    assert_eq!(place.counts(), [1, 2, 3]);
    assert_eq!(place.pending(), []);
    assert_eq!(place.head().unwrap().number, 3);
    assert!(place.report().is_sound());
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn flushes_go_on_where_the_last_one_ended_and_nothing_to_write_writes_nothing() {
    let place = Place::new();
    for events in [1..4, 4..4, 4..5, 5..700] {
        place.add(events);
        place.flush().unwrap();
    }
    let before = fs::read(place.path()).unwrap();

    place.flush().unwrap();

    assert!(before.len() > 65_536, "longer than what is read at first");
    assert_eq!(fs::read(place.path()).unwrap(), before);
    assert_eq!(place.counts(), (1..700).collect::<Vec<_>>());
    assert!(place.report().is_sound());
}

#[test]
fn what_a_crash_left_in_the_file_is_not_written_again() {
    let text = chain(3).0.join("\n") + "\n";
    for cut in [0, 1, text.len() / 2, text.len() - 1, text.len()] {
        let place = Place::new();
        place.add(1..4);
        fs::write(place.path(), &text[..cut]).unwrap();
        assert_eq!(place.report().unfinished, cut > 0 && !text[..cut].ends_with('\n'));

        place.add(4..6);
        place.flush().unwrap();

        assert_eq!(place.counts(), [1, 2, 3, 4, 5], "{cut}");
        assert!(place.report().is_sound());
        assert!(!place.report().unfinished);
    }
}

#[test]
fn a_store_older_than_its_file_loses_no_event_and_says_so() {
    // Given a file with two lines more than the store that was put back from a backup knows.
    let place = Place::new();
    place.add(1..4);
    place.flush().unwrap();
    let (lines, _) = chain(5);
    fs::write(place.path(), lines.join("\n") + "\n").unwrap();

    // When it writes events of its own.
    place.add(100..102);
    assert_eq!(place.report().ahead, 2);
    place.flush().unwrap();
    place.add(102..103);
    place.flush().unwrap();

    // Then all are there, after a line that tells.
    assert_eq!(place.counts(), [1, 2, 3, 4, 5, 2, 100, 101, 102]);
    let told = tail(&place.path(), 4).unwrap();
    assert_eq!(Line::parse(&told[0]).unwrap().event().unwrap().event, What::ForeignLines);
    assert!(place.report().is_sound());
    assert_eq!((place.report().ahead, place.pending()), (0, vec![]));
}

#[test]
fn a_file_that_was_cut_off_or_changed_stays_so_visibly_after_the_next_flush() {
    let cut = |lines: &mut Vec<String>| lines.truncate(1);
    let change = |lines: &mut Vec<String>| lines[2] = lines[2].replace("limited", "lifted_");
    let away = |lines: &mut Vec<String>| lines.clear();
    let faults: [(Tamper, _, _); 3] = [
        (cut, 2, Fault::Missing { first: 2, last: 3 }),
        (change, 3, Fault::Changed),
        (away, 1, Fault::Missing { first: 1, last: 3 }),
    ];
    for (tamper, line, fault) in faults {
        let place = Place::new();
        place.add(1..4);
        place.flush().unwrap();
        let mut lines = tail(&place.path(), 9).unwrap();
        tamper(&mut lines);
        fs::write(place.path(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        assert!(!place.report().is_sound());

        place.add(4..6);
        place.flush().unwrap();

        assert_eq!(place.report().findings, found(line, fault));
        assert_eq!(place.pending(), []);
    }
}

#[test]
fn on_a_full_disk_the_events_stay_in_the_store() {
    let place = Place::new();
    place.add(1..4);

    // Linux: a file on which nothing has room.
    let full = AuditFile::open(&PathBuf::from("/dev/full")).unwrap().flush(&place.store);

    assert!(matches!(full, Err(AuditError::Full(_))), "{full:?}");
    assert!(full.unwrap_err().to_string().contains("make room"));
    assert_eq!(place.pending().len(), 3);
    place.flush().unwrap();
    assert_eq!(place.counts(), [1, 2, 3]);
}

#[test]
fn who_holds_the_file_and_does_nothing_stops_nobody_for_long() {
    let place = Place::new();
    place.add(1..3);
    let file = AuditFile::open(&place.path()).unwrap();
    file.file.lock().unwrap();

    let held = place.flush();
    file.file.unlock().unwrap();

    assert!(matches!(held, Err(AuditError::Held(_))), "{held:?}");
    assert_eq!(place.pending().len(), 2);
    place.flush().unwrap();
    assert_eq!(place.pending(), []);
}

#[test]
fn rivals_that_flush_at_once_write_each_event_once() {
    const RIVALS: u64 = 4;
    const EACH: u64 = 15;
    let place = Place::new();
    let rival = |number: u64| {
        // As another process would: its own connections, its own open file.
        let store = Sqlite::open(&place.folder.path().join("ca.db")).unwrap();
        for count in number * EACH..(number + 1) * EACH {
            let write = store.write().unwrap();
            write.add_audit(&event(count)).unwrap();
            write.commit().unwrap();
            AuditFile::open(&place.path()).unwrap().flush(&store).unwrap();
        }
    };

    std::thread::scope(|scope| {
        for number in 0..RIVALS {
            scope.spawn(move || rival(number));
        }
    });

    let mut counts = place.counts();
    counts.sort_unstable();
    assert_eq!(counts, (0..RIVALS * EACH).collect::<Vec<_>>());
    assert!(place.report().is_sound());
    assert_eq!(place.pending(), []);
}

#[test]
fn the_tail_is_the_last_lines_as_they_are() {
    let place = Place::new();
    assert_eq!(tail(&place.path(), 3).unwrap(), Vec::<String>::new());
    place.add(1..900);
    place.flush().unwrap();
    let whole = fs::read_to_string(place.path()).unwrap();
    fs::write(place.path(), whole.clone() + "garbage\nhalf a li").unwrap();

    let lines: Vec<_> = whole.lines().chain(["garbage"]).collect();
    for count in [0, 1, 3, 899, 900, 1000] {
        let expected = &lines[lines.len().saturating_sub(count)..];

        assert_eq!(tail(&place.path(), count).unwrap(), expected);
    }
}

#[test]
fn a_file_that_is_not_there_has_no_lines_and_one_with_an_endless_line_is_garbage() {
    let place = Place::new();
    assert!(place.report().is_sound());
    place.add(1..3);
    place.flush().unwrap();
    fs::remove_file(place.path()).unwrap();
    assert_eq!(place.report().findings, found(0, Fault::CutOff { first: 1, last: 2 }));

    fs::write(place.path(), "x".repeat(3 << 20) + "\n").unwrap();

    assert_eq!(place.report().findings[0], Finding { line: 1, fault: Fault::Garbage });
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();

    let missing = AuditFile::open(&folder.path().join("no/audit.jsonl")).unwrap_err();
    let directory = AuditFile::open(folder.path()).unwrap_err();

    assert!(missing.to_string().contains("no/audit.jsonl: "), "{missing}");
    assert!(matches!(directory, AuditError::Io { .. }), "{directory:?}");
}
