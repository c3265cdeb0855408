//! URLs and addresses of a Redis. Pure. No message repeats what stood there: it may be a password.

use crate::config::resolve::service::is_certificate_name;
use crate::config::store::Servers;
use std::net::Ipv6Addr;

/// Where a Redis listens unless its URL says otherwise.
const PORT: u16 = 6379;

/// What says where it is.
pub(super) struct Place {
    /// The servers.
    pub(super) servers: Servers,
    /// The database, 0 … 15.
    pub(super) database: u8,
    /// What its URL says about TLS; `None` = it has none.
    pub(super) tls: Option<bool>,
    /// Who we are there.
    pub(super) credentials: Credentials,
}

/// What a URL says about who we are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The user.
    pub(super) user: Option<String>,
    /// The password.
    pub(super) password: Option<String>,
}

/// `host:port`, lower case; without a port only where there is a default.
pub(super) fn address(text: &str, default: Option<u16>) -> Option<Box<str>> {
    let bare = text.parse::<Ipv6Addr>().is_ok();
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !bare && !port.ends_with(']')) {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port.parse().ok()?),
        Some(_) => return None,
        None => (text, default?),
    };
    let host = host.to_ascii_lowercase();
    let ipv6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match ipv6 {
        Some(ipv6) => ipv6.parse::<Ipv6Addr>().is_ok(),
        None => is_certificate_name(&host) && !host.contains(':'),
    };
    (good && port != 0).then(|| format!("{host}:{port}").into())
}

/// Why a text is not the URL of a Redis. Says nothing of what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("it begins neither with `redis://` nor with `rediss://`")]
    Scheme,
    #[error("its host or port cannot be read")]
    Host,
    #[error("its database is not a number from 0 to 15")]
    Database,
    #[error("its user or password cannot be read")]
    Credentials,
    #[error("it has a query or a fragment")]
    Query,
}

/// `redis[s]://[user[:password]@]host[:port][/database]` (IANA provisional registration of `redis`).
pub(super) fn read(text: &str) -> Result<Place, UrlError> {
    let (tls, rest) = match (text.strip_prefix("redis://"), text.strip_prefix("rediss://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(UrlError::Scheme),
    };
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((written, rest)) => (credentials_of(written).ok_or(UrlError::Credentials)?, rest),
        None => (Credentials::default(), rest),
    };
    if rest.contains(['?', '#']) {
        return Err(UrlError::Query);
    }
    let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
    let database = match database {
        "" => 0,
        digits => digits.parse().ok().filter(|number| *number < 16).ok_or(UrlError::Database)?,
    };
    let server = address(host, Some(PORT)).ok_or(UrlError::Host)?;
    Ok(Place { servers: Servers::Single(server), database, tls: Some(tls), credentials })
}

fn credentials_of(written: &str) -> Option<Credentials> {
    let (user, password) =
        written.split_once(':').map_or((written, None), |(user, password)| (user, Some(password)));
    let some = |text: &str| Some(unescaped(text)?).filter(|text| !text.is_empty());
    let sound = |text: &str| text.is_empty() || some(text).is_some();
    if !sound(user) || !password.is_none_or(sound) {
        return None;
    }
    Some(Credentials { user: some(user), password: password.and_then(some) })
}

/// The text behind escapes (RFC 3986 §2.1); `None` when one is broken.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
