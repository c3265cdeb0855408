//! `certificate:`: which client certificates name a user.

use crate::config::auth::CertificateRule;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::resolve::names;
use crate::config::tree::{Spanned, Text};

/// The rule; `None` when it cannot be read.
pub(super) fn rule(raw: &Spanned<raw::ClientCertificate>, context: &Context<'_>) -> Option<CertificateRule> {
    let roles = names::words(&raw.value.roles, "role", context);
    let scopes = names::words(&raw.value.scopes, "scope", context);
    let list = context.required(raw.value.subjects.as_ref(), "subjects", "`certificate:`", raw.span)?;
    if list.value.is_empty() {
        let help = "name at least one, as in `\"CN=alice\"` or `\"CN=*.devices.shop.example\"`";
        context.error(Code::BadValue, list.span, "no subject is named here, so nobody is taken", help);
    }
    let mut subjects: Vec<Box<str>> = Vec::with_capacity(list.value.len());
    for text in list.value.iter().filter(|text| subject(text, context)) {
        if subjects.iter().any(|other| **other == *text.value) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        subjects.push(text.value.as_str().into());
    }
    Some(CertificateRule { subjects, roles, scopes })
}

/// `CN=name` or `CN=*.name`. The name becomes the user, so it must be able to.
fn subject(text: &Text, context: &Context<'_>) -> bool {
    let value = &text.value;
    let fail = |message: String, help: &str| {
        context.error(Code::BadValue, text.span, message, help);
        false
    };
    let Some(name) = value.strip_prefix("CN=") else {
        let help = "write the common name, as in `\"CN=alice\"`; other parts of a subject are not looked at";
        return fail(format!("`{value}` does not begin with `CN=`"), help);
    };
    let fixed = name.strip_prefix("*.").unwrap_or(name);
    if fixed.contains('*') {
        let message = format!("`{value}`: `*` may only stand for the whole first label");
        return fail(message, "write `\"CN=*.devices.shop.example\"`, or names in full");
    }
    if !names::is_word(fixed) {
        let help = "a user has 1 to 256 visible ASCII characters without space, comma and quotes";
        return fail(format!("`{value}` names nobody who could be a user"), help);
    }
    true
}
