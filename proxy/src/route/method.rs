//! Methods: whether a route takes one, and the `Allow` header when no route does.

use crate::config::route::Methods;
use http::{HeaderValue, Method};

/// Whether a route takes a method. GET also takes HEAD (RFC 9110 §9.3.2).
pub(super) fn takes(methods: &Methods, method: &Method) -> bool {
    match methods {
        Methods::Any => true,
        Methods::These(list) => {
            list.contains(method) || (*method == Method::HEAD && list.contains(&Method::GET))
        }
    }
}

/// Rank among routes of one path: routes that name HEAD, then routes that name methods, then `*`.
pub(super) fn rank(methods: &Methods) -> u8 {
    match methods {
        Methods::These(list) if list.contains(&Method::HEAD) => 0,
        Methods::These(_) => 1,
        Methods::Any => 2,
    }
}

/// A method that both name, or that both take through `*`; `None` when one of them always comes first.
pub(super) fn overlap(one: &Methods, other: &Methods) -> Option<String> {
    match (one, other) {
        (Methods::Any, Methods::Any) => Some("*".to_owned()),
        (Methods::These(one), Methods::These(other)) => {
            one.iter().find(|method| other.contains(method)).map(ToString::to_string)
        }
        _ => None,
    }
}

/// The methods a path would take: the `Allow` header of a 405 (RFC 9110 §10.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow(Vec<Method>);

impl Allow {
    /// The methods, without duplicates, in the order the routes name them.
    pub fn methods(&self) -> &[Method] {
        &self.0
    }

    /// `GET, HEAD`.
    pub fn to_value(&self) -> HeaderValue {
        let names: Vec<&str> = self.0.iter().map(Method::as_str).collect();
        // A method is a token, so this cannot fail; an empty value would still be a valid header.
        HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    pub(super) fn add(&mut self, methods: &Methods) {
        let Methods::These(list) = methods else { return };
        for method in list {
            self.add_one(method);
            if *method == Method::GET {
                self.add_one(&Method::HEAD);
            }
        }
    }

    fn add_one(&mut self, method: &Method) {
        if !self.0.contains(method) {
            self.0.push(method.clone());
        }
    }
}
