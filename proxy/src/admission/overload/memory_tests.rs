//! Each shape of cgroups and machines, as files in a folder.

use super::*;
use tempfile::TempDir;

/// A machine of 1000 KiB on which the process has 100 KiB, in the cgroups of `own`.
fn machine(own: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    write(&dir, "proc/meminfo", "MemTotal:        1000 kB\nMemFree:          10 kB\n");
    write(&dir, "proc/self/status", "Name:\tportcullis\nVmPeak:\t     900 kB\nVmRSS:\t     100 kB\n");
    write(&dir, "proc/self/cgroup", own);
    dir
}

fn write(dir: &TempDir, path: &str, content: &str) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn v2(dir: &TempDir, folder: &str, (used, inactive, limit): (u64, u64, &str)) {
    write(dir, &format!("{folder}/memory.current"), &format!("{used}\n"));
    write(
        dir,
        &format!("{folder}/memory.stat"),
        &format!("anon 1\ninactive_file {inactive}\nactive_file 3\n"),
    );
    write(dir, &format!("{folder}/memory.max"), &format!("{limit}\n"));
}

fn meter(dir: &TempDir) -> Meter {
    Meter::find(Roots { cgroups: &dir.path().join("cgroup"), proc: &dir.path().join("proc") })
}

fn read(dir: &TempDir) -> Option<(u64, u64)> {
    meter(dir).read(None).map(|reading| (reading.used, reading.limit))
}

const MACHINE: Option<(u64, u64)> = Some((100 << 10, 1000 << 10));

#[test]
fn a_container_reads_its_own_limit_without_pages_nobody_uses() {
    let dir = machine("0::/\n");
    v2(&dir, "cgroup", (900, 200, "1000"));

    assert_eq!(read(&dir), Some((700, 1000)));
}

#[test]
fn a_group_above_that_is_nearer_to_its_limit_counts() {
    let dir = machine("0::/pod/sidecar\n");
    v2(&dir, "cgroup/pod", (950, 0, "1000"));
    v2(&dir, "cgroup/pod/sidecar", (300, 0, "500"));

    assert_eq!(read(&dir), Some((950, 1000)));

    v2(&dir, "cgroup/pod/sidecar", (490, 0, "500"));
    assert_eq!(read(&dir), Some((490, 500)));
}

#[test]
fn without_a_limit_the_machine_counts() {
    let dir = machine("0::/user.slice\n");
    v2(&dir, "cgroup/user.slice", (900, 0, "max"));

    assert_eq!(read(&dir), MACHINE);
}

#[test]
fn a_limit_larger_than_the_machine_does_not_hide_it() {
    let dir = machine("0::/\n");
    v2(&dir, "cgroup", (200 << 10, 0, "1000000000"));

    assert_eq!(read(&dir), MACHINE);
}

#[test]
fn a_group_under_the_name_of_the_host_is_found_at_the_root() {
    let dir = machine("0::/kubepods/pod1/abc\n");
    v2(&dir, "cgroup", (900, 0, "1000"));

    assert_eq!(read(&dir), Some((900, 1000)));
}

#[test]
fn a_group_outside_of_what_is_shown_is_not_climbed_to() {
    let dir = machine("0::/../other\n");
    v2(&dir, "other", (1, 0, "1"));
    v2(&dir, "cgroup", (900, 0, "1000"));

    assert_eq!(read(&dir), Some((900, 1000)));
}

#[test]
fn version_1_is_read_with_its_own_names() {
    let dir = machine("5:devices:/x\n4:cpu,memory:/docker/abc\n0::/\n");
    write(&dir, "cgroup/memory/docker/abc/memory.usage_in_bytes", "800\n");
    write(&dir, "cgroup/memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n");
    write(&dir, "cgroup/memory/docker/abc/memory.limit_in_bytes", "1000\n");

    assert_eq!(read(&dir), Some((700, 1000)));
}

#[test]
fn no_limit_in_version_1_is_a_very_large_number() {
    let dir = machine("4:memory:/\n");
    write(&dir, "cgroup/memory/memory.usage_in_bytes", "9000000000\n");
    write(&dir, "cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");

    assert_eq!(read(&dir), MACHINE);
}

#[test]
fn both_versions_side_by_side_are_both_read() {
    let dir = machine("4:memory:/a\n0::/b\n");
    write(&dir, "cgroup/memory/a/memory.usage_in_bytes", "500\n");
    write(&dir, "cgroup/memory/a/memory.limit_in_bytes", "1000\n");
    v2(&dir, "cgroup/unified/b", (600, 0, "1000"));

    assert_eq!(read(&dir), Some((600, 1000)));
}

#[test]
fn the_limit_of_the_file_is_for_the_process_alone() {
    let dir = machine("0::/\n");
    v2(&dir, "cgroup", (999, 0, "1000"));

    let reading = meter(&dir).read(Some(200 << 10));

    assert_eq!(reading, Some(Reading { used: 100 << 10, limit: 200 << 10 }));
}

#[test]
fn a_limit_that_changes_is_noticed() {
    let dir = machine("0::/\n");
    v2(&dir, "cgroup", (900, 0, "1000"));
    let meter = meter(&dir);

    v2(&dir, "cgroup", (900, 0, "2000"));

    assert_eq!(meter.read(None), Some(Reading { used: 900, limit: 2000 }));
}

#[test]
fn files_that_are_missing_or_make_no_sense_are_nothing() {
    let empty = TempDir::new().unwrap();
    let strange = machine("0::\nnonsense\n::\n4:memory\n\u{1}\n0::/a/b\n");
    v2(&strange, "cgroup/a", (1, 0, "-5"));
    v2(&strange, "cgroup/a/b", (1, 0, "0"));
    write(&strange, "cgroup/memory.max", "5");
    write(&strange, "proc/meminfo", "MemTotal: lots\n");

    assert_eq!(read(&empty), None);
    assert_eq!(meter(&empty).read(Some(1)), None);
    assert_eq!(read(&strange), None);
}

#[test]
fn this_machine_can_be_read() {
    let reading = Meter::find(Roots::of_linux()).read(None).unwrap();

    assert!(reading.used > 0 && reading.used < reading.limit, "{reading:?}");
}
