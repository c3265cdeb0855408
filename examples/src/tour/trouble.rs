//! The steps about a service in trouble: slow, then dead, and well again. Part of the table of the tour.

use super::steps::{ASK, Act, Ask, Got, ORDER, PAYMENT, Step, Through, answered, is_paid_by};
use crate::ports::{MEMBERS, Member};
use anyhow::ensure;

const ORDERS: &Member = &MEMBERS[1];

/// The button of payment.
const fn payment_is(target: &'static str) -> Ask {
    Ask {
        through: Through::AppOf(PAYMENT),
        method: "POST",
        target,
        expect: "done",
        verify: |got| answered(got, 200).map(drop),
        ..ASK
    }
}

/// Well again: whoever is let through first finds that out.
const WELL_AGAIN: Ask = Ask {
    expect: "201 again, once the breaker lets one through: five seconds after it opened",
    seconds: 30,
    verify: |got| is_paid_by(got, "alice"),
    ..ORDER
};

/// Nobody waits for it for long, and then nobody asks it.
pub const SLOW: Step = Step {
    title: "Payment gets slow: it answers after five seconds. The sidecar of the orders waits for one, three times; then it \
            leaves payment in peace.",
    meanwhile: None,
    acts: &[
        Act::Ask(payment_is("/trouble?is=slow")),
        Act::Ask(Ask {
            times: 3,
            expect: "402 REQUEST_TIMEOUT, after a second each",
            verify: |got| is_not_paid_because(got, "REQUEST_TIMEOUT"),
            ..ORDER
        }),
        Act::Ask(Ask {
            expect: "402 BREAKER_OPEN, at once: three in a row have opened it",
            verify: |got| is_not_paid_because(got, "BREAKER_OPEN"),
            ..ORDER
        }),
        Act::Ask(Ask {
            through: Through::AdminOf(ORDERS),
            target: "/breakers?format=text",
            expect: "payment is open; the metric portcullis_breaker_state says 2",
            verify: |got| {
                let page = String::from_utf8_lossy(&answered(got, 200)?.body).into_owned();
                ensure!(page.contains("open"), "no breaker is open");
                Ok(())
            },
            ..ASK
        }),
        Act::Ask(payment_is("/trouble?is=nothing")),
        Act::Ask(WELL_AGAIN),
    ],
};

/// A charge is never sent twice.
pub const DEAD: Step = Step {
    title: "Payment dies in the middle: it takes the charge and closes the connection. Nobody may send a charge twice.",
    meanwhile: None,
    acts: &[
        Act::Ask(payment_is("/trouble?is=dead")),
        Act::Ask(Ask {
            expect: "402 UPSTREAM_RESET: it may or may not have been charged, so it is not tried again",
            verify: |got| is_not_paid_because(got, "UPSTREAM_RESET"),
            ..ORDER
        }),
        Act::Ask(payment_is("/trouble?is=nothing")),
        Act::Ask(WELL_AGAIN),
    ],
};

/// Not kept, for this reason.
fn is_not_paid_because(got: &Got, expected: &str) -> anyhow::Result<()> {
    let refused = answered(got, 402)?.json()?;
    let code = refused.pointer("/payment/code").and_then(serde_json::Value::as_str).unwrap_or_default();
    ensure!(code == expected, "the code is {code}");
    Ok(())
}
