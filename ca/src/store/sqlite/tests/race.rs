//! Two processes, here two handles of one file, want the same token.

use super::*;
use crate::store::Filter;
use std::sync::Barrier;

const ROUNDS: u64 = 100;

/// Tries to spend the token of `round`, for the certificate `number`.
fn try_issue(store: &Sqlite, round: u64, number: u64) -> Result<bool, StoreError> {
    let write = store.write()?;
    if !write.spend_token(&fingerprint(round), &spent(number))? {
        return Ok(false);
    }
    write.add_issued(&issued(number))?;
    write.commit()?;
    Ok(true)
}

#[test]
fn of_all_who_race_for_a_token_exactly_one_gets_it() {
    // given: two handles with two threads each, and a token per round
    let temporary = Temporary::new();
    let other = Sqlite::open(&temporary.path()).unwrap();
    let racers = [&temporary.store, &other, &temporary.store, &other];
    change(&temporary.store, |write| (0..ROUNDS).try_for_each(|round| write.add_token(&token(round))));
    let start = Barrier::new(racers.len());

    // when
    // An error is looked at afterwards: who stops early would let the others wait.
    let ends: Vec<Vec<(u64, Result<bool, StoreError>)>> = std::thread::scope(|scope| {
        let run = |(racer, store): (u64, &Sqlite)| {
            let one = |round| {
                start.wait();
                (round, try_issue(store, round, round * 10 + racer))
            };
            (0..ROUNDS).map(one).collect()
        };
        let threads: Vec<_> = (0..).zip(racers).map(|racer| scope.spawn(move || run(racer))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    // then
    let won = |(round, end): (u64, Result<bool, StoreError>)| end.unwrap().then_some(round);
    let mut rounds: Vec<_> = ends.into_iter().flatten().filter_map(won).collect();
    rounds.sort_unstable();
    assert_eq!(rounds, (0..ROUNDS).collect::<Vec<_>>(), "one winner a round");
    assert_eq!(temporary.store.read().unwrap().ledger(&Filter::default()).unwrap().len(), rounds.len());
    assert_eq!(temporary.store.read().unwrap().fresh_tokens(NOW).unwrap(), []);
}
