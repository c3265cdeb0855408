//! The recorded figures: what is compared with them, and how they are recorded anew.

use super::proxy::Tool;
use portcullis_tests::repository;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// How much more than recorded is let pass: what another compiler or C library makes of the same source.
const TOLERANCE: f64 = 0.03;

/// Set to `record`, the figures are written instead of compared.
const MODE: &str = "PORTCULLIS_GATES";

fn file() -> PathBuf {
    repository().join("tests/gates/figures.json")
}

/// Compares `now`, a cost per request, with the figure called `name`; or records it.
///
/// # Panics
/// When it is more than recorded and tolerated, or was never recorded.
pub(crate) fn hold(name: &str, now: f64, tool: Tool) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    let mut figures: Map<String, Value> = serde_json::from_str(&text).expect("figures.json is an object");
    let before = figures.get(name).and_then(Value::as_f64);
    if std::env::var(MODE).is_ok_and(|mode| mode == "record") {
        println!("gate: {name} per request: {now:.2} recorded, {} before", before.unwrap_or(f64::NAN));
        figures.insert(name.to_owned(), Value::from((now * 100.0).round() / 100.0));
        let text = serde_json::to_string_pretty(&figures).expect("JSON");
        std::fs::write(file(), text + "\n").expect("written");
        return;
    }
    let reports = tool.report(super::REQUESTS * 2);
    match judge(name, before, now) {
        Ok(verdict) => println!("gate: {verdict}"),
        Err(verdict) => panic!(
            "{verdict}\nWhere it goes: {}. Make it cheaper again; or, when it is worth its price, run \
             tests/run --record-gates and say so in the same commit.",
            reports.display()
        ),
    }
}

fn judge(name: &str, before: Option<f64>, now: f64) -> Result<String, String> {
    let Some(before) = before else { return Err(format!("{name} per request: {now:.2}, never recorded")) };
    let change = (now / before - 1.0) * 100.0;
    let line = format!("{name} per request: {now:.2}, recorded {before:.2} ({change:+.1} %)");
    let band = before * (1.0 - TOLERANCE)..=before * (1.0 + TOLERANCE);
    if band.contains(&now) {
        Ok(line)
    } else if now < before {
        Ok(format!("{line}; better: record it"))
    } else {
        Err(format!("{line}, at most {:+.0} % is let pass", TOLERANCE * 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_figure_may_grow_by_three_percent_and_no_more() {
        assert!(judge("x", Some(100.0), 103.0).is_ok());
        assert!(judge("x", Some(100.0), 103.1).is_err());
        assert!(judge("x", Some(100.0), f64::NAN).is_err());
    }

    #[test]
    fn a_verdict_says_old_and_new() {
        let verdict = judge("syscalls", Some(4.0), 5.0).unwrap_err();

        assert_eq!(verdict, "syscalls per request: 5.00, recorded 4.00 (+25.0 %), at most +3 % is let pass");
    }

    #[test]
    fn a_gain_asks_to_be_recorded_and_an_unknown_figure_is_no_pass() {
        assert!(judge("x", Some(100.0), 90.0).is_ok_and(|line| line.ends_with("better: record it")));
        assert!(judge("x", None, 90.0).is_err());
    }
}
