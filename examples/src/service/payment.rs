//! Payment: charges the user a request is made for. It knows no passwords and checks no signature: who the user is, its
//! sidecar has found out, and whoever is not proved does not get this far.

use super::{Answer, Request, Service, mirror};
use hyper::StatusCode;
use serde_json::json;

/// How many charges there were.
#[derive(Default)]
pub struct Payment(u64);

impl Payment {
    fn charge(&mut self, request: &Request) -> Answer {
        let user = request.headers.get("x-auth-user").and_then(|user| user.to_str().ok());
        let Some(user) = user else {
            return Answer::fault(StatusCode::FORBIDDEN, "there is nobody to charge");
        };
        self.0 += 1;
        let receipt = json!({ "id": self.0, "charged_to": user, "seen": mirror(&request.headers) });
        Answer::created(format!("/charges/{}", self.0), receipt)
    }
}

impl Service for Payment {
    fn answer(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), request.segments().as_slice()) {
            ("POST", ["charges"]) => self.charge(request),
            _ => Answer::not_found(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    #[test]
    fn the_user_of_the_request_is_charged() {
        let mut asked = request("POST /charges", "{}");
        asked.headers.append("x-auth-user", "alice".parse().unwrap());

        let answer = Payment::default().answer(&asked);

        assert_eq!((answer.status, &answer.body["charged_to"]), (StatusCode::CREATED, &json!("alice")));
        assert_eq!(answer.body["seen"], json!({ "x-auth-user": "alice" }));
    }

    #[test]
    fn without_a_user_nobody_is_charged() {
        assert_eq!(Payment::default().answer(&request("POST /charges", "{}")).status, 403);
        assert_eq!(Payment::default().answer(&request("GET /charges", "")).status, 404);
    }
}
