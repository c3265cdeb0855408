//! A service in trouble: what its clients see, what the log says, and that nobody else notices.

mod breaker;
mod bulkhead;
mod discovery;
mod endpoints;
mod failures;
mod health;
mod health_reloads;
mod names;
mod retries;
mod storm;
mod tries;

use portcullis_tests::{Client, Edge, Raw, Response};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

/// Sends `count` requests at the same time, each on a connection of its own.
fn together(edge: &Edge, target: &str, count: usize) -> Vec<Response> {
    let (sender, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..count {
            let sender = sender.clone();
            scope.spawn(move || sender.send(edge.get(target)));
        }
    });
    drop(sender);
    answers.into_iter().collect()
}

/// Sends a request and does not wait for its answer.
fn send_only(address: SocketAddr, target: &str) -> Raw {
    let mut raw = Raw::connect(address);
    raw.send(Client::get(target).bytes());
    raw
}

/// How many of the answers have this status.
fn count(answers: &[Response], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Long enough for a busy machine, and short beside what it is compared with.
const SOON: Duration = Duration::from_secs(2);
