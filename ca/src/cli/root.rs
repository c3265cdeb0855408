//! `portcullis ca root`: replaces the root step by step. A step that would cut somebody off is refused, with names and
//! exit code 3.

use super::context::Context;
use super::error::CliError;
use super::output::{complain, table};
use super::words;
use crate::authority::{Authority, AuthorityError, Taken};
use crate::names::Fingerprint;
use crate::rotation::{Laggard, Phase, Refused, Step};
use crate::store::AuthorityRecord;
use crate::time::Timestamp;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// More who are in the way are only counted.
const NAMED: usize = 20;
/// The exit code of a step that would cut somebody off.
const REFUSED: u8 = 3;

/// `ca root …`.
#[derive(Debug, Subcommand)]
pub(super) enum RootCommand {
    /// Show where the rotation stands, who is in the way of the next step, and what to type next.
    #[command(after_help = "\
Examples:
  portcullis ca root show
  portcullis ca root show --json | jq -r '.laggards[].id'")]
    Show,
    /// Step 1: make the next root. Members believe both from now on; the old one still signs.
    Prepare(PrepareArgs),
    /// Step 2: let the next root sign. Refused until every live instance believes it.
    #[command(after_help = "\
Refused, with exit code 3, while a live instance has not acknowledged the new root, or a join
token that does not name it is still good: whoever is named would be cut off. --force takes the
step all the same; the audit says so.

Example:
  while portcullis ca root activate; [ $? = 3 ]; do sleep 60; done")]
    Activate(StepArgs),
    /// Step 3: believe the old root no more. Refused until nobody holds a certificate under it.
    #[command(after_help = "\
Refused, with exit code 3, while an unexpired certificate stands under the old root: its holder
would be cut off. That takes one life of a certificate after `activate`. --force takes the step
all the same; the audit says so.

Example:
  portcullis ca root retire")]
    Retire(StepArgs),
    /// One step back: after `activate` the old root signs again, after `prepare` the new one is given up.
    #[command(after_help = "\
Refused, with exit code 3, when somebody would be cut off. --force takes the step all the same;
the audit says so.

Example:
  portcullis ca root rollback")]
    Rollback(StepArgs),
}

/// Arguments of `ca root prepare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, the whole rotation; nothing needs a restart:
  portcullis ca root prepare     # members believe both roots
  portcullis ca root activate    # the new one signs
  portcullis ca root retire      # the old one is believed no more
  portcullis ca root show        # where it stands, at any time
  portcullis ca root rollback    # one step back

No old key is needed. This harms nobody and can be taken back.")]
pub(super) struct PrepareArgs {
    /// How long the new root lives.
    #[arg(long, value_name = "SPAN", default_value = "1825d", value_parser = words::span)]
    life: Duration,
}

/// Arguments of a step with a gate.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// Take the step even if somebody is cut off by it.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(command: &RootCommand, context: &Context) -> Result<ExitCode, CliError> {
    let now = context.now();
    let authority = match command {
        RootCommand::Prepare(_) => context.open_for_new_keys()?,
        _ => context.open_without_keys()?,
    };
    let (verb, taken) = match command {
        RootCommand::Show => return show(&authority, context),
        RootCommand::Prepare(args) => ("prepare", authority.prepare_root(args.life, now)),
        RootCommand::Activate(args) => ("activate", authority.activate_root(args.force, now)),
        RootCommand::Retire(args) => ("retire", authority.retire_root(args.force, now)),
        RootCommand::Rollback(args) => ("rollback", authority.roll_back_root(args.force, now)),
    };
    match taken {
        Ok(taken) => {
            context.changed(&authority);
            done(verb, &taken, &authority, context)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(AuthorityError::Rotation(Refused::Laggards(laggards))) => {
            refused(verb, &laggards, context);
            Ok(ExitCode::from(REFUSED))
        }
        Err(error) => Err(error.into()),
    }
}

fn done(verb: &str, taken: &Taken, authority: &Authority, context: &Context) -> Result<(), CliError> {
    let next = next(&taken.phase, authority, context)?;
    let value = json!({
        "step": verb,
        "phase": taken.phase,
        "sequence": taken.sequence,
        "forced_over": taken.forced_over,
        "next": next.command,
        "laggards": next.laggards,
    });
    context.output.result(&value, || {
        format!("{}\nsequence {}\n{}", standing(&taken.phase), taken.sequence, next.text())
    });
    if !taken.forced_over.is_empty() {
        complain(&format!("warning: {} cut off by force:", be(taken.forced_over.len())));
        complain(&lines(&taken.forced_over));
    }
    Ok(())
}

fn refused(verb: &str, laggards: &[Laggard], context: &Context) {
    if context.output.json {
        context.output.result(&json!({ "step": verb, "refused": true, "laggards": laggards }), String::new);
    }
    complain(&format!(
        "error: `root {verb}` is refused and nothing was changed: {} in the way",
        be(laggards.len())
    ));
    complain(&lines(laggards));
    context.output.hint(&format!(
        "hint: try again later; nothing is lost by waiting. To cut them off: `{}`",
        context.command(&format!("root {verb} --force"))
    ));
}

