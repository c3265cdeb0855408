//! Rules and requests of tests, each on one line.

use super::Asked;
use crate::config::authorize::{Effect, Peers, Rule, User};
use crate::config::route::Methods;
use crate::identity::principal::Principal;
use crate::route::path::parse_pattern;
use http::Method;
use portcullis_ca::spiffe::SpiffeId;

/// `deny audit from:svc/a,lab/* methods:GET paths:/a/** user:required scopes:x,y`; all of it optional, any order.
pub(super) fn rule(line: &str) -> Rule {
    let mut rule = Rule {
        id: line.into(),
        line: 1,
        effect: Effect::Allow,
        audit: false,
        from: Vec::new(),
        methods: Methods::Any,
        paths: Vec::new(),
        user: User::Optional,
        scopes: Vec::new(),
    };
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once(':').unwrap_or((word, ""));
        let values = value.split(',');
        match key {
            "allow" => rule.effect = Effect::Allow,
            "deny" => rule.effect = Effect::Deny,
            "audit" => rule.audit = true,
            "from" => rule.from = values.map(peers).collect(),
            "methods" => rule.methods = Methods::These(values.map(|one| one.parse().unwrap()).collect()),
            "paths" => rule.paths = values.map(|one| parse_pattern(one).unwrap()).collect(),
            "user" => rule.user = user(value),
            "scopes" => rule.scopes = values.map(Into::into).collect(),
            _ => panic!("{word}"),
        }
    }
    rule
}

pub(super) fn rules(lines: &[&str]) -> Vec<Rule> {
    (1..).zip(lines).map(|(number, line)| Rule { line: number, ..rule(line) }).collect()
}

/// `svc/a` of the domain `td`; an empty path names the domain itself.
pub(super) fn id(path: &str) -> SpiffeId {
    format!("spiffe://td/{path}").trim_end_matches('/').parse().unwrap()
}

fn peers(text: &str) -> Peers {
    match text.strip_suffix('*') {
        Some(path) => Peers::Below("td".parse().unwrap(), format!("/{path}").into()),
        None => Peers::One(id(text)),
    }
}

fn user(text: &str) -> User {
    match text {
        "required" => User::Required,
        "forbidden" => User::Forbidden,
        _ => User::Optional,
    }
}

/// What a request asks, owned.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) peer: Option<SpiffeId>,
    pub(super) method: Method,
    pub(super) path: Option<String>,
    pub(super) principal: Option<Principal>,
}

impl Request {
    /// `svc/a GET /path alice scope,scope`; `-` for no peer and for a tunnel; the user may be left out.
    pub(super) fn of(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let scopes = words.get(4).map_or(Vec::new(), |list| list.split(',').map(Into::into).collect());
        let principal =
            words.get(3).map(|user| Principal { user: (*user).into(), roles: Vec::new(), scopes });
        Self {
            peer: (words[0] != "-").then(|| id(words[0])),
            method: words[1].parse().unwrap(),
            path: (words[2] != "-").then(|| words[2].to_owned()),
            principal,
        }
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            peer: self.peer.as_ref(),
            method: &self.method,
            path: self.path.as_deref(),
            principal: self.principal.as_ref(),
        }
    }
}
