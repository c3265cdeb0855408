//! Two questions to a socket: where was this connection going, and: leave mine alone.

use super::rules::MARK;
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a connection was going before the kernel handed it to us (`SO_ORIGINAL_DST`, `IP6T_SO_ORIGINAL_DST`).
///
/// `None`: to us. That is the guard against a loop too: what was never on its way elsewhere must not be sent on to
/// where it was going. `None` also where the kernel cannot tell, as for IPv4 on a listener of both protocols: a
/// listener of captured connections is bound to one.
pub fn original_destination<S: AsFd>(socket: &S) -> Option<SocketAddr> {
    let socket = SockRef::from(socket);
    let local = socket.local_addr().ok()?.as_socket()?;
    let original = match local {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    let original = original.ok()?.as_socket()?;
    // Without the scope of a link-local address, which only one of the two may have.
    let place = |address: SocketAddr| (address.ip(), address.port());
    (place(original) != place(local)).then_some(original)
}

/// Puts a mark on a socket, before it connects: the rules let its connection pass.
///
/// # Errors
/// `PermissionDenied` without `CAP_NET_ADMIN` (from kernel 5.17 on, `CAP_NET_RAW` does too).
pub fn mark<S: AsFd>(socket: &S, mark: u32) -> io::Result<()> {
    SockRef::from(socket).set_mark(mark)
}

/// Whether connections of this process may be captured, and so have to be exempt.
static CAPTURING: AtomicBool = AtomicBool::new(false);

/// From now on [`exempt`] marks sockets. Elsewhere nothing is marked: others route by marks.
pub fn capturing() {
    CAPTURING.store(true, Ordering::Relaxed);
}

/// Puts [`MARK`] on a socket, as well as we may: without the right to, the process must be exempt by its user.
/// Whether we may is asked once, at the start ([`may_mark`]).
pub fn exempt<S: AsFd>(socket: &S) {
    if CAPTURING.load(Ordering::Relaxed) {
        let _best_effort = mark(socket, MARK).is_ok();
    }
}

/// Whether this process may mark sockets.
///
/// # Errors
/// As [`mark`]. Then a sidecar whose connections are captured sends them to itself, again and again, unless the rules
/// exempt its user.
pub fn may_mark() -> io::Result<()> {
    mark(&Socket::new(Domain::IPV4, Type::STREAM, None)?, MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_that_nobody_redirected_was_going_to_us() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, _) = listener.accept().unwrap();

        let found = (original_destination(&served), original_destination(&client));

        assert_eq!(found.0, None);
        assert_eq!(found.1.map(|address| address.ip()), None);
    }

    #[test]
    fn a_socket_that_is_not_connected_has_no_destination() {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();

        assert_eq!(original_destination(&socket), None);
    }
}
