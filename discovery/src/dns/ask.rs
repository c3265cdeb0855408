//! Asking the name servers; the shell around hickory.
//!
//! Decides how long is waited for what, and puts what hickory says into our words. It must not know endpoints, nor
//! what is believed: that is `answer` and `service`.
//!
//! Three habits of hickory 0.26 matter here. It sends a query again after a lost datagram, asks over TCP after a
//! truncated answer and drops answers with a wrong id, question or sender; we need not. It gives up a chain of
//! CNAMEs after eight steps as if the name had no records, so we look whether the chain goes on. And it takes the
//! target of an SRV record for the next link of a chain when a CNAME and the SRV record it leads to come in one
//! answer, so we follow the CNAMEs of services ourselves.

use super::answer::{self, Remarks, Reply, Seen};
use super::service::{self, Plan, plain};
use super::{DnsError, Settings};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Dns, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How much longer than the addresses of one family we wait for those of the other (IPv6 is often asked in vain).
const GRACE: Duration = Duration::from_millis(300);
/// The most targets of a service that are looked up at once.
const AT_ONCE: usize = 8;
/// The most CNAMEs of a service that are followed.
const MAX_ALIASES: usize = 4;

/// Asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    resolver: TokioResolver,
    /// The longest a lookup may take with all its attempts.
    patience: Duration,
}

/// The SRV records of a service, how long they live, and what came along with them.
type Offered = (Vec<SRV>, Duration, Vec<Record>);

/// What hickory says when it has no records.
enum Missing {
    /// There are none; the chain of CNAMEs ended at `end`. `signed`: with the start of authority of a zone.
    Absent { end: Name, said: String, ttl: Option<Duration>, signed: bool },
    /// It does not know.
    Failed(String),
}

impl Asker {
    pub(super) fn new(settings: &Settings) -> Result<Self, DnsError> {
        let mut builder = if settings.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(DnsError::Machine)?
        } else {
            let servers = settings.servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = settings.timeout;
        // Hickory counts the attempts after the first.
        options.attempts = settings.attempts.saturating_sub(1);
        let resolver = builder.build().map_err(DnsError::Machine)?;
        // One more than the attempts: an answer may be truncated at the last moment and then comes over TCP.
        let times = u32::try_from(settings.attempts).unwrap_or(u32::MAX).saturating_add(1);
        Ok(Self { resolver, patience: settings.timeout.saturating_mul(times) })
    }

    /// The addresses of a name.
    pub(super) async fn host(&self, name: &Name) -> Reply<IpAddr> {
        let mut v4 = pin!(self.addresses(name, RecordType::A));
        let mut v6 = pin!(self.addresses(name, RecordType::AAAA));
        let (one, other) = tokio::select! {
            one = &mut v4 => {
                let other = self.also(&one, v6, name, RecordType::AAAA).await;
                (one, other)
            }
            one = &mut v6 => {
                let other = self.also(&one, v4, name, RecordType::A).await;
                (other, one)
            }
        };
        answer::both(one, other)
    }

    /// The endpoints of a service.
    pub(super) async fn service(&self, name: &Name, allow_local: bool) -> (Seen, Remarks) {
        let (offers, ttl, additionals) = match self.offers(name).await {
            Ok(found) => found,
            Err(seen) => return (seen, Remarks::default()),
        };
        let plan = Plan::new(offers);
        let addresses = self.targets(&plan, &additionals).await;
        plan.settle(&plain(name), ttl, &addresses, allow_local)
    }

    /// The second family of addresses, when the first came as `one`.
    async fn also(
        &self,
        one: &Reply<IpAddr>,
        other: impl Future<Output = Reply<IpAddr>>,
        name: &Name,
        kind: RecordType,
    ) -> Reply<IpAddr> {
        if !matches!(one, Reply::Found { .. }) {
            return other.await;
        }
        let late =
            |_| Reply::Failed(format!("{} {kind}: later than {GRACE:?} after the others", plain(name)));
        timeout(GRACE, other).await.unwrap_or_else(late)
    }

    async fn addresses(&self, name: &Name, kind: RecordType) -> Reply<IpAddr> {
        match self.lookup(name, kind).await {
            Ok(lookup) => {
                let of_kind = lookup.answers().iter().filter(|record| record.record_type() == kind);
                let items: Vec<IpAddr> =
                    of_kind.filter_map(|record| service::address(&record.data)).collect();
                if items.is_empty() {
                    return Reply::Failed(format!("{} {kind}: the answer has other records", plain(name)));
                }
                Reply::Found { items, ttl: shortest(lookup.answers()), missing: None }
            }
            Err(Missing::Failed(trouble)) => Reply::Failed(trouble),
            // With the start of authority it is a denial; without, hickory may have lost its patience.
            Err(Missing::Absent { said, ttl, signed: true, .. }) => Reply::Absent { said, ttl },
            Err(Missing::Absent { end, said, ttl, signed: false }) => match self.alias(&end).await {
                Ok(None) => Reply::Absent { said, ttl },
                Ok(Some(_)) => Reply::Failed(endless(name, kind)),
                Err(trouble) => Reply::Failed(trouble),
            },
        }
    }

