//! Whether a sidecar may be sent traffic. Pure: facts and the time come in, a verdict goes out.
//!
//! | fact | not ready while | word |
//! |--|--|--|
//! | listeners | they are not bound | `listeners` |
//! | certificate | there is none, or it has expired at this moment | `certificate` |
//! | bundle | there are no roots to believe | `bundle` |
//! | policy | the rules are not loaded | `policy` |
//! | application | it does not answer (or has not been seen yet) | `application` |
//! | draining | we are about to end: nothing else counts then | `draining` |
//!
//! Ready is: nothing of this. There is a way back in every row but the last. (mesh.md §3.6; discovery is not a condition:
//! a sidecar must not be down because somebody it may never call is.)

use crate::admin::Missing;
use portcullis_ca::time::Timestamp;

/// Something we cannot be ready without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Inbound and outbound sockets.
    Listeners,
    /// Our own, valid now.
    Certificate,
    /// Roots of the trust domain.
    Bundle,
    /// The rules of who may call.
    Policy,
    /// The application beside us.
    Application,
    /// Not to be about to end.
    Draining,
}

impl Need {
    /// How it is told on `/ready` and in the log.
    pub const fn told(self) -> Missing {
        let (need, detail) = match self {
            Self::Listeners => ("listeners", "not all listeners are open"),
            Self::Certificate => ("certificate", "there is no valid certificate of the mesh"),
            Self::Bundle => ("bundle", "there are no roots of the trust domain"),
            Self::Policy => ("policy", "the rules are not loaded"),
            Self::Application => ("application", "the application does not answer"),
            Self::Draining => ("draining", "the process is about to end"),
        };
        Missing { need, detail }
    }
}

/// Our certificate, as far as readiness goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Certificate {
    /// Not here yet.
    #[default]
    Missing,
    /// Good up to and including this moment.
    Until(Timestamp),
    /// We are in no mesh.
    NotNeeded,
}

/// What is known. At first: nothing is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Our certificate.
    pub certificate: Certificate,
    /// There are roots to believe (or we are in no mesh).
    pub bundle: bool,
    /// The rules are loaded.
    pub policy: bool,
    /// All listeners are open.
    pub listeners: bool,
    /// The application answers, or nobody asks it.
    pub application: bool,
    /// We are about to end.
    pub draining: bool,
}

/// What the facts amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Traffic is welcome.
    pub ready: bool,
    /// What is missing, in the order of the table; empty when ready.
    pub waits_for: Vec<Need>,
}

impl Verdict {
    /// Nothing is missing but the application: the moment to start it.
    pub fn only_the_application_is_missing(&self) -> bool {
        self.waits_for.iter().all(|need| *need == Need::Application)
    }

    /// The words of what is missing, for a log line.
    pub fn words(&self) -> String {
        let words: Vec<&str> = self.waits_for.iter().map(|need| need.told().need).collect();
        words.join(", ")
    }
}

impl Facts {
    /// The verdict at `now`.
    pub fn judge(&self, now: Timestamp) -> Verdict {
        let valid = match self.certificate {
            Certificate::Missing => false,
            Certificate::Until(end) => now <= end,
            Certificate::NotNeeded => true,
        };
        let needs = [
            (Need::Listeners, self.listeners),
            (Need::Certificate, valid),
            (Need::Bundle, self.bundle),
            (Need::Policy, self.policy),
            (Need::Application, self.application),
        ];
        let missing = needs.into_iter().filter(|(_, there)| !there).map(|(need, _)| need);
        let waits_for: Vec<Need> = if self.draining { vec![Need::Draining] } else { missing.collect() };
        Verdict { ready: waits_for.is_empty(), waits_for }
    }
}

/// The facts and what was last made of them.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    facts: Facts,
    last: Option<Verdict>,
}

impl Readiness {
    /// Takes in new facts; there is no way back from draining.
    pub fn learn(&mut self, change: impl FnOnce(&mut Facts)) {
        let draining = self.facts.draining;
        change(&mut self.facts);
        self.facts.draining |= draining;
    }

    /// The verdict at `now`, and whether it is another one than the last time.
    pub fn judge(&mut self, now: Timestamp) -> (Verdict, bool) {
        let verdict = self.facts.judge(now);
        let changed = self.last.as_ref() != Some(&verdict);
        self.last = Some(verdict.clone());
        (verdict, changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn all_is_well() -> Facts {
        Facts {
            certificate: Certificate::Until(Timestamp(2_000)),
            bundle: true,
            policy: true,
            listeners: true,
            application: true,
            draining: false,
        }
    }

    #[test]
    fn whatever_is_missing_is_named_and_nothing_else() {
        type Row = (&'static str, fn(&mut Facts), &'static [Need]);
        let rows: [Row; 9] = [
            ("all is well", |_| {}, &[]),
            ("no listeners", |f| f.listeners = false, &[Need::Listeners]),
            ("no certificate", |f| f.certificate = Certificate::Missing, &[Need::Certificate]),
            ("an old one", |f| f.certificate = Certificate::Until(Timestamp(999)), &[Need::Certificate]),
            ("its last second", |f| f.certificate = Certificate::Until(NOW), &[]),
            ("no mesh", |f| f.certificate = Certificate::NotNeeded, &[]),
            ("no bundle", |f| f.bundle = false, &[Need::Bundle]),
            (
                "two things",
                |f| (f.policy, f.application) = (false, false),
                &[Need::Policy, Need::Application],
            ),
            ("draining", |f| (f.policy, f.draining) = (false, true), &[Need::Draining]),
        ];

        for (name, change, waits_for) in rows {
            let mut facts = all_is_well();
            change(&mut facts);

            let verdict = facts.judge(NOW);

            assert_eq!(verdict.waits_for, waits_for, "{name}");
            assert_eq!(verdict.ready, waits_for.is_empty(), "{name}");
        }
    }

    #[test]
    fn at_first_everything_but_the_end_is_waited_for() {
        let verdict = Facts::default().judge(NOW);

        assert_eq!(verdict.words(), "listeners, certificate, bundle, policy, application");
        assert!(!verdict.only_the_application_is_missing());
    }

    #[test]
    fn the_application_is_started_when_only_it_is_missing() {
        let waiting = Facts { application: false, ..all_is_well() };

        assert!(waiting.judge(NOW).only_the_application_is_missing());
        assert!(all_is_well().judge(NOW).only_the_application_is_missing());
        assert!(!Facts { draining: true, ..waiting }.judge(NOW).only_the_application_is_missing());
    }

    #[test]
    fn time_alone_makes_another_verdict() {
        let mut readiness = Readiness::default();
        readiness.learn(|facts| *facts = all_is_well());

        let first = readiness.judge(NOW).1;
        let same = readiness.judge(Timestamp(2_000)).1;
        let (expired, changed) = readiness.judge(Timestamp(2_001));

        assert_eq!((first, same, changed), (true, false, true));
        assert_eq!(expired.waits_for, [Need::Certificate]);
    }

    #[test]
    fn there_is_no_way_back_from_draining() {
        let mut readiness = Readiness::default();
        readiness.learn(|facts| facts.draining = true);

        readiness.learn(|facts| *facts = all_is_well());

        assert_eq!(readiness.judge(NOW).0.waits_for, [Need::Draining]);
    }
}
