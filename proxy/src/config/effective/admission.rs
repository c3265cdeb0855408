//! What decides whether a request may come in, as it is written: `cors:`, `ip:`, `body:` and `overload:`.

use super::{list, none, object, strings};
use crate::config::cors::{Cors, OriginPattern, Origins};
use crate::config::overload::{Memory, Overload};
use crate::config::route::{AddressRules, Route};
use crate::config::units::{show_pace, show_percent, show_size, show_time};
use serde_json::{Value, json};

pub(super) fn overload(overload: &Overload) -> Value {
    json!({
        "concurrent": overload.concurrent.map_or_else(|| json!(none()), |most| json!(most)),
        "memory": overload.memory.as_ref().map_or_else(|| json!(none()), memory),
        "shed_when_behind": overload.shed_when_behind,
    })
}

fn memory(memory: &Memory) -> Value {
    json!({
        "limit": memory.limit.map_or_else(|| "auto".to_owned(), show_size),
        "leave_at": show_percent(memory.leave_at),
        "refuse_at": show_percent(memory.refuse_at),
    })
}

pub(super) fn addresses(rules: &AddressRules) -> Value {
    object([("allow", strings(&rules.allow)), ("deny", strings(&rules.deny))])
}

pub(super) fn body(route: &Route) -> Value {
    object([
        ("max", json!(route.max_body.map_or_else(none, show_size))),
        ("min_rate", json!(route.min_rate.map(show_pace))),
    ])
}

pub(super) fn cors(cors: &Cors) -> Value {
    let origins = match &cors.origins {
        Origins::Any => json!(["*"]),
        Origins::These(patterns) => list(patterns, |pattern| match pattern {
            OriginPattern::Exact(origin) => json!(&**origin),
            OriginPattern::OneLabel { scheme, rest } => json!(format!("{scheme}*{rest}")),
        }),
    };
    object([
        ("origins", origins),
        ("methods", strings(&cors.methods)),
        ("headers", strings(&cors.headers)),
        ("expose", strings(&cors.expose)),
        ("credentials", json!(cors.credentials)),
        ("max_age", json!(show_time(cors.max_age))),
    ])
}
