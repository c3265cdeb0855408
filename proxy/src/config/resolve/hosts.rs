//! How the application names what it calls: `hosts:` of a service, else its name; each host means one service. And
//! with captured connections, which are known by where they were going, each address does.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::route::HostPattern;
use crate::config::service::{Protocol, Service};
use crate::config::tree::Text;
use crate::route::host;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The hosts of every service in the order of the file; none of those that speak tcp.
pub(super) fn hosts(raw: &raw::File, context: &Context<'_>) -> Vec<Vec<HostPattern>> {
    let mut taken = Taken::new();
    raw.services.0.iter().map(|(name, service)| of_service(name, service, &mut taken, context)).collect()
}

/// The service that has a host, and the line that says so.
type Taken = HashMap<Arc<str>, (String, u32)>;

fn of_service(
    name: &Text,
    service: &raw::Service,
    taken: &mut Taken,
    context: &Context<'_>,
) -> Vec<HostPattern> {
    if super::service::protocol(service.protocol.as_ref()) == Protocol::Tcp {
        return Vec::new();
    }
    let texts = service.hosts.as_ref().map_or(std::slice::from_ref(name), |list| list.value.as_slice());
    let mut hosts = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(host) = exact(text, context) else { continue };
        if let Some((other, line)) = taken.get(&host) {
            twice(text, (name, other, *line), context);
            continue;
        }
        taken.insert(Arc::clone(&host), (name.value.clone(), text.span.line));
        hosts.push(HostPattern::Exact(host));
    }
    hosts
}

fn twice(text: &Text, (name, other, line): (&Text, &str, u32), context: &Context<'_>) {
    if name.value == other {
        let message = format!("host `{}` is listed twice", text.value);
        context.warn(Code::Suspicious, text.span, message, "remove one of them");
        return;
    }
    let message = format!("host `{}` means service `{other}` already", text.value);
    let help = format!("that is at line {line}; a host leads to one service: give this one other `hosts:`");
    context.error(Code::DuplicateName, text.span, message, help);
}

/// A whole host name; the application asks for one, so there is nothing to leave open.
fn exact(text: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    match host::parse_pattern(&text.value) {
        Ok(HostPattern::Exact(host)) => Some(host),
        Ok(HostPattern::Wildcard(_)) => {
            let message = format!("`{}`: the hosts of a service are written in full", text.value);
            context.error(Code::BadValue, text.span, message, "as in `payment.shop.internal`");
            None
        }
        Err(error) => {
            let message = format!("`{}` is not a host: {error}", text.value);
            context.error(
                Code::BadValue,
                text.span,
                message,
                "hosts are `payment` or `payment.shop.internal`",
            );
            None
        }
    }
}

/// Reports addresses of which it cannot be told which service they mean.
pub(super) fn one_service_each(raw: &raw::File, services: &[Service], context: &Context<'_>) {
    let mut taken: HashMap<SocketAddr, &str> = HashMap::new();
    // The workload comes first; nobody is sent back to it.
    for ((name, _), service) in raw.services.0.iter().zip(services.iter().skip(1)) {
        for endpoint in service.listed() {
            let Some(other) = taken.insert(endpoint.address, &service.name) else { continue };
            if other == &*service.name {
                continue;
            }
            let message = format!("services `{other}` and `{}` share `{}`", service.name, endpoint.address);
            let help = "a captured connection is known by where it was going: each address may be of one service only";
            context.error(Code::DuplicateName, name.span, message, help);
        }
    }
}
