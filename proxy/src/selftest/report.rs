//! What was found, as a table for people and as JSON for programs. Pure.

use super::{Row, Subject, Verdict};
use serde::Serialize;

/// Whom it is about, and everything that was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    workload: String,
    target: String,
    ok: usize,
    failed: usize,
    not_applicable: usize,
    rows: Vec<Line>,
}

/// A row as it is shown.
#[derive(Debug, Clone, Serialize)]
struct Line {
    number: &'static str,
    attack: String,
    must: &'static str,
    happened: String,
    result: Result,
}

/// What a row comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Result {
    Ok,
    Failed,
    NotApplicable,
}

impl Result {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::NotApplicable => "n/a",
        }
    }
}

impl Report {
    /// Of a run against `subject`.
    pub fn new(subject: &Subject, rows: Vec<Row>) -> Self {
        Self::of(subject.own.svid.id.to_string(), subject.target.to_string(), rows)
    }

    fn of(workload: String, target: String, rows: Vec<Row>) -> Self {
        let rows: Vec<Line> = rows.into_iter().map(line).collect();
        let count = |result| rows.iter().filter(|line| line.result == result).count();
        Self {
            workload,
            target,
            ok: count(Result::Ok),
            failed: count(Result::Failed),
            not_applicable: count(Result::NotApplicable),
            rows,
        }
    }

    /// Whether no attack worked.
    pub const fn holds(&self) -> bool {
        self.failed == 0 && self.ok > 0
    }

    /// One line per attack, and a sum.
    pub fn table(&self) -> String {
        let head = ["#", "result", "attack", "must happen", "what happened, or why it is not judged"];
        let cells = |line: &Line| {
            [
                line.number.to_owned(),
                line.result.word().to_owned(),
                line.attack.clone(),
                line.must.to_owned(),
                line.happened.clone(),
            ]
        };
        let rows: Vec<[String; 5]> =
            std::iter::once(head.map(ToOwned::to_owned)).chain(self.rows.iter().map(cells)).collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut out = format!("{} at {}\n\n", self.workload, self.target);
        for row in &rows {
            let padded: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            out.push_str(padded.join("  ").trim_end());
            out.push('\n');
        }
        out.push_str(&format!(
            "\n{} held, {} FAILED, {} cannot be judged here\n",
            self.ok, self.failed, self.not_applicable
        ));
        out
    }

    /// One object.
    ///
    /// # Errors
    /// Never: all of it has a JSON form.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

fn line(row: Row) -> Line {
    let result = match &row.verdict {
        Verdict::Ok(_) => Result::Ok,
        Verdict::Failed(_) => Result::Failed,
        Verdict::NotApplicable(_) => Result::NotApplicable,
    };
    // What came from the other side is shown on a terminal, in one line.
    let happened = row.verdict.happened().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Line { number: row.number, attack: row.attack, must: row.must, happened, result }
}

#[cfg(test)]
mod tests {
    use super::super::row;
    use super::*;

    fn report(rows: Vec<Row>) -> Report {
        Report::of("spiffe://shop.example/svc/order".to_owned(), "127.0.0.1:15108".to_owned(), rows)
    }

    fn ok() -> Row {
        row("3a", "no certificate", "not let in", Verdict::Ok("alert".to_owned()))
    }

    fn failed() -> Row {
        row("16a", "two lengths", "400 and closed", Verdict::Failed("200\r\n\u{1b}[2J".to_owned()))
    }

    fn unseen() -> Row {
        row("5", "X-Auth-User", "removed", Verdict::NotApplicable("not seen".to_owned()))
    }

    #[test]
    fn a_table_has_one_line_per_attack_in_columns() {
        let table = report(vec![ok(), failed(), unseen()]).table();

        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "spiffe://shop.example/svc/order at 127.0.0.1:15108");
        assert_eq!(lines[3], "3a   ok      no certificate  not let in      alert");
        assert_eq!(lines[4], "16a  FAILED  two lengths     400 and closed  200   [2J");
        assert_eq!(lines[5], "5    n/a     X-Auth-User     removed         not seen");
        assert_eq!(lines[7], "1 held, 1 FAILED, 1 cannot be judged here");
    }

    #[test]
    fn json_says_the_same() {
        let json: serde_json::Value =
            serde_json::from_str(&report(vec![ok(), failed()]).json().unwrap()).unwrap();

        assert_eq!((&json["ok"], &json["failed"]), (&1.into(), &1.into()));
        assert_eq!(json["rows"][1]["result"], "failed");
        assert_eq!(json["rows"][0]["number"], "3a");
        assert_eq!(json["workload"], "spiffe://shop.example/svc/order");
    }

    #[test]
    fn it_holds_when_nothing_failed_and_something_was_tried() {
        assert!(report(vec![ok(), unseen()]).holds());
        assert!(!report(vec![ok(), failed()]).holds());
        assert!(!report(vec![unseen()]).holds());
    }
}
