//! The tour: printed as commands for a reader, or done and verified by `--check`. Both come from one table
//! ([`steps`], [`admission`]), so what is printed is what is tested.
//!
//! This file prints; [`check`] does.

mod admission;
mod check;
mod steps;
mod trouble;

use crate::folder::Folder;
use crate::ports::{ADMIN, EDGE, ISSUER, MEMBERS, PEOPLE, Ports};
use crate::{client, partner, people};
use hyper::Request;
use std::fmt::Write as _;
use steps::{Act, Ask, Credential, STEPS, Through, Typed};

/// What the tour needs to know of this run.
pub struct Tour<'a> {
    pub ports: &'a Ports,
    pub folder: &'a Folder,
}

impl Tour<'_> {
    /// Prints what to try and where to look.
    pub fn print(&self) {
        println!(
            "\nTry these in another terminal, in the folder you are in. Where nothing is said of time, it is at once."
        );
        println!("   F={}", self.folder.root().display());
        for (step, number) in STEPS.iter().zip(1..) {
            println!("\n{number}. {}", step.title);
            if let Some(ask) = &step.meanwhile {
                let curl = self.curl(ask, "-s -o /dev/null -w '%{http_code} '");
                println!("   while sleep 0.2; do {curl}; done\n   => {}", ask.expect);
            }
            for act in step.acts {
                println!("   {}\n   => {}", self.command(act), act.expect());
            }
        }
        self.print_where_to_look();
    }

    fn print_where_to_look(&self) {
        println!("\nThen look at");
        println!("   curl -s http://127.0.0.1:{}/routes", self.ports.of(ADMIN));
        for (name, admin) in self.admins() {
            println!("   curl -s http://127.0.0.1:{admin}/metrics  ({name})");
        }
        println!("   {}", Self::typed(&["ca", "--dir", "@ca", "bundle", "status"]));
        println!("   $F/logs  (NAME.log, and NAME.access.log with the requests)");
        println!("   $F/portcullis.yaml and $F/sidecars  (change them: the processes follow)");
        println!("\nCtrl-C stops everything and removes that folder.");
    }

    /// Who has an admin listener, and at which port.
    fn admins(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let members = MEMBERS.iter().map(|member| (member.name, self.ports.of(member.admin())));
        std::iter::once(("edge", self.ports.of(ADMIN))).chain(members)
    }

    fn command(&self, act: &Act) -> String {
        match act {
            Act::Ask(ask) => self.curl(ask, ask.flags),
            Act::Typed(Typed { words, .. }) => Self::typed(words),
        }
    }

    /// The command that sends a request. GET and POST are what curl does by itself, without and with `-d`.
    fn curl(&self, ask: &Ask, flags: &str) -> String {
        let to = self.to(ask);
        let mut command = format!("curl {flags}");
        if let Some((_, person)) = &to.person {
            let people = "$F/people";
            let _ = write!(command, " --cacert {people}/ca.pem");
            let _ = write!(command, " --cert {people}/{person}.pem --key {people}/{person}.key");
        }
        let base =
            if to.person.is_some() { format!("https://{}", people::HOST) } else { "http://127.0.0.1".into() };
        if ask.method == "POST" && ask.body.is_empty() {
            command += " -X POST";
        }
        let _ = write!(command, " '{base}:{}{}'", to.port, ask.target);
        for (name, value) in ask.headers {
            let _ = write!(command, " -H '{name}: {value}'");
        }
        if let Some(credential) = &ask.credential {
            let shown = match credential {
                Credential::Token(query) => {
                    let issuer = self.ports.of(ISSUER);
                    format!("Bearer $(curl -s 'http://127.0.0.1:{issuer}/token?{query}')")
                }
                Credential::PartnerKey => format!("$(cat $F/people/{})", partner::SECRET),
            };
            let _ = write!(command, " -H \"{}: {shown}\"", credential.header());
        }
        if !ask.body.is_empty() {
            let _ = write!(command, " -d '{}'", ask.body);
        }
        match ask.times {
            1 => command,
            times => format!("for n in $(seq {times}); do {command}; done"),
        }
    }

    /// A command of portcullis, as it is typed.
    fn typed(words: &[&str]) -> String {
        let shown = |word: &&str| match word.strip_prefix('@') {
            Some(inner) => format!("$F/{inner}"),
            None if word.contains(' ') => format!("'{word}'"),
            None => (*word).to_owned(),
        };
        let words: Vec<_> = words.iter().map(shown).collect();
        format!("{} portcullis {}", program(), words.join(" "))
    }

    /// The words of a command; `@` stands for the folder of this run.
    fn words(&self, words: &[&str]) -> Vec<String> {
        let whole = |word: &&str| match word.strip_prefix('@') {
            Some(inner) => self.folder.text(inner),
            None => (*word).to_owned(),
        };
        std::iter::once("portcullis".to_owned()).chain(words.iter().map(whole)).collect()
    }

    /// Where a request goes.
    fn to(&self, ask: &Ask) -> client::To {
        let port = match ask.through {
            Through::Edge => EDGE,
            Through::EdgeAs(_) => PEOPLE,
            Through::CallsOf(member) => member.outbound(),
            Through::SidecarOf(member) => member.mesh(),
            Through::AppOf(member) => member.app(),
            Through::AdminOf(member) => member.admin(),
        };
        let person = match ask.through {
            Through::EdgeAs(name) => Some((self.folder.path("people"), name)),
            _ => None,
        };
        client::To { port: self.ports.of(port), person }
    }
}

