//! The table of the tour: what is done, what is expected of it, how long it may take.

use super::{admission, trouble};
use crate::client::Reply;
use crate::ports::{MEMBERS, Member};
use anyhow::{anyhow, ensure};
use serde_json::Value;

/// Some acts that show one thing.
pub struct Step {
    pub title: &'static str,
    /// A request that goes on all the while, in a terminal of its own.
    pub meanwhile: Option<Ask>,
    pub acts: &'static [Act],
}

/// One thing to do.
pub enum Act {
    /// Send a request.
    Ask(Ask),
    /// Type a command.
    Typed(Typed),
}

/// A request and what becomes of it.
pub struct Ask {
    pub through: Through,
    /// Flags for curl that change nothing about the request.
    pub flags: &'static str,
    pub method: &'static str,
    pub target: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
    /// Something that is fetched first, to be shown.
    pub credential: Option<Credential>,
    /// How often in a row; as it should each time.
    pub times: u32,
    pub expect: &'static str,
    /// How many seconds it may take until it is so; 0: it is so at once.
    pub seconds: u64,
    pub verify: fn(&Got) -> anyhow::Result<()>,
}

/// A command of portcullis and how it ends.
pub struct Typed {
    /// Its words; `@` at the beginning of one stands for the folder of the run.
    pub words: &'static [&'static str],
    pub expect: &'static str,
    /// How many seconds it may be refused; 0: not at all.
    pub seconds: u64,
    pub code: i32,
    /// Something it says.
    pub says: &'static str,
}

