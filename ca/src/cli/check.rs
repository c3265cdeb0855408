//! `portcullis ca check`: how the authority fares, for people at night and for monitoring.
//!
//! First what is wrong and what to do, last the one number that matters: until when all goes well without it.

use super::context::Context;
use super::error::CliError;
use super::probe::{self, Seen};
use super::words::{self, facts, from_now, short};
use crate::authority::{Authority, First, Health, Problem, RootKey};
use crate::rotation::Phase;
use crate::spiffe::{AUTHORITY_PATH, SpiffeId};
use crate::time::human;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// A clock that is off so far is worth knowing, in seconds.
const SKEW_NOTICE: u64 = 30;
/// Beyond that members refuse, in seconds.
const SKEW_MOST: u64 = 120;
/// More who are in the way are only counted.
const NAMED: usize = 20;

/// Arguments of `ca check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca check                    # the folder: keys, expiry, who is behind
  portcullis ca check --server           # and whether the server answers, with which clock
  portcullis ca check --json | jq '.health.first_to_expire.seconds'

Exit codes: 0 when all is well or only worth knowing, 1 when something fails or soon will, 2 on a
wrong command line. Run it from your monitoring.")]
pub(super) struct CheckArgs {
    /// Ask the server too, at each address the join tokens name.
    #[arg(long)]
    server: bool,
}

/// What a server answered.
struct Asked {
    url: String,
    seen: Option<Seen>,
}

pub(super) fn run(args: &CheckArgs, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open_without_keys()?;
    let mut health = authority.health(context.now())?;
    let asked = if args.server { ask(&authority, &mut health.problems, context)? } else { Vec::new() };
    let serious = health.problems.iter().any(|problem| problem.serious);
    let servers: Vec<_> = asked.iter().map(|one| json!({ "url": one.url, "seen": one.seen })).collect();
    let value = json!({ "ok": !serious, "health": health, "servers": servers });
    context.output.result(&value, || text(&health, &asked));
    Ok(if serious { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Asks each server; what is wrong with them goes to `problems`.
fn ask(
    authority: &Authority,
    problems: &mut Vec<Problem>,
    context: &Context,
) -> Result<Vec<Asked>, CliError> {
    let (settings, trust) = (authority.settings()?, authority.trust()?);
    let who = SpiffeId::new(settings.trust_domain, AUTHORITY_PATH)
        .map_err(crate::authority::AuthorityError::from)?;
    let runtime = super::serve::runtime()?;
    let mut asked = Vec::new();
    for url in settings.urls {
        let seen = runtime.block_on(probe::probe(&url, &who, &trust));
        match &seen {
            Ok(seen) => problems.extend(unwell(&url, seen)),
            Err(error) => problems.push(Problem {
                serious: true,
                what: format!("{url}: {error}"),
                help: format!(
                    "see that it runs (`{}`) and that the way is open",
                    context.command_with_keys("serve")
                ),
            }),
        }
        asked.push(Asked { url, seen: seen.ok() });
    }
    Ok(asked)
}

/// What is wrong with a server that answers.
fn unwell(url: &str, seen: &Seen) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !seen.serving {
        problems.push(Problem {
            serious: true,
            what: format!("{url}: it answers, but says that it does not serve"),
            help: "see its log: the store or the signing key cannot be used".to_owned(),
        });
    }
    let off = seen.ahead.unwrap_or(0);
    if off.unsigned_abs() > SKEW_NOTICE {
        let side = if off > 0 { "ahead of" } else { "behind" };
        problems.push(Problem {
            serious: off.unsigned_abs() > SKEW_MOST,
            what: format!("{url}: its clock is {} {side} the one here", span(off)),
            help: "set the wrong clock; members refuse beyond 2 m".to_owned(),
        });
    }
    problems
}

fn span(seconds: i64) -> String {
    human(Duration::from_secs(seconds.unsigned_abs()))
}

fn text(health: &Health, asked: &[Asked]) -> String {
    let now = health.now;
    let mut rows = vec![
        ("trust domain", health.trust_domain.clone()),
        ("rotation", format!("{}, sequence {}", phase(&health.phase), health.sequence)),
    ];
    for root in &health.roots {
        let key = match root.key {
            RootKey::Here => "key here",
            RootKey::Away => "key kept elsewhere",
        };
        rows.push(("root", format!("{}, {key}, expires {}", root.id, words::moment(root.expires, now))));
    }
    let expires = words::moment(health.intermediate_expires, now);
    rows.push(("intermediate", format!("{}, expires {expires}", health.intermediate)));
    let behind = format!("{}, {} behind the newest sequence", health.live, health.behind);
    rows.push(("live instances", behind));
    rows.extend(asked.iter().map(|one| ("server", server(one, health))));
    let mut text = facts(&rows);
    text += &laggards(&health.laggards);
    for problem in &health.problems {
        let word = if problem.serious { "PROBLEM" } else { "notice" };
        text += &format!("\n{word}: {}\n  {}\n", problem.what, problem.help);
    }
    text + "\n" + &tolerance(health.first_to_expire.as_ref())
}

fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Stable { .. } => "none under way",
        Phase::Prepared { .. } => "prepared: next is `root activate`",
        Phase::Activated { .. } => "activated: next is `root retire`",
    }
}

