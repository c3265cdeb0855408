//! Regexes over whole paths: linear in the length of the path, limited in size.

use regex_automata::meta;
use regex_automata::util::syntax;
use std::sync::Arc;
use thiserror::Error;

/// Most bytes of a regex in the file.
const MAX_TEXT: usize = 4096;
/// Most bytes of a compiled regex.
const MAX_COMPILED: usize = 1 << 20;
/// Most bytes of the states a search remembers, for each thread.
const MAX_CACHE: usize = 256 << 10;

/// A compiled regex that must match a path from its first to its last byte.
#[derive(Debug, Clone)]
pub struct PathRegex {
    text: Arc<str>,
    regex: meta::Regex,
}

/// Why a regex cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegexFault {
    /// Longer than 4 KiB.
    #[error("a regex has at most {MAX_TEXT} bytes, this one has {0}")]
    TooLong(usize),
    /// Compiled, it takes more than 1 MiB.
    #[error("the regex is too large once compiled (1 MiB): use smaller repetitions")]
    TooLarge,
    /// Not a regex.
    #[error("{0}")]
    Syntax(String),
}

impl PathRegex {
    /// Compiles a regex. Anchors at both ends are added.
    pub fn new(text: &str) -> Result<Self, RegexFault> {
        if text.len() > MAX_TEXT {
            return Err(RegexFault::TooLong(text.len()));
        }
        // By itself first: `a)|(b` would be fine inside the anchored group and escape from it.
        syntax::parse(text).map_err(|error| RegexFault::Syntax(error.to_string()))?;
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_COMPILED))
            .onepass_size_limit(Some(MAX_COMPILED))
            .hybrid_cache_capacity(MAX_CACHE);
        let regex = meta::Regex::builder().configure(config).build(&format!("^(?:{text})$"));
        let regex = regex.map_err(|error| match error.size_limit() {
            Some(_) => RegexFault::TooLarge,
            None => RegexFault::Syntax(error.to_string()),
        })?;
        Ok(Self { text: text.into(), regex })
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.regex.is_match(path)
    }

    /// As it stands in the file, without `~`.
    pub fn text(&self) -> &str {
        &self.text
    }
}
