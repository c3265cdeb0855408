//! The tour: five requests, printed as curl commands for a reader or sent and verified by `--check`. Both
//! come from one table, so what is printed is what is tested.

use crate::client::{self, Reply};
use crate::demo::Ports;
use anyhow::{Context as _, ensure};
use hyper::Request;
use std::fmt::Write as _;
use std::path::Path;

/// One request and what becomes of it.
struct Step {
    title: &'static str,
    /// Flags for curl that change nothing about the request.
    flags: &'static str,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    expect: &'static str,
    verify: fn(&Reply) -> anyhow::Result<()>,
}

const STEPS: [Step; 5] = [
    Step {
        title: "A search. The catalog knows the path as /api/products, the edge rewrites it.",
        flags: "-i",
        method: "GET",
        target: "/products?q=tea",
        headers: &[],
        body: "",
        expect: "200 and two products; the catalog's Server header is gone",
        verify: |reply| {
            ensure!(reply.status == 200 && !reply.headers.contains_key("server"), "wrong head");
            let products = reply.json()?;
            ensure!(products.as_array().is_some_and(|list| list.len() == 2), "not two products: {products}");
            Ok(())
        },
    },
    Step {
        title: "An order. Try it with a quantity of 0, too.",
        flags: "-i",
        method: "POST",
        target: "/orders",
        headers: &[("Content-Type", "application/json")],
        body: r#"{"product":"p-1","quantity":2}"#,
        expect: "201 and a Location to get it from",
        verify: |reply| {
            ensure!(reply.status == 201, "wrong status");
            ensure!(reply.header("location").starts_with("/orders/"), "wrong Location");
            Ok(())
        },
    },
    Step {
        title: "A forged identity. The users service answers with the headers it received.",
        flags: "-s",
        method: "GET",
        target: "/whoami",
        headers: &[("X-Auth-User", "root")],
        body: "",
        expect: "no X-Auth-User; X-Request-Id, traceparent and X-Forwarded-For come from the edge",
        verify: |reply| {
            let received = reply.json()?;
            ensure!(received.get("x-auth-user").is_none(), "the forged header got through: {received}");
            for name in ["x-request-id", "traceparent", "x-forwarded-for"] {
                ensure!(received.get(name).is_some(), "{name} is missing: {received}");
            }
            Ok(())
        },
    },
    Step {
        title: "A path trick. One side could read it as /products/../admin, the other as /admin.",
        flags: "-i --path-as-is",
        method: "GET",
        target: "/products/%2e%2e/admin",
        headers: &[],
        body: "",
        expect: "400, application/problem+json; no service sees it",
        verify: |reply| {
            ensure!(reply.status == 400, "wrong status");
            ensure!(
                reply.header("content-type").starts_with("application/problem+json"),
                "no problem document"
            );
            Ok(())
        },
    },
    Step {
        title: "The new catalog, for those who ask for it. Without the header it is the old one.",
        flags: "-s",
        method: "GET",
        target: "/products/p-1",
        headers: &[("X-Beta", "1")],
        body: "",
        expect: "the product with a price object instead of a number",
        verify: |reply| {
            let product = reply.json()?;
            ensure!(product.pointer("/price/currency").is_some(), "the old answer: {product}");
            Ok(())
        },
    },
];

/// Prints what to try and where to look.
pub fn print(ports: &Ports, config: &Path, folder: &Path) {
    let edge = format!("http://127.0.0.1:{}", ports.edge);
    println!("\nTry these in another terminal:");
    for (step, number) in STEPS.iter().zip(1..) {
        println!("\n{number}. {}\n   {}\n   => {}", step.title, step.curl(&edge), step.expect);
    }
    let (admin, config) = (format!("http://127.0.0.1:{}", ports.admin), config.display());
    println!("\nThen look at");
    println!("   curl -s {admin}/metrics");
    println!("   curl -s {admin}/routes");
    println!("   {} portcullis explain --config {config} 'GET /products/p-1'", program());
    println!("   {}  (one log a process; access.log is the edge's)", folder.display());
    println!("   {config}  (change it: the edge follows)");
    println!("\nCtrl-C stops everything and removes that folder.");
}

/// Sends every request of the tour and verifies what comes back; then the pages it points to.
pub async fn check(ports: &Ports) -> anyhow::Result<()> {
    for step in &STEPS {
        let reply = client::send(ports.edge, step.request()?).await.with_context(|| step.line())?;
        (step.verify)(&reply).with_context(|| {
            format!(
                "{} was answered with {}: {}",
                step.line(),
                reply.status,
                String::from_utf8_lossy(&reply.body)
            )
        })?;
        println!("  ok  {} => {}", step.line(), step.expect);
    }
    for page in ["/metrics", "/routes"] {
        let reply = client::get(ports.admin, page).await.with_context(|| format!("admin {page}"))?;
        ensure!(reply.status == 200, "admin {page} was answered with {}", reply.status);
        println!("  ok  admin {page}");
    }
    Ok(())
}

impl Step {
    fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    fn request(&self) -> anyhow::Result<Request<http_body_util::Full<bytes::Bytes>>> {
        let mut request = Request::builder().method(self.method).uri(self.target);
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        Ok(request.body(self.body.into())?)
    }

    /// The command that sends this request. GET and POST are what curl does by itself, without and with `-d`.
    fn curl(&self, base: &str) -> String {
        let mut command = format!("curl {} '{base}{}'", self.flags, self.target);
        for (name, value) in self.headers {
            let _ = write!(command, " -H '{name}: {value}'");
        }
        if !self.body.is_empty() {
            let _ = write!(command, " -d '{}'", self.body);
        }
        command
    }
}

/// This program as one would type it: relative to the current folder where that is shorter.
fn program() -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "shop".into());
    let here = std::env::current_dir().unwrap_or_default();
    program.strip_prefix(here).unwrap_or(&program).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_would_send_the_very_request_that_is_checked() {
        for step in &STEPS {
            let command = step.curl("http://edge");

            assert_eq!(step.method == "POST", command.contains(" -d '"), "{command}");
            assert_eq!(step.target.contains('%'), command.contains("--path-as-is"), "{command}");
            assert_eq!(command.matches('\'').count() % 2, 0, "{command}");
            assert!(step.request().is_ok());
        }
    }
}
