//! The gates: what one request costs, counted and never timed, against the figures in `tests/gates/figures.json`.
//!
//! | figure       | counted by | of what                                                                  |
//! |--------------|------------|--------------------------------------------------------------------------|
//! | syscalls     | strace     | all threads, all kinds                                                   |
//! | instructions | callgrind  | user space, all threads                                                  |
//! | allocations  | callgrind  | calls into the allocator, reallocations included                         |
//!
//! Each is a slope: (cost of 2N requests − cost of N) / N, so what a start or a first request costs is not in it. One
//! connection, one request in flight: how many events a turn of the loop finds is then no matter of luck. The price is
//! that nothing is shared between requests: under load a request costs less, most of all in `epoll_wait`.
//!
//! They need an optimised binary, which `tests/run` builds; so they are ignored here, and `tests/run gates` runs them.
//! Without strace or valgrind they fail. The size of an exchange's future is a unit test of `pipeline`.

#[path = "../gates/callgrind.rs"]
mod callgrind;
#[path = "../gates/figures.rs"]
mod figures;
#[path = "../gates/proxy.rs"]
mod proxy;
#[path = "../gates/strace.rs"]
mod strace;

use proxy::Tool;
use std::sync::OnceLock;

/// Requests of the short run; the long run has twice as many.
const REQUESTS: u32 = 2000;

/// What a request costs more in the long run of `tool`, for each of the counts that `read` finds in its report.
fn slopes<const N: usize>(tool: Tool, read: fn(&str) -> [u64; N]) -> [f64; N] {
    let [short, long] = [1, 2].map(|times| read(&proxy::run(tool, times * REQUESTS)));
    std::array::from_fn(|i| (long[i] as f64 - short[i] as f64) / f64::from(REQUESTS))
}

/// Instructions and allocations, counted once for both gates.
fn work() -> [f64; 2] {
    static WORK: OnceLock<[f64; 2]> = OnceLock::new();
    *WORK.get_or_init(|| {
        slopes(Tool::Callgrind, |report| [callgrind::instructions(report), callgrind::allocations(report)])
    })
}

#[test]
#[ignore = "needs an optimised binary: tests/run gates"]
fn a_request_makes_no_more_syscalls_than_recorded() {
    let [syscalls] = slopes(Tool::Strace, |report| [strace::calls(report)]);

    figures::hold("HTTP/1 syscalls", syscalls, Tool::Strace);
}

#[test]
#[ignore = "needs an optimised binary: tests/run gates"]
fn a_request_takes_no_more_instructions_than_recorded() {
    let [instructions, _] = work();

    figures::hold("HTTP/1 instructions", instructions, Tool::Callgrind);
}

#[test]
#[ignore = "needs an optimised binary: tests/run gates"]
fn a_request_makes_no_more_allocations_than_recorded() {
    let [_, allocations] = work();

    figures::hold("HTTP/1 allocations", allocations, Tool::Callgrind);
}