fn server(asked: &Asked, health: &Health) -> String {
    let Some(seen) = &asked.seen else { return format!("{}, see below", asked.url) };
    let clock = match seen.ahead {
        None => "says nothing of its clock".to_owned(),
        Some(0) => "clock as here".to_owned(),
        Some(off) if off > 0 => format!("clock {} ahead", span(off)),
        Some(off) => format!("clock {} behind", span(off)),
    };
    let expires = from_now(seen.not_after, health.now);
    format!("{}, answers, its certificate expires {expires}, {clock}", asked.url)
}

fn laggards(laggards: &[String]) -> String {
    if laggards.is_empty() {
        return String::new();
    }
    let mut text = "\nin the way of the next step of the rotation:\n".to_owned();
    for laggard in laggards.iter().take(NAMED) {
        text += &format!("  {laggard}\n");
    }
    if laggards.len() > NAMED {
        text += &format!("  and {} more\n", laggards.len() - NAMED);
    }
    text
}

/// Until when all goes well.
fn tolerance(first: Option<&First>) -> String {
    match first {
        Some(first) => format!(
            "if the CA dies now, the first certificate expires in {} at {}\n",
            human(Duration::from_secs(first.seconds)),
            short(&first.id)
        ),
        None => "if the CA dies now, nobody notices: there is no unexpired certificate\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::RootHealth;
    use crate::names::{AuthorityId, InstanceId};
    use crate::time::Timestamp;

    fn health() -> Health {
        let now = Timestamp(1_790_000_000);
        Health {
            trust_domain: "shop.example".to_owned(),
            now,
            sequence: 7,
            phase: Phase::Stable { active: AuthorityId::root(1) },
            roots: vec![RootHealth {
                id: AuthorityId::root(1),
                expires: now.after(Duration::from_secs(86_400 * 1825)),
                key: RootKey::Away,
            }],
            intermediate: AuthorityId::intermediate(3),
            intermediate_expires: now.after(Duration::from_secs(86_400 * 20)),
            live: 50,
            behind: 2,
            first_to_expire: Some(First {
                id: "spiffe://shop.example/svc/order".parse().unwrap(),
                instance: InstanceId::from_random([1; 8]),
                at: now.after(Duration::from_secs(28_680)),
                seconds: 28_680,
            }),
            laggards: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn the_last_line_says_until_when_all_goes_well() {
        let text = text(&health(), &[]);

        let last = text.lines().last().unwrap();
        assert_eq!(last, "if the CA dies now, the first certificate expires in 7 h 58 m at svc/order");
        assert!(
            text.contains("root-1, key kept elsewhere, expires 2031-09-20T14:13:20Z (in 1825 d)"),
            "{text}"
        );
        assert!(text.contains("50, 2 behind the newest sequence"), "{text}");
    }

    #[test]
    fn a_problem_stands_with_what_to_do() {
        // given
        let problem = Problem { serious: true, what: "it burns".into(), help: "put it out".into() };

        // when
        let text = text(&Health { problems: vec![problem], first_to_expire: None, ..health() }, &[]);

        // then
        assert!(text.contains("\nPROBLEM: it burns\n  put it out\n"), "{text}");
        assert!(text.ends_with("there is no unexpired certificate\n"), "{text}");
    }

    #[test]
    fn a_clock_that_is_off_is_a_notice_then_a_problem() {
        // given
        let seen = |ahead| Seen { not_before: Timestamp(0), not_after: Timestamp(9), serving: true, ahead };

        // when
        let serious = |ahead| unwell("https://ca", &seen(Some(ahead))).first().map(|problem| problem.serious);

        // then
        assert_eq!([30, -31, 120, -3_600].map(serious), [None, Some(false), Some(false), Some(true)]);
        assert!(
            unwell("https://ca", &seen(Some(-3_600)))[0]
                .what
                .ends_with("its clock is 1 h behind the one here")
        );
        assert!(unwell("https://ca", &Seen { serving: false, ..seen(None) })[0].serious);
    }
}
