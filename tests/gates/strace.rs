//! Reads the summary of `strace -c`.

/// All calls: the fourth field of the last line.
///
/// # Panics
/// When there is no such line.
pub(crate) fn calls(report: &str) -> u64 {
    let total = report.lines().find(|line| line.ends_with(" total"));
    let count = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    count.unwrap_or_else(|| panic!("not a summary of strace -c:\n{report}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_total_of_a_summary_is_read_with_and_without_errors() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n";

        let with = super::calls(&format!("{head}100.00    0.040033          33      1187        16 total\n"));
        let without =
            super::calls(&format!("{head}100.00    0.040033          33      1187           total\n"));

        assert_eq!((with, without), (1187, 1187));
    }
}
