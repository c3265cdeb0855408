//! `portcullis ca serve`: the authority's server, until a signal ends it.

use super::context::Context;
use super::error::CliError;
use super::output::complain;
use super::words::count;
use crate::server::{self, Limits, Options};
use clap::Args;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::{Builder, LocalRuntime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Arguments of `ca serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca serve
  portcullis ca serve --dir /var/lib/portcullis-ca --bind 0.0.0.0:8443
  PORTCULLIS_CA_PASSWORD_FILE=/etc/portcullis/ca.password portcullis ca serve
  portcullis ca check --server            # does it answer?

Signals:
  SIGTERM, SIGINT  take no more calls, finish those in flight (10 s at most), exit

PORTCULLIS_LOG sets its own log: error, warn, info (default), debug, trace. Other `portcullis ca`
commands may work on the folder meanwhile: the server sees what they change. While it is down,
certificates in use stay good.")]
pub(super) struct ServeArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    bind: SocketAddr,
    /// How many workloads may join in a second, all together. Renewals have their own limit.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bootstraps_per_second: u32,
}

pub(super) fn run(args: &ServeArgs, context: &Context) -> Result<ExitCode, CliError> {
    (context.start_log)();
    let authority = context.open()?;
    let settings = authority.settings()?;
    if !settings.urls.iter().any(|url| leads_to(url, args.bind.port())) {
        complain(&format!(
            "warning: join tokens name {}, but this listens at port {}: fine behind a proxy that passes TLS on, else \
             use --bind, or `portcullis ca token create --url`",
            settings.urls.join(" and "),
            args.bind.port()
        ));
    }
    raise_file_limit();
    let entries = authority.entries()?.len();
    let runtime = runtime()?;
    let mut ends = runtime.block_on(async { Ends::listen() })?;
    tracing::info!(
        dir = %context.dir.display(),
        trust_domain = %settings.trust_domain,
        signing = %settings.signing,
        "the authority of {}, {}",
        settings.trust_domain,
        count(entries, "entry")
    );
    let limits = Limits { bootstraps_per_second: args.bootstraps_per_second, ..Limits::default() };
    let options = Options { limits, ..Options::new(args.bind) };
    runtime.block_on(server::serve(Arc::new(authority), options, ends.next()))?;
    Ok(ExitCode::SUCCESS)
}

/// A runtime whose tasks stay on this thread.
pub(super) fn runtime() -> Result<LocalRuntime, CliError> {
    Builder::new_current_thread().enable_all().build_local(Default::default()).map_err(CliError::Runtime)
}

/// The signals that end a command.
pub(super) struct Ends {
    term: Signal,
    interrupt: Signal,
}

impl Ends {
    /// From now on they do not kill the process. Needs a runtime.
    pub(super) fn listen() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(CliError::Runtime);
        Ok(Self { term: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Returns when one comes.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Whether an address has this port.
fn leads_to(url: &str, port: u16) -> bool {
    url.parse::<http::Uri>().is_ok_and(|url| url.port_u16().unwrap_or(443) == port)
}

/// Every connection is an open file: take as many as the system gives without asking.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!("the limit of open files could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_leads_to_443() {
        assert!(leads_to("https://ca.shop.example", 443));
        assert!(leads_to("https://ca.shop.example:8443/", 8443));
        assert!(!leads_to("https://ca.shop.example:8443", 443));
    }
}
