//! How things are written for people, and read from the command line. Pure.

use crate::certificate::Svid;
use crate::deny::Denial;
use crate::spiffe::SpiffeId;
use crate::store::Issued;
use crate::time::{self, TimeError, Timestamp};
use std::cmp::Ordering;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// A SPIFFE ID of the authority's own trust domain without it, as every operator command takes it: `svc/order`.
pub(super) fn short(id: &SpiffeId) -> String {
    match id.path().strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => id.to_string(),
    }
}

/// `in 7 h 58 m`, `12 s ago`, or `now`.
pub(super) fn from_now(moment: Timestamp, now: Timestamp) -> String {
    match moment.cmp(&now) {
        Ordering::Greater => format!("in {}", time::human(moment.since(now))),
        Ordering::Equal => "now".to_owned(),
        Ordering::Less => format!("{} ago", time::human(now.since(moment))),
    }
}

/// `2026-11-22T18:00:00Z (in 7 h 58 m)`.
pub(super) fn moment(moment: Timestamp, now: Timestamp) -> String {
    format!("{moment} ({})", from_now(moment, now))
}

/// `1 certificate`, `2 certificates`.
pub(super) fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

/// A text somebody else wrote, without what a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// A path as a shell takes it.
pub(super) fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '=' | '@' | ',')
    };
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Lines of a name and a value, the values under each other.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line =
        |(name, value): &(&str, String)| format!("{name:width$}  {value}").trim_end().to_owned() + "\n";
    rows.iter().map(line).collect()
}

/// A certificate of the ledger as the deny-list sees it.
pub(super) fn as_svid(issued: &Issued) -> Svid {
    Svid {
        id: issued.id.clone(),
        serial: issued.serial,
        not_before: issued.not_before,
        not_after: issued.not_after,
        key: issued.key,
    }
}

/// Whether a rule of the deny-list names this SPIFFE ID.
pub(super) fn concerns(rule: &Denial, id: &SpiffeId) -> bool {
    match rule {
        Denial::Serial(_) => false,
        Denial::Id(denied) | Denial::Before { id: denied, .. } => denied == id,
    }
}

/// A span on the command line: `90s`, `10m`, `24h`, `30d`.
pub(super) fn span(text: &str) -> Result<Duration, TimeError> {
    time::span(text)
}

/// A moment on the command line: `now`, or as in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The moment of the command.
    Now,
    /// That moment.
    At(Timestamp),
}

impl Moment {
    /// The moment, when it is `now`.
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        match text {
            "now" => Ok(Self::Now),
            _ => text.parse().map(Self::At).map_err(|_| MomentError),
        }
    }
}

/// Neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a moment is `now`, or written as 2026-11-22T18:00:00Z")]
pub(super) struct MomentError;

/// An address of the authority on the command line.
pub(super) fn url(text: &str) -> Result<String, UrlError> {
    if crate::token::sound_url(text) { Ok(text.trim_end_matches('/').to_owned()) } else { Err(UrlError) }
}

/// Not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address is written as https://ca.shop.example:8443, without a path")]
pub(super) struct UrlError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_lies_before_or_behind() {
        let now = Timestamp(100_000);

        assert_eq!(from_now(now.after(Duration::from_secs(28_680)), now), "in 7 h 58 m");
        assert_eq!(from_now(now.before(Duration::from_secs(12)), now), "12 s ago");
        assert_eq!(from_now(now, now), "now");
    }

    #[test]
    fn numbers_have_their_plural() {
        assert_eq!(count(1, "entry"), "1 entry");
        assert_eq!(count(0, "entry"), "0 entries");
        assert_eq!(count(2, "certificate"), "2 certificates");
    }

    #[test]
    fn a_path_with_odd_characters_is_quoted_for_the_shell() {
        assert_eq!(quote(Path::new("/var/lib/ca-1")), "/var/lib/ca-1");
        assert_eq!(quote(Path::new("my ca")), "'my ca'");
        assert_eq!(quote(Path::new("it's")), r"'it'\''s'");
        assert_eq!(quote(Path::new("")), "''");
    }

    #[test]
    fn the_words_of_others_do_not_reach_the_terminal_as_commands() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc é"), r"a\u{1b}[2Jb\nc é");
    }

    #[test]
    fn a_moment_is_now_or_a_date() {
        assert_eq!("now".parse(), Ok(Moment::Now));
        assert_eq!("1970-01-01T00:00:09Z".parse(), Ok(Moment::At(Timestamp(9))));
        assert_eq!("yesterday".parse::<Moment>(), Err(MomentError));
        assert_eq!(Moment::Now.resolve(Timestamp(7)), Timestamp(7));
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_no_path() {
        assert_eq!(url("https://ca.shop.example:8443/").as_deref(), Ok("https://ca.shop.example:8443"));
        for wrong in ["", "ca.shop.example", "http://ca", "https://", "https://ca/x", "https://a@b"] {
            assert_eq!(url(wrong), Err(UrlError), "{wrong}");
        }
    }

    #[test]
    fn facts_stand_under_each_other() {
        let text = facts(&[("root", "root-1".into()), ("fingerprint", "ab".into()), ("x", String::new())]);

        assert_eq!(text, "root         root-1\nfingerprint  ab\nx\n");
    }
}
