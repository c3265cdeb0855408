//! What limits and those who ask them mean for each other: a cost nobody could pay, a key nobody has, two limits of
//! which one never refuses, tiers of nobody, limits and stores of no use.
//!
//! | key | a route knows it | it does not | only of some callers |
//! |--|--|--|--|
//! | `user` | it has an entry of `auth:` | error | everybody else shares one count: warning, unless `ip` is in the key |
//! | `api_key` | an entry with `api_key:` | error | the same |
//!
//! Asks the meaning of sections by their names: indexes do not hold while something is wrong.

use super::spend::Entry;
use super::{entries, show};
use crate::config::Config;
use crate::config::auth::{Provider, Scheme};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::limit::{Algorithm, KeyPart, Limit, Rate, Spend};
use crate::config::raw;
use crate::config::route::Auth;
use crate::config::tree::Span;

/// Somebody who asks limits.
struct Asker<'a> {
    /// What to call it.
    of: String,
    /// What is said about limits it has from the defaults.
    at: Span,
    /// Its own list.
    own: Option<&'a raw::Spends>,
    /// What it asks.
    spends: &'a [Spend],
    /// How its callers say who they are; `None` = by their passport.
    auth: Option<&'a Auth>,
}

/// A limit somebody asks.
struct Asked<'a> {
    limit: &'a Limit,
    cost: u32,
    /// Where it is asked.
    entry: Option<Entry<'a>>,
    /// What to point at.
    at: Span,
    /// It was not asked here, but by the defaults.
    inherited: bool,
}

/// Reports all of it.
pub(in crate::config::resolve) fn check(file: &raw::File, config: &Config, context: &Context<'_>) {
    unused(file, context);
    let askers = askers(file, config);
    // What is wrong with the defaults is said once, not for every route.
    let mut told: Vec<Span> = Vec::new();
    for asker in &askers {
        let asked = asked(asker, file, config);
        for one in &asked {
            affordable(one, &mut told, context);
            known(one, asker, (file, config), context);
        }
        twins(&asked, asker, &mut told, context);
    }
    tiers(file, config, &askers, context);
}

fn unused(file: &raw::File, context: &Context<'_>) {
    let defaults = file.defaults.as_ref().and_then(|defaults| defaults.value.limits.as_ref());
    let inbound = file.inbound.as_ref().and_then(|inbound| inbound.value.limits.as_ref());
    let routes = file.routes().iter().filter_map(|route| route.value.limits.as_ref());
    let lists: Vec<&raw::Spends> = defaults.into_iter().chain(inbound).chain(routes).collect();
    let asked = |name: &str| {
        let mut all = lists.iter().flat_map(|list| &list.value).filter_map(Entry::of);
        all.any(|entry| entry.name() == name)
    };
    for (name, _) in entries(file).iter().filter(|(name, _)| !asked(&name.value)) {
        let by = if file.is_sidecar() { "`inbound:`" } else { "a route" };
        let message = format!("nobody asks limit `{}`", name.value);
        let help = format!("remove it, or write `limits: [{}]` in {by}", name.value);
        context.warn(Code::Suspicious, name.span, message, help);
    }
    let Some(store) = file.stores.as_ref().and_then(|stores| stores.value.redis.as_ref()) else { return };
    let global = |limit: &raw::Limit| limit.scope.as_ref().is_some_and(|one| one.value == raw::Scope::Global);
    if !entries(file).iter().any(|(_, limit)| global(&limit.value)) {
        let message = "nothing is counted in this store";
        let help = "remove it, or write `scope: global` in a limit";
        context.warn(Code::Suspicious, store.span, message, help);
    }
}

fn askers<'a>(file: &'a raw::File, config: &'a Config) -> Vec<Asker<'a>> {
    if let Some(inbound) = file.inbound.as_ref().filter(|_| file.is_sidecar()) {
        let routes = config.routes.iter();
        let inbound = |route: &'a crate::config::Route| Asker {
            of: "`inbound:`".to_owned(),
            at: inbound.span,
            own: inbound.value.limits.as_ref(),
            spends: &route.limits,
            auth: None,
        };
        return routes.filter(|route| !route.limits.is_empty()).map(inbound).collect();
    }
    // Those that cannot be read are missing among the routes; the others stand in the order of the file.
    let mut written = file.routes().iter();
    let routes = config.routes.iter().filter_map(|route| {
        let raw = written.by_ref().find(|raw| {
            let name = raw.value.name.as_ref().map(|name| name.value.as_str());
            raw.span.line as usize == route.line && name == Some(&route.name)
        })?;
        Some(Asker {
            of: format!("route `{}`", route.name),
            at: raw.value.name.as_ref().map_or(raw.span, |name| name.span),
            own: raw.value.limits.as_ref(),
            spends: &route.limits,
            auth: Some(&route.auth),
        })
    });
    routes.collect()
}

