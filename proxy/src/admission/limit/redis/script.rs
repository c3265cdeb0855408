//! The programs Redis runs, and how one is run: by its digest, and by its text when Redis has forgotten it.
//!
//! Each touches exactly one key, so that they work in a cluster, and is one step to everybody else.

use super::client::Link;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

/// A program.
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

/// All of them.
pub(super) struct Scripts {
    pub(super) bucket: Script,
    pub(super) bucket_back: Script,
    pub(super) fixed: Script,
    pub(super) fixed_back: Script,
    pub(super) sliding: Script,
    pub(super) sliding_back: Script,
    pub(super) announce: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            bucket: Script::new(include_str!("scripts/bucket.lua")),
            bucket_back: Script::new(include_str!("scripts/bucket_back.lua")),
            fixed: Script::new(include_str!("scripts/fixed.lua")),
            fixed_back: Script::new(include_str!("scripts/fixed_back.lua")),
            sliding: Script::new(include_str!("scripts/sliding.lua")),
            sliding_back: Script::new(include_str!("scripts/sliding_back.lua")),
            announce: Script::new(include_str!("scripts/announce.lua")),
        }
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, digest: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs it. `arguments` fills in what follows the key.
    pub(super) async fn run(
        &self,
        link: &mut Link,
        key: &str,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<Vec<i64>, RedisError> {
        let known = link.query(&command("EVALSHA", &self.digest, key, &arguments)).await;
        match known {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                link.query(&command("EVAL", self.text, key, &arguments)).await
            }
            other => other,
        }
    }
}

fn command(name: &str, script: &str, key: &str, arguments: &impl Fn(&mut Cmd)) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(key);
    arguments(&mut command);
    command
}
