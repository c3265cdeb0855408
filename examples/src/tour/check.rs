//! The tour as `--check` does it: every request sent, every command run, what comes of it verified.

use super::Tour;
use super::steps::{Act, Ask, Credential, STEPS, Step, Typed};
use crate::ports::ISSUER;
use crate::{client, partner, process};
use anyhow::{Context as _, ensure};
use std::time::Duration;

/// Between two tries of something that takes time.
const AGAIN: Duration = Duration::from_millis(200);
/// Between two requests of those that go on meanwhile.
const MEANWHILE: Duration = Duration::from_millis(100);

impl Tour<'_> {
    /// Does every step and verifies what comes of it; then the pages the tour points to.
    pub async fn check(&self) -> anyhow::Result<()> {
        for step in &STEPS {
            self.check_step(step).await.with_context(|| step.title)?;
        }
        for (name, admin) in self.admins() {
            for page in ["/metrics", "/routes"] {
                let reply =
                    client::get(admin, page).await.with_context(|| format!("{name}: admin {page}"))?;
                ensure!(reply.status == 200, "{name}: admin {page} was answered with {}", reply.status);
            }
            println!("  ok  admin pages of {name}");
        }
        Ok(())
    }

    async fn check_step(&self, step: &Step) -> anyhow::Result<()> {
        let acts = async {
            for act in step.acts {
                let what = self.check_act(act).await?;
                println!("  ok  {what} => {}", act.expect());
            }
            anyhow::Ok(())
        };
        let Some(ask) = &step.meanwhile else { return acts.await };
        tokio::select! {
            done = acts => done?,
            failed = self.go_on_asking(ask) => failed?,
        }
        println!("  ok  {} all the while => {}", ask.line(), ask.expect);
        Ok(())
    }

    /// Ends only when something goes wrong.
    async fn go_on_asking(&self, ask: &Ask) -> anyhow::Result<()> {
        loop {
            self.once(ask).await.context("meanwhile")?;
            tokio::time::sleep(MEANWHILE).await;
        }
    }

    /// Does it until it comes out as it should, as long as it may take. What was done is handed back as text.
    async fn check_act(&self, act: &Act) -> anyhow::Result<String> {
        let trying = async {
            let mut last = None;
            loop {
                let done = match act {
                    Act::Ask(ask) => self.once(ask).await,
                    Act::Typed(typed) => self.type_once(typed).await,
                };
                match done {
                    Ok(what) => return anyhow::Ok(what),
                    Err(fault) if act.seconds() == 0 => return Err(fault),
                    Err(fault) => drop(last.insert(fault)),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        let patience = Duration::from_secs(act.seconds().max(30));
        let in_time = tokio::time::timeout(patience, trying).await;
        in_time.with_context(|| format!("not within {patience:?}"))?
    }

    /// As often as it is asked in a row; each must come out as it should.
    async fn once(&self, ask: &Ask) -> anyhow::Result<String> {
        for _ in 0..ask.times {
            self.send(ask).await?;
        }
        Ok(ask.line())
    }

    async fn send(&self, ask: &Ask) -> anyhow::Result<()> {
        let shown = match &ask.credential {
            Some(credential) => Some(self.shown(credential).await?),
            None => None,
        };
        let got = client::send(&self.to(ask), ask.request(shown.as_deref())?).await;
        let verified = (ask.verify)(&got);
        verified.with_context(|| {
            let came = match &got {
                Ok(reply) => format!("{}: {}", reply.status, String::from_utf8_lossy(&reply.body)),
                Err(fault) => format!("{fault:#}"),
            };
            format!("{} was answered with {came}", ask.line())
        })
    }

    /// What stands in the header: what the `$(…)` of the printed command becomes.
    async fn shown(&self, credential: &Credential) -> anyhow::Result<String> {
        match credential {
            Credential::Token(query) => {
                let reply = client::get(self.ports.of(ISSUER), &format!("/token?{query}")).await?;
                ensure!(reply.status == 200, "the issuer gives no token");
                Ok(format!("Bearer {}", std::str::from_utf8(&reply.body)?.trim_end()))
            }
            Credential::PartnerKey => {
                let file = self.folder.path("people").join(partner::SECRET);
                let secret = std::fs::read_to_string(file).context("no key of the partner")?;
                Ok(secret.trim_end().to_owned())
            }
        }
    }

    async fn type_once(&self, typed: &Typed) -> anyhow::Result<String> {
        let words = self.words(typed.words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = process::run(&words).await?;
        let says = ended.out.contains(typed.says) || ended.err.contains(typed.says);
        ensure!(
            ended.code == Some(typed.code) && says,
            "`{}` ended with {:?} and said\n{}{}",
            words.join(" "),
            ended.code,
            ended.out,
            ended.err
        );
        Ok(words.join(" "))
    }
}
