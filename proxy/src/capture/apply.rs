//! Finds the tools that change rules, and runs them with the texts of [`super::nft`] and [`super::iptables`].
//!
//! `nft` first; where it is missing or the kernel does not take it, `iptables-nft`, then `iptables-legacy`. Removing
//! and looking go through all that are there: rules may have been made by another than would be taken now.

use super::found::{self, Seen};
use super::iptables;
use super::nft;
use super::rules::{Family, Name, Plan};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Why rules could not be changed or listed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Neither tool is there.
    #[error(
        "neither nft nor iptables was found. Install the package nftables (or iptables), \
         as in: apt-get install nftables"
    )]
    NoTool,
    /// The tool is not there.
    #[error("{0} was not found. Install the package {1}, as in: apt-get install {1}")]
    Missing(&'static str, &'static str),
    /// It could not be started.
    #[error("cannot run {}: {source}", tool.display())]
    NotRun {
        /// Its file.
        tool: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It said no.
    #[error("{} said: {stderr}{}", tool.display(), hint(.stderr))]
    Failed {
        /// Its file.
        tool: PathBuf,
        /// What it wrote to standard error.
        stderr: String,
    },
}

/// What to do about what a tool said.
fn hint(stderr: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if has(&["not permitted", "ermission denied", "must be root", "you must be root"]) {
        "\nChanging rules needs root, or the capability CAP_NET_ADMIN in this network namespace."
    } else if has(&["not supported", "No such file or directory", "does not exist", "No chain/target/match"])
    {
        "\nThe kernel may lack address translation (modules nf_nat, nft_chain_nat, nft_redir; or iptable_nat)."
    } else {
        ""
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `nft`.
    Nft,
    /// `iptables` and `ip6tables`, of either make.
    Iptables,
}

/// The tools of this machine.
#[derive(Debug, Clone)]
pub struct Tools {
    nft: Option<PathBuf>,
    iptables: Vec<Iptables>,
    ipv6: bool,
}

/// A make of iptables.
#[derive(Debug, Clone)]
struct Iptables {
    /// What follows `iptables` in the names of its programs: `-nft`, `-legacy` or nothing.
    make: &'static str,
    /// Where they are.
    folder: PathBuf,
}

impl Tools {
    /// Looks for them, in `PATH` and where systems keep them. `wanted`: only this kind.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(wanted: Option<Kind>) -> Result<Self, ApplyError> {
        let folders = folders();
        let home = |program: &str| folders.iter().find(|folder| folder.join(program).is_file());
        let nft = home("nft").map(|folder| folder.join("nft"));
        let make = |make: &'static str| {
            home(&format!("iptables{make}-restore")).map(|folder| Iptables { make, folder: folder.clone() })
        };
        let mut iptables: Vec<_> = ["-nft", "-legacy"].into_iter().filter_map(make).collect();
        if iptables.is_empty() {
            iptables.extend(make(""));
        }
        let mut tools = Self { nft, iptables, ipv6: Path::new("/proc/net/if_inet6").exists() };
        match wanted {
            Some(Kind::Nft) => tools.iptables.clear(),
            Some(Kind::Iptables) => tools.nft = None,
            None => {}
        }
        match (&tools.nft, tools.iptables.is_empty(), wanted) {
            (None, true, None) => Err(ApplyError::NoTool),
            (None, true, Some(Kind::Nft)) => Err(ApplyError::Missing("nft", "nftables")),
            (None, true, Some(Kind::Iptables)) => Err(ApplyError::Missing("iptables", "iptables")),
            _ => Ok(tools),
        }
    }

    /// Puts the rules of a plan in force, in place of all others of its name, and says where they stand.
    ///
    /// # Errors
    /// When no tool could; then what was half done is taken back.
    pub fn on(&self, plan: &Plan) -> Result<Vec<Seen>, ApplyError> {
        let kept = self.put(plan)?;
        if kept != Kept::Nft {
            self.remove_nft(&plan.name)?;
        }
        for make in self.iptables.iter().filter(|make| kept != Kept::Iptables(make.make)) {
            self.remove_iptables(make, &plan.name)?;
        }
        self.of(&plan.name)
    }

    /// Removes all rules of a name, and says what there was.
    ///
    /// # Errors
    /// When a tool refuses; the others have done their part.
    pub fn off(&self, name: &Name) -> Result<Vec<Seen>, ApplyError> {
        let before = self.of(name);
        let nft = self.remove_nft(name);
        let iptables: Vec<_> = self.iptables.iter().map(|make| self.remove_iptables(make, name)).collect();
        nft?;
        iptables.into_iter().collect::<Result<(), _>>()?;
        before
    }

    /// The captures of a name in this network namespace: one, or none; or leftovers of several tools.
    ///
    /// # Errors
    /// When a tool refuses to list.
    pub fn of(&self, name: &Name) -> Result<Vec<Seen>, ApplyError> {
        Ok(self.seen()?.into_iter().filter(|seen| seen.is_of(name)).collect())
    }

    /// All captures in this network namespace.
    ///
    /// # Errors
    /// When a tool refuses to list.
    pub fn seen(&self) -> Result<Vec<Seen>, ApplyError> {
        let mut all = Vec::new();
        if let Some(tool) = &self.nft {
            for table in found::nft_tables(&run(tool, &["list", "tables"], "")?) {
                let listing = run(tool, &["list", "table", "inet", table], "")?;
                all.push(found::in_nft(table, &listing));
            }
        }
        for make in &self.iptables {
            for family in self.families(make) {
                let tool = format!("{}{}", program(family), make.make);
                all.extend(found::in_iptables(&tool, &make.saved(family)?));
            }
        }
        Ok(all)
    }

    /// With the first tool that takes them.
    fn put(&self, plan: &Plan) -> Result<Kept, ApplyError> {
        let mut refused = None;
        if let Some(tool) = &self.nft {
            match run(tool, &["-f", "-"], &nft::replace(plan)) {
                Ok(_silence) => return Ok(Kept::Nft),
                Err(error) => refused = Some(error),
            }
        }
        for make in &self.iptables {
            match self.put_iptables(make, plan) {
                Ok(()) => return Ok(Kept::Iptables(make.make)),
                Err(error) => {
                    // One family may have taken them. What failed is said; this goes as well as it will.
                    let _best_effort = self.remove_iptables(make, &plan.name).is_ok();
                    refused = refused.or(Some(error));
                }
            }
        }
        Err(refused.unwrap_or(ApplyError::NoTool))
    }

    fn put_iptables(&self, make: &Iptables, plan: &Plan) -> Result<(), ApplyError> {
        for family in self.families(make) {
            make.restore(family, &iptables::replace(plan, family, &make.saved(family)?))?;
        }
        Ok(())
    }

    fn remove_nft(&self, name: &Name) -> Result<(), ApplyError> {
        let Some(tool) = &self.nft else { return Ok(()) };
        run(tool, &["-f", "-"], &nft::remove(name)).map(drop)
    }

    fn remove_iptables(&self, make: &Iptables, name: &Name) -> Result<(), ApplyError> {
        for family in self.families(make) {
            if let Some(text) = iptables::remove(name, &make.saved(family)?) {
                make.restore(family, &text)?;
            }
        }
        Ok(())
    }

    fn families(&self, make: &Iptables) -> Vec<Family> {
        let ipv6 = self.ipv6 && make.file(Family::V6, "restore").is_file();
        if ipv6 { vec![Family::V4, Family::V6] } else { vec![Family::V4] }
    }
}

