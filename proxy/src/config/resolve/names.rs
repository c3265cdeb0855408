//! Names the mesh is made of: trust domains, SPIFFE IDs, and the words users, roles and scopes are.
//!
//! What is well-formed decides [`portcullis_ca::spiffe`]; here it is said with its place and what to write instead.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::tree::Text;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};

/// A trust domain, without a scheme.
pub(super) fn trust_domain(text: &Text, context: &Context<'_>) -> Option<TrustDomain> {
    let error = match text.value.parse() {
        Ok(domain) => return Some(domain),
        Err(error) => error,
    };
    let bare = text.value.trim_start_matches("spiffe://").split(['/', ':']).next().unwrap_or_default();
    let bare = bare.to_ascii_lowercase();
    let help = match bare.parse::<TrustDomain>() {
        Ok(bare) => format!("write `{bare}`"),
        Err(_) => "write it alone, as in `shop.example`".to_owned(),
    };
    context.error(Code::BadValue, text.span, format!("`{}` is no trust domain: {error}", text.value), help);
    None
}

/// The SPIFFE ID of a workload; of our trust domain, when that is known.
pub(super) fn spiffe_id(text: &Text, context: &Context<'_>) -> Option<SpiffeId> {
    let id: SpiffeId = match text.value.parse() {
        Ok(id) => id,
        Err(error) => {
            let message = format!("`{}` is not a SPIFFE ID: {error}", text.value);
            context.error(
                Code::BadValue,
                text.span,
                message,
                format!("write it in full, {}", example(context)),
            );
            return None;
        }
    };
    if id.path().is_empty() {
        let message = format!("`{}` names a trust domain, not a member of it", text.value);
        context.error(Code::BadValue, text.span, message, format!("add its path, {}", example(context)));
        return None;
    }
    in_domain(&id, text, context).then_some(id)
}

/// Says when an ID is of a trust domain that is not ours.
pub(super) fn in_domain(id: &SpiffeId, text: &Text, context: &Context<'_>) -> bool {
    let Some(own) = context.trust_domain().filter(|own| *own != id.trust_domain()) else { return true };
    let message = format!("`{}` is not in the trust domain `{own}`", text.value);
    // What stands behind the domain may be a `*` too, which is no part of the ID.
    let rest = text.value.split_once(id.trust_domain().as_str()).map_or("", |(_, rest)| rest);
    let help = format!("nobody of another trust domain is believed; write `spiffe://{own}{rest}`");
    context.error(Code::BadValue, text.span, message, help);
    false
}

/// How an ID looks here.
pub(super) fn example(context: &Context<'_>) -> String {
    let domain = context.trust_domain().map_or("shop.example", TrustDomain::as_str);
    format!("as in `spiffe://{domain}/svc/order`")
}

/// The words of a list: roles or scopes.
pub(super) fn words(list: &[Text], what: &str, context: &Context<'_>) -> Vec<Box<str>> {
    let mut words: Vec<Box<str>> = Vec::with_capacity(list.len());
    for text in list.iter().filter(|text| word(text, what, context)) {
        if words.iter().any(|word| **word == *text.value) {
            let message = format!("{what} `{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        words.push(text.value.as_str().into());
    }
    words
}

/// Whether a text can be a user, a role or a scope: what headers and tokens can carry without quoting.
pub(super) fn word(text: &Text, what: &str, context: &Context<'_>) -> bool {
    let good = is_word(&text.value);
    if !good {
        let message = format!("`{}` cannot be a {what}", text.value);
        let help = "use 1 to 256 visible ASCII characters without space, comma and quotes";
        context.error(Code::BadValue, text.span, message, help);
    }
    good
}

/// See [`word`].
pub(super) fn is_word(text: &str) -> bool {
    /// Longest word.
    const LONGEST: usize = 256;
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\'' | b'\\');
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(allowed)
}
