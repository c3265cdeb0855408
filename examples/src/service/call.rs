//! A call of one service to another, made through the sidecar of the caller: to its port on this machine, with the
//! name of the other one as `Host`.
//!
//! It hands on what belongs to the request it is made for: the passport of the user, the request id, the trace. That is
//! all an application has to do for a user to be known two services further on.

use super::Request;
use crate::client::{self, To};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// What is handed on as it came.
const HANDED_ON: [&str; 4] = ["txn-token", "x-request-id", "traceparent", "tracestate"];

/// What an answer needs from somebody else.
#[derive(Debug, PartialEq)]
pub struct Call {
    /// Name of the other service.
    pub host: &'static str,
    pub path: &'static str,
    pub body: Value,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    pub status: StatusCode,
    pub body: Value,
}

impl Call {
    /// Makes it, as part of answering `request`.
    pub async fn make(self, outbound: u16, request: &Request) -> Called {
        let host = self.host;
        self.reply(outbound, &request.headers).await.unwrap_or_else(|fault| Called {
            status: StatusCode::BAD_GATEWAY,
            body: json!({ "error": format!("{host} cannot be called: {fault:#}") }),
        })
    }

    async fn reply(self, outbound: u16, headers: &HeaderMap) -> anyhow::Result<Called> {
        let to = To { port: outbound, person: None };
        let reply = client::send(&to, self.request(headers)?).await?;
        Ok(Called { status: reply.status, body: reply.json()? })
    }

    fn request(
        self,
        headers: &HeaderMap,
    ) -> anyhow::Result<hyper::Request<http_body_util::Full<bytes::Bytes>>> {
        let mut call =
            hyper::Request::post(self.path).header(HOST, self.host).header(CONTENT_TYPE, "application/json");
        for name in HANDED_ON {
            if let Some(value) = headers.get(name) {
                call = call.header(name, value);
            }
        }
        Ok(call.body(self.body.to_string().into())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_user_is_handed_on_and_nothing_else() {
        let mut came = HeaderMap::new();
        for (name, value) in
            [("txn-token", "t"), ("x-request-id", "7"), ("x-auth-user", "alice"), ("cookie", "c")]
        {
            came.insert(name, value.parse().unwrap());
        }

        let call = Call { host: "payment", path: "/charges", body: json!({}) }.request(&came).unwrap();

        let mut names: Vec<_> = call.headers().keys().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(names, ["content-type", "host", "txn-token", "x-request-id"]);
        assert_eq!(call.headers()[HOST], "payment");
    }
}