/// The tool whose rules stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nft,
    Iptables(&'static str),
}

impl Iptables {
    fn file(&self, family: Family, verb: &str) -> PathBuf {
        self.folder.join(format!("{}{}-{verb}", program(family), self.make))
    }

    /// The rules there are.
    fn saved(&self, family: Family) -> Result<String, ApplyError> {
        if self.make == "-legacy" && is_untouched(family) {
            return Ok(String::new());
        }
        run(&self.file(family, "save"), &["-t", "nat"], "")
    }

    fn restore(&self, family: Family, text: &str) -> Result<(), ApplyError> {
        // Others may change rules just now: wait for them.
        run(&self.file(family, "restore"), &["--noflush", "--wait", "5"], text).map(drop)
    }
}

fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

/// Whether legacy iptables has never been used for address translation here. To ask the tool itself would make the
/// table, and bring in its modules.
fn is_untouched(family: Family) -> bool {
    let names = match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    };
    match std::fs::read_to_string(names) {
        Ok(tables) => !tables.lines().any(|table| table == "nat"),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Where programs are: `PATH`, and the folders for root, which are not in every `PATH`.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["/usr/local/sbin", "/usr/sbin", "/sbin"].into_iter().map(PathBuf::from);
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).chain(known).collect()
}

/// Runs a tool with a text on its standard input; what it wrote to its standard output.
fn run(tool: &Path, words: &[&str], text: &str) -> Result<String, ApplyError> {
    let not_run = |source| ApplyError::NotRun { tool: tool.to_owned(), source };
    let mut command = Command::new(tool);
    command.args(words).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(not_run)?;
    if let Some(mut input) = child.stdin.take() {
        // A tool that does not read has something to say about it.
        let _best_effort = input.write_all(text.as_bytes()).is_ok();
    }
    let Output { status, stdout, stderr } = child.wait_with_output().map_err(not_run)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr).trim().to_owned();
    let stderr = if said.is_empty() { format!("nothing ({status})") } else { said };
    Err(ApplyError::Failed { tool: tool.to_owned(), stderr })
}
