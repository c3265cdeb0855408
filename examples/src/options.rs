//! The command line of `shop`: words in, a [`Role`] out. Pure.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` and a wrong word print.
pub const USAGE: &str = "\
usage: shop [--check] [--edge-port N] [--tls-port N] [--admin-port N] [--port-base N]
       shop service catalog|orders|users|payment|issuer --port N [--outbound N]
       shop people FOLDER              (certificates of people, the API key of the partner)
       shop portcullis COMMAND…        (see: shop portcullis --help)

  --check          start all, do what the tour says, verify what comes of it, stop (a minute or two:
                   a root is replaced); takes free ports unless told otherwise
  --edge-port N    port of the edge                   (8080; 0 = any free one)
  --tls-port N     its port for people                (8443; 0 = any free one)
  --admin-port N   port of its admin page             (9901; 0 = any free one)
  --port-base N    certificate authority at N, services at N+1 to N+4, the issuer of tokens at N+5,
                   sidecars up to N+44 (8100; 0 = any free ones)
  --outbound N     the service calls others at this port, by Host (its sidecar's `outbound:`)";

/// Everything the words said.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// End when stdin ends (`--tied`, used by the demo for the processes it starts).
    pub tied: bool,
    /// What to be.
    pub role: Role,
}

/// What this process is.
#[derive(Debug, PartialEq, Eq)]
pub enum Role {
    Help,
    Demo(Options),
    Service(Service),
    /// The folder in which certificates and the API key are made.
    People(PathBuf),
    /// What follows `portcullis`.
    Portcullis(Vec<OsString>),
}

/// Options of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub port: u16,
    /// Port of this machine at which it calls others; without one it calls nobody.
    pub outbound: Option<u16>,
}

/// Options of the demo; a port of 0 stands for any free one.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub check: bool,
    pub edge_port: u16,
    pub tls_port: u16,
    pub admin_port: u16,
    pub port_base: u16,
}

/// Reads the words after the program's name; what is wrong comes back as a sentence.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Words, String> {
    let mut words = words.into_iter().peekable();
    let tied = words.next_if(|word| word == "--tied").is_some();
    let role = match words.peek().and_then(|word| word.to_str()) {
        Some("portcullis") => Role::Portcullis(words.skip(1).collect()),
        Some("service") => service(&mut words.skip(1))?,
        Some("people") => people(&mut words.skip(1))?,
        Some("--help" | "-h" | "help") => Role::Help,
        _ => demo(&mut words)?,
    };
    Ok(Words { tied, role })
}

fn service(words: &mut dyn Iterator<Item = OsString>) -> Result<Role, String> {
    let name = words.next().ok_or("which service?")?.into_string().map_err(|_| "a name is plain text")?;
    let (mut port, mut outbound) = (None, None);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--port") => port = Some(number("--port", words.next())?),
            Some("--outbound") => outbound = Some(number("--outbound", words.next())?),
            _ => return Err(format!("unknown word {}", word.display())),
        }
    }
    let port = port.ok_or_else(|| format!("service {name} needs --port N"))?;
    Ok(Role::Service(Service { name, port, outbound }))
}

fn people(words: &mut dyn Iterator<Item = OsString>) -> Result<Role, String> {
    match (words.next(), words.next()) {
        (Some(folder), None) => Ok(Role::People(folder.into())),
        _ => Err("people needs one folder".to_owned()),
    }
}

fn demo(words: &mut dyn Iterator<Item = OsString>) -> Result<Role, String> {
    let (mut check, mut edge, mut tls, mut admin, mut base) = (false, None, None, None, None);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--check") => check = true,
            Some("--edge-port") => edge = Some(number("--edge-port", words.next())?),
            Some("--tls-port") => tls = Some(number("--tls-port", words.next())?),
            Some("--admin-port") => admin = Some(number("--admin-port", words.next())?),
            Some("--port-base") => base = Some(number("--port-base", words.next())?),
            _ => return Err(format!("unknown word {}", word.display())),
        }
    }
    // A check runs beside whatever else runs, so it must not insist on pleasant numbers.
    let or = |given: Option<u16>, pleasant| given.unwrap_or(if check { 0 } else { pleasant });
    Ok(Role::Demo(Options {
        check,
        edge_port: or(edge, 8080),
        tls_port: or(tls, 8443),
        admin_port: or(admin, 9901),
        port_base: or(base, 8100),
    }))
}

fn number(option: &str, word: Option<OsString>) -> Result<u16, String> {
    let word = word.ok_or_else(|| format!("{option} needs a number"))?;
    word.to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{option} needs a port number, not {}", word.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Role, String> {
        read(line.split_whitespace().map(OsString::from)).map(|words| words.role)
    }

    #[test]
    fn no_words_start_the_demo_on_its_pleasant_ports() {
        let expected =
            Options { check: false, edge_port: 8080, tls_port: 8443, admin_port: 9901, port_base: 8100 };

        assert_eq!(read_line(""), Ok(Role::Demo(expected)));
    }

    #[test]
    fn a_check_takes_free_ports_except_where_told() {
        let expected = Options { check: true, edge_port: 18080, tls_port: 0, admin_port: 0, port_base: 0 };

        assert_eq!(read_line("--check --edge-port 18080"), Ok(Role::Demo(expected)));
    }

    #[test]
    fn words_after_portcullis_are_left_to_the_proxy() {
        let expected = ["edge", "--config", "--check"].map(OsString::from).to_vec();

        assert_eq!(read_line("portcullis edge --config --check"), Ok(Role::Portcullis(expected)));
    }

    #[test]
    fn a_service_is_named_and_given_a_port() {
        let orders = |outbound| Ok(Role::Service(Service { name: "orders".into(), port: 8102, outbound }));

        assert_eq!(read_line("service orders --port 8102"), orders(None));
        assert_eq!(read_line("service orders --outbound 8122 --port 8102"), orders(Some(8122)));
        assert!(read(["--tied", "service", "users", "--port", "1"].map(OsString::from)).unwrap().tied);
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, named) in [
            ("--chek", "--chek"),
            ("--edge-port", "--edge-port"),
            ("--port-base 70000", "70000"),
            ("service", "which"),
            ("service orders", "--port"),
            ("service orders --prot 1", "--prot"),
            ("people", "folder"),
            ("people a b", "folder"),
        ] {
            assert!(read_line(line).is_err_and(|wrong| wrong.contains(named)), "{line}");
        }
    }
}
