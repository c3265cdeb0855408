//! The rotation of the root: which step may be taken now, and who is in the way.
//!
//! | phase | bundle | signs | steps |
//! |--|--|--|--|
//! | stable | {A} | A | prepare |
//! | prepared | {A, B} | A | activate, rollback |
//! | activated | {A, B} | B | retire, rollback |
//!
//! What is kept: no live member ever meets a chain it cannot verify, of the authority or of another live member; and
//! the same for who joins with a fresh token. Prepare only adds a root, which harms nobody. The others:
//!
//! | step | can cut off | so it waits for |
//! |--|--|--|
//! | activate | a member that does not believe B yet | each instance with a good certificate: it acknowledged `since` or later |
//! | activate | who joins with a token that does not name B | each such token: used or expired |
//! | retire | a member that shows a certificate under A | each of them: expired or denied |
//! | rollback of prepared | the same under B, from a rollback of activated | the same |
//! | all but prepare, after a restore | who was given something the store, older than the world, does not know | the last moment a certificate of before the restore can live |
//!
//! - A good certificate is one that has not expired and is not denied, and not only the newest of its instance: the
//!   answer that brought a newer, shorter one may have been lost. How it was asked for makes no difference.
//! - Acknowledgements of before `since` say nothing: their bundle did not hold B, or was one of a rotation that was
//!   rolled back.
//! - Rollback of activated waits for no acknowledgement: every bundle and token since A was put in force holds A. Not
//!   so after the restore of a store in which A had not been retired yet.
//! - Tokens do not hinder a step that only takes a root away: the one that signs stays, and each token names it.
//! - Somebody whose denial is lifted after a step that passed over him needs a new join token.
//! - It holds only for members that never go back to a trust with a lower sequence.
//!
//! A refusal names who is in the way; force skips the gate, never the order.
//!
//! Pure: it must not know keys, the store or a clock.

use crate::entry::Token;
use crate::names::{AuthorityId, InstanceId, Serial};
use crate::spiffe::SpiffeId;
use crate::store::{Instance, Issued};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// Where the rotation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// One root.
    Stable {
        /// It signs and is believed.
        active: AuthorityId,
    },
    /// The next root is believed, it does not sign yet.
    Prepared {
        /// Signs.
        active: AuthorityId,
        /// Will sign.
        next: AuthorityId,
        /// The first sequence whose bundle holds `next`.
        since: u64,
    },
    /// The next root signs, the one before is still believed.
    Activated {
        /// Signs.
        active: AuthorityId,
        /// Signed before.
        previous: AuthorityId,
        /// See [`Phase::Prepared`]; kept for a rollback.
        since: u64,
    },
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Believe a new root.
    Prepare {
        /// The new root.
        next: AuthorityId,
        /// The sequence of the bundle that will hold it.
        sequence: u64,
    },
    /// Let it sign.
    Activate,
    /// Believe the old one no more.
    Retire,
    /// One step back.
    Rollback,
}

/// What the gates look at, all of one moment.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Instances that hold one of `certificates`. One that is missing here counts as having acknowledged nothing.
    pub live: &'a [Instance],
    /// Unexpired certificates that are not denied.
    pub certificates: &'a [Issued],
    /// Join tokens neither spent nor expired, each with whether it names the root that would sign.
    pub tokens: &'a [(Token, bool)],
    /// Until when certificates may live that `certificates` cannot show, because the store was put back from a backup
    /// made before they were issued; `None`: there are none, or not any more.
    pub unlisted_until: Option<Timestamp>,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where the rotation stands now.
    pub phase: Phase,
    /// Who was in the way; empty unless forced.
    pub forced_over: Vec<Laggard>,
}

