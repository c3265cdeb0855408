//! What `explain` says of callers at the edge: which rule holds for this one and why, and how often it may ask.

use crate::admission::allow::Asked as Question;
use crate::admission::limit::lease;
use crate::cli::decide::{Asked, Decision};
use crate::config::effective::text_of_rate;
use crate::config::limit::{Limit, Scope, Sharing};
use crate::config::{Config, Route};
use crate::pipeline::permit::param;
use std::fmt::Write;

/// Tells it, when the request has found a route.
pub(super) fn tell(config: &Config, asked: &Asked, decision: &Decision, text: &mut String) {
    let Some(route) = decision.known.route.and_then(|index| config.routes.get(index)) else { return };
    tell_allow(route, asked, decision, text);
    tell_limits(config, route, decision, text);
}

fn tell_allow(route: &Route, asked: &Asked, decision: &Decision, text: &mut String) {
    let Some(rule) = &route.allow else { return };
    let path = asked.target.split('?').next().unwrap_or_default();
    let param = |name: &str| param(&route.path, path, name);
    let caller = decision.known.caller.as_deref();
    let question = Question { caller, headers: &decision.head.headers, param: &param };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "allow      {rule}");
    for line in rule.explain(&question).to_string().lines() {
        let _ = writeln!(text, "           {line}");
    }
}

fn tell_limits(config: &Config, route: &Route, decision: &Decision, text: &mut String) {
    let tier = decision.known.caller.as_ref().and_then(|caller| caller.tier.as_deref());
    for (spend, label) in route.limits.iter().zip(std::iter::once("limits").chain(std::iter::repeat(""))) {
        let Some(limit) = config.limits.get(spend.limit) else { continue };
        let (place, rate) = limit.rates.of(tier);
        let burst =
            if rate.burst == rate.amount { String::new() } else { format!(", {} at once", rate.burst) };
        let turn = if limit.is_flood() { ", before anybody is asked who it is" } else { "" };
        let cost = if spend.cost == 1 { String::new() } else { format!(", costs {}", spend.cost) };
        let shared = sharing(config, limit, place);
        let rate = text_of_rate(rate);
        let _ = writeln!(text, "{label:<10} {}: {rate}{burst}{cost}, {shared}{turn}", limit.name);
    }
}

/// Where it counts, and how wrong it may be.
fn sharing(config: &Config, limit: &Limit, tier: usize) -> String {
    let instances = config.redis.as_ref().and_then(|redis| redis.instances).unwrap_or(1);
    match limit.scope {
        Scope::Instance => "each process for itself".to_owned(),
        Scope::Global(Sharing::Exact) => "exact over all processes".to_owned(),
        Scope::Global(Sharing::Leased) => {
            let worst = lease::worst_case(limit, tier, instances);
            format!(
                "leased by {instances} process(es): at worst {} refused too early, {} too many in any one window",
                worst.under_use, worst.overshoot
            )
        }
    }
}
