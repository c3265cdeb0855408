//! `limits:` of routes, of `defaults:` and of `inbound:`: which limits are asked, and what a request costs there.
//!
//! `[x]` replaces the defaults, `[+x]` adds to them; a limit that stands in both costs what the route says.

use super::entries;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::limit::Spend;
use crate::config::raw;
use crate::config::tree::{Spanned, Text};

/// An entry of a list.
pub(super) struct Entry<'t> {
    /// As it was written, with its place.
    pub(super) text: &'t Text,
    /// Where the cost was written.
    pub(super) cost: Option<&'t Spanned<u32>>,
}

impl<'t> Entry<'t> {
    /// `None` when it names no limit.
    pub(super) fn of(raw: &'t Spanned<raw::Spend>) -> Option<Self> {
        match &raw.value {
            raw::Spend::Name(text) => Some(Self { text, cost: None }),
            raw::Spend::Full(full) => Some(Self { text: full.limit.as_ref()?, cost: full.cost.as_ref() }),
        }
    }

    /// The limit.
    pub(super) fn name(&self) -> &'t str {
        self.text.value.strip_prefix('+').unwrap_or(&self.text.value)
    }

    fn adds(&self) -> bool {
        self.text.value.starts_with('+')
    }
}

/// What every route asks, unless it says otherwise.
pub(in crate::config::resolve) fn of_defaults(file: &raw::File, context: &Context<'_>) -> Vec<Spend> {
    let list = file.defaults.as_ref().and_then(|defaults| defaults.value.limits.as_ref());
    list.map(|list| without_plus(list, file, context)).unwrap_or_default()
}

/// What is asked about requests that come in.
pub(in crate::config::resolve) fn of_inbound(
    inbound: &raw::Inbound,
    file: &raw::File,
    context: &Context<'_>,
) -> Vec<Spend> {
    inbound.limits.as_ref().map(|list| without_plus(list, file, context)).unwrap_or_default()
}

/// What a route asks.
pub(in crate::config::resolve) fn of_route(
    route: &raw::Route,
    defaults: &[Spend],
    file: &raw::File,
    context: &Context<'_>,
) -> Vec<Spend> {
    let Some(list) = &route.limits else { return defaults.to_vec() };
    let own = spends(list, file, context);
    let mut entries = list.value.iter().filter_map(Entry::of);
    let Some(adds) = entries.next().map(|first| first.adds()) else { return Vec::new() };
    if let Some(odd) = entries.find(|entry| entry.adds() != adds) {
        let message = "`+x` adds to the defaults and `x` replaces them: one list cannot do both";
        let help = "write `+` in front of all of them, or of none";
        context.error(Code::Conflict, odd.text.span, message, help);
        return Vec::new();
    }
    if !adds {
        return own.into_iter().map(|(_, spend)| spend).collect();
    }
    let mut all = defaults.to_vec();
    for (entry, spend) in own {
        match all.iter_mut().find(|other| other.limit == spend.limit) {
            Some(other) if *other == spend => {
                let message = format!("the defaults ask limit `{}` already", entry.name());
                context.warn(Code::Suspicious, entry.text.span, message, "remove it");
            }
            Some(other) => *other = spend,
            None => all.push(spend),
        }
    }
    all
}

/// A list that adds to nothing.
fn without_plus(list: &raw::Spends, file: &raw::File, context: &Context<'_>) -> Vec<Spend> {
    let all = spends(list, file, context);
    for (entry, _) in all.iter().filter(|(entry, _)| entry.adds()) {
        let help = format!("write `{}`", entry.name());
        context.error(Code::BadValue, entry.text.span, "there is nothing here to add to", help);
    }
    all.into_iter().map(|(_, spend)| spend).collect()
}

fn spends<'t>(list: &'t raw::Spends, file: &raw::File, context: &Context<'_>) -> Vec<(Entry<'t>, Spend)> {
    let mut spends: Vec<(Entry<'t>, Spend)> = Vec::with_capacity(list.value.len());
    for raw in &list.value {
        let Some(entry) = Entry::of(raw) else {
            let message = "an entry of `limits:` needs `limit`";
            context.error(Code::MissingKey, raw.span, message, "add `limit:`");
            continue;
        };
        let cost = context.number(entry.cost, (1, u32::MAX), 1);
        let Some(limit) = entries(file).iter().position(|(name, _)| name.value == entry.name()) else {
            let known: Vec<&str> = entries(file).iter().map(|(name, _)| name.value.as_str()).collect();
            let message = format!("there is no limit `{}`", entry.name());
            context.error(Code::UnknownName, entry.text.span, message, choose(entry.name(), known, "limits"));
            continue;
        };
        if spends.iter().any(|(_, other)| other.limit == limit) {
            let message = format!("limit `{}` stands in this list twice", entry.name());
            let help = "remove one of them; what a request costs is said with `cost`";
            context.error(Code::DuplicateName, entry.text.span, message, help);
            continue;
        }
        spends.push((entry, Spend { limit, cost }));
    }
    spends
}
