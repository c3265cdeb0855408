//! The writer: full queues, failing sinks, the end of the process.

use super::super::outcome::Outcome;
use super::super::record::Record;
use super::*;
use crate::config::observe::LogSink;
use std::net::SocketAddr;
use std::path::Path;
use std::time::UNIX_EPOCH;

const PATIENCE: Duration = Duration::from_secs(10);

fn record(path: &str) -> Record<'_> {
    let address = SocketAddr::from(([127, 0, 0, 1], 40_000));
    Record {
        started: UNIX_EPOCH,
        duration: Duration::from_millis(3),
        method: "GET",
        scheme: "http",
        host: "shop.test",
        path,
        query: "",
        route: Some("orders"),
        service: None,
        endpoint: None,
        attempts: 0,
        failed: None,
        degraded: None,
        grpc_status: None,
        upstream_time: None,
        status: 200,
        protocol: "1.1",
        client: address,
        peer: address,
        user_agent: None,
        request_id: "",
        trace_id: "",
        span_id: "",
        bytes_in: 0,
        bytes_out: 0,
        tls_version: None,
        mesh_peer: None,
        rule: None,
        user: None,
        disbelieved: None,
        outcome: Outcome::ANSWERED,
    }
}

fn config(path: &Path) -> AccessLog {
    AccessLog { to: LogSink::File(path.to_owned()), redact_query: Vec::new() }
}

fn start(path: &Path) -> (AccessLogWriter, Arc<AtomicU64>) {
    let drops = Arc::<AtomicU64>::default();
    (AccessLogWriter::start(&config(path), Arc::clone(&drops)).unwrap(), drops)
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// Waits until the writer has done what it was told before.
fn settle(log: &AccessLogHandle) {
    while log.orders.reopen.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
}

#[test]
fn nothing_that_was_handed_over_is_lost_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let (writer, drops) = start(&file);

    let threads = [0, 1].map(|_| {
        let handle = writer.handle();
        std::thread::spawn(move || {
            let mut log = handle.worker();
            for n in 0..2_000 {
                log.write(&record(&format!("/{n}")));
            }
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    writer.shutdown(PATIENCE).unwrap();

    let lines = lines(&file);
    assert_eq!(lines.len() as u64 + drops.load(Ordering::Relaxed), 4_000);
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    assert!(lines.iter().all(|line| line.starts_with('{') && line.ends_with('}')));
}

#[test]
fn a_few_lines_wait_for_the_flush() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let (writer, _) = start(&file);
    let mut log = writer.handle().worker();

    log.write(&record("/one"));
    log.flush();
    log.write(&record("/two"));
    writer.shutdown(PATIENCE).unwrap();

    assert_eq!(lines(&file).len(), 1);
}

#[test]
fn a_stuck_sink_costs_lines_and_never_time() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, messages) = sync_channel(2);
    let drops = Arc::<AtomicU64>::default();
    let (orders, redaction) = Default::default();
    let handle = AccessLogHandle { queue, orders, drops: Arc::clone(&drops), redaction };
    let mut log = handle.worker();

    for _ in 0..5 {
        log.write(&record("/"));
        log.flush();
    }

    assert_eq!(drops.load(Ordering::Relaxed), 3);
    let file = folder.path().join("access.log");
    let sink = Sink::open(&LogSink::File(file.clone())).unwrap();
    drop((log, handle));
    Writer::new(sink, Arc::default(), drops).run(messages);
    assert_eq!(lines(&file).len(), 2);
}

#[test]
fn buffers_go_round() {
    let (queue, messages) = sync_channel(QUEUE);
    let (orders, drops, redaction) = Default::default();
    let mut log = AccessLogHandle { queue, orders, drops, redaction }.worker();
    let mut seen = std::collections::HashSet::new();

    for _ in 0..100 {
        log.write(&record("/"));
        log.flush();
        let Message::Lines(mut batch) = messages.try_recv().unwrap() else { panic!("no lines") };
        seen.insert(batch.bytes.as_ptr());
        batch.lose();
        batch.back.try_send(std::mem::take(&mut batch.bytes)).unwrap();
    }

    // The first buffer grew from nothing; after that two take turns.
    assert!(seen.len() <= 3, "{} buffers", seen.len());
}

#[test]
fn a_full_disk_loses_lines_counts_them_and_goes_on() {
    let drops = Arc::<AtomicU64>::default();
    let full = AccessLog { to: LogSink::File("/dev/full".into()), redact_query: Vec::new() };
    let writer = AccessLogWriter::start(&full, Arc::clone(&drops)).unwrap();
    let mut log = writer.handle().worker();

    (0..10).for_each(|_| log.write(&record("/")));
    log.flush();
    (0..5).for_each(|_| log.write(&record("/")));
    drop(log);
    writer.shutdown(PATIENCE).unwrap();

    assert_eq!(drops.load(Ordering::Relaxed), 15);
}

#[test]
fn after_the_file_was_moved_away_reopening_makes_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (file, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let (writer, _) = start(&file);
    let handle = writer.handle();
    let mut log = handle.worker();
    log.write(&record("/old"));
    log.flush();
    handle.reopen();
    settle(&handle);
    std::fs::rename(&file, &moved).unwrap();

    handle.reopen();
    settle(&handle);
    while !file.exists() {
        std::thread::yield_now();
    }
    log.write(&record("/new"));
    drop(log);
    writer.shutdown(PATIENCE).unwrap();

    assert!(lines(&moved)[0].contains("/old"));
    assert!(lines(&file)[0].contains("/new"));
    assert_eq!((lines(&moved).len(), lines(&file).len()), (1, 1));
}

#[test]
fn lines_after_the_end_are_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, drops) = start(&folder.path().join("access.log"));
    let mut log = writer.handle().worker();
    writer.shutdown(PATIENCE).unwrap();

    log.write(&record("/late"));
    log.flush();

    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn lines_in_a_queue_that_nobody_reads_any_more_are_counted_as_lost() {
    let (queue, messages) = sync_channel(QUEUE);
    let drops = Arc::<AtomicU64>::default();
    let (orders, redaction) = Default::default();
    let mut log = AccessLogHandle { queue, orders, drops: Arc::clone(&drops), redaction }.worker();
    log.write(&record("/queued"));
    log.flush();

    drop(messages);

    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_sink_that_cannot_be_opened_is_an_error_at_the_start() {
    let nowhere = AccessLog { to: LogSink::File("/nonexistent/access.log".into()), redact_query: Vec::new() };

    assert!(AccessLogWriter::start(&nowhere, Arc::default()).is_err());
}

#[test]
fn a_pipe_nobody_reads_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for both, so that opening to write does not wait for a reader.
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let (writer, drops) = start(&pipe);
    let mut log = writer.handle().worker();
    let long = "/x".repeat(1_000);

    (0..4_000).for_each(|_| log.write(&record(&long)));
    let end = writer.shutdown(Duration::from_millis(50));

    assert!(end.is_err());
    assert!(drops.load(Ordering::Relaxed) > 0);
}