/// Who is in the way of a step. Its one line says who, until when, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "laggard", rename_all = "snake_case")]
pub enum Laggard {
    /// A member that has not said that it believes the next root.
    NotAcknowledged {
        /// Which.
        instance: InstanceId,
        /// Who it is.
        id: SpiffeId,
        /// The last sequence it acknowledged; 0: none.
        acknowledged: u64,
        /// The one it must have reached.
        needs: u64,
        /// When its newest certificate expires.
        not_after: Timestamp,
    },
    /// A certificate whose holder would be cut off.
    Certificate {
        /// Which.
        serial: Serial,
        /// Whose.
        id: SpiffeId,
        /// Who holds it.
        instance: InstanceId,
        /// The root above it.
        root: AuthorityId,
        /// When it expires.
        not_after: Timestamp,
    },
    /// A join token that does not name the root that would sign.
    Token {
        /// The entry it is for.
        entry: SpiffeId,
        /// When it expires.
        expires: Timestamp,
    },
    /// Certificates that were issued after the backup this store was put back from.
    Unlisted {
        /// When the last of them has expired.
        until: Timestamp,
    },
}

/// Why a step was not taken; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The rotation stands elsewhere.
    #[error("{} does not fit now: {}", verb(.step), next(.phase))]
    WrongPhase {
        /// Where it stands.
        phase: Phase,
        /// What was asked.
        step: Step,
    },
    /// Somebody would be cut off. Not empty.
    #[error("{}", summary(.0))]
    Laggards(Vec<Laggard>),
}

/// Takes a step, or says why not. `force` takes it whoever is in the way, if it fits the phase at all.
///
/// # Errors
/// When the step does not fit the phase, or, without `force`, when somebody is in the way.
pub fn step(phase: &Phase, step: &Step, evidence: &Evidence<'_>, force: bool) -> Result<Moved, Refused> {
    let (phase, laggards) = match (phase.clone(), step.clone()) {
        (Phase::Stable { active }, Step::Prepare { next, sequence }) => {
            (Phase::Prepared { active, next, since: sequence }, Vec::new())
        }
        (Phase::Prepared { active, next, since }, Step::Activate) => {
            let laggards = [evidence.behind(since), evidence.foreign_tokens(), evidence.unlisted()].concat();
            (Phase::Activated { active: next, previous: active, since }, laggards)
        }
        (Phase::Prepared { active, next, .. }, Step::Rollback) => {
            (Phase::Stable { active }, [evidence.under(&next), evidence.unlisted()].concat())
        }
        (Phase::Activated { active, previous, .. }, Step::Retire) => {
            (Phase::Stable { active }, [evidence.under(&previous), evidence.unlisted()].concat())
        }
        (Phase::Activated { active, previous, since }, Step::Rollback) => {
            (Phase::Prepared { active: previous, next: active, since }, evidence.unlisted())
        }
        (phase, step) => return Err(Refused::WrongPhase { phase, step }),
    };
    if force || laggards.is_empty() {
        Ok(Moved { phase, forced_over: laggards })
    } else {
        Err(Refused::Laggards(laggards))
    }
}

impl Phase {
    /// The root that signs.
    pub fn active(&self) -> &AuthorityId {
        match self {
            Self::Stable { active } | Self::Prepared { active, .. } | Self::Activated { active, .. } => {
                active
            }
        }
    }

    /// The roots that are believed, the signing one first.
    pub fn believed(&self) -> Vec<&AuthorityId> {
        match self {
            Self::Stable { active } => vec![active],
            Self::Prepared { active, next: other, .. } | Self::Activated { active, previous: other, .. } => {
                vec![active, other]
            }
        }
    }
}

