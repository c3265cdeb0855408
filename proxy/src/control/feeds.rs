//! Where the endpoints of services come from: feeds that are watched on the control thread.
//!
//! A feed goes on over a reload when its source is the same, and ends by itself with the last configuration that has it.

use crate::config::service::{self, DnsName, Service, Source};
use crate::config::{Config, endpoints_file};
use crate::deployment::Deployment;
use portcullis_discovery::dns::{self, Dns, Question};
use portcullis_discovery::{self as discovery, Endpoint, Endpoints, Feed, File, Settings};
use std::pin::Pin;
use std::sync::Arc;

/// What keeps a feed up to date; to be spawned.
pub type Watching = Pin<Box<dyn Future<Output = ()>>>;

/// The feeds of all services in the order of the file, and what keeps the new ones up to date.
pub fn feeds(config: &Config, before: Option<&Deployment>) -> (Vec<Feed>, Vec<Watching>) {
    let mut watching = Vec::new();
    let feeds = config.services.iter().map(|service| {
        let known = before.and_then(|before| known(service, before));
        known.unwrap_or_else(|| {
            let (feed, watch) = feed(service);
            watching.extend(watch);
            feed
        })
    });
    let feeds = feeds.collect();
    (feeds, watching)
}

/// The feed of the same service from the same source.
fn known(service: &Service, before: &Deployment) -> Option<Feed> {
    let mut pairs = before.config.services.iter().zip(&before.feeds);
    let same = |other: &Service| other.name == service.name && other.source == service.source;
    pairs.find(|(other, _)| same(other)).map(|(_, feed)| feed.clone())
}

fn feed(service: &Service) -> (Feed, Option<Watching>) {
    match &service.source {
        Source::Listed(listed) => (Feed::fixed(endpoints(listed), "the configuration"), None),
        Source::File(path) => watched(&service.name, File::new(path, endpoints_file), Settings::default()),
        Source::Dns(dns) => match Dns::new(asked(dns)) {
            Ok(source) => {
                let settings = Settings { stale: Some(dns.stale), ..Settings::default() };
                watched(&service.name, source, settings)
            }
            Err(error) => {
                tracing::error!(service = %service.name, %error, "its endpoints cannot be found");
                (Feed::fixed(Endpoints::default(), "nobody"), None)
            }
        },
    }
}

/// What is asked of name servers.
fn asked(dns: &service::Dns) -> dns::Settings {
    let question = match &dns.name {
        DnsName::Host(host, port) => Question::Host(Arc::clone(host), *port),
        DnsName::Service(name) => Question::Service(Arc::clone(name)),
    };
    dns::Settings {
        servers: dns.servers.clone(),
        ttl: dns.ttl,
        allow_local: dns.allow_local,
        ..dns::Settings::new(question)
    }
}

fn watched<S>(service: &str, source: S, settings: Settings) -> (Feed, Option<Watching>)
where
    S: discovery::Source + 'static,
{
    let (feed, watching) = discovery::watch(service, source, settings);
    (feed, Some(Box::pin(watching)))
}

/// A list of the configuration as discovery knows it.
fn endpoints(listed: &[service::Endpoint]) -> Endpoints {
    let endpoints = listed.iter().map(|one| Endpoint {
        weight: one.weight,
        zone: one.zone.clone(),
        ..Endpoint::at(one.address)
    });
    // The configuration has been checked for what could be wrong with it.
    Endpoints::new(endpoints).unwrap_or_default()
}