/// Where a request goes.
pub enum Through {
    /// To the edge, as anybody.
    Edge,
    /// To the edge, showing the certificate of somebody.
    EdgeAs(&'static str),
    /// To a sidecar, as the application beside it.
    CallsOf(&'static Member),
    /// To a sidecar from outside, where only members of the mesh are heard.
    SidecarOf(&'static Member),
    /// To an application itself, past its sidecar: only from this machine.
    AppOf(&'static Member),
    /// To the admin listener of a sidecar.
    AdminOf(&'static Member),
}

/// What somebody shows in a header to say who it is.
pub enum Credential {
    /// A token of the issuer, about whom it is asked: `user=carol&role=buyer`.
    Token(&'static str),
    /// The API key of the partner.
    PartnerKey,
}

impl Credential {
    /// The header.
    pub const fn header(&self) -> &'static str {
        match self {
            Self::Token(_) => "Authorization",
            Self::PartnerKey => "X-Api-Key",
        }
    }
}

/// An answer, or none.
pub type Got = anyhow::Result<Reply>;

impl Act {
    pub const fn expect(&self) -> &'static str {
        match self {
            Self::Ask(ask) => ask.expect,
            Self::Typed(typed) => typed.expect,
        }
    }

    pub const fn seconds(&self) -> u64 {
        match self {
            Self::Ask(ask) => ask.seconds,
            Self::Typed(typed) => typed.seconds,
        }
    }

    #[cfg(test)]
    pub const fn ask(&self) -> Option<&Ask> {
        match self {
            Self::Ask(ask) => Some(ask),
            Self::Typed(_) => None,
        }
    }
}

const CATALOG: &Member = &MEMBERS[0];
pub const PAYMENT: &Member = &MEMBERS[3];

/// A GET, once, that nothing is said about yet.
pub const ASK: Ask = Ask {
    through: Through::Edge,
    flags: "-s",
    method: "GET",
    target: "/",
    headers: &[],
    body: "",
    credential: None,
    times: 1,
    expect: "",
    seconds: 0,
    verify: |got| answered(got, 200).map(drop),
};

const TYPED: Typed = Typed { words: &[], expect: "", seconds: 0, code: 0, says: "" };

const JSON: (&str, &str) = ("Content-Type", "application/json");

pub const ORDER: Ask = Ask {
    through: Through::EdgeAs("alice"),
    flags: "-si",
    method: "POST",
    target: "/orders",
    headers: &[JSON],
    body: r#"{"product":"p-1","quantity":2}"#,
    verify: |got| is_paid_by(got, "alice"),
    ..ASK
};

pub const STEPS: [Step; 15] = [
    Step {
        title: "A search. The catalog knows the path as /api/products, the edge rewrites it; in between it is mutual TLS.",
        meanwhile: None,
        acts: &[Act::Ask(Ask {
            flags: "-si",
            target: "/products?q=tea",
            expect: "200 and two products; the catalog's Server header is gone",
            verify: |got| {
                let reply = answered(got, 200)?;
                ensure!(!reply.headers.contains_key("server"), "wrong head");
                let products = reply.json()?;
                ensure!(products.as_array().is_some_and(|list| list.len() == 2), "not two products");
                Ok(())
            },
            ..ASK
        })],
    },
    Step {
        title: "A path trick. One side could read it as /products/../admin, the other as /admin.",
        meanwhile: None,
        acts: &[Act::Ask(Ask {
            flags: "-si --path-as-is",
            target: "/products/%2e%2e/admin",
            expect: "400, application/problem+json; no service sees it",
            verify: |got| {
                let reply = answered(got, 400)?;
                let kind = reply.header("content-type");
                ensure!(kind.starts_with("application/problem+json"), "no problem document");
                Ok(())
            },
            ..ASK
        })],
    },
    Step {
        title: "A forged identity, then a proved one. The users service answers with the headers it received.",
        meanwhile: None,
        acts: &[
            Act::Ask(Ask {
                target: "/whoami",
                headers: &[("X-Auth-User", "root"), ("Txn-Token", "forged")],
                expect: "no X-Auth-User; X-Forwarded-Client-Cert says that the edge called, and what else there is is its own",
                verify: |got| {
                    let received = answered(got, 200)?.json()?;
                    for name in ["x-auth-user", "txn-token"] {
                        ensure!(received.get(name).is_none(), "the forged {name} got through");
                    }
                    for name in ["x-request-id", "traceparent", "x-forwarded-for"] {
                        ensure!(received.get(name).is_some(), "{name} is missing");
                    }
                    is_called_by(&received, "URI=spiffe://shop.example/edge")
                },
                ..ASK
            }),
            Act::Ask(Ask {
                through: Through::EdgeAs("alice"),
                target: "/me",
                headers: &[("X-Auth-User", "root")],
                expect: "X-Auth-User: alice, because of her certificate",
                verify: |got| {
                    let received = answered(got, 200)?.json()?;
                    ensure!(received.get("x-auth-user") == Some(&"alice".into()), "not alice");
                    ensure!(received.get("x-auth-scopes") == Some(&"orders:write".into()), "not her scopes");
                    is_called_by(&received, "URI=spiffe://shop.example/edge")
                },
                ..ASK
            }),
        ],
    },
    Step {
        title: "An order for alice, paid through two sidecars on her behalf. The orders service only hands Txn-Token on.",
        meanwhile: None,
        acts: &[
            Act::Ask(Ask {
                expect: "201; the receipt is charged to alice, and payment says that the orders called (bob.pem: to bob)",
                ..ORDER
            }),
            Act::Ask(Ask {
                through: Through::Edge,
                headers: &[JSON, ("X-Auth-User", "alice")],
                expect: "401: a header is no certificate",
                verify: |got| answered(got, 401).map(drop),
                ..ORDER
            }),
        ],
    },
    admission::TOKENS,
    admission::RULES,
    admission::KEYS,
    admission::TIERS,
    Step {
        title: "A service that goes too far: the catalog asks payment for a charge. It is a member of the mesh, that is all.",
        meanwhile: None,
        acts: &[Act::Ask(Ask {
            through: Through::CallsOf(CATALOG),
            method: "POST",
            target: "/charges",
            headers: &[("Host", "payment"), ("X-Auth-User", "alice")],
            body: "{}",
            expect: "403 NOT_AUTHORIZED from the sidecar of payment",
            verify: |got| {
                let problem = answered(got, 403)?.json()?;
                ensure!(problem.get("code") == Some(&"NOT_AUTHORIZED".into()), "refused for another reason");
                Ok(())
            },
            ..ASK
        })],
    },
    Step {
        title: "Why, offline, from the configuration of that sidecar.",
        meanwhile: None,
        acts: &[Act::Typed(Typed {
            words: &[
                "explain",
                "--config",
                "@sidecars/payment.yaml",
                "--from",
                "spiffe://shop.example/svc/catalog",
                "POST /charges",
            ],
            expect: "which rule would have allowed it, and for whom; exit code 3",
            code: 3,
            says: "svc/catalog is not among spiffe://shop.example/svc/orders",
            ..TYPED
        })],
    },
    Step {
        title: "Past the mesh: plaintext to the sidecar of payment.",
        meanwhile: None,
        acts: &[Act::Ask(Ask {
            through: Through::SidecarOf(PAYMENT),
            flags: "-sS",
            method: "POST",
            target: "/charges",
            headers: &[("X-Auth-User", "alice")],
            body: "{}",
            expect: "no answer: a TLS alert, and the connection is closed; only members of the mesh are heard",
            verify: |got| match got {
                Ok(_) => Err(anyhow!("it was answered")),
                Err(fault) if fault.is::<hyper::Error>() => Ok(()),
                Err(_) => Err(anyhow!("it was not closed")),
            },
            ..ASK
        })],
    },
    trouble::SLOW,
    trouble::DEAD,
    Step {
        title: "A new root for everybody, while alice goes on ordering. Start this first, in a terminal of its own:",
        meanwhile: Some(Ask { expect: "201 201 201 …, to the end: not one order is lost", ..ORDER }),
        acts: &[
            Act::Typed(Typed {
                words: &["ca", "--dir", "@ca", "root", "prepare"],
                expect: "the members believe both roots; the old one still signs",
                ..TYPED
            }),
            Act::Typed(Typed {
                words: &["ca", "--dir", "@ca", "root", "activate"],
                expect: "the new one signs. Refused until everybody has said that he believes it: a second or two",
                seconds: 30,
                ..TYPED
            }),
            Act::Typed(Typed {
                words: &["ca", "--dir", "@ca", "root", "retire"],
                expect: "the old one is gone. Refused, with the names, while somebody holds a certificate under it: a minute",
                seconds: 150,
                ..TYPED
            }),
        ],
    },
    Step {
        title: "The certificates of the catalog are taken back; then ask for a product again. To undo it takes a new token.",
        meanwhile: None,
        acts: &[
            Act::Typed(Typed {
                words: &["ca", "--dir", "@ca", "revoke", "--id", "svc/catalog"],
                expect: "everybody who watches the authority knows within a second",
                says: "revoked",
                ..TYPED
            }),
            Act::Ask(Ask {
                flags: "-si",
                target: "/products/p-1",
                expect: "503, within a second: the edge does not talk to that sidecar any more, open connections were closed",
                seconds: 5,
                verify: |got| answered(got, 503).map(drop),
                ..ASK
            }),
        ],
    },
];

pub fn answered(got: &Got, status: u16) -> anyhow::Result<&Reply> {
    let reply = got.as_ref().map_err(|_| anyhow!("no answer"))?;
    ensure!(reply.status == status, "wrong status");
    Ok(reply)
}

/// Created, and charged to this user by a payment service that was told of it.
pub fn is_paid_by(got: &Got, user: &str) -> anyhow::Result<()> {
    let reply = answered(got, 201)?;
    ensure!(reply.header("location").starts_with("/orders/"), "wrong Location");
    let order = reply.json()?;
    let text = |pointer: &str| order.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    ensure!(text("/receipt/charged_to") == user, "somebody else has paid");
    ensure!(text("/receipt/seen/x-auth-user") == user, "payment was not told of {user}");
    let caller = text("/receipt/seen/x-forwarded-client-cert");
    ensure!(caller.contains("URI=spiffe://shop.example/svc/orders"), "payment was not told who called");
    Ok(())
}

pub fn is_called_by(received: &Value, caller: &str) -> anyhow::Result<()> {
    let said = received.get("x-forwarded-client-cert").and_then(Value::as_str).unwrap_or_default();
    ensure!(said.ends_with(caller), "{caller} is not who called");
    Ok(())
}
