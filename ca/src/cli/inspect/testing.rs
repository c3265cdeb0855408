//! What the tests of the workload's commands need: a small authority, and a way to run a command line.

use crate::bundle::Bundle;
use crate::certificate::{self, pem};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::{CaArgs, dispatch};
use crate::client::Identity;
use crate::clock;
use crate::issuer::{Issuer, self_signed_root};
use crate::key::Key;
use crate::names::{AuthorityId, Fingerprint, Serial};
use crate::policy::Grant;
use crate::profile::Validity;
use crate::time::Timestamp;
use crate::token::JoinToken;
use crate::trust::Trust;
use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

pub(in crate::cli) const ORDER: &str = "spiffe://shop.example/svc/order";
/// Nobody listens there.
pub(in crate::cli) const NOWHERE: &str = "https://127.0.0.1:1";
const DAY: i64 = 86_400;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: CaArgs,
}

/// Runs what stands after `portcullis ca`.
pub(in crate::cli) fn run(words: &[&str]) -> Result<ExitCode, CliError> {
    let line = Line::try_parse_from(std::iter::once("ca").chain(words.iter().copied())).unwrap();
    dispatch(&line.args.command, &Context::new(&line.args, || {}))
}

/// What is wrong, with the hint.
pub(in crate::cli) fn failing(words: &[&str]) -> String {
    run(words).unwrap_err().to_string()
}

/// Whether the words are a command line, and how it is written in logs.
pub(in crate::cli) fn parsed(words: &[&str]) -> Result<String, clap::Error> {
    let line = Line::try_parse_from(std::iter::once("ca").chain(words.iter().copied()))?;
    Ok(format!("{line:?}"))
}

/// A root and an intermediate, of ten days around a moment.
pub(in crate::cli) struct Ca {
    pub(in crate::cli) root: Vec<u8>,
    pub(in crate::cli) intermediate: Issuer,
    pub(in crate::cli) domain: &'static str,
    pub(in crate::cli) now: Timestamp,
}

fn serial() -> Serial {
    let mut bits = [0; 16];
    aws_lc_rs::rand::fill(&mut bits).unwrap();
    Serial::from_random(bits)
}

impl Ca {
    pub(in crate::cli) fn new() -> Self {
        Self::of("shop.example")
    }

    pub(in crate::cli) fn of(domain: &'static str) -> Self {
        let now = clock::wall();
        let validity =
            Validity { not_before: Timestamp(now.0 - 10 * DAY), not_after: Timestamp(now.0 + 10 * DAY) };
        let trust_domain = domain.parse().unwrap();
        let root_key = Key::generate().unwrap();
        let root = (&trust_domain, &AuthorityId::root(1));
        let root = self_signed_root(root, validity, serial(), &root_key).unwrap();
        let issuer = Issuer::new(root.clone(), root_key).unwrap();
        let key = Key::generate().unwrap();
        let name = (&trust_domain, &AuthorityId::intermediate(1));
        let intermediate = issuer.intermediate(name, validity, serial(), &key).unwrap();
        Self { root, intermediate: Issuer::new(intermediate, key).unwrap(), domain, now }
    }

    /// A certificate that lives from so many seconds after `now` to so many, with its intermediate.
    pub(in crate::cli) fn chain(&self, id: &str, key: &Key, (first, last): (i64, i64)) -> Vec<Vec<u8>> {
        let grant = Grant {
            id: id.parse().unwrap(),
            dns: vec!["order.shop.example".to_owned()],
            not_before: Timestamp(self.now.0 + first),
            not_after: Timestamp(self.now.0 + last),
        };
        let leaf = self.intermediate.leaf(&grant, key.public(), serial()).unwrap();
        vec![leaf, self.intermediate.certificate().to_vec()]
    }

    /// A usual day of [`ORDER`].
    pub(in crate::cli) fn order(&self) -> Vec<Vec<u8>> {
        self.chain(ORDER, &Key::generate().unwrap(), (-60, DAY))
    }

    pub(in crate::cli) fn bundle(&self) -> Bundle {
        let roots = [self.root.clone()];
        Bundle::new(self.domain.parse().unwrap(), roots, 7, Duration::from_secs(60)).unwrap()
    }

    /// [`ORDER`] as if it had joined: to be renewed so many seconds after `now`.
    pub(in crate::cli) fn identity(&self, renew: i64, life: (i64, i64)) -> Identity {
        let key = Arc::new(Key::generate().unwrap());
        let chain = self.chain(ORDER, &key, life);
        Identity {
            svid: certificate::svid(&chain[0]).unwrap(),
            chain,
            key,
            trust: Trust { bundle: self.bundle(), denied: Vec::new(), asserters: Vec::new() },
            instance: "00112233aabbccdd".parse().unwrap(),
            renew_after: Timestamp(self.now.0 + renew),
            urls: vec![NOWHERE.to_owned()],
            ttl: None,
        }
    }

    pub(in crate::cli) fn token(&self, secret: [u8; 32]) -> JoinToken {
        let (domain, root) = (self.domain.parse().unwrap(), Fingerprint::of(&self.root));
        JoinToken::new(vec![NOWHERE.to_owned()], domain, vec![root], secret)
    }
}

pub(in crate::cli) fn chain_pem(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
}