/// What somebody asks, as far as it could be read.
fn asked<'a>(asker: &Asker<'a>, file: &'a raw::File, config: &'a Config) -> Vec<Asked<'a>> {
    let defaults = file.defaults.as_ref().and_then(|defaults| defaults.value.limits.as_ref());
    let find = |list: Option<&'a raw::Spends>, name: &str| {
        list?.value.iter().filter_map(Entry::of).find(|entry| entry.name() == name)
    };
    let one = |spend: &Spend| {
        let limit = limit(spend, file, config)?;
        let own = find(asker.own, &limit.name);
        let inherited = own.is_none();
        let at = own.as_ref().map_or(asker.at, |entry| entry.text.span);
        let entry = own.or_else(|| find(defaults, &limit.name));
        Some(Asked { limit, cost: spend.cost, entry, at, inherited })
    };
    asker.spends.iter().filter_map(one).collect()
}

fn limit<'a>(spend: &Spend, file: &raw::File, config: &'a Config) -> Option<&'a Limit> {
    let (name, _) = entries(file).get(spend.limit)?;
    config.limits.iter().find(|limit| *limit.name == *name.value)
}

/// A cost that is never there, or that changes whose turn it is.
fn affordable(asked: &Asked<'_>, told: &mut Vec<Span>, context: &Context<'_>) {
    let Some(at) = asked.entry.as_ref().and_then(|entry| entry.cost) else { return };
    if asked.inherited && told.contains(&at.span) {
        return;
    }
    told.push(at.span);
    let name = &asked.limit.name;
    if asked.limit.queue.is_some() && asked.cost > 1 {
        let message = format!("requests wait for their turn at limit `{name}`: each costs 1 there");
        context.error(Code::Conflict, at.span, message, "remove `cost`, or the `queue` of the limit");
    }
    let most = rates(asked.limit).map(|rate| rate.burst).min().unwrap_or(u32::MAX);
    if asked.cost > most {
        let message =
            format!("a request that costs {} could never be admitted by limit `{name}`", asked.cost);
        let help =
            format!("there are never more than {most} at once; write a smaller cost or a larger limit");
        context.error(Code::BadValue, at.span, message, help);
    }
}

fn rates(limit: &Limit) -> impl Iterator<Item = &Rate> {
    limit.rates.tiers.iter().map(|(_, rate)| rate).chain([&limit.rates.default])
}

/// Entries of `auth:` by which somebody lets callers in; `None` when one could not be read.
fn providers<'a>(auth: &Auth, file: &raw::File, config: &'a Config) -> Option<Vec<&'a Provider>> {
    let entries = file.auth.as_ref().map(|auth| auth.value.0.as_slice()).unwrap_or_default();
    let find = |index: &usize| {
        let (name, _) = entries.get(*index)?;
        config.auth.iter().find(|provider| *provider.name == *name.value)
    };
    auth.providers.iter().map(find).collect()
}

/// A key must be something that callers have.
fn known(asked: &Asked<'_>, asker: &Asker<'_>, (file, config): (&raw::File, &Config), context: &Context<'_>) {
    let Some(auth) = asker.auth else { return };
    let Some(providers) = providers(auth, file, config) else { return };
    let (name, of) = (&asked.limit.name, &asker.of);
    for part in &asked.limit.key {
        let has = |provider: &&&Provider| match part {
            KeyPart::User => true,
            KeyPart::ApiKey => matches!(provider.scheme, Scheme::ApiKey(_)),
            _ => false,
        };
        if !matches!(part, KeyPart::User | KeyPart::ApiKey) {
            continue;
        }
        let having = providers.iter().filter(has).count();
        if having == 0 {
            let who = if providers.is_empty() { "nobody is known on" } else { "nobody shows one to" };
            let message = format!("limit `{name}` counts by {}, but {who} {of}", show(part));
            context.error(Code::Conflict, asked.at, message, key_help(part, asked));
        } else if (having < providers.len() || auth.anonymous) && !asked.limit.key.contains(&KeyPart::Ip) {
            let message = format!(
                "limit `{name}` counts by {}, and everybody without one shares one count on {of}",
                show(part)
            );
            let help = "add `ip` to the key, as in `key: [user, ip]`, or use another limit here";
            context.warn(Code::Suspicious, asked.at, message, help);
        }
    }
}

