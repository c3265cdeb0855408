//! Endpoints from a watched file: changes, swaps, rubbish, an empty list, and requests that go on meanwhile.

use portcullis_tests::{Edge, Upstream, wait};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Beside it first, then in its place: nobody reads half of it.
fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, file).expect("renamed");
}

fn scene(first: &Upstream) -> (tempfile::TempDir, std::path::PathBuf, Edge) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("endpoints.yaml");
    write(&file, &format!("- \"{}\"\n", first.address()));
    let keys = format!("file: {}", file.display());
    let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api"));
    wait::eventually("the file to be read", || (edge.get("/").status == 200).then_some(()));
    (folder, file, edge)
}

#[test]
fn another_list_is_taken_over_and_no_request_is_lost() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let (_folder, file, edge) = scene(&a);
    let done = AtomicBool::new(false);

    let failed = std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut failed = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let answer = edge.get("/");
                if answer.status != 200 {
                    failed.push(answer.status);
                }
            }
            failed
        });
        for upstream in [&b, &a, &b] {
            write(&file, &format!("- \"{}\"\n", upstream.address()));
            let before = upstream.count();
            wait::eventually("the other to be asked", || (upstream.count() > before).then_some(()));
        }
        done.store(true, Ordering::Relaxed);
        calling.join().expect("no panic")
    });

    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_swap_as_kubernetes_makes_it_is_seen() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let fill = |version: &str, upstream: &Upstream| {
        std::fs::create_dir(at(version)).expect("a folder");
        std::fs::write(at(version).join("endpoints.yaml"), format!("- \"{}\"\n", upstream.address()))
            .expect("written");
    };
    fill("v1", &a);
    std::os::unix::fs::symlink("v1", at("..data")).expect("a link");
    std::os::unix::fs::symlink("..data/endpoints.yaml", at("endpoints.yaml")).expect("a link");
    let keys = format!("file: {}", at("endpoints.yaml").display());
    let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api"));
    wait::eventually("the file to be read", || (edge.get("/").text() == "a").then_some(()));

    fill("v2", &b);
    std::os::unix::fs::symlink("v2", at("..new")).expect("a link");
    std::fs::rename(at("..new"), at("..data")).expect("renamed");

    wait::eventually("the other to be asked", || (edge.get("/").text() == "b").then_some(()));
}

#[test]
fn rubbish_leaves_the_last_good_list_in_force_and_says_where_it_is() {
    let a = Upstream::named("a");
    let (_folder, file, edge) = scene(&a);

    write(&file, "- \"127.0.0.1\"\n");
    let message = edge.wait_for_message("source_failing");
    assert!(message.contains("endpoints.yaml"), "{message}");
    assert_eq!(edge.get("/").text(), "a");
    write(&file, "{{{{");
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(edge.get("/").text(), "a");

    let b = Upstream::named("b");
    write(&file, &format!("- \"{}\"\n", b.address()));
    wait::eventually("the new list", || (edge.get("/").text() == "b").then_some(()));
}

#[test]
fn an_empty_list_is_held_back_for_a_while() {
    let a = Upstream::named("a");
    let (_folder, file, edge) = scene(&a);

    write(&file, "[]\n");
    // Two looks at least: it has been seen, and is not believed yet.
    wait::pause(std::time::Duration::from_secs(3));
    assert_eq!(edge.get("/").text(), "a");

    wait::within(std::time::Duration::from_secs(60), || (edge.get("/").status == 503).then_some(()))
        .expect("it is believed at last");
    let clusters = edge.admin_get("/clusters").text();
    assert!(!clusters.contains(&a.address().to_string()), "{clusters}");
}

#[test]
fn who_knows_the_endpoints_and_since_when_can_be_seen() {
    let a = Upstream::named("a");
    let (_folder, file, edge) = scene(&a);

    let clusters = edge.admin_get("/clusters?format=json").text();

    assert!(clusters.contains(&format!("file {}", file.display())), "{clusters}");
    assert!(clusters.contains("known_seconds"), "{clusters}");
}
