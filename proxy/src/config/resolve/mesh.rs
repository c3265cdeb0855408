//! `mesh:`: the trust domain, where our certificate comes from, whose word about users counts.

use super::{headers, names, pem};
use crate::config::DEFAULT_HEADERS;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::mesh::{Claim, Level, Mesh, Source};
use crate::config::raw;
use crate::config::tree::{Spanned, Text};
use crate::identity::headers::is_protected;
use http::HeaderName;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::token::sound_url;
use std::path::PathBuf;

/// Headers that carry something else: writing a user into them would be read as that.
const TAKEN: [&str; 18] = [
    "authorization",
    "cookie",
    "set-cookie",
    "content-type",
    "content-encoding",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-request-id",
    "traceparent",
    "tracestate",
    "txn-token",
    "portcullis-stamps",
    "portcullis-chains",
    "proxy-authorization",
    "date",
];

/// Membership of the mesh. The context must know the trust domain already.
pub(super) fn mesh(raw: &Spanned<raw::Mesh>, context: &Context<'_>) -> Option<Mesh> {
    let span = raw.span;
    let _ = context.required(raw.value.trust_domain.as_ref(), "trust_domain", "`mesh:`", span);
    let source = source(raw, context);
    let raw = &raw.value.identity;
    let level = match raw.level.as_ref().map(|level| level.value) {
        Some(raw::Level::Headers) => Level::Headers,
        Some(raw::Level::None) => Level::None,
        Some(raw::Level::Passport) | None => Level::Passport,
    };
    let assert = asserters(&raw.assert, context);
    let headers = match &raw.headers {
        Some(list) => projected(&list.value.0, context),
        None => DEFAULT_HEADERS.to_vec(),
    };
    Some(Mesh { trust_domain: context.trust_domain()?.clone(), source: source?, level, assert, headers })
}

fn source(raw: &Spanned<raw::Mesh>, context: &Context<'_>) -> Option<Source> {
    let mesh = &raw.value;
    match (&mesh.ca, &mesh.svid) {
        (Some(ca), None) => authority(ca, mesh.state.as_ref(), context),
        (None, Some(svid)) => files(svid, mesh.state.as_ref(), context),
        (Some(_), Some(svid)) => {
            let message = "`mesh:` has both `ca` and `svid`: a certificate comes from one place";
            context.error(Code::Conflict, svid.span, message, "keep one of them");
            None
        }
        (None, None) => {
            let message = "`mesh:` does not say where our certificate comes from";
            let help = "add `ca: { join_token: file:PATH }` and `state:`, or `svid: { cert: …, key: file:…, bundle: … }`";
            context.error(Code::MissingKey, raw.span, message, help);
            None
        }
    }
}

fn authority(raw: &Spanned<raw::Authority>, state: Option<&Text>, context: &Context<'_>) -> Option<Source> {
    let address = raw.value.address.as_ref().map(|text| authority_address(text, context));
    let token = raw.value.join_token.as_ref().map(|text| join_token(text, context));
    let Some(state) = state else {
        let message = "`ca:` needs `state`: our identity is kept there over restarts";
        let help = "add `state: /var/lib/portcullis/NAME` to `mesh:`, a folder of this process alone";
        context.error(Code::MissingKey, raw.span, message, help);
        return None;
    };
    let state = context.path(&state.value);
    let source = Source::Authority {
        address: match address {
            Some(address) => Some(address?),
            None => None,
        },
        join_token: match token {
            Some(token) => Some(token?),
            None => None,
        },
        state,
    };
    anything_to_begin_with(&source, raw, context);
    Some(source)
}

/// `host:port`, or what a join token could hold.
fn authority_address(text: &Text, context: &Context<'_>) -> Option<String> {
    let value = &text.value;
    let port = value.rsplit_once(':').and_then(|(_, port)| port.trim_end_matches('/').parse::<u16>().ok());
    let sound = match value.strip_prefix("https://") {
        Some(_) => sound_url(value),
        None => !value.ends_with('/') && sound_url(&format!("https://{value}")) && port.is_some(),
    };
    if !sound || port == Some(0) {
        let message = format!("`{value}` is not the address of an authority");
        let help = "write `ca.shop.example:8600` or `https://ca.shop.example:8600`";
        context.error(Code::BadValue, text.span, message, help);
        return None;
    }
    Some(value.clone())
}