fn key_help(part: &KeyPart, asked: &Asked<'_>) -> String {
    if asked.inherited {
        return "it comes from `defaults:`; write `limits: […]` here with those that fit, or `limits: []`"
            .to_owned();
    }
    match part {
        KeyPart::ApiKey => "use a limit with `key: ip`, or an entry of `auth:` with `api_key:`".to_owned(),
        _ => "use a limit with `key: ip`, or say `auth:` with an entry that knows users".to_owned(),
    }
}

/// Of two limits that count the same alike, one never refuses anything.
fn twins(asked: &[Asked<'_>], asker: &Asker<'_>, told: &mut Vec<Span>, context: &Context<'_>) {
    for (index, one) in asked.iter().enumerate() {
        for other in asked.iter().skip(index + 1).filter(|other| alike(one, other)) {
            let (tight, loose) = match (within(one.limit, other.limit), within(other.limit, one.limit)) {
                (true, _) => (one, other),
                (_, true) => (other, one),
                _ => continue,
            };
            let inherited = loose.entry.as_ref().filter(|_| loose.inherited && tight.inherited);
            let (at, of) = match inherited {
                Some(entry) => (entry.text.span, "among the defaults".to_owned()),
                None => (loose.at, format!("on {}", asker.of)),
            };
            if inherited.is_some() && told.contains(&at) {
                continue;
            }
            told.push(at);
            let message = format!(
                "limit `{}` never refuses anything {of}: `{}` counts the same and is as tight or tighter",
                loose.limit.name, tight.limit.name
            );
            context.warn(Code::Suspicious, at, message, "remove it, or change its key or its window");
        }
    }
}

/// Whether two count the same requests in the same way.
fn alike(one: &Asked<'_>, other: &Asked<'_>) -> bool {
    let (a, b) = (one.limit, other.limit);
    let same_key = a.key.len() == b.key.len() && a.key.iter().all(|part| b.key.contains(part));
    let counts = (a.algorithm, a.scope, one.cost) == (b.algorithm, b.scope, other.cost);
    // What waits is not refused, so each has its say.
    same_key && counts && a.queue.is_none() && b.queue.is_none()
}

/// Whether whatever `tight` lets through, `loose` does too, for every tier that one of them knows.
fn within(tight: &Limit, loose: &Limit) -> bool {
    let tiers = tight.rates.tiers.iter().chain(&loose.rates.tiers).map(|(tier, _)| Some(&**tier));
    tiers.chain([None]).all(|tier| {
        let ((_, a), (_, b)) = (tight.rates.of(tier), loose.rates.of(tier));
        let burst = tight.algorithm != Algorithm::TokenBucket || a.burst <= b.burst;
        a.window == b.window && a.amount <= b.amount && burst
    })
}

/// Tiers that no caller can have.
fn tiers(file: &raw::File, config: &Config, askers: &[Asker<'_>], context: &Context<'_>) {
    for (index, (name, raw)) in entries(file).iter().enumerate() {
        let Some(written) = raw.value.tiers.as_ref() else { continue };
        if !config.limits.iter().any(|limit| *limit.name == *name.value) {
            continue;
        }
        let mut using =
            askers.iter().filter(|one| one.spends.iter().any(|spend| spend.limit == index)).peekable();
        let may_have = |asker: &Asker<'_>| {
            let Some(auth) = asker.auth else { return false };
            // What could not be read may know tiers.
            providers(auth, file, config).is_none_or(|all| all.iter().any(|one| tells_tiers(one)))
        };
        if using.peek().is_none() || using.any(may_have) {
            continue;
        }
        let message =
            format!("nobody who is counted by limit `{}` has a tier: all get its default", name.value);
        let help = if file.is_sidecar() {
            "tiers are known at the edge; write `rate:` here"
        } else {
            "say which claim it is with `identity: { tier: … }` of an entry of `auth:`, or write `rate:`"
        };
        context.warn(Code::Suspicious, written.span, message, help);
    }
}

/// Whether callers it lets in may have a tier.
fn tells_tiers(provider: &Provider) -> bool {
    match &provider.scheme {
        Scheme::Certificate(_) => false,
        Scheme::Jwt(rule) => rule.identity.tier.is_some(),
        Scheme::Introspect(rule) => rule.identity.tier.is_some(),
        // Each key may have its own.
        Scheme::ApiKey(_) => true,
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
