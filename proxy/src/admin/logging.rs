//! The level of our own log, changed while running.
//!
//! Takes what `RUST_LOG` takes: `debug`, or `info,portcullis::tls=trace`. A word that is no level is refused, though
//! the filter would take it for the name of a module.

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::reload::Handle;

/// Shows the level, after setting it when one is given.
pub type LogLevel = Box<dyn Fn(Option<&str>) -> Result<String, BadLevel>>;

/// Not a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLevel {
    /// Some part is not understood.
    #[error("a level is off, error, warn, info, debug or trace, or a list like info,portcullis::tls=debug")]
    Syntax,
    /// There is no log any more.
    #[error("the log is gone")]
    Gone,
}

/// A [`LogLevel`] over the reload handle of a filter.
pub fn log_level<S: 'static>(handle: Handle<EnvFilter, S>) -> LogLevel {
    Box::new(move |level| {
        if let Some(level) = level {
            let filter = parse(level)?;
            handle.reload(filter).map_err(|_| BadLevel::Gone)?;
        }
        handle.with_current(EnvFilter::to_string).map_err(|_| BadLevel::Gone)
    })
}

fn parse(level: &str) -> Result<EnvFilter, BadLevel> {
    if !level.split(',').all(is_directive) {
        return Err(BadLevel::Syntax);
    }
    EnvFilter::try_new(level).map_err(|_| BadLevel::Syntax)
}

/// `LEVEL` or `module=LEVEL`.
fn is_directive(directive: &str) -> bool {
    let level = match directive.split_once('=') {
        Some((module, level)) => {
            let named =
                module.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':');
            if module.is_empty() || !named {
                return false;
            }
            level
        }
        None => directive,
    };
    // The filter would also take nothing, and the numbers 0 to 5.
    !level.is_empty()
        && level.bytes().all(|byte| byte.is_ascii_alphabetic())
        && level.parse::<LevelFilter>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::{Registry, reload};

    #[test]
    fn a_level_can_be_shown_and_changed() {
        let (filter, handle) = reload::Layer::<_, Registry>::new(EnvFilter::new("info"));
        let level = log_level(handle);

        assert_eq!(level(None).unwrap(), "info");
        assert_eq!(level(Some("debug")).unwrap(), "debug");
        let mixed = level(Some("warn,portcullis::tls=trace")).unwrap();
        assert!(mixed.contains("portcullis::tls=trace") && mixed.contains("warn"), "{mixed}");
        drop(filter);
        assert_eq!(level(None), Err(BadLevel::Gone));
    }

    #[test]
    fn what_is_no_level_changes_nothing() {
        let (_filter, handle) = reload::Layer::<_, Registry>::new(EnvFilter::new("info"));
        let level = log_level(handle);

        for bad in
            ["", "loud", "portcullis", "portcullis=", "=debug", "info,", "a b=info", "3", "[span]=info"]
        {
            assert_eq!(level(Some(bad)), Err(BadLevel::Syntax), "{bad}");
        }
        assert_eq!(level(None).unwrap(), "info");
    }
}
