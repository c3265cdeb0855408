//! Open-loop load for the latency row: `pace ADDRESS RATE SECONDS CONNECTIONS [FIELD…]`.
//!
//! Decides when a request is due (an even spread over all connections) and counts its latency from
//! that moment, not from the moment it was sent, so that a stall of the proxy is not left out.
//! wrk has no rate, and h2load sends the requests of all its clients in one burst per tick.
//! A FIELD is a header field, as in `Host: b`.
//! Knows HTTP/1 just far enough to find the end of an answer with a Content-Length.
//! Compiled by `tests/bench/run` with rustc alone; prints one JSON line, times in microseconds.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one connection is to do.
struct Plan {
    address: SocketAddr,
    /// The request, whole.
    request: Arc<[u8]>,
    /// When its first request is due.
    first: Instant,
    /// Time between two of its requests.
    period: Duration,
    requests: u32,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    /// Microseconds from due to the last byte of the answer.
    latencies: Vec<f64>,
    errors: u32,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((address, rate, seconds, connections)) = parse(&arguments) else {
        eprintln!("usage: pace ADDRESS RATE SECONDS CONNECTIONS [FIELD…]");
        return ExitCode::from(2);
    };
    let text = request(arguments.get(4..).unwrap_or_default());
    let start = Instant::now() + Duration::from_millis(100);
    let period = Duration::from_secs_f64(f64::from(connections) / rate);
    let threads: Vec<_> = (0..connections)
        .map(|index| {
            let first = start + Duration::from_secs_f64(f64::from(index) / rate);
            let requests = (seconds / period.as_secs_f64()) as u32;
            let request = Arc::clone(&text);
            std::thread::spawn(move || drive(Plan { address, request, first, period, requests }))
        })
        .collect();
    let mut all = Seen::default();
    for seen in threads.into_iter().filter_map(|thread| thread.join().ok()) {
        all.latencies.extend(seen.latencies);
        all.errors += seen.errors;
    }
    report(all, start.elapsed());
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<(SocketAddr, f64, f64, u32)> {
    let [address, rate, seconds, connections, ..] = arguments else { return None };
    Some((address.parse().ok()?, rate.parse().ok()?, seconds.parse().ok()?, connections.parse().ok()?))
}

/// A request with these fields; the host is localhost when none of them says another.
fn request(fields: &[String]) -> Arc<[u8]> {
    let named = fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:"));
    let host = if named { "" } else { "Host: localhost\r\n" };
    let rest: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("GET / HTTP/1.1\r\n{host}{rest}\r\n").into_bytes().into()
}

/// Sends the requests of one connection when they are due; the first failure ends it.
fn drive(plan: Plan) -> Seen {
    let mut seen = Seen::default();
    let Ok(mut stream) = connect(plan.address) else {
        seen.errors = plan.requests;
        return seen;
    };
    for index in 0..plan.requests {
        let due = plan.first + plan.period * index;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        if exchange(&mut stream, &plan.request).is_err() {
            seen.errors = plan.requests - index;
            break;
        }
        seen.latencies.push(due.elapsed().as_secs_f64() * 1e6);
    }
    seen
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// One request and its whole answer; anything but 200 is an error.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    stream.write_all(request)?;
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..])?;
        filled += count;
        match answer_length(&buffer[..filled])? {
            Some(length) if filled >= length => return Ok(()),
            _ if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

/// Length of head and body together, once the head is complete.
fn answer_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match length {
        Some(length) if head.starts_with("HTTP/1.1 200") => Ok(Some(head.len() + 4 + length)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn report(mut all: Seen, elapsed: Duration) {
    all.latencies.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (all.latencies.len() as f64 * share) as usize;
        all.latencies.get(rank).copied().unwrap_or(f64::MAX)
    };
    println!(
        "{{\"requests\":{},\"errors\":{},\"seconds\":{:.3},\"p50\":{:.1},\"p90\":{:.1},\"p99\":{:.1},\"p999\":{:.1}}}",
        all.latencies.len(),
        all.errors,
        elapsed.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
    );
}
