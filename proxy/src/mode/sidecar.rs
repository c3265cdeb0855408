//! The sidecar: beside one service. Life of the process, nothing else.
//!
//! ```text
//! assembled -> a member of the mesh -> the application starts (with a command) -> it answers -> ready
//!   SIGHUP, SIGUSR1          as on the edge
//!   told to end              leaves in the order of `farewell`
//!   the application ends     the same, and its exit code is ours
//! ```

use super::assembly::{Assembly, Kind};
use super::board::Board;
use super::child::{Child, SpawnError};
use super::departure::{self, Hands, Told};
use super::readiness::{Certificate, Facts, Verdict};
use super::{launch, probe};
use crate::admin::{self, AdminListener, LogLevel, State};
use crate::capture;
use crate::config::listener::Role;
use crate::config::{AdminBind, Drain};
use crate::control::{Control, ControlError};
use crate::drain::Phase;
use crate::mesh::source::Memberships;
use std::ffi::OsString;
use std::future::pending;
use std::path::Path;
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedSender;

/// What a sidecar is started with.
pub struct Start<'a> {
    /// Its configuration.
    pub config: &'a Path,
    /// The application and its arguments; empty: it is started by somebody else.
    pub command: &'a [OsString],
    /// Soft limit of open files the application gets.
    pub files: Option<u64>,
    /// How to change the level of the log.
    pub log: LogLevel,
}

/// Why a sidecar did not start.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The process itself.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The application.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(#[from] std::io::Error),
}

impl SidecarError {
    /// The exit code for it, as a shell gives it.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Spawn(error) => error.code(),
            Self::Control(_) | Self::Signals(_) => 1,
        }
    }
}

/// Runs until it has drained; returns the exit code.
pub async fn run(start: Start<'_>) -> Result<u8, SidecarError> {
    // First of all, so that no signal finds us without a handler.
    let (tell, mut told) = departure::told()?;
    let assembly = Assembly::start(start.config, start.log, Kind::Sidecar)?;
    exempt_from_capture(&assembly.control);
    let control = Rc::clone(&assembly.control);
    let board = Board::new();
    open_ready(&control, &board)?;
    watch_facts(&assembly, &board);
    tokio::task::spawn_local(assembly.keep_up());
    tokio::task::spawn_local(drain_when_asked(Rc::clone(&control), tell));
    let mut child = None;
    if !start.command.is_empty() {
        tokio::select! {
            () = board.until(Verdict::only_the_application_is_missing) => {
                child = Some(spawn(start.command, start.files)?);
            }
            _ended = told.recv() => return Ok(close(&control, 0).await),
        }
    }
    tokio::task::spawn_local(announce(Rc::clone(&control), Rc::clone(&board)));
    let process = Process { control: Rc::clone(&control), board };
    let code = departure::run(&process, child.as_deref(), &mut told).await;
    Ok(close(&control, code).await)
}

/// Our own connections must not come back to us.
fn exempt_from_capture(control: &Control) {
    let deployed = control.deployed();
    if !deployed.config.listeners.iter().any(|listener| listener.role == Role::Captured) {
        return;
    }
    if let Err(error) = capture::may_mark() {
        let hint = "grant CAP_NET_ADMIN, or capture with --uid of this process";
        tracing::warn!(event = "cannot_mark", %error, hint, "captured connections could come back to us for ever");
    }
}

/// Ends the workers and the log.
async fn close(control: &Control, code: u8) -> u8 {
    control.end().await;
    control.finish();
    tracing::info!(code, "ended");
    code
}

fn spawn(command: &[OsString], files: Option<u64>) -> Result<Rc<Child>, SidecarError> {
    let through = launch::through(std::env::args_os().skip(1), files);
    let child = Rc::new(Child::spawn(command, Some(&through))?);
    tracing::info!(pid = child.id(), "the application was started");
    tokio::task::spawn_local(child.forward()?);
    Ok(child)
}

/// Opens the listener of `ready:`.
fn open_ready(control: &Control, board: &Rc<Board>) -> Result<(), ControlError> {
    let deployed = control.deployed();
    let Some(bind) = deployed.config.sidecar.as_ref().and_then(|sidecar| sidecar.ready) else {
        return Ok(());
    };
    let listener = AdminListener::bind(&AdminBind::Tcp(bind))?;
    tracing::info!(address = %listener.address(), "listening ready");
    let board = Rc::clone(board);
    tokio::task::spawn_local(admin::serve_ready(listener, Rc::new(move || board.missing()), pending()));
    Ok(())
}

/// Brings every fact to the board, as it changes.
fn watch_facts(assembly: &Assembly, board: &Rc<Board>) {
    board.learn(|facts| *facts = Facts { listeners: true, policy: true, ..*facts });
    match assembly.memberships.clone() {
        Some(memberships) => drop(tokio::task::spawn_local(watch_identity(memberships, Rc::clone(board)))),
        None => board.learn(|facts| {
            *facts = Facts { certificate: Certificate::NotNeeded, bundle: true, ..*facts };
        }),
    }
    if let Some(sidecar) = &assembly.control.deployed().config.sidecar {
        let (mut healthy, work) = probe::watch(&sidecar.workload);
        let board = Rc::clone(board);
        tokio::task::spawn_local(work);
        tokio::task::spawn_local(async move {
            while healthy.changed().await.is_ok() {
                let application = *healthy.borrow_and_update();
                board.learn(|facts| facts.application = application);
            }
            // The question was asked once for all: the last answer stands.
            pending::<()>().await;
        });
    }
    tokio::task::spawn_local(Rc::clone(board).keep_looking());
}

async fn watch_identity(mut memberships: Memberships, board: Rc<Board>) {
    loop {
        if let Some(membership) = memberships.borrow_and_update().clone() {
            let certificate = Certificate::Until(membership.own.svid.not_after);
            let bundle = !membership.trust.bundle.roots.is_empty();
            board.learn(|facts| *facts = Facts { certificate, bundle, ..*facts });
        }
        if memberships.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the admin listener once we are ready.
async fn announce(control: Rc<Control>, board: Rc<Board>) {
    board.until(|verdict| verdict.ready).await;
    control.lifecycle.advance(State::Ready);
}

/// Passes on what is asked of the admin listener.
async fn drain_when_asked(control: Rc<Control>, tell: UnboundedSender<Told>) {
    loop {
        control.drain_asked.notified().await;
        if tell.send(Told { skip_delay: false }).is_err() {
            return;
        }
    }
}

/// What the process can do to itself.
struct Process {
    control: Rc<Control>,
    board: Rc<Board>,
}

impl Hands for Process {
    fn not_ready(&self) {
        self.control.lifecycle.advance(State::Draining);
        self.board.learn(|facts| facts.draining = true);
    }

    fn inbound_away(&self) {
        self.control.drain.advance(Phase::Leaving);
        self.control.drain.advance(Phase::Closing);
    }

    fn outbound_away(&self) {
        self.control.drain.advance(Phase::Last);
    }

    fn cut(&self) {
        self.control.drain.advance(Phase::Over);
    }

    fn inbound_idle(&self) -> bool {
        self.control.inbound_left()
    }

    fn all_idle(&self) -> bool {
        // An instant without an exchange says little while peers may still send some.
        self.control.inbound_left() && self.control.hub.active() == 0
    }

    fn drain(&self) -> Drain {
        self.control.deployed().config.drain
    }
}
