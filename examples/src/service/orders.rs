//! Orders: checked, paid where there is somebody to pay, kept in memory, listed.

use super::{Answer, Call, Called, Request, Service};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// So that an evening of load tests does not fill the memory, the oldest order gives way.
const KEPT: usize = 1000;

/// All orders by number.
#[derive(Default)]
pub struct Orders {
    taken: u64,
    kept: BTreeMap<u64, Order>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    product: String,
    quantity: u32,
}

impl Order {
    fn read(body: &[u8]) -> Result<Self, String> {
        let order: Self = serde_json::from_slice(body).map_err(|wrong| wrong.to_string())?;
        let number = order.product.strip_prefix("p-").unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("product is p- and a number".to_owned());
        }
        match order.quantity {
            1..=100 => Ok(order),
            _ => Err("quantity is 1 to 100".to_owned()),
        }
    }
}

impl Orders {
    fn create(&mut self, body: &[u8], paid: Option<&Called>) -> Answer {
        let order = match Order::read(body) {
            Ok(order) => order,
            Err(wrong) => return Answer::fault(StatusCode::BAD_REQUEST, &wrong),
        };
        if let Some(refused) = paid.filter(|paid| paid.status != StatusCode::CREATED) {
            let body = json!({ "error": "the order could not be paid", "payment": refused.body });
            return Answer { status: StatusCode::PAYMENT_REQUIRED, location: None, body };
        }
        self.taken += 1;
        let mut body = json!({ "id": self.taken, "order": order });
        if let Some(paid) = paid {
            body["receipt"] = paid.body.clone();
        }
        let answer = Answer::created(format!("/orders/{}", self.taken), body);
        self.kept.insert(self.taken, order);
        if self.kept.len() > KEPT {
            self.kept.pop_first();
        }
        answer
    }

    fn get(&self, id: &str) -> Answer {
        let found =
            id.parse().ok().and_then(|id: u64| Some(json!({ "id": id, "order": self.kept.get(&id)? })));
        found.map_or_else(Answer::not_found, Answer::ok)
    }
}

impl Service for Orders {
    fn needs(&self, request: &Request) -> Option<Call> {
        if request.method != "POST" || request.segments() != ["orders"] {
            return None;
        }
        let order = Order::read(&request.body).ok()?;
        Some(Call { host: "payment", path: "/charges", body: json!({ "order": order }) })
    }

    fn answer(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), request.segments().as_slice()) {
            ("POST", ["orders"]) => self.create(&request.body, request.called.as_ref()),
            ("GET", ["orders"]) => Answer::ok(json!(self.kept)),
            ("GET", ["orders", id]) => self.get(id),
            _ => Answer::not_found(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    #[test]
    fn an_order_can_be_got_where_its_location_says() {
        let mut orders = Orders::default();

        let created = orders.answer(&request("POST /orders", r#"{"product":"p-1","quantity":2}"#));
        let got = orders.answer(&request(&format!("GET {}", created.location.unwrap()), ""));

        assert_eq!((created.status, got.status), (StatusCode::CREATED, StatusCode::OK));
        assert_eq!(got.body, json!({ "id": 1, "order": { "product": "p-1", "quantity": 2 } }));
    }

    #[test]
    fn an_order_comes_with_the_receipt_of_the_one_who_paid() {
        let mut asked = request("POST /orders", r#"{"product":"p-1","quantity":2}"#);
        assert_eq!(Orders::default().needs(&asked).map(|call| call.host), Some("payment"));
        asked.called = Some(Called { status: StatusCode::CREATED, body: json!({ "charged_to": "alice" }) });

        let answer = Orders::default().answer(&asked);

        assert_eq!(answer.body["receipt"]["charged_to"], "alice");
    }

    #[test]
    fn an_order_that_is_not_paid_is_not_kept() {
        let mut orders = Orders::default();
        let mut asked = request("POST /orders", r#"{"product":"p-1","quantity":2}"#);
        asked.called = Some(Called { status: StatusCode::FORBIDDEN, body: json!("no") });

        assert_eq!(orders.answer(&asked).status, 402);
        assert_eq!(orders.answer(&request("GET /orders", "")).body, json!({}));
    }

    #[test]
    fn an_order_that_makes_no_sense_is_refused_and_not_kept() {
        let mut orders = Orders::default();

        for body in [
            "",
            "tea",
            r#"{"product":"p-1"}"#,
            r#"{"product":"","quantity":1}"#,
            r#"{"product":"p-x","quantity":1}"#,
            r#"{"product":"p-1","quantity":0}"#,
            r#"{"product":"p-1","quantity":101}"#,
            r#"{"product":"p-1","quantity":1,"price":0}"#,
        ] {
            let asked = request("POST /orders", body);
            assert_eq!((orders.needs(&asked), orders.answer(&asked).status.as_u16()), (None, 400), "{body}");
        }
        assert_eq!(orders.answer(&request("GET /orders", "")).body, json!({}));
    }

    #[test]
    fn an_unknown_order_is_not_found() {
        for line in ["GET /orders/7", "GET /orders/x", "DELETE /orders"] {
            assert_eq!(Orders::default().answer(&request(line, "")).status, 404, "{line}");
        }
    }

    #[test]
    fn the_oldest_order_gives_way_to_the_newest() {
        let mut orders = Orders::default();

        for _ in 0..=KEPT {
            orders.answer(&request("POST /orders", r#"{"product":"p-1","quantity":1}"#));
        }

        assert_eq!(orders.answer(&request("GET /orders/1", "")).status, 404);
        assert_eq!(orders.answer(&request("GET /orders/1001", "")).status, 200);
    }
}
