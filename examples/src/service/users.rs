//! Users: profiles, and a mirror that shows which headers arrive behind the edge.

use super::{Answer, Request, Service};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Names by user id.
pub struct Users(BTreeMap<&'static str, &'static str>);

impl Users {
    pub fn registered() -> Self {
        Self(BTreeMap::from([("1", "Ada"), ("2", "Grace"), ("3", "Edsger")]))
    }

    fn profile(&self, id: &str) -> Answer {
        let found = self.0.get_key_value(id).map(|(id, name)| json!({ "id": id, "name": name }));
        found.map_or_else(Answer::not_found, Answer::ok)
    }
}

impl Service for Users {
    fn answer(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), request.segments().as_slice()) {
            ("GET", ["api", "users", id, "profile"]) => self.profile(id),
            ("GET", ["api", "whoami"]) => Answer::ok(mirror(request)),
            _ => Answer::not_found(),
        }
    }
}

/// Every header as it was received; the values of a repeated one in a row.
fn mirror(request: &Request) -> Value {
    let mut received = BTreeMap::<&str, Vec<_>>::new();
    for (name, value) in &request.headers {
        received.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()));
    }
    received.into_iter().map(|(name, values)| (name, values.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    #[test]
    fn a_profile_is_found_by_its_id_alone() {
        let mut users = Users::registered();

        assert_eq!(users.answer(&request("GET /api/users/1/profile", "")).body["name"], "Ada");
        assert_eq!(users.answer(&request("GET /api/users/9/profile", "")).status, 404);
        assert_eq!(users.answer(&request("PUT /api/users/1/profile", "")).status, 404);
    }

    #[test]
    fn the_mirror_shows_every_value_of_a_header() {
        let mut asked = request("GET /api/whoami", "");
        asked.headers.append("x-one", "1".parse().unwrap());
        asked.headers.append("x-two", "a".parse().unwrap());
        asked.headers.append("x-two", "b".parse().unwrap());

        let shown = Users::registered().answer(&asked).body;

        assert_eq!(shown, json!({ "x-one": "1", "x-two": "a, b" }));
    }
}
