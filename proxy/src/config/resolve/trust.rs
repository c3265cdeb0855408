//! `trust:` and `strict:`.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::tree::Text;
use crate::config::trust::{Strict, Strictness, Trust};
use ipnet::IpNet;
use std::net::IpAddr;

/// Whom we believe about the client's address.
pub(super) fn trust(raw: &raw::Trust, context: &Context<'_>) -> Trust {
    Trust {
        proxies: raw.proxies.iter().filter_map(|text| network(text, context)).collect(),
        hops: context.number(raw.hops.as_ref(), (1, 32), 1) as usize,
    }
}

/// `10.0.0.0/8`; a lone address is a network of one.
fn network(text: &Text, context: &Context<'_>) -> Option<IpNet> {
    if let Ok(address) = text.value.parse::<IpAddr>() {
        return Some(address.into());
    }
    let Ok(network) = text.value.parse::<IpNet>() else {
        let message = format!("`{}` is not a network", text.value);
        context.error(
            Code::BadValue,
            text.span,
            message,
            "write it as `10.0.0.0/8`, `2001:db8::/32` or `192.0.2.7`",
        );
        return None;
    };
    if network.prefix_len() == 0 {
        let message = format!("`{}` trusts everybody: any client could then claim any address", text.value);
        context.error(Code::Insecure, text.span, message, "name the networks of your own proxies");
        return None;
    }
    if network.trunc() != network {
        let message = format!("`{}` has bits behind its prefix", text.value);
        context.error(Code::BadValue, text.span, message, format!("write `{}`", network.trunc()));
        return None;
    }
    Some(network)
}

/// What to do with things that are legal but dangerous.
pub(super) fn strict(raw: &raw::Strict, context: &Context<'_>) -> Strict {
    let word = |field: &Option<crate::config::tree::Spanned<raw::Strictness>>| {
        field.as_ref().map(|field| strictness(field.value)).unwrap_or_default()
    };
    if let Some(http10) = &raw.http10
        && http10.value == raw::Strictness::Drop
    {
        let message = "`http10` cannot be `drop`: there is nothing to take out";
        context.error(Code::BadValue, http10.span, message, "write `refuse` or `keep`");
    }
    Strict { underscores: word(&raw.underscores), http10: word(&raw.http10) }
}

fn strictness(raw: raw::Strictness) -> Strictness {
    match raw {
        raw::Strictness::Refuse => Strictness::Refuse,
        raw::Strictness::Drop => Strictness::Drop,
        raw::Strictness::Keep => Strictness::Keep,
    }
}
