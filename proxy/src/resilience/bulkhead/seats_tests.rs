//! Tests: who gets a place, and who is called.

use super::*;

/// Places of which `inside` of `limit` are taken.
fn seats(limit: u32, inside: u32) -> Seats<u32> {
    let seats = Seats::default();
    assert!(seats.set_limit(limit).is_empty());
    (0..inside).for_each(|_| assert!(seats.try_enter()));
    seats
}

fn wait(seats: &Seats<u32>, token: u32) -> u64 {
    match seats.join(100, token) {
        Joined::Waits(number) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn as_many_as_the_limit_enter_and_then_nobody() {
    let seats = seats(3, 3);

    let refused = seats.try_enter();
    let called = seats.leave();

    assert!(!refused && called.is_empty());
    assert!(seats.try_enter());
    assert_eq!(seats.load(), (3, 0));
}

#[test]
fn they_are_called_in_the_order_in_which_they_came() {
    let seats = seats(2, 2);
    let _numbers = [7, 8, 9].map(|token| wait(&seats, token));

    let called: Vec<_> = (0..4).flat_map(|_| seats.leave()).collect();

    assert_eq!(called, [7, 8, 9]);
    assert_eq!(seats.load(), (1, 0));
}

#[test]
fn a_newcomer_does_not_overtake() {
    let seats = seats(1, 1);
    wait(&seats, 7);
    // The moment within `leave` at which a place is free and not yet given away.
    seats.load.fetch_sub(INSIDE, Ordering::AcqRel);

    let overtook = seats.try_enter();
    let second = seats.join(100, 8);
    let called = seats.call(&mut seats.line());

    assert!(!overtook);
    assert!(matches!(second, Joined::Waits(_)));
    assert_eq!(called.into_vec(), [7]);
}

#[test]
fn no_more_wait_than_may() {
    let seats = seats(1, 1);

    let joined = [1, 2, 3].map(|token| seats.join(2, token));
    let none = seats.join(0, 4);

    assert!(matches!(joined, [Joined::Waits(_), Joined::Waits(_), Joined::Full]));
    assert_eq!((none, seats.load()), (Joined::Full, (1, 2)));
}

#[test]
fn one_who_comes_as_a_place_is_freed_gets_it() {
    let seats = seats(1, 1);
    assert!(!seats.try_enter());
    seats.leave();

    assert_eq!(seats.join(2, 1), Joined::Seated);
    assert_eq!(seats.load(), (1, 0));
}

#[test]
fn one_who_gives_up_leaves_the_line_and_one_who_was_called_passes_its_place_on() {
    let seats = seats(1, 1);
    let [first, second, third] = [1, 2, 3].map(|token| wait(&seats, token));

    let nobody = seats.give_up(second);
    let called = seats.leave();
    let passed_on = seats.give_up(first);
    let still = seats.waits(third, |_| ());

    assert!(nobody.is_empty());
    assert_eq!((called.into_vec(), passed_on.into_vec()), (vec![1], vec![3]));
    assert!(!still);
    assert_eq!(seats.load(), (1, 0));
}

#[test]
fn a_higher_limit_calls_as_many_and_a_lower_one_waits_for_places() {
    let seats = seats(2, 2);
    let _numbers = [1, 2, 3, 4, 5].map(|token| wait(&seats, token));

    let higher = seats.set_limit(4).into_vec();
    let lower: Vec<_> = seats.set_limit(2).into_iter().chain((0..2).flat_map(|_| seats.leave())).collect();
    let then = seats.leave().into_vec();

    assert_eq!((higher, lower, then), (vec![1, 2], vec![], vec![3]));
    assert_eq!(seats.load(), (2, 2));
}

#[test]
fn whoever_is_woken_may_change() {
    let seats = seats(1, 1);
    let number = wait(&seats, 1);

    assert!(seats.waits(number, |token| *token = 2));
    assert_eq!(seats.leave().into_vec(), [2]);
    assert!(!seats.waits(number, |_| panic!("it is gone")));
}

/// What a plain book would say.
#[derive(Debug, Default)]
struct Model {
    limit: u32,
    inside: u32,
    line: VecDeque<u32>,
}

impl Model {
    fn call(&mut self) -> Vec<u32> {
        let room = (self.limit.saturating_sub(self.inside) as usize).min(self.line.len());
        self.inside += room as u32;
        self.line.drain(..room).collect()
    }

    fn leave(&mut self) -> Vec<u32> {
        self.inside -= 1;
        self.call()
    }

    fn has_room(&self) -> bool {
        self.line.is_empty() && self.inside < self.limit
    }
}

impl Seats<u32> {
    fn check_invariants(&self, model: &Model) {
        let (inside, waiting) = self.load();
        assert_eq!((inside, waiting as usize), (model.inside, model.line.len()));
        let line = self.line();
        assert!(line.waiting.iter().map(|(_, token)| token).eq(&model.line), "{line:?}");
        assert!(line.waiting.iter().is_sorted_by_key(|(number, _)| *number), "{line:?}");
        assert!(waiting == 0 || inside >= model.limit, "nobody waits while there is room");
    }
}

#[test]
fn it_does_what_a_plain_book_says() {
    for seed in 0..500 {
        simulate(seed);
    }
}

fn simulate(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let seats = Seats::default();
    let (mut model, mut queue) = (Model::default(), 8);
    // Those who wait; those who were called and do not know it yet.
    let (mut numbers, mut called): (Vec<(u32, u64)>, Vec<u64>) = (Vec::new(), Vec::new());
    let (mut own, mut since_lowered) = (0_u32, true);
    for token in 0..800 {
        let mut heard: Vec<u32> = Vec::new();
        match random.u32(..20) {
            0..6 => {
                let room = model.has_room();
                assert_eq!(seats.try_enter(), room, "seed {seed}");
                (own, model.inside) = (own + u32::from(room), model.inside + u32::from(room));
            }
            6..11 => {
                let room = model.has_room();
                match seats.join(queue, token) {
                    Joined::Seated => (own, model.inside) = (own + u32::from(room), model.inside + 1),
                    Joined::Full => assert!(!room && model.line.len() >= queue as usize),
                    Joined::Waits(number) => {
                        assert!(!room && model.line.len() < queue as usize);
                        model.line.push_back(token);
                        numbers.push((token, number));
                    }
                }
            }
            11..16 if own > 0 => {
                own -= 1;
                heard.extend(seats.leave());
                assert_eq!(heard, model.leave(), "seed {seed}");
            }
            16 if !numbers.is_empty() => {
                let (token, number) = numbers.swap_remove(random.usize(..numbers.len()));
                assert!(seats.give_up(number).is_empty());
                model.line.retain(|other| *other != token);
            }
            17 if !called.is_empty() => {
                heard.extend(seats.give_up(called.swap_remove(random.usize(..called.len()))));
                assert_eq!(heard, model.leave(), "seed {seed}");
            }
            18 => {
                model.limit = random.u32(..12);
                heard.extend(seats.set_limit(model.limit));
                assert_eq!(heard, model.call(), "seed {seed}");
                since_lowered = model.inside > model.limit;
            }
            19 => queue = random.u32(..16),
            _ => {
                own += called.len() as u32;
                assert!(called.drain(..).all(|number| !seats.waits(number, |_| ())));
            }
        }
        let (gone, left) = numbers.into_iter().partition(|(token, _)| heard.contains(token));
        numbers = left;
        called.extend(gone.into_iter().map(|(_, number)| number));
        since_lowered &= model.inside > model.limit;
        assert!(since_lowered || model.inside <= model.limit, "inside falls until the limit holds");
        seats.check_invariants(&model);
    }
}

#[test]
fn many_threads_lose_no_place_and_never_are_more_than_the_limit() {
    let seats = Seats::<std::sync::mpsc::Sender<()>>::default();
    assert!(seats.set_limit(2).is_empty());
    let (inside, served) = (AtomicU32::new(0), AtomicU32::new(0));
    let wake = |called: Called<std::sync::mpsc::Sender<()>>| {
        // Whoever gives up between its call and this has passed its place on, and hears nothing.
        called.into_iter().for_each(|sender| sender.send(()).unwrap_or_default());
    };
    let worker = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..5000 {
            if !seats.try_enter() {
                let (sender, receiver) = std::sync::mpsc::channel();
                match seats.join(8, sender) {
                    Joined::Seated => {}
                    Joined::Full => panic!("six threads are not too many"),
                    Joined::Waits(number) if random.u32(..4) == 0 => {
                        wake(seats.give_up(number));
                        continue;
                    }
                    // A lost place would be waited for without an end.
                    Joined::Waits(number) => {
                        receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("a call");
                        assert!(!seats.waits(number, |_| ()));
                    }
                }
            }
            assert!(inside.fetch_add(1, Ordering::SeqCst) < 4);
            if random.u32(..8) == 0 {
                wake(seats.set_limit(random.u32(1..=4)));
            }
            inside.fetch_sub(1, Ordering::SeqCst);
            served.fetch_add(1, Ordering::Relaxed);
            wake(seats.leave());
        }
    };

    std::thread::scope(|scope| (0..6).for_each(|seed| drop(scope.spawn(move || worker(seed)))));

    assert_eq!(seats.load(), (0, 0));
    assert!(served.load(Ordering::Relaxed) > 15_000);
}
