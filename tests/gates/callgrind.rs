//! Reads a profile of callgrind: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::HashMap;

/// All instructions.
///
/// # Panics
/// When the profile has no total.
pub(crate) fn instructions(profile: &str) -> u64 {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let count = total.and_then(|text| text.split_whitespace().next()?.parse().ok());
    count.expect("a profile has its totals")
}

/// How often the program asked the allocator for memory: calls from outside of mimalloc into the functions of it that
/// Rust uses.
///
/// # Panics
/// When there is none: then the binary has another allocator, or no names.
pub(crate) fn allocations(profile: &str) -> u64 {
    const ENTRIES: [&str; 7] = [
        "mi_malloc",
        "mi_zalloc",
        "mi_realloc",
        "mi_malloc_aligned",
        "mi_zalloc_aligned",
        "mi_realloc_aligned",
        "mi_rezalloc_aligned",
    ];
    let mut names = HashMap::new();
    let (mut caller, mut callee) = (String::new(), String::new());
    let mut count = 0;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = full_name(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = full_name(name, &mut names);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let from_outside = !caller.starts_with("mi_") && !caller.starts_with("_mi_");
            if from_outside && ENTRIES.contains(&callee.as_str()) {
                let calls = calls.split_whitespace().next().and_then(|calls| calls.parse::<u64>().ok());
                count += calls.expect("a number of calls");
            }
        }
    }
    assert!(count > 0, "no call to mimalloc in the profile: another allocator, or a binary without names");
    count
}

/// A name stands in full the first time, as `(7) main`; later as `(7)`.
fn full_name(text: &str, names: &mut HashMap<String, String>) -> String {
    let (id, name) = text.split_once(' ').unwrap_or((text, ""));
    if !name.is_empty() {
        // A recursive call has its depth behind the name.
        names.insert(id.to_owned(), name.split('\'').next().unwrap_or_default().to_owned());
    }
    names.get(id).cloned().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    const PROFILE: &str = "\
fn=(1) serve
10 500
cfn=(2) mi_malloc_aligned
calls=3 20
10 90
cfn=(3) helper
calls=9 30
11 10

fn=(2)
20 90
cfn=(4) mi_malloc
calls=3 40
20 60

fn=(3)
cfn=(2)
calls=4 20
30 80

totals: 830
";

    #[test]
    fn the_instructions_are_the_total() {
        assert_eq!(super::instructions(PROFILE), 830);
    }

    #[test]
    fn allocations_are_the_calls_into_the_allocator_from_outside_of_it() {
        assert_eq!(super::allocations(PROFILE), 7);
    }

    #[test]
    #[should_panic(expected = "no call to mimalloc")]
    fn a_profile_without_the_allocator_is_no_proof_of_thrift() {
        super::allocations("fn=(1) serve\ncfn=(2) malloc\ncalls=3 20\n10 90\ntotals: 90\n");
    }
}
