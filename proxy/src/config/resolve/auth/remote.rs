//! HTTP services outside that the proxy itself asks: keys of an issuer, and introspection.
//!
//! What they say decides who somebody is, so nobody in between may say it for them: https, or this machine.

use crate::config::auth::Remote;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::leaf::Time;
use crate::config::resolve::pem;
use crate::config::tree::Text;
use http::Uri;
use std::net::IpAddr;
use std::time::Duration;

/// How long an answer may take unless the file says otherwise.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Where it is, whom to believe and how long to wait.
pub(super) fn remote(
    url: &Text,
    ca: Option<&Text>,
    timeout: Option<&Time>,
    context: &Context<'_>,
) -> Option<Remote> {
    let uri = self::url(url, context);
    let timeout = context.time(timeout, TIMEOUT);
    if let (Some(ca), Some("http")) = (ca, uri.as_ref().and_then(Uri::scheme_str)) {
        context.error(Code::Conflict, ca.span, "`ca` has no use with plain http", "remove it, or use https");
    }
    let ca = match ca {
        Some(path) => Some(pem::certificates(path, context)?),
        None => None,
    };
    Some(Remote { url: uri?, ca, timeout })
}

/// A URL in full, without user and fragment.
fn url(text: &Text, context: &Context<'_>) -> Option<Uri> {
    let value = text.value.as_str();
    let fail = |code, message: String, help: &str| {
        context.error(code, text.span, message, help);
        None
    };
    let uri = value.parse::<Uri>().ok();
    if uri.as_ref().and_then(Uri::authority).is_some_and(|authority| authority.as_str().contains('@')) {
        // It may be a password.
        let message = "this URL holds a user in front of its host";
        let help = "remove everything up to the `@`; a secret never stands in the configuration itself";
        context.hidden_error(Code::Insecure, text.span, message, help);
        return None;
    }
    let in_full = "write it in full, as in `https://id.shop.example/jwks.json`";
    let Some(uri) = uri.filter(has_address) else {
        return fail(Code::BadValue, format!("`{value}` is not a URL"), in_full);
    };
    if value.contains('#') {
        let message = format!("`{value}` has a fragment, which is never sent");
        return fail(Code::BadValue, message, "remove the `#` and what follows");
    }
    match uri.scheme_str() {
        Some("https") => Some(uri),
        Some("http") if is_loopback(&uri) => Some(uri),
        Some("http") => {
            let message = format!("`{value}` is plain http: whoever is in between could answer instead");
            fail(
                Code::Insecure,
                message,
                "use https; http is for addresses of this machine, as in `http://127.0.0.1:8080`",
            )
        }
        _ => fail(Code::BadValue, format!("`{value}` is no URL of https"), in_full),
    }
}

/// A scheme, a host, and a port that can be connected to, if any.
fn has_address(uri: &Uri) -> bool {
    let (Some(_), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
    let has_port = authority.as_str().len() > authority.host().len();
    !authority.host().is_empty() && (!has_port || authority.port_u16().is_some_and(|port| port > 0))
}

/// By address only: what a name leads to is somebody's word.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
