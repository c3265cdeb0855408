//! A file is taken up when it has become another one, whole or not at all; and no accident makes a set empty.

use super::*;
use crate::{Endpoint, Settings, watch};
use std::os::unix::fs::symlink;
use std::pin::pin;
use tempfile::TempDir;
use tokio::time::timeout;

/// A port a line; `none` is the empty list.
fn ports(text: &str) -> Result<Endpoints, String> {
    let listed = text.lines().filter(|line| *line != "none").map(|line| match line.parse::<u16>() {
        Ok(port) => Ok(Endpoint::at(([127, 0, 0, 1], port).into())),
        Err(_) => Err(format!("`{line}` is not a port")),
    });
    let listed: Vec<_> = listed.collect::<Result<_, _>>()?;
    Endpoints::new(listed).map_err(|error| error.to_string())
}

fn found<const N: usize>(ports: [u16; N]) -> Observation {
    Observation::Found(Endpoints::new(ports.map(|port| Endpoint::at(([127, 0, 0, 1], port).into()))).unwrap())
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
}

/// A folder with the file `list`, which has `text` in it.
fn folder(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    write(&path, text);
    (folder, path)
}

/// Waits for the source to say `expected`; how many looks that took.
async fn says(file: &mut File, expected: &Observation) -> usize {
    for looks in 1..10 {
        if file.look().await == *expected {
            return looks;
        }
    }
    panic!("it goes on saying {:?}", file.look().await);
}

/// The reason of the first failure, without the path.
async fn failure(file: &mut File) -> String {
    for _ in 0..10 {
        if let Observation::Failed(SourceError(why)) = file.look().await {
            return why.replace(&file.path.display().to_string(), "PATH");
        }
    }
    panic!("it goes on saying {:?}", file.look().await);
}

#[tokio::test(start_paused = true)]
async fn the_first_look_is_at_once_and_every_other_a_second_later() {
    let (_folder, path) = folder("1\n2\n");
    let mut file = File::new(&path, ports);
    let began = clock::now();

    assert_eq!(file.name(), format!("file {}", path.display()));
    assert_eq!((file.look().await, clock::now() - began), (found([1, 2]), Duration::ZERO));
    assert_eq!((file.look().await, clock::now() - began), (found([1, 2]), INTERVAL));
    assert_eq!((file.look().await, clock::now() - began), (found([1, 2]), 2 * INTERVAL));
}

#[tokio::test(start_paused = true)]
async fn a_look_after_one_that_was_dropped_waits_for_nothing() {
    let (_folder, path) = folder("1");
    let mut file = File::new(path, ports);
    file.look().await;
    assert!(timeout(INTERVAL / 2, file.look()).await.is_err());
    let began = clock::now();

    file.look().await;

    assert_eq!(clock::now(), began);
}

