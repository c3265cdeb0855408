//! The steps about who is let in at the edge and how often: part of the table of the tour.

use super::steps::{
    ASK, Act, Ask, Credential, Got, ORDER, Step, Through, answered, is_called_by, is_paid_by,
};
use anyhow::ensure;

/// Says the status of an answer alone.
const STATUS: &str = "-s -o /dev/null -w '%{http_code} '";
const CAROL: Option<Credential> = Some(Credential::Token("user=carol&plan=free&role=buyer"));
const DAVE: Option<Credential> = Some(Credential::Token("user=dave&plan=free"));

/// Who says nothing, and who shows a token.
pub const TOKENS: Step = Step {
    title: "A token instead of a certificate. The issuer signs what it is told, the edge checks it with the issuer's key.",
    meanwhile: None,
    acts: &[
        Act::Ask(Ask {
            flags: "-si",
            target: "/me",
            expect: "401, application/problem+json: show who you are",
            verify: |got| {
                ensure!(answered(got, 401)?.header("www-authenticate").starts_with("Bearer"), "not told how");
                is_problem(got, 401, "NOT_AUTHENTICATED")
            },
            ..ASK
        }),
        Act::Ask(Ask {
            target: "/me",
            credential: CAROL,
            expect: "X-Auth-User: carol with her role and scope, by the passport at the sidecar; the token itself ends at the edge",
            verify: |got| {
                let received = answered(got, 200)?.json()?;
                for (name, value) in
                    [("x-auth-user", "carol"), ("x-auth-roles", "buyer"), ("x-auth-scopes", "orders:write")]
                {
                    ensure!(received.get(name) == Some(&value.into()), "{name} is not {value}");
                }
                ensure!(received.get("authorization").is_none(), "the token got through");
                is_called_by(&received, "URI=spiffe://shop.example/edge")
            },
            ..ASK
        }),
        Act::Ask(Ask {
            through: Through::Edge,
            credential: CAROL,
            expect: "201, charged to carol: payment knows her as it knows alice",
            verify: |got| is_paid_by(got, "carol"),
            ..ORDER
        }),
    ],
};

/// Who is known, and still may not.
pub const RULES: Step = Step {
    title: "Reports are for analysts: `allow: role:analyst` at the route.",
    meanwhile: None,
    acts: &[
        Act::Ask(Ask {
            flags: "-si",
            target: "/reports",
            credential: CAROL,
            expect: "403 NOT_ALLOWED: carol is known, and a buyer",
            verify: |got| is_problem(got, 403, "NOT_ALLOWED"),
            ..ASK
        }),
        Act::Ask(Ask {
            target: "/reports",
            credential: Some(Credential::Token("user=ann&role=analyst")),
            expect: "200 and the orders so far",
            ..ASK
        }),
    ],
};

/// Who shows an API key.
pub const KEYS: Step = Step {
    title: "A partner shows an API key. people/partners.yaml holds its digest; `portcullis keys` makes, lists and revokes.",
    meanwhile: None,
    acts: &[
        Act::Ask(Ask {
            target: "/partner/products/p-1",
            credential: Some(Credential::PartnerKey),
            expect: "200, a price with its currency",
            verify: |got| {
                let product = answered(got, 200)?.json()?;
                ensure!(product.pointer("/price/currency") == Some(&"EUR".into()), "not the new form");
                Ok(())
            },
            ..ASK
        }),
        Act::Ask(Ask {
            flags: "-si",
            target: "/partner/products/p-1",
            headers: &[("X-Api-Key", "pck_guessed")],
            expect: "401 BAD_CREDENTIALS",
            verify: |got| is_problem(got, 401, "BAD_CREDENTIALS"),
            ..ASK
        }),
    ],
};

/// Who asks too often.
pub const TIERS: Step = Step {
    title: "Five a minute for the tier free, a hundred for premium. A minute later dave may go on.",
    meanwhile: None,
    acts: &[
        Act::Ask(Ask {
            flags: STATUS,
            target: "/orders",
            credential: DAVE,
            times: 5,
            expect: "200 200 200 200 200",
            ..ASK
        }),
        Act::Ask(Ask {
            flags: "-si",
            target: "/orders",
            credential: DAVE,
            expect: "429 RATE_LIMITED; Retry-After says when, RateLimit what is left",
            verify: |got| {
                let reply = answered(got, 429)?;
                let seconds = reply.header("retry-after").parse::<u32>().unwrap_or_default();
                ensure!((1..=120).contains(&seconds), "no Retry-After");
                ensure!(reply.header("ratelimit").starts_with("\"by-tier\";r=0"), "no RateLimit");
                is_problem(got, 429, "RATE_LIMITED")
            },
            ..ASK
        }),
        Act::Ask(Ask {
            flags: STATUS,
            target: "/orders",
            credential: Some(Credential::Token("user=erin&plan=premium")),
            times: 7,
            expect: "200, seven times: erin is counted by herself, and pays for more",
            ..ASK
        }),
    ],
};

/// A problem document (RFC 9457) with this code.
fn is_problem(got: &Got, status: u16, code: &str) -> anyhow::Result<()> {
    let reply = answered(got, status)?;
    ensure!(reply.header("content-type").starts_with("application/problem+json"), "no problem document");
    ensure!(reply.json()?.get("code") == Some(&code.into()), "refused for another reason");
    Ok(())
}
