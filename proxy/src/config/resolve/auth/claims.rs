//! `identity:` of an entry of `auth:`: which claims say what.

use crate::config::auth::ClaimMap;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::tree::Text;

/// Longest name of a claim, in bytes.
const LONGEST: usize = 256;

/// The names written, and defaults for the others.
pub(super) fn map(raw: Option<&raw::UserClaims>, context: &Context<'_>) -> ClaimMap {
    let default = ClaimMap::default();
    let Some(raw) = raw else { return default };
    let name = |text: &Option<Text>| text.as_ref().and_then(|text| name(text, context));
    ClaimMap {
        user: name(&raw.user).unwrap_or(default.user),
        roles: name(&raw.roles).unwrap_or(default.roles),
        scopes: name(&raw.scopes).unwrap_or(default.scopes),
        tier: name(&raw.tier).or(default.tier),
    }
}

fn name(text: &Text, context: &Context<'_>) -> Option<Box<str>> {
    let value = &text.value;
    if value.is_empty() || value.len() > LONGEST || value.chars().any(char::is_control) {
        let message = "this is not the name of a claim";
        context.error(
            Code::BadValue,
            text.span,
            message,
            "write it as `sub`, or with dots as `realm_access.roles`",
        );
        return None;
    }
    Some(value.as_str().into())
}
