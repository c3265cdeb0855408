//! Routes and requests written on one line, for the tests of this folder.

use super::host;
use super::path::parse_pattern;
use super::table::Head;
use crate::config::listener::Role;
use crate::config::route::{Methods, Predicate, Target, ValueMatch};
use crate::config::{Route, ServiceId};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// `GET,POST host1,host2 /path x-header=1 ?query=2`: `*` for every method, `-` for no host.
pub(super) fn route(line: usize, text: &str) -> Route {
    let mut words = text.split_whitespace();
    let methods = words.next().unwrap();
    let hosts = words.next().unwrap();
    let methods = match methods {
        "*" => Methods::Any,
        list => Methods::These(list.split(',').map(|name| name.parse().unwrap()).collect()),
    };
    let hosts = hosts.split(',').filter(|host| *host != "-");
    let hosts = hosts.map(|host| host::parse_pattern(host).unwrap()).collect();
    let path = parse_pattern(words.next().unwrap()).unwrap();
    let target = Target { split: vec![(ServiceId(0), 1)], sticky: None };
    let plain = Route::plain(format!("r{line}").into(), line, (Role::Edge, path), target);
    Route { methods, hosts, when: words.map(condition).collect(), ..plain }
}

/// `x-header=1`, or `?query=1`; `*` = is there.
pub(super) fn condition(text: &str) -> Predicate {
    let (name, value) = text.split_once('=').unwrap();
    let value = if value == "*" { ValueMatch::Present } else { ValueMatch::Exact(value.into()) };
    match name.strip_prefix('?') {
        Some(name) => Predicate::Query(name.into(), value),
        None => Predicate::Header(name.parse::<HeaderName>().unwrap(), value),
    }
}

/// A route for each line, named `r0`, `r1` and so on.
pub(super) fn routes(lines: &[&str]) -> Vec<Route> {
    (0..).zip(lines).map(|(line, text)| route(line, text)).collect()
}

/// A request, written as `GET host /path?query name:value`.
pub(super) struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    pub(super) fn of(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let method = words.next().unwrap().parse().unwrap();
        let host = words.next().unwrap().to_owned();
        let target = words.next().unwrap();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (target.to_owned(), None),
        };
        let headers = words.map(|word| {
            let (name, value) = word.split_once(':').unwrap();
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        });
        Self { method, host, path, query, headers: headers.collect() }
    }

    pub(super) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}
