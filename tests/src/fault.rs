//! A TCP proxy that does harm: it stands before an upstream and spoils what passes, as told, also while connections are
//! open.
//!
//! | fault | what passes |
//! |--|--|
//! | nothing | everything |
//! | latency | everything, each piece of an answer this late |
//! | slow | so many bytes of an answer a second |
//! | reset | so many bytes of an answer, then RST |
//! | cut | so many bytes of an answer, then FIN on our side only (half-closed) |
//! | corrupt | everything, with one byte of an answer changed |
//! | black hole | connections are taken, nothing passes |
//! | refuse | connections are closed at once with RST |

use crate::edge::Addressed;
use crate::wait;
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Each piece of an answer comes this late.
    Latency(Duration),
    /// Bytes of an answer a second.
    Slow(u32),
    /// After so many bytes of an answer the connection is reset.
    Reset(usize),
    /// After so many bytes of an answer it is half-closed.
    Cut(usize),
    /// This byte of an answer, counted from 0, is another one.
    Corrupt(usize),
    /// Connections are taken, nothing passes.
    BlackHole,
    /// Connections are reset at once.
    Refuse,
}

/// A TCP proxy that does harm.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
}

impl FaultProxy {
    /// Before `upstream`, harmless at first.
    ///
    /// # Panics
    /// When no port is to be had.
    pub fn before(upstream: &impl Addressed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let fault = Arc::new(Mutex::new(Fault::None));
        let (behind, shared) = (upstream.address(), Arc::clone(&fault));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let fault = Arc::clone(&shared);
                thread::spawn(move || carry(client, behind, &fault));
            }
        });
        Self { address, fault }
    }

    /// From now on this is spoilt, on open connections too.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl Addressed for FaultProxy {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

fn now(fault: &Mutex<Fault>) -> Fault {
    *fault.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the next close a reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}

fn carry(client: TcpStream, behind: SocketAddr, fault: &Arc<Mutex<Fault>>) {
    if now(fault) == Fault::Refuse {
        return reset(&client);
    }
    let Ok(server) = TcpStream::connect(behind) else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(up_from), Ok(up_to)) = (client.try_clone(), server.try_clone()) else { return };
    let shared = Arc::clone(fault);
    let up = thread::spawn(move || requests(up_from, up_to, &shared));
    answers(server, client, fault);
    let _ = up.join();
}

/// From the client to the server, until one of them ends.
fn requests(mut from: TcpStream, mut to: TcpStream, fault: &Mutex<Fault>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        if now(fault) != Fault::BlackHole && to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// From the server to the client, spoilt.
fn answers(mut from: TcpStream, mut to: TcpStream, fault: &Mutex<Fault>) {
    let mut buffer = [0; 16 * 1024];
    let mut passed = 0;
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        let mut piece = buffer[..read].to_vec();
        match now(fault) {
            Fault::None | Fault::Refuse => {}
            Fault::BlackHole => continue,
            Fault::Latency(span) => wait::pause(span),
            Fault::Slow(rate) => {
                for byte in piece.drain(..) {
                    wait::pause(Duration::from_secs(1) / rate);
                    if to.write_all(&[byte]).is_err() {
                        return;
                    }
                }
            }
            Fault::Reset(after) | Fault::Cut(after) if passed + piece.len() >= after => {
                let _ = to.write_all(&piece[..after.saturating_sub(passed).min(piece.len())]);
                if matches!(now(fault), Fault::Reset(_)) {
                    reset(&to);
                    let _ = from.shutdown(Shutdown::Both);
                    return;
                }
                let _ = to.shutdown(Shutdown::Write);
                passed = usize::MAX / 2;
                continue;
            }
            Fault::Reset(_) | Fault::Cut(_) => {}
            Fault::Corrupt(at) => {
                if let Some(byte) = at.checked_sub(passed).and_then(|at| piece.get_mut(at)) {
                    *byte ^= 0x55;
                }
            }
        }
        passed += read;
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