#[tokio::test(start_paused = true)]
async fn written_renamed_or_linked_otherwise_it_is_seen() {
    let (folder, path) = folder("1");
    let mut file = File::new(&path, ports);
    says(&mut file, &found([1])).await;

    write(&path, "2\n3");
    assert_eq!(says(&mut file, &found([2, 3])).await, 1, "what was there is not said again meanwhile");

    write(&folder.path().join("draft"), "4\n5");
    fs::rename(folder.path().join("draft"), &path).unwrap();
    assert_eq!(says(&mut file, &found([4, 5])).await, 1);

    write(&folder.path().join("other"), "6\n7");
    fs::remove_file(&path).unwrap();
    symlink("other", &path).unwrap();
    assert_eq!(says(&mut file, &found([6, 7])).await, 1);

    write(&folder.path().join("other"), "8");
    assert_eq!(says(&mut file, &found([8])).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_swap_of_a_mounted_volume_is_seen() {
    // As Kubernetes does it: `list` -> `..data/list`, `..data` -> a folder with a date, swapped by a rename.
    let volume = tempfile::tempdir().unwrap();
    let at = |name: &str| volume.path().join(name);
    for (date, text) in [("..2026_01", "1"), ("..2026_02", "2")] {
        fs::create_dir(at(date)).unwrap();
        write(&at(date).join("list"), text);
    }
    symlink("..2026_01", at("..data")).unwrap();
    symlink("..data/list", at("list")).unwrap();
    let mut file = File::new(at("list"), ports);
    says(&mut file, &found([1])).await;

    symlink("..2026_02", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    fs::remove_dir_all(at("..2026_01")).unwrap();

    assert_eq!(says(&mut file, &found([2])).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_read() {
    let (_folder, path) = folder("1\n2\n3\n");
    let mut file = File::new(&path, ports);
    says(&mut file, &found([1, 2, 3])).await;
    says(&mut file, &found([1, 2, 3])).await;

    {
        let mut look = pin!(file.look());
        // Each part would be a list of its own, and the first one is no file any more.
        for part in ["", "1\n", "1\n2\n", "1\n2\n3\n", "1\n2\n3\n4"] {
            write(&path, part);
            assert!(timeout(INTERVAL, &mut look).await.is_err(), "read half-written: {part}");
        }
    }

    assert_eq!(file.look().await, found([1, 2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_while_it_is_read_is_read_again() {
    thread_local!(static PATH: std::cell::RefCell<Option<PathBuf>> = const { std::cell::RefCell::new(None) });
    let (_folder, path) = folder("1\n");
    PATH.set(Some(path.clone()));
    let mut file = File::new(&path, |text| {
        // Whoever writes goes on once.
        if let Some(path) = PATH.take() {
            write(&path, "1\n2\n");
        }
        ports(text)
    });

    assert_eq!(file.look().await, found([1, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_taken_back_has_to_settle_anew() {
    let (folder, path) = folder("1");
    let mut file = File::new(&path, ports);
    let (first, other) = (folder.path().join("first"), folder.path().join("other"));
    write(&other, "2\n3");
    says(&mut file, &found([1])).await;
    says(&mut file, &found([1])).await;

    for _ in 0..3 {
        fs::rename(&path, &first).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(timeout(INTERVAL * 3 / 2, file.look()).await.is_err(), "not there for long enough");
        fs::rename(&path, &other).unwrap();
        fs::rename(&first, &path).unwrap();
        assert_eq!(file.look().await, found([1]));
    }
}

#[tokio::test(start_paused = true)]
async fn looks_in_quick_succession_do_not_make_a_change_settle() {
    let (_folder, path) = folder("1");
    let mut file = File::new(&path, ports);
    says(&mut file, &found([1])).await;
    says(&mut file, &found([1])).await;

    write(&path, "2\n3");

    let began = clock::now();
    for _ in 0..30 {
        let look = timeout(INTERVAL / 20, file.look()).await;
        assert!(look.is_err() || clock::now() - began >= INTERVAL, "{look:?}");
    }
    assert_eq!(file.look().await, found([2, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_the_same_size_written_right_after_the_first_look_is_seen() {
    let (_folder, path) = folder("1");
    let mut file = File::new(&path, ports);
    assert_eq!(file.look().await, found([1]));
    let written = fs::metadata(&path).unwrap().modified().unwrap();

    write(&path, "2");
    fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();

    assert_eq!(file.look().await, found([2]));
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_nothing_and_a_blank_file_is_a_failure() {
    let (_folder, path) = folder("none");
    let mut file = File::new(&path, ports);
    assert_eq!(file.look().await, Observation::Nothing);

    for blank in ["", " \n\n\t"] {
        write(&path, blank);
        assert_eq!(failure(&mut file).await, "PATH: it is blank, which is no list, not even an empty one");
        write(&path, "none");
        says(&mut file, &Observation::Nothing).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_used_is_a_failure_that_says_why_until_it_can() {
    let (folder, path) = folder("1");
    let mut file = File::new(&path, ports);
    let draft = folder.path().join("draft");
    let replace = |text: &[u8]| {
        write(&draft, text);
        fs::rename(&draft, &path).unwrap();
    };
    says(&mut file, &found([1])).await;

    fs::remove_file(&path).unwrap();
    assert_eq!(failure(&mut file).await, "PATH: No such file or directory (os error 2)");

    fs::create_dir(&path).unwrap();
    assert_eq!(failure(&mut file).await, "PATH: it is not a file");
    fs::remove_dir(&path).unwrap();

    replace(b"http");
    assert_eq!(failure(&mut file).await, "PATH: `http` is not a port");

    replace(b"1\n\xff");
    assert_eq!(failure(&mut file).await, "PATH: it is not text in UTF-8");

    replace(&vec![b'1'; usize::try_from(LARGEST).unwrap() + 1]);
    assert_eq!(failure(&mut file).await, "PATH: it has 8388609 bytes, allowed are 8388608");

    symlink(&path, &draft).unwrap();
    fs::rename(&draft, &path).unwrap();
    assert!(failure(&mut file).await.starts_with("PATH: Too many levels of symbolic links"));

    fs::remove_file(&path).unwrap();
    replace(b"2");
    says(&mut file, &found([2])).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_missing_at_first_is_found_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let mut file = File::new(&path, ports);
    assert_eq!(failure(&mut file).await, "PATH: No such file or directory (os error 2)");

    write(&path, "1");

    says(&mut file, &found([1])).await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_tried_again_although_it_looks_the_same() {
    let (_folder, path) = folder("1");
    let mut file = File::new(&path, ports);
    let seen = Observation::Failed(SourceError("permission denied".to_owned()));
    file.taken = Some(Taken { look: Look::at(&path), seen, again: true });

    assert_eq!(file.look().await, found([1]));

    // Nothing is mapped at its beginning, so it opens and cannot be read, whoever we are.
    let mut file = File::new("/proc/self/mem", ports);
    for _ in 0..3 {
        assert_eq!(failure(&mut file).await, "PATH: Input/output error (os error 5)");
        assert!(file.taken.as_ref().is_some_and(|taken| taken.again));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_read_once_and_not_every_second() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static READ: AtomicU32 = AtomicU32::new(0);
    let (_folder, path) = folder("x");
    let mut file = File::new(&path, |_| {
        READ.fetch_add(1, Ordering::Relaxed);
        Err("no".to_owned())
    });

    for _ in 0..100 {
        assert!(matches!(file.look().await, Observation::Failed(_)));
    }

    assert_eq!(READ.load(Ordering::Relaxed), 2, "at once, and again a second later");
}

#[tokio::test(start_paused = true)]
async fn a_watched_file_never_empties_a_feed_by_accident() {
    let (_folder, path) = folder("1\n2");
    let (mut feed, watching) = watch("order", File::new(&path, ports), Settings::default());
    let test = async {
        let first = feed.changed().await.expect("a first set");
        fs::remove_file(&path).unwrap();
        assert!(timeout(Duration::from_secs(3600), feed.changed()).await.is_err(), "missing is not empty");
        assert!(feed.status().trouble.is_some_and(|(_, why)| why.contains("No such file")));

        write(&path, "none");
        let began = clock::now();
        let emptied = feed.changed().await.expect("a change");

        assert_eq!((first.endpoints.as_slice().len(), emptied.endpoints.as_slice().len()), (2, 0));
        assert!(clock::now() - began >= Settings::default().grace, "held back");
        assert_eq!(feed.status().trouble, None);
    };
    tokio::select! {
        () = watching => panic!("nobody watches any more"),
        () = test => {}
    }
}
