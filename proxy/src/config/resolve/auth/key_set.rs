//! `jwks: file:PATH`: the keys of an issuer from a file, and what is wrong with those that are not used, in words.

use crate::admission::authenticate::jwt::KeySet;
use crate::admission::authenticate::jwt::keys::{KeysError, Reason};
use crate::config::auth::KeySource;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::tree::Text;
use std::sync::Arc;

/// The keys of a file; `text` is what names it.
pub(super) fn file(path: &str, text: &Text, context: &Context<'_>) -> Option<KeySource> {
    let content = context.read(path, text.span)?;
    match KeySet::parse(&content) {
        Ok((keys, ignored)) => {
            for one in ignored {
                let message = format!("key {} of `{path}` is not used: {}", one.index + 1, why(one.reason));
                let help = "tokens signed with it are refused; remove it from the file if that is meant";
                context.warn(Code::Suspicious, text.span, message, help);
            }
            Some(KeySource::File { path: context.path(path), keys: Arc::new(keys) })
        }
        Err(error) => {
            let message = format!("`{path}` {}", without_keys(error));
            let help = "write the public keys of the issuer as `{ \"keys\": [ … ] }` (RFC 7517 §5)";
            context.error(Code::BadFile, text.span, message, help);
            None
        }
    }
}

fn without_keys(error: KeysError) -> String {
    match error {
        KeysError::TooLong => "is too long for a set of keys".to_owned(),
        KeysError::Malformed => "is no set of keys".to_owned(),
        KeysError::TooMany => "holds too many keys".to_owned(),
        KeysError::NoneUsable(None) => "holds no key".to_owned(),
        KeysError::NoneUsable(Some(reason)) => format!("holds no key that can be used: {}", why(reason)),
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "a member is missing or cannot be read",
        Reason::Symmetric => "it is a shared secret, which would let the gateway make tokens",
        Reason::Private => "its private half stands there, so whoever reads the file can make tokens",
        Reason::Use => "it is not for signatures",
        Reason::Kind => "its kind is not known here",
        Reason::Algorithm => "its algorithm is not known here, or not one of its kind",
        Reason::Weak => "it is too weak, or too large",
        Reason::Point => "it is no point of its curve",
        Reason::Kid => "no token can name its `kid`",
        Reason::Twice => "an earlier key has the same `kid`",
    }
}
