//! Users: profiles, and a mirror that shows which headers arrive here.

use super::{Answer, Request, Service, mirror};
use serde_json::json;
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
            ("GET", ["api", "whoami"]) => Answer::ok(mirror(&request.headers)),
            _ => Answer::not_found(),
        }
    }
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
}