    /// The SRV records of `name`, or of what its CNAMEs lead to.
    async fn offers(&self, name: &Name) -> Result<Offered, Seen> {
        let (mut owner, mut aliased) = (name.clone(), Duration::MAX);
        for _ in 0..=MAX_ALIASES {
            let (end, said, ttl, signed) = match self.lookup(&owner, RecordType::SRV).await {
                Ok(lookup) => return offered(name, &lookup, aliased).map_err(Seen::Failed),
                Err(Missing::Failed(trouble)) => return Err(Seen::Failed(trouble)),
                Err(Missing::Absent { end, said, ttl, signed }) => (end, said, ttl, signed),
            };
            if signed && end == owner {
                return Err(Seen::Absent { said, ttl });
            }
            let Some((alias, ttl)) = self.alias(&owner).await.map_err(Seen::Failed)? else {
                return Err(Seen::Absent { said, ttl });
            };
            (owner, aliased) = (alias, aliased.min(ttl));
        }
        Err(Seen::Failed(endless(name, RecordType::SRV)))
    }

    /// The addresses of every target; few are looked up at once.
    async fn targets(&self, plan: &Plan, additionals: &[Record]) -> BTreeMap<Name, Reply<IpAddr>> {
        let mut addresses = BTreeMap::new();
        let mut lookups = JoinSet::new();
        for target in plan.targets() {
            if let Some(reply) = service::along(target, additionals) {
                addresses.insert(target.clone(), reply);
                continue;
            }
            if lookups.len() >= AT_ONCE {
                addresses.extend(lookups.join_next().await.and_then(Result::ok));
            }
            let (asker, target) = (self.clone(), target.clone());
            lookups.spawn(async move {
                let reply = asker.host(&target).await;
                (target, reply)
            });
        }
        while let Some(done) = lookups.join_next().await {
            addresses.extend(done.ok());
        }
        addresses
    }

    /// Where the CNAME of `name` leads, and for how long, if there is one.
    async fn alias(&self, name: &Name) -> Result<Option<(Name, Duration)>, String> {
        match self.lookup(name, RecordType::CNAME).await {
            Ok(lookup) => Ok(lookup.answers().iter().find_map(|record| match &record.data {
                RData::CNAME(alias) if record.name == *name => Some((alias.0.clone(), lifetime(record))),
                _ => None,
            })),
            Err(Missing::Absent { .. }) => Ok(None),
            Err(Missing::Failed(trouble)) => Err(trouble),
        }
    }

    async fn lookup(&self, name: &Name, kind: RecordType) -> Result<Lookup, Missing> {
        match timeout(self.patience, self.resolver.lookup(name.clone(), kind)).await {
            Ok(Ok(lookup)) => Ok(lookup),
            Ok(Err(error)) => Err(missing(name, kind, error)),
            Err(_) => Err(missing(name, kind, NetError::Timeout)),
        }
    }
}

/// A name server, asked over UDP first.
fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// The SRV records of an answer, which an alias led to for as long as `aliased`.
fn offered(name: &Name, lookup: &Lookup, aliased: Duration) -> Result<Offered, String> {
    let offers: Vec<SRV> = lookup.answers().iter().filter_map(|record| srv(&record.data)).collect();
    if offers.is_empty() {
        return Err(format!("{} SRV: the answer has other records", plain(name)));
    }
    Ok((offers, shortest(lookup.answers()).min(aliased), lookup.additionals().to_vec()))
}

fn srv(data: &RData) -> Option<SRV> {
    match data {
        RData::SRV(srv) => Some(srv.clone()),
        _ => None,
    }
}

/// How long an answer lives: as long as the first of its records to go, CNAMEs on the way among them.
fn shortest(records: &[Record]) -> Duration {
    records.iter().map(lifetime).min().unwrap_or_default()
}

fn lifetime(record: &Record) -> Duration {
    Duration::from_secs(u64::from(record.ttl))
}

/// A chain of CNAMEs was left before its end, if it has one.
fn endless(name: &Name, kind: RecordType) -> String {
    format!("{} {kind}: its CNAMEs lead in circles or too far", plain(name))
}

/// What an error of hickory means for us.
fn missing(name: &Name, kind: RecordType, error: NetError) -> Missing {
    let asked = format!("{} {kind}", plain(name));
    let what = match error {
        NetError::Dns(Dns::NoRecordsFound(none)) => match denial(&none) {
            // Nobody asks for the root: the answer came without its question (over TCP hickory does not mind).
            Some(_) if none.query.name().is_root() => "the answer is to no question".to_owned(),
            Some(denial) => return absent(&none, format!("{asked}: {denial}")),
            None => format!("the server says {}", none.response_code),
        },
        NetError::Dns(Dns::ResponseCode(ResponseCode::ServFail)) => "the server says SERVFAIL".to_owned(),
        NetError::Dns(Dns::ResponseCode(ResponseCode::Refused)) => "the server says REFUSED".to_owned(),
        NetError::Dns(Dns::ResponseCode(code)) => format!("the server says {code}"),
        NetError::Timeout => "no answer in time".to_owned(),
        other => other.to_string(),
    };
    Missing::Failed(format!("{asked}: {what}"))
}

fn denial(none: &NoRecords) -> Option<&'static str> {
    match none.response_code {
        ResponseCode::NXDomain => Some("there is no such name (NXDOMAIN)"),
        ResponseCode::NoError => Some("the name has no such record"),
        _ => None,
    }
}

fn absent(none: &NoRecords, said: String) -> Missing {
    Missing::Absent {
        end: none.query.name().clone(),
        said,
        ttl: none.negative_ttl.map(|ttl| Duration::from_secs(u64::from(ttl))),
        signed: none.soa.is_some() || none.response_code == ResponseCode::NXDomain,
    }
}
