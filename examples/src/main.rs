//! `shop`: an edge, four small services each beside its sidecar, their certificate authority and an issuer of tokens,
//! with every role in one binary, so that one cargo command builds and runs them all.
//!
//! | words                     | role                                              |
//! |---------------------------|---------------------------------------------------|
//! | options only              | the demo: starts the other roles as processes     |
//! | `service NAME --port N`   | one of the services                               |
//! | `people FOLDER`           | makes the certificates of the people, and the API key of the partner |
//! | `portcullis WORDS…`       | the proxy's own command line                      |
//!
//! This file decides which role it is and the exit code: 0 all right, 1 a fault, 2 wrong words.

mod authority;
mod client;
mod demo;
mod folder;
mod options;
mod partner;
mod people;
mod ports;
mod process;
mod service;
mod tour;

use anyhow::Context as _;
use options::Role;
use std::future::Future;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = match options::read(std::env::args_os().skip(1)) {
        Ok(words) => words,
        Err(wrong) => {
            eprintln!("shop: {wrong}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if words.tied {
        end_with_the_starter();
    }
    let ended = match words.role {
        Role::Help => {
            println!("{}", options::USAGE);
            Ok(())
        }
        Role::Portcullis(words) => return portcullis::cli::main_from(words),
        Role::People(folder) => run(people::make(&folder)),
        Role::Service(service) => run(service::run(service)),
        Role::Demo(options) => run(demo::run(options)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("shop: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .context("cannot start the runtime")?
        .block_on(role)
}

/// Ends this process once its starter is gone, were it by SIGKILL: then the other end of stdin closes.
fn end_with_the_starter() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(1);
    });
}
