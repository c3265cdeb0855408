//! What the operating system says about this process, read from `/proc` at scrape.
//!
//! Where `/proc` or a field of it is missing, that metric is missing: a scrape never fails for it.

use super::super::names;
use super::text::Encoder;
use std::fs;

/// Clock ticks per second in `/proc`; the kernel's interface fixes it (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Writes the `process_*` families.
pub(super) fn encode(encoder: &mut Encoder) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    if let Some(cpu) = cpu_seconds(&stat) {
        encoder.number(&names::PROCESS_CPU, cpu);
    }
    if let Some(start) = start_time(&stat, &read("/proc/stat")) {
        encoder.number(&names::PROCESS_START, start);
    }
    if let Some(bytes) = kibibytes(&status, "VmRSS:") {
        encoder.number(&names::PROCESS_RESIDENT, bytes);
    }
    if let Some(bytes) = kibibytes(&status, "VmSize:") {
        encoder.number(&names::PROCESS_VIRTUAL, bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // One of them is the descriptor this listing is read from.
        encoder.number(&names::PROCESS_FDS, entries.count().saturating_sub(1));
    }
    if let Some(limit) = max_fds(&read("/proc/self/limits")) {
        encoder.number(&names::PROCESS_MAX_FDS, limit);
    }
}

/// Field `n` of `/proc/self/stat`, counted as proc(5) does; the name in field 2 may hold spaces and `)`.
fn field(stat: &str, n: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(n.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

fn start_time(stat: &str, system: &str) -> Option<f64> {
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + field(stat, 22)? / TICKS)
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 4200 1 2 3";

    #[test]
    fn fields_are_counted_after_the_last_parenthesis() {
        assert_eq!(cpu_seconds(STAT), Some(2.0));
        assert_eq!(start_time(STAT, "cpu 1\nbtime 1000\n"), Some(1042.0));
    }

    #[test]
    fn memory_is_given_in_bytes() {
        assert_eq!(kibibytes("VmSize:\t 9 kB\nVmRSS:\t    12 kB\n", "VmRSS:"), Some(12_288));
    }

    #[test]
    fn an_unlimited_process_has_no_limit() {
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited            files"),
            None
        );
        assert_eq!(
            max_fds("Max open files            1024                 4096                 files"),
            Some(1024)
        );
    }

    #[test]
    fn what_is_missing_is_left_out() {
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(start_time(STAT, ""), None);
        assert_eq!(kibibytes("", "VmRSS:"), None);
    }
}
