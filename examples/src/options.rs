//! The command line of `shop`: words in, a [`Role`] out. Pure.

use std::ffi::OsString;

/// What `--help` and a wrong word print.
pub const USAGE: &str = "\
usage: shop [--check] [--edge-port N] [--admin-port N] [--port-base N]
       shop service catalog|orders|users --port N
       shop portcullis COMMAND…        (see: shop portcullis --help)

  --check          start all, send the requests of the tour, verify the answers, stop;
                   takes free ports unless told otherwise
  --edge-port N    port of the edge       (8080; 0 = any free one)
  --admin-port N   port of its admin page (9901; 0 = any free one)
  --port-base N    services at N+1, N+2, N+3 (8100; 0 = any free ones)";

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
    /// Name of the service and its port.
    Service(String, u16),
    /// What follows `portcullis`.
    Portcullis(Vec<OsString>),
}

/// Options of the demo; a port of 0 stands for any free one.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub check: bool,
    pub edge_port: u16,
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
        Some("--help" | "-h" | "help") => Role::Help,
        _ => demo(&mut words)?,
    };
    Ok(Words { tied, role })
}

fn service(words: &mut dyn Iterator<Item = OsString>) -> Result<Role, String> {
    let name = words.next().ok_or("which service?")?.into_string().map_err(|_| "a name is plain text")?;
    match words.next() {
        Some(word) if word == "--port" => Ok(Role::Service(name, number("--port", words.next())?)),
        _ => Err(format!("service {name} needs --port N")),
    }
}

fn demo(words: &mut dyn Iterator<Item = OsString>) -> Result<Role, String> {
    let (mut check, mut edge, mut admin, mut base) = (false, None, None, None);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--check") => check = true,
            Some("--edge-port") => edge = Some(number("--edge-port", words.next())?),
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
        let expected = Options { check: false, edge_port: 8080, admin_port: 9901, port_base: 8100 };

        assert_eq!(read_line(""), Ok(Role::Demo(expected)));
    }

    #[test]
    fn a_check_takes_free_ports_except_where_told() {
        let expected = Options { check: true, edge_port: 18080, admin_port: 0, port_base: 0 };

        assert_eq!(read_line("--check --edge-port 18080"), Ok(Role::Demo(expected)));
    }

    #[test]
    fn words_after_portcullis_are_left_to_the_proxy() {
        let expected = ["edge", "--config", "--check"].map(OsString::from).to_vec();

        assert_eq!(read_line("portcullis edge --config --check"), Ok(Role::Portcullis(expected)));
    }

    #[test]
    fn a_service_is_named_and_given_a_port() {
        assert_eq!(read_line("service orders --port 8102"), Ok(Role::Service("orders".into(), 8102)));
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
        ] {
            assert!(read_line(line).is_err_and(|wrong| wrong.contains(named)), "{line}");
        }
    }
}
