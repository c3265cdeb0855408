//! A passport may be handed on while a request with it is being answered, for a moment longer, and never otherwise.

use super::*;
use crate::identity::passport::LIFE;
use crate::identity::support::alice;
use crate::mesh::support::EDGE;

const WALL: Timestamp = Timestamp(1_795_000_000);

fn carried(passport: &str, stamps: &[&str]) -> Arc<Carried> {
    Arc::new(Carried {
        principal: alice(),
        passport: HeaderValue::try_from(passport).unwrap(),
        stamps: stamps.iter().map(|stamp| Box::from(*stamp)).collect(),
        signers: Vec::new(),
        expires: WALL.after(Duration::from_secs(LIFE.unsigned_abs())),
        asserter: EDGE.parse().unwrap(),
        until: WALL,
    })
}

fn known(in_flight: &InFlight, carried: &Arc<Carried>, now: Instant) -> bool {
    in_flight.find(&carried.passport, now, WALL).is_some()
}

#[test]
fn a_passport_is_known_while_its_request_is_answered_and_for_the_grace() {
    let in_flight = Arc::new(InFlight::default());
    let one = carried("one", &[]);
    let start = clock::now();

    assert!(!known(&in_flight, &one, start));
    let ticket = in_flight.enter(&one, start).unwrap();
    assert!(known(&in_flight, &one, start + Duration::from_secs(50)));
    drop(ticket);

    // It ended between these two moments.
    let ended = clock::now();
    assert!(known(&in_flight, &one, start + GRACE - Duration::from_millis(1)));
    assert!(!known(&in_flight, &one, ended + GRACE));
}

#[test]
fn it_is_known_until_the_last_of_its_requests_has_ended() {
    let in_flight = Arc::new(InFlight::default());
    let one = carried("one", &[]);
    let start = clock::now();
    let tickets = [(); 3].map(|()| in_flight.enter(&one, start).unwrap());
    let late = start + 5 * GRACE;

    for ticket in tickets {
        assert!(known(&in_flight, &one, late));
        drop(ticket);
    }

    assert!(!known(&in_flight, &one, late));
}

#[test]
fn no_other_passport_is_known() {
    let in_flight = Arc::new(InFlight::default());
    let start = clock::now();
    let _ticket = in_flight.enter(&carried("one", &[]), start).unwrap();

    for other in ["on", "onee", "One", "", "two"] {
        assert!(!known(&in_flight, &carried(other, &[]), start), "{other}");
    }
}

#[test]
fn a_passport_that_has_expired_is_not_handed_on_though_its_request_goes_on() {
    let in_flight = Arc::new(InFlight::default());
    let one = carried("one", &[]);
    let start = clock::now();
    let _ticket = in_flight.enter(&one, start).unwrap();
    let at = |seconds| in_flight.find(&one.passport, start, Timestamp(WALL.0 + seconds)).is_some();

    assert!(at(LIFE) && at(LIFE + SKEW));
    assert!(!at(LIFE + SKEW + 1));
}

#[test]
fn the_newest_way_it_came_by_is_handed_on() {
    let in_flight = Arc::new(InFlight::default());
    let (first, second) = (carried("one", &["a"]), carried("one", &["a", "b"]));
    let start = clock::now();
    let _tickets = [&first, &second].map(|carried| in_flight.enter(carried, start).unwrap());

    let found = in_flight.find(&first.passport, start, WALL).unwrap();

    assert!(Arc::ptr_eq(&found, &second));
}

#[test]
fn a_purge_forgets_what_is_over_and_nothing_else() {
    let in_flight = Arc::new(InFlight::default());
    let (over, going) = (carried("over", &[]), carried("going", &[]));
    let start = clock::now();
    drop(in_flight.enter(&over, start));
    let ticket = in_flight.enter(&going, start).unwrap();

    in_flight.purge(clock::now() + GRACE);

    let left: usize = in_flight.shards.iter().map(|shard| lock(shard).len()).sum();
    assert_eq!(left, 1);
    assert!(known(&in_flight, &going, start));
    drop(ticket);
}

#[test]
fn a_ticket_of_what_was_forgotten_ends_quietly() {
    let in_flight = Arc::new(InFlight::default());
    let one = carried("one", &[]);
    let ticket = in_flight.enter(&one, clock::now()).unwrap();
    for shard in &in_flight.shards {
        lock(shard).clear();
    }

    drop(ticket);

    assert!(!known(&in_flight, &one, clock::now()));
}

#[test]
fn when_there_are_too_many_the_next_is_not_taken_note_of_until_some_are_over() {
    let in_flight = Arc::new(InFlight::default());
    let start = clock::now();
    let mut tickets = Vec::new();
    let refused = loop {
        let next = carried(&tickets.len().to_string(), &[]);
        match in_flight.enter(&next, start) {
            Some(ticket) => tickets.push(ticket),
            None => break next,
        }
    };

    assert!(tickets.len() >= MOST && tickets.len() <= MOST * SHARDS);
    assert!(!known(&in_flight, &refused, start));
    drop(tickets);
    let later = clock::now() + GRACE;
    assert!(in_flight.enter(&refused, later).is_some());
}

#[test]
fn workers_that_share_it_count_together() {
    let in_flight = Arc::new(InFlight::default());
    let one = carried("one", &[]);
    let start = clock::now();

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| drop(in_flight.enter(&one, start))));
        }
    });

    let entry = in_flight.shard(&one.passport);
    assert_eq!(entry.get(&one.passport).unwrap().active, 0);
}
