//! How much memory is used, and how much there is: read from the kernel's files. A shell without a decision of its own
//! but one: of all bounds that hold for this process, the one that is nearest counts.
//!
//! | bound | used | there is |
//! |--|--|--|
//! | cgroup v2, this one and all above | `memory.current` without `inactive_file` | `memory.max`, unless `max` |
//! | cgroup v1, this one and all above | `memory.usage_in_bytes` without `total_inactive_file` | `memory.limit_in_bytes` |
//! | the machine | what the process has resident | `MemTotal` |
//! | the file says so | what the process has resident | `limit:`; then no other counts |
//!
//! Pages of files that nobody used lately (`inactive_file`) are taken back before anybody is killed, so they do not
//! count: the same sum that Kubernetes calls the working set.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows these things.
#[derive(Debug, Clone, Copy)]
pub struct Roots<'a> {
    /// `/sys/fs/cgroup`.
    pub cgroups: &'a Path,
    /// `/proc`.
    pub proc: &'a Path,
}

impl Roots<'static> {
    /// Where Linux has them.
    pub fn of_linux() -> Self {
        Self { cgroups: Path::new("/sys/fs/cgroup"), proc: Path::new("/proc") }
    }
}

/// Used and there, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Bytes used.
    pub used: u64,
    /// Bytes there are.
    pub limit: u64,
}

/// Reads what holds for this process. Its cgroup is looked up once, what it says is read every time: limits of a
/// running container can change.
#[derive(Debug)]
pub struct Meter {
    groups: Vec<Group>,
    proc: PathBuf,
}

/// One folder of a cgroup.
#[derive(Debug)]
struct Group {
    folder: PathBuf,
    names: &'static Names,
}

/// What the files are called.
#[derive(Debug)]
struct Names {
    used: &'static str,
    limit: &'static str,
    inactive: &'static str,
}

const V2: Names = Names { used: "memory.current", limit: "memory.max", inactive: "inactive_file" };
const V1: Names =
    Names { used: "memory.usage_in_bytes", limit: "memory.limit_in_bytes", inactive: "total_inactive_file" };
/// Version 1 has no word for "no limit", but a number near the largest one.
const UNLIMITED: u64 = 1 << 60;

impl Meter {
    /// Looks up the cgroups of this process.
    pub fn find(roots: Roots<'_>) -> Self {
        let own = fs::read_to_string(roots.proc.join("self/cgroup")).unwrap_or_default();
        let groups = own.lines().flat_map(|line| groups(line, roots.cgroups)).collect();
        Self { groups, proc: roots.proc.to_path_buf() }
    }

    /// The bound that is nearest; `limit` is that of the file, in bytes. `None`: nothing could be read.
    pub fn read(&self, limit: Option<u64>) -> Option<Reading> {
        if let Some(limit) = limit {
            return Some(Reading { used: self.resident()?, limit });
        }
        let machine = self.machine();
        self.groups.iter().filter_map(Group::read).chain(machine).max_by(|one, other| {
            let part = |used: u64, limit: u64| u128::from(used) * u128::from(limit);
            part(one.used, other.limit).cmp(&part(other.used, one.limit))
        })
    }

    fn machine(&self) -> Option<Reading> {
        let total = kilobytes(&self.proc.join("meminfo"), "MemTotal:")?;
        Some(Reading { used: self.resident()?, limit: total })
    }

    /// From `status`, which unlike `statm` does not count in pages of a size of the machine.
    fn resident(&self) -> Option<u64> {
        kilobytes(&self.proc.join("self/status"), "VmRSS:")
    }
}

impl Group {
    /// `None` when it has no limit.
    fn read(&self) -> Option<Reading> {
        let number = |name: &str| fs::read_to_string(self.folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let limit = number(self.names.limit).filter(|limit| (1..UNLIMITED).contains(limit))?;
        let used = number(self.names.used)?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let inactive =
            stat.lines().find_map(|line| line.strip_prefix(self.names.inactive)?.trim().parse::<u64>().ok());
        Some(Reading { used: used.saturating_sub(inactive.unwrap_or(0)), limit })
    }
}

/// The folders that a line of `/proc/self/cgroup` means (cgroups(7)): its own and all above. A container may see its own
/// folder as the root while the line names it as the host does; then the root is all there is, and is right.
fn groups(line: &str, root: &Path) -> Vec<Group> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return Vec::new() };
    let (names, roots): (_, &[&str]) = if controllers.is_empty() {
        // Where both versions are mounted, the second is a folder below.
        (&V2, &["", "unified"])
    } else if controllers.split(',').any(|name| name == "memory") {
        (&V1, &["memory"])
    } else {
        return Vec::new();
    };
    // Above the root of what is shown there is nothing to be read.
    let path = if path.split('/').any(|part| part == "..") { "" } else { path.trim_start_matches('/') };
    let above = roots.iter().flat_map(|name| {
        let root = root.join(name);
        let own = root.join(path);
        own.ancestors()
            .take_while(|folder| folder.starts_with(&root))
            .map(Path::to_path_buf)
            .collect::<Vec<_>>()
    });
    above.filter(|folder| folder.join(names.limit).exists()).map(|folder| Group { folder, names }).collect()
}

/// `MemTotal:       24684084 kB`, in bytes.
fn kilobytes(file: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
