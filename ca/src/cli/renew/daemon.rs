//! `ca renew --daemon`: keeps a workload's files good, for as long as it runs.
//!
//! | what happens | what it does |
//! |--|--|
//! | a certificate or a trust was stored | runs CMD; changes that come meanwhile are one more run after it |
//! | CMD fails, or takes long | says so; the files stay as they are |
//! | SIGTERM, SIGINT | ends; a CMD that runs is left to end by itself |
//!
//! When to renew and what to do about failures decides [`Agent`].

use super::{RenewArgs, load, shell};
use crate::cli::bootstrap::local;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::client::{Agent, Identity, Options};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::{Child, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch::Receiver;

/// Who takes longer is named.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs until a signal ends it.
pub(super) fn run(args: &RenewArgs, context: &Context) -> Result<ExitCode, CliError> {
    let out = &args.place.out;
    // Without a token nothing could ever come of an empty or damaged folder.
    if args.token_file.is_none() {
        load(out, context.now())?;
    }
    let agent = Agent::new(Options {
        dir: out.clone(),
        token_file: args.token_file.clone(),
        ttl: args.ttl,
        keep_key: args.keep_key,
        url: None,
    })?;
    local(async {
        let stop = stop().map_err(CliError::Runtime)?;
        let children = signal(SignalKind::child()).map_err(CliError::Runtime)?;
        tracing::info!(event = "agent_started", dir = %out.display(), "keeps the certificate good");
        Box::pin(follow(agent, args.exec.as_deref(), out, (stop, children))).await;
        tracing::info!(event = "agent_stopped", "ends by a signal");
        Ok(ExitCode::SUCCESS)
    })?
}

/// Runs the agent until `stop` is ready, and `command` after each change.
async fn follow(
    agent: Agent,
    command: Option<&str>,
    out: &Path,
    (stop, children): (impl Future<Output = ()>, Signal),
) {
    // Before the agent runs: what is there already is no change.
    let identities = agent.identity();
    let hooks = async {
        match command {
            Some(command) => Hook { command, out, children }.run(identities).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = Box::pin(agent.run(stop)) => {}
        never = hooks => match never {},
    }
}

/// Ready when the process is to end.
fn stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The command that must know of changes.
struct Hook<'a> {
    command: &'a str,
    out: &'a Path,
    /// Tells that some child has ended.
    children: Signal,
}

impl Hook<'_> {
    async fn run(mut self, mut identities: Receiver<Option<Arc<Identity>>>) -> Infallible {
        loop {
            if identities.changed().await.is_err() {
                // The agent ends; so does this.
                std::future::pending::<()>().await;
            }
            identities.mark_unchanged();
            match shell(self.command, self.out).spawn() {
                Ok(child) => self.wait(child).await,
                Err(error) => tracing::error!(event = "exec_failed", %error, "sh cannot be run"),
            }
        }
    }

    async fn wait(&mut self, mut child: Child) {
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => {
                    tracing::info!(
                        event = "exec_done",
                        command = self.command,
                        "the command was told of the new files"
                    );
                    return;
                }
                Ok(Some(status)) => {
                    tracing::error!(event = "exec_failed", command = self.command, %status, "the command failed: does its service still use the old files?");
                    return;
                }
                Err(error) => {
                    tracing::error!(event = "exec_failed", command = self.command, %error, "the command cannot be waited for");
                    return;
                }
                Ok(None) => {}
            }
            // A child that ended since the look above has sent its signal already.
            if tokio::time::timeout(PATIENCE, self.children.recv()).await.is_err() {
                tracing::warn!(
                    event = "exec_slow",
                    command = self.command,
                    "the command still runs; changes wait for it"
                );
            }
        }
    }
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;
