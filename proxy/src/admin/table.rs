//! Rows as an aligned table for people. Pure.

use super::context::{BreakerRow, ClusterRow, ListenerRow, RouteRow};

/// A row that can stand in a table.
pub(super) trait Row {
    /// Heads of the columns.
    const COLUMNS: &'static [&'static str];
    /// One text per column.
    fn cells(&self) -> Vec<String>;
}

impl Row for RouteRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "METHODS", "HOSTS", "PATH", "SERVICES", "NOTES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            list(&self.methods, "*"),
            list(&self.hosts, "*"),
            self.path.clone(),
            list(&self.services, "-"),
            (if self.deprecated { "deprecated" } else { "" }).to_owned(),
        ]
    }
}

impl Row for ClusterRow {
    const COLUMNS: &'static [&'static str] = &[
        "SERVICE", "ENDPOINT", "STANDING", "ACTIVE", "ATTEMPTS", "FAILURES", "WEIGHT", "ZONE", "BALANCE",
        "PROTOCOL", "TLS", "SOURCE", "KNOWN", "REASON", "TROUBLE",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.service.clone(),
            or_dash(&self.endpoint),
            self.standing.to_owned(),
            self.active.to_string(),
            self.attempts.to_string(),
            self.failures.to_string(),
            self.weight.to_string(),
            self.zone.clone(),
            self.balance.clone(),
            self.protocol.clone(),
            yes(self.tls),
            self.source.clone(),
            seconds(self.known_seconds),
            self.reason.clone(),
            self.trouble.clone(),
        ]
    }
}

impl Row for BreakerRow {
    const COLUMNS: &'static [&'static str] = &["SERVICE", "STATE", "SET", "REQUESTS", "FAILURES", "RESTS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.service.clone(),
            self.state.to_owned(),
            self.set.to_owned(),
            self.requests.to_string(),
            self.failures.to_string(),
            seconds(self.rests_seconds),
        ]
    }
}

impl Row for ListenerRow {
    const COLUMNS: &'static [&'static str] = &["ADDRESS", "TLS", "PROTOCOLS", "CERTIFICATES", "NOTES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.address.clone(),
            yes(self.tls),
            list(&self.protocols, "-"),
            list(&self.certificates, "-"),
            list(&self.notes, ""),
        ]
    }
}

fn or_dash(text: &str) -> String {
    (if text.is_empty() { "-" } else { text }).to_owned()
}

fn seconds(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!("{seconds}s")).unwrap_or_default()
}

fn yes(yes: bool) -> String {
    (if yes { "yes" } else { "no" }).to_owned()
}

fn list(items: &[String], empty: &str) -> String {
    if items.is_empty() { empty.to_owned() } else { items.join(",") }
}

/// The table, its columns as wide as their widest cell, two spaces between them.
pub(super) fn table<R: Row>(rows: &[R]) -> String {
    let head = R::COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(R::cells)).collect();
    let lines: Vec<Vec<String>> =
        lines.into_iter().map(|line| line.into_iter().map(harmless).collect()).collect();
    let mut widths = vec![0; R::COLUMNS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A name in the file may hold anything; a terminal gets no control characters from us.
fn harmless(cell: String) -> String {
    if cell.chars().any(char::is_control) { cell.escape_debug().to_string() } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, methods: &[&str]) -> RouteRow {
        RouteRow {
            name: name.to_owned(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            hosts: Vec::new(),
            path: "/orders".to_owned(),
            services: vec!["order".to_owned()],
            deprecated: false,
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            table(&[row("a", &["GET", "POST"]), row("größer", &[])]),
            "NAME    METHODS   HOSTS  PATH     SERVICES  NOTES\n\
             a       GET,POST  *      /orders  order\n\
             größer  *         *      /orders  order\n"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(table(&[row("\u{1b}[31m", &[])]).contains(r"\u{1b}[31m"));
    }
}
