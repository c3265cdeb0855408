//! `ip:` of a route: which networks may use it.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::route::AddressRules;
use crate::config::tree::{Span, Spanned, Text};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Prefix of IPv4 addresses in their IPv6 form (RFC 4291 §2.5.5.2).
const MAPPED: u8 = 96;

/// A network and where it is written.
type Placed = (IpNet, Span);

/// Which networks may use a route; `of` is the route, for messages.
pub(super) fn rules(
    raw: Option<&Spanned<raw::AddressRules>>,
    of: &str,
    context: &Context<'_>,
) -> AddressRules {
    let Some(raw) = raw else { return AddressRules::default() };
    if raw.value.allow.is_none() && raw.value.deny.is_empty() {
        let help = "write `ip: { allow: [203.0.113.0/24] }`, or remove it";
        context.error(Code::MissingKey, raw.span, "`ip:` needs `allow` or `deny`", help);
    }
    let listed = raw.value.allow.as_ref().map(|list| list.value.as_slice()).unwrap_or_default();
    if let Some(list) = raw.value.allow.as_ref().filter(|list| list.value.is_empty()) {
        let help =
            "name the networks that may come; remove `allow` to let everybody in but those under `deny`";
        context.error(Code::BadValue, list.span, "no network is named here", help);
    }
    let (allow, deny) = (networks(listed, context), networks(&raw.value.deny, context));
    let is_sound = allow.len() == listed.len() && deny.len() == raw.value.deny.len();
    if is_sound && !deny.is_empty() {
        swallowed(&allow, &deny, (of, raw.span), context);
    }
    let bare = |list: Vec<Placed>| list.into_iter().map(|(network, _)| network).collect();
    AddressRules { allow: bare(allow), deny: bare(deny) }
}

/// Says which networks of `allow` have no address left that `deny` does not have.
fn swallowed(allow: &[Placed], deny: &[Placed], (of, span): (&str, Span), context: &Context<'_>) {
    // Neighbours that are denied one by one are one network.
    let deny = IpNet::aggregate(&deny.iter().map(|(network, _)| *network).collect());
    let is_lost = |network: &IpNet| deny.iter().any(|denied| denied.contains(network));
    let all: [IpNet; 2] = [Ipv4Net::default().into(), Ipv6Net::default().into()];
    let everybody = allow.is_empty() && all.iter().all(is_lost);
    if everybody || (!allow.is_empty() && allow.iter().all(|(network, _)| is_lost(network))) {
        let message = format!("nobody can use {of}: `deny` has every address that may come");
        context.error(
            Code::Conflict,
            span,
            message,
            "`deny` beats `allow`; name smaller networks under `deny`",
        );
        return;
    }
    for (network, span) in allow.iter().filter(|(network, _)| is_lost(network)) {
        let message = format!("`{network}` is allowed in vain: `deny` has all of it");
        context.warn(Code::Suspicious, *span, message, "`deny` beats `allow`; remove it in one of them");
    }
}

fn networks(list: &[Text], context: &Context<'_>) -> Vec<Placed> {
    let mut networks: Vec<Placed> = Vec::with_capacity(list.len());
    for text in list {
        let Some(network) = network(text, context) else { continue };
        if networks.iter().any(|(other, _)| *other == network) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
        }
        networks.push((network, text.span));
    }
    networks
}

/// `203.0.113.0/24`; a lone address is a network of one.
fn network(text: &Text, context: &Context<'_>) -> Option<IpNet> {
    let value = &text.value;
    let network = value.parse::<IpAddr>().map(IpNet::from).or_else(|_| value.parse::<IpNet>());
    let fail = |message: String, help: String| {
        context.error(Code::BadValue, text.span, message, help);
        None
    };
    let Ok(network) = network else {
        let help = "write it as `203.0.113.0/24`, `2001:db8::/32` or `192.0.2.7`";
        return fail(format!("`{value}` is not a network"), help.to_owned());
    };
    if network.trunc() != network {
        let message = format!("`{value}` has bits behind its prefix");
        return fail(message, format!("write `{}`", network.trunc()));
    }
    match network {
        // Addresses of clients are compared in their IPv4 form, so this would never fit.
        IpNet::V6(mapped) if mapped.prefix_len() >= MAPPED && mapped.addr().to_ipv4_mapped().is_some() => {
            let message = format!("`{value}` is an IPv4 network in IPv6 form");
            fail(message, format!("write `{}`", unmapped(mapped.addr(), mapped.prefix_len())))
        }
        network => Some(network),
    }
}

fn unmapped(address: Ipv6Addr, length: u8) -> String {
    let address = address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED);
    format!("{address}/{}", length.saturating_sub(MAPPED))
}
