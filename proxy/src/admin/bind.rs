//! Opens the admin socket: TCP, or a unix socket that only its owner may use.
//!
//! | at the path of a unix socket   | what happens                          |
//! |--------------------------------|---------------------------------------|
//! | nothing                        | a socket is made                      |
//! | a socket nobody listens on     | it is removed, a new one is made      |
//! | a socket somebody listens on   | refused: another process is there     |
//! | anything else                  | refused: it is not ours to remove     |

use crate::config::AdminBind;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// Connections the kernel may hold for us.
const BACKLOG: i32 = 64;

/// An open admin socket. A unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct AdminListener(Inner);

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// The admin socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {}", path.display())]
    Unix {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process listens there.
    #[error("another process listens on {}", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
    },
    /// There is something, and it is not a socket.
    #[error("{} is not a socket and will not be replaced", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}

/// Who may be on the other end, as far as the address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Processes of this user.
    Unix,
    /// Whoever reaches this address.
    Tcp(IpAddr),
}

/// A stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl AdminListener {
    /// Opens `bind`. To be called inside a runtime.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(bind: &AdminBind) -> Result<Self, BindError> {
        match bind {
            AdminBind::Tcp(address) => {
                tcp(*address).map_err(|source| BindError::Tcp { address: *address, source })
            }
            AdminBind::Unix(path) => unix(path),
        }
    }

    /// The address with its real port, or `unix:PATH`.
    pub fn address(&self) -> String {
        match &self.0 {
            Inner::Tcp(_, address) => address.to_string(),
            Inner::Unix(_, file) => format!("unix:{}", file.path.display()),
        }
    }

    pub(super) const fn reach(&self) -> Reach {
        match &self.0 {
            Inner::Tcp(_, address) => Reach::Tcp(address.ip()),
            Inner::Unix(..) => Reach::Unix,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.0 {
            Inner::Tcp(listener, _) => listener.accept().await.map(|(stream, _)| Box::new(stream) as _),
            Inner::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Box::new(stream) as _),
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<AdminListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(AdminListener(Inner::Tcp(TcpListener::from_std(listener)?, address)))
}

fn unix(path: &Path) -> Result<AdminListener, BindError> {
    make_room(path)?;
    open_unix(path).map_err(|source| BindError::Unix { path: path.to_owned(), source })
}

/// Removes a socket that a process before us left behind.
fn make_room(path: &Path) -> Result<(), BindError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| BindError::Unix { path: path.to_owned(), source })
        }
        Err(source) => Err(BindError::Unix { path: path.to_owned(), source }),
        Ok(_) => Err(BindError::Taken { path: path.to_owned() }),
    }
}

fn open_unix(path: &Path) -> io::Result<AdminListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Between bind and listen nobody can connect yet, so there is no moment with open doors.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(socket.into())?;
    Ok(AdminListener(Inner::Unix(listener, file)))
}

/// The file of our socket; removed when dropped, unless something else has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // It is gone or it is not ours to worry about any more.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}