/// The file of a join token. It is read when it is needed; nobody's mistake is shown in full, it may be the token.
fn join_token(text: &Text, context: &Context<'_>) -> Option<PathBuf> {
    let Some(path) = text.value.strip_prefix("file:").filter(|path| !path.is_empty()) else {
        let message = "a join token is named as `file:PATH`";
        let help =
            "write the token into a file that only this process may read; a fresh one is taken up from there";
        context.hidden_error(Code::Insecure, text.span, message, help);
        return None;
    };
    if context.exists(path) {
        context.check_private(path, text.span);
        context.watch(path);
    }
    Some(context.path(path))
}

/// Without a token and without an identity of before nobody can join.
fn anything_to_begin_with(source: &Source, raw: &Spanned<raw::Authority>, context: &Context<'_>) {
    /// What a state directory with an identity in it holds.
    const IDENTITY: &str = "svid.pem";
    let Source::Authority { join_token, state, .. } = source else { return };
    let token = join_token.as_ref().is_some_and(|path| context.exists(path));
    if token || context.exists(state.join(IDENTITY)) {
        return;
    }
    let message = "there is no join token and no identity of before: this process cannot join the mesh yet";
    let (span, help) = match (&raw.value.join_token, join_token) {
        (Some(text), Some(path)) => (
            text.span,
            format!("make one with `portcullis ca token create` and put it into {}", path.display()),
        ),
        _ => (raw.span, "add `join_token: file:PATH`".to_owned()),
    };
    context.warn(Code::BadFile, span, message, help);
}

fn files(raw: &Spanned<raw::Svid>, state: Option<&Text>, context: &Context<'_>) -> Option<Source> {
    let of = "`svid:`";
    if let Some(state) = state {
        let message = "`state` has no use with `svid`: whoever renews the files keeps them";
        context.error(Code::Conflict, state.span, message, "remove it");
    }
    let cert = context.required(raw.value.cert.as_ref(), "cert", of, raw.span);
    let key = context.required(raw.value.key.as_ref(), "key", of, raw.span);
    let bundle = context.required(raw.value.bundle.as_ref(), "bundle", of, raw.span);
    let cert = cert.and_then(|cert| pem::certificates(cert, context));
    let key = key.and_then(|key| pem::key(key, context));
    let bundle = bundle.and_then(|bundle| pem::certificates(bundle, context));
    Some(Source::Files { cert: cert?, key: key?, bundle: bundle? })
}

fn asserters(raw: &[Text], context: &Context<'_>) -> Vec<SpiffeId> {
    let mut ids = Vec::with_capacity(raw.len());
    for text in raw {
        let Some(id) = names::spiffe_id(text, context) else { continue };
        if ids.contains(&id) {
            let message = format!("`{id}` is listed twice");
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        ids.push(id);
    }
    ids
}

fn projected(raw: &[(Text, Spanned<raw::Claim>)], context: &Context<'_>) -> Vec<(HeaderName, Claim)> {
    let mut projected: Vec<(HeaderName, Claim)> = Vec::with_capacity(raw.len());
    for (text, claim) in raw {
        let Some(header) = headers::name(text, context) else { continue };
        if headers::is_framing(&header) || TAKEN.contains(&header.as_str()) {
            let message = format!("`{}` cannot say who a user is: it means something else", text.value);
            context.error(Code::ProtectedHeader, text.span, message, "use another name, as in `X-Auth-User`");
            continue;
        }
        if !is_protected(header.as_str()) {
            let message = format!(
                "anybody could send `{}`: only names that are taken off everywhere can say who a user is",
                text.value
            );
            let help = "use `X-Auth-…`, `X-User-…`, `Remote-User` or `X-Forwarded-User`";
            context.error(Code::ProtectedHeader, text.span, message, help);
            continue;
        }
        if projected.iter().any(|(other, _)| folded(other) == folded(&header)) {
            let message = format!("header `{}` stands here twice (case makes no difference)", text.value);
            context.error(Code::DuplicateName, text.span, message, "remove one of them");
            continue;
        }
        let claim = match claim.value {
            raw::Claim::User => Claim::User,
            raw::Claim::Roles => Claim::Roles,
            raw::Claim::Scopes => Claim::Scopes,
        };
        projected.push((header, claim));
    }
    projected
}

/// As applications behind CGI or WSGI see a name: `X_Auth_User` is `X-Auth-User` to them.
fn folded(name: &HeaderName) -> String {
    name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