impl Evidence<'_> {
    /// Nobody is there: for steps that have no gate.
    pub fn nothing() -> Self {
        Self { live: &[], certificates: &[], tokens: &[], unlisted_until: None }
    }

    /// Members that may not believe the bundle of `since` yet.
    fn behind(&self, since: u64) -> Vec<Laggard> {
        let acknowledged: HashMap<_, _> =
            self.live.iter().map(|instance| (&instance.instance, instance.acknowledged)).collect();
        let behind = self.live.iter().filter(|instance| instance.acknowledged < since);
        let unknown = self.certificates.iter().filter(|issued| !acknowledged.contains_key(&issued.instance));
        behind.map(|instance| Laggard::behind(instance, since)).chain(unknown.map(Laggard::holds)).collect()
    }

    /// Certificates under a root that would be believed no more.
    fn under(&self, root: &AuthorityId) -> Vec<Laggard> {
        self.certificates.iter().filter(|issued| issued.root == *root).map(Laggard::holds).collect()
    }

    /// Join tokens whose holder would not believe the authority.
    fn foreign_tokens(&self) -> Vec<Laggard> {
        let foreign = self.tokens.iter().filter(|(_, names)| !names);
        foreign
            .map(|(token, _)| Laggard::Token { entry: token.entry.clone(), expires: token.expires })
            .collect()
    }

    fn unlisted(&self) -> Vec<Laggard> {
        self.unlisted_until.map(|until| Laggard::Unlisted { until }).into_iter().collect()
    }
}

impl Laggard {
    fn behind(instance: &Instance, needs: u64) -> Self {
        Self::NotAcknowledged {
            instance: instance.instance.clone(),
            id: instance.id.clone(),
            acknowledged: instance.acknowledged,
            needs,
            not_after: instance.not_after,
        }
    }

    fn holds(issued: &Issued) -> Self {
        Self::Certificate {
            serial: issued.serial,
            id: issued.id.clone(),
            instance: issued.instance.clone(),
            root: issued.root.clone(),
            not_after: issued.not_after,
        }
    }
}

impl fmt::Display for Laggard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAcknowledged { instance, id, acknowledged, needs, not_after } => write!(
                out,
                "{id} (instance {instance}) has acknowledged bundle {acknowledged}, not {needs}: see that it runs and \
                 reaches the authority, or bring it the bundle and run `portcullis ca bundle acknowledge {instance} \
                 --sequence {needs}`, or wait until its certificate expires at {not_after}"
            ),
            Self::Certificate { serial, id, instance, root, not_after } => write!(
                out,
                "{id} (instance {instance}) holds certificate {serial} under {root}: wait until it expires at \
                 {not_after}, or revoke it with `portcullis ca revoke --serial {serial}` when it has been replaced"
            ),
            Self::Token { entry, expires } => write!(
                out,
                "a join token for {entry} does not name the root that would sign: have it used, or wait until it \
                 expires at {expires}"
            ),
            Self::Unlisted { until } => write!(
                out,
                "certificates issued after the backup this authority was restored from are not in its ledger: wait \
                 until the last of them has expired at {until}"
            ),
        }
    }
}

fn verb(step: &Step) -> &'static str {
    match step {
        Step::Prepare { .. } => "`portcullis ca root prepare`",
        Step::Activate => "`portcullis ca root activate`",
        Step::Retire => "`portcullis ca root retire`",
        Step::Rollback => "`portcullis ca root rollback`",
    }
}

/// Where the rotation stands and which commands go on from there.
fn next(phase: &Phase) -> String {
    match phase {
        Phase::Stable { active } => {
            format!("no rotation is under way, {active} signs; begin one with `portcullis ca root prepare`")
        }
        Phase::Prepared { active, next, .. } => format!(
            "{next} is prepared, {active} signs; go on with `portcullis ca root activate` or back with `portcullis ca \
             root rollback`"
        ),
        Phase::Activated { active, previous, .. } => format!(
            "{active} signs, {previous} is still believed; go on with `portcullis ca root retire` or back with \
             `portcullis ca root rollback`"
        ),
    }
}

fn summary(laggards: &[Laggard]) -> String {
    match laggards {
        [only] => format!("1 is in the way: {only}"),
        [first, ..] => format!("{} are in the way, the first: {first}", laggards.len()),
        [] => "nobody is in the way".to_owned(),
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "rotation_simulation/mod.rs"]
mod simulation;
