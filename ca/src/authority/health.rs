//! How the authority fares: what expires when, who is behind, what to do about it.
//!
//! The one number that matters at night is the outage tolerance: how long every member goes on working when the
//! authority stops now.

use super::{Authority, AuthorityError};
use crate::intermediate::{Due, intermediate_due};
use crate::key::Key;
use crate::names::{AuthorityId, InstanceId};
use crate::rotation::{Phase, Step};
use crate::spiffe::SpiffeId;
use crate::store::{AuthorityRecord, How, Instance};
use crate::time::{Timestamp, human};
use serde::Serialize;
use std::time::Duration;

/// A root that lives less than this is a problem: rotating it takes a while.
const ROOT_NOTICE: Duration = Duration::from_secs(60 * 86_400);

/// What `ca check` finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whose authority it is.
    pub trust_domain: String,
    /// The moment.
    pub now: Timestamp,
    /// What members should have acknowledged.
    pub sequence: u64,
    /// Where the rotation of the root stands.
    pub phase: Phase,
    /// The roots that are believed, the signing one first.
    pub roots: Vec<RootHealth>,
    /// The intermediate that signs.
    pub intermediate: AuthorityId,
    /// When it expires.
    pub intermediate_expires: Timestamp,
    /// Instances with an unexpired certificate.
    pub live: usize,
    /// Those of them that have not acknowledged the newest sequence.
    pub behind: usize,
    /// The first certificate to expire if nobody renews any more.
    pub first_to_expire: Option<First>,
    /// Who is in the way of the rotation's next step, a line each.
    pub laggards: Vec<String>,
    /// What is wrong or soon will be.
    pub problems: Vec<Problem>,
}

/// A root that is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootHealth {
    /// Its name.
    pub id: AuthorityId,
    /// When it expires.
    pub expires: Timestamp,
    /// Where its key is.
    pub key: RootKey,
}

/// Where the key of a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RootKey {
    /// In the authority's folder.
    Here,
    /// Somewhere else.
    Away,
}

/// The certificate that expires first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct First {
    /// Whose.
    pub id: SpiffeId,
    /// See `id`.
    pub instance: InstanceId,
    /// When.
    pub at: Timestamp,
    /// In how many seconds.
    pub seconds: u64,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether something fails already, or soon; false: worth knowing.
    pub serious: bool,
    /// What.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Authority {
    /// Looks at everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn health(&self, now: Timestamp) -> Result<Health, AuthorityError> {
        let settings = self.settings()?;
        let authorities = self.authorities()?;
        let live = self.live_instances(now)?;
        let believed = settings.phase.believed();
        let mut roots = Vec::new();
        for id in &believed {
            let record = super::find(&authorities, id)?;
            let key = if self.dir.key(&record.id).exists() { RootKey::Here } else { RootKey::Away };
            roots.push(RootHealth { id: record.id, expires: record.not_after, key });
        }
        let intermediate = super::find(&authorities, &settings.signing)?;
        let mut health = Health {
            trust_domain: settings.trust_domain.to_string(),
            now,
            sequence: settings.sequence,
            laggards: self.next_laggards(&settings.phase, now)?,
            phase: settings.phase,
            roots,
            intermediate_expires: intermediate.not_after,
            live: live.len(),
            behind: live.iter().filter(|instance| instance.acknowledged < settings.sequence).count(),
            first_to_expire: first(&live, now),
            intermediate: intermediate.id.clone(),
            problems: Vec::new(),
        };
        self.key_problems(&intermediate, &mut health.problems);
        self.late_problems(&live, &mut health)?;
        self.expiry_problems(&intermediate, &mut health);
        Ok(health)
    }

    /// Members whose newest certificate has less than a fifth of its life left: they should have renewed it long ago.
    fn late_problems(&self, live: &[Instance], health: &mut Health) -> Result<(), AuthorityError> {
        const NAMED: usize = 10;
        let mut late = Vec::new();
        for instance in live {
            let Some(issued) = self.certificate(&instance.serial)? else { continue };
            let (left, life) = (issued.not_after.since(health.now), issued.not_after.since(issued.at));
            if matches!(issued.how, How::Bootstrap | How::Renew) && left < life / 5 {
                late.push(format!("{} (instance {}, {} left)", instance.id, instance.instance, human(left)));
            }
        }
        if !late.is_empty() {
            let more = late.len().saturating_sub(NAMED);
            late.truncate(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = format!("not renewed in time: {}{more}", late.join(", "));
            let help = "see whether they run and reach the authority; what has ended for good is no trouble";
            health.problems.push(problem(true, what, help));
        }
        Ok(())
    }

    fn next_laggards(&self, phase: &Phase, now: Timestamp) -> Result<Vec<String>, AuthorityError> {
        let step = match phase {
            Phase::Stable { .. } => return Ok(Vec::new()),
            Phase::Prepared { .. } => Step::Activate,
            Phase::Activated { .. } => Step::Retire,
        };
        Ok(self.laggards(&step, now)?.iter().map(ToString::to_string).collect())
    }

    fn key_problems(&self, intermediate: &AuthorityRecord, problems: &mut Vec<Problem>) {
        let path = self.dir.key(&intermediate.id);
        if let Err(error) = Key::read(&path, self.password.as_ref()) {
            problems.push(Problem {
                serious: true,
                what: format!("the key that signs cannot be used: {error}"),
                help: "put it right, or bring the root's key and run `portcullis ca intermediate rotate`"
                    .into(),
            });
        }
    }

    fn expiry_problems(&self, intermediate: &AuthorityRecord, health: &mut Health) {
        let now = health.now;
        let longest = self.longest_leaf();
        let due = intermediate_due(intermediate.not_before, intermediate.not_after, longest, now);
        let left = human(intermediate.not_after.since(now));
        let rotate =
            "run `portcullis ca intermediate rotate`; `serve` does it by itself when the root's key is here";
        match due {
            Due::No { .. } => {}
            Due::Soon => {
                health.problems.push(problem(false, format!("{} lives {left} more", intermediate.id), rotate))
            }
            Due::Now => health.problems.push(problem(
                true,
                format!("{} lives {left} more: certificates will be cut short", intermediate.id),
                rotate,
            )),
        }
        for root in &health.roots {
            let left = root.expires.since(now);
            if left < ROOT_NOTICE {
                let what = format!("{} expires in {}", root.id, human(left));
                health.problems.push(problem(
                    true,
                    what,
                    "rotate the root: run `portcullis ca root prepare`",
                ));
            }
        }
        if let Some(first) = &health.first_to_expire
            && first.seconds < 600
            && health.live > 0
        {
            let what = format!(
                "a certificate of {} expires in {}",
                first.id,
                human(Duration::from_secs(first.seconds))
            );
            let help = "usual for lives of minutes; else see why it does not renew: is `portcullis ca serve` running?";
            health.problems.push(problem(false, what, help));
        }
    }

    /// The longest life an entry allows.
    pub(super) fn longest_leaf(&self) -> Duration {
        let entries = self.entries().unwrap_or_default();
        Duration::from_secs(entries.iter().map(|entry| entry.ttl_max).max().unwrap_or(86_400))
    }
}

fn first(live: &[Instance], now: Timestamp) -> Option<First> {
    let first = live.iter().min_by_key(|instance| instance.not_after)?;
    let seconds = first.not_after.since(now).as_secs();
    Some(First { id: first.id.clone(), instance: first.instance.clone(), at: first.not_after, seconds })
}

fn problem(serious: bool, what: String, help: &str) -> Problem {
    Problem { serious, what, help: help.to_owned() }
}