impl Ask {
    fn line(&self) -> String {
        let times = if self.times > 1 { format!("{} times ", self.times) } else { String::new() };
        format!("{times}{} {}", self.method, self.target)
    }

    /// The request, with the credential that is shown, if any.
    fn request(&self, shown: Option<&str>) -> anyhow::Result<Request<http_body_util::Full<bytes::Bytes>>> {
        let mut request = Request::builder().method(self.method).uri(self.target);
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        if let Some((credential, shown)) = self.credential.as_ref().zip(shown) {
            request = request.header(credential.header(), shown);
        }
        Ok(request.body(self.body.into())?)
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
    use crate::options::Options;

    #[test]
    fn curl_would_send_the_very_request_that_is_checked() {
        let free = Options { check: true, edge_port: 0, tls_port: 0, admin_port: 0, port_base: 0 };
        let (ports, folder) = (Ports::choose(&free).unwrap(), Folder::create().unwrap());
        let tour = Tour { ports: &ports, folder: &folder };
        let asked =
            STEPS.iter().flat_map(|step| step.acts.iter().filter_map(Act::ask).chain(&step.meanwhile));

        for ask in asked {
            let command = tour.curl(ask, ask.flags);

            assert_eq!(
                ask.method == "POST",
                command.contains(" -d '") || command.contains(" -X POST"),
                "{command}"
            );
            assert_eq!(ask.target.contains('%'), command.contains("--path-as-is"), "{command}");
            assert_eq!(command.contains("https://"), command.contains("--cert "), "{command}");
            assert_eq!(command.matches('\'').count() % 2, 0, "{command}");
            assert_eq!(ask.credential.is_some(), command.contains(": $(") || command.contains("Bearer $("));
            assert_eq!(ask.times > 1, command.starts_with("for "), "{command}");
            assert!(ask.request(None).is_ok());
        }
        folder.remove().unwrap();
    }

    #[test]
    fn a_credential_is_fetched_by_the_command_and_shown_in_its_header() {
        let free = Options { check: true, edge_port: 0, tls_port: 0, admin_port: 0, port_base: 0 };
        let (ports, folder) = (Ports::choose(&free).unwrap(), Folder::create().unwrap());
        let tour = Tour { ports: &ports, folder: &folder };
        let asked = |credential| Ask { credential: Some(credential), times: 2, ..steps::ASK };
        let [token, key] = [Credential::Token("user=u&role=r"), Credential::PartnerKey].map(asked);

        let commands = [&token, &key].map(|ask| tour.curl(ask, "-s"));

        let token_url = format!("http://127.0.0.1:{}/token?user=u&role=r", ports.of(ISSUER));
        assert!(
            commands[0].ends_with(&format!(" -H \"Authorization: Bearer $(curl -s '{token_url}')\"; done"))
        );
        assert!(commands[1].starts_with("for n in $(seq 2); do curl -s "), "{}", commands[1]);
        assert!(commands[1].ends_with(" -H \"X-Api-Key: $(cat $F/people/partner.key)\"; done"));
        assert_eq!(token.request(Some("Bearer t")).unwrap().headers()["authorization"], "Bearer t");
        assert_eq!(key.request(Some("secret")).unwrap().headers()["x-api-key"], "secret");
        folder.remove().unwrap();
    }

    #[test]
    fn a_command_is_typed_with_the_folder_of_the_run_and_quotes_where_needed() {
        let free = Options { check: true, edge_port: 0, tls_port: 0, admin_port: 0, port_base: 0 };
        let (ports, folder) = (Ports::choose(&free).unwrap(), Folder::create().unwrap());
        let tour = Tour { ports: &ports, folder: &folder };

        let typed = Tour::typed(&["explain", "--config", "@sidecars/a.yaml", "GET /"]);

        assert!(typed.ends_with(" portcullis explain --config $F/sidecars/a.yaml 'GET /'"), "{typed}");
        assert_eq!(tour.words(&["@sidecars/a.yaml"]), ["portcullis", &folder.text("sidecars/a.yaml")]);
        folder.remove().unwrap();
    }
}