/// Who is in the way, one a line.
fn lines(laggards: &[Laggard]) -> String {
    let mut lines: Vec<_> = laggards.iter().take(NAMED).map(|laggard| format!("  {laggard}")).collect();
    if laggards.len() > NAMED {
        lines.push(format!("  and {} more: --json names all", laggards.len() - NAMED));
    }
    lines.join("\n")
}

/// `1 is`, `2 are`.
fn be(number: usize) -> String {
    if number == 1 { "1 is".to_owned() } else { format!("{number} are") }
}

fn show(authority: &Authority, context: &Context) -> Result<ExitCode, CliError> {
    let now = context.now();
    let settings = authority.settings()?;
    let mut roots = authority.authorities()?;
    roots.retain(|record| record.root.is_none());
    let roots: Vec<_> = roots.iter().map(|root| Shown::new(root, &settings.phase, authority)).collect();
    let next = next(&settings.phase, authority, context)?;
    let value = json!({
        "phase": settings.phase,
        "sequence": settings.sequence,
        "roots": roots.iter().map(Shown::json).collect::<Vec<_>>(),
        "next": next.command,
        "laggards": next.laggards,
    });
    context.output.result(&value, || {
        let rows: Vec<_> = roots.iter().map(|root| root.row(now)).collect();
        format!(
            "{}\nsequence {}\n\n{}\n{}",
            standing(&settings.phase),
            settings.sequence,
            table(["ROOT", "IS", "EXPIRES", "KEY", "SHA-256"], &rows),
            next.text()
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// A root as it is shown.
struct Shown<'a> {
    record: &'a AuthorityRecord,
    role: &'static str,
    key: &'static str,
}

impl<'a> Shown<'a> {
    fn new(record: &'a AuthorityRecord, phase: &Phase, authority: &Authority) -> Self {
        let key = if authority.dir().key(&record.id).exists() { "here" } else { "away" };
        Self { record, role: role(record, phase), key }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.record.id,
            "role": self.role,
            "not_before": self.record.not_before,
            "expires": self.record.not_after,
            "key": self.key,
            "fingerprint": Fingerprint::of(&self.record.der),
        })
    }

    fn row(&self, now: Timestamp) -> [String; 5] {
        [
            self.record.id.to_string(),
            self.role.to_owned(),
            words::moment(self.record.not_after, now),
            self.key.to_owned(),
            Fingerprint::of(&self.record.der).to_string(),
        ]
    }
}

fn role(record: &AuthorityRecord, phase: &Phase) -> &'static str {
    if record.id == *phase.active() {
        "signing"
    } else if phase.believed().contains(&&record.id) {
        "believed"
    } else {
        "not believed"
    }
}

/// Where the rotation stands, in a sentence.
fn standing(phase: &Phase) -> String {
    match phase {
        Phase::Stable { active } => {
            format!("stable: {active} signs and is believed; no rotation is under way")
        }
        Phase::Prepared { active, next, .. } => {
            format!("prepared: {active} signs, {next} is believed beside it and does not sign yet")
        }
        Phase::Activated { active, previous, .. } => {
            format!("activated: {active} signs, {previous} is still believed")
        }
    }
}

/// The step that comes next.
struct Next {
    command: Option<String>,
    laggards: Vec<Laggard>,
}

fn next(phase: &Phase, authority: &Authority, context: &Context) -> Result<Next, CliError> {
    let (step, verb) = match phase {
        Phase::Stable { .. } => return Ok(Next { command: None, laggards: Vec::new() }),
        Phase::Prepared { .. } => (Step::Activate, "root activate"),
        Phase::Activated { .. } => (Step::Retire, "root retire"),
    };
    let laggards = authority.laggards(&step, context.now())?;
    Ok(Next { command: Some(context.command(verb)), laggards })
}

impl Next {
    fn text(&self) -> String {
        match &self.command {
            None => "next: nothing; `portcullis ca root prepare` begins a rotation\n".to_owned(),
            Some(command) if self.laggards.is_empty() => format!("next: `{command}`: nobody is in the way\n"),
            Some(command) => format!(
                "next: `{command}`, which would be refused now: {} in the way\n{}\n",
                be(self.laggards.len()),
                lines(&self.laggards)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: i64) -> Laggard {
        let entry = "spiffe://shop.example/svc/order".parse().unwrap();
        Laggard::Token { entry, expires: Timestamp(number) }
    }

    #[test]
    fn the_first_twenty_are_named_and_the_others_counted() {
        // given
        let laggards: Vec<_> = (0..23).map(token).collect();

        // when
        let text = lines(&laggards);

        // then
        assert_eq!(text.lines().count(), 21);
        assert!(text.ends_with("  and 3 more: --json names all"), "{text}");
        assert_eq!(lines(&laggards[..20]).lines().count(), 20);
    }

    #[test]
    fn what_comes_next_says_whether_somebody_is_in_the_way() {
        let next = |laggards| Next { command: Some("portcullis ca root activate".into()), laggards };

        assert_eq!(next(vec![]).text(), "next: `portcullis ca root activate`: nobody is in the way\n");
        assert!(next(vec![token(1)]).text().contains("1 is in the way"), "{}", next(vec![token(1)]).text());
    }
}
