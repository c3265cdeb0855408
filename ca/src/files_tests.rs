//! How files are made, and which ones are taken for private.

use super::*;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &TempDir) -> Vec<String> {
    let files = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes a file or folder a stranger's; to whom, if not to us, is the answer.
fn estrange(path: &Path) -> u32 {
    if uid() != 0 {
        return uid() + 1;
    }
    // What is root's is trusted: it takes root to give it away.
    chown(path, Some(4_321), None).unwrap();
    0
}

#[test]
fn a_new_file_is_whole_private_and_alone() {
    let folder = folder();
    let path = folder.path().join("a");

    write_new(&path, b"secret", PRIVATE).unwrap();

    assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (b"secret".as_slice(), 0o600));
    assert_eq!((names(&folder), fs::metadata(&path).unwrap().nlink()), (vec!["a".to_owned()], 1));
}

#[test]
fn a_new_file_replaces_nothing_not_even_what_comes_meanwhile() {
    let folder = folder();
    let path = folder.path().join("a");
    let link = folder.path().join("link");
    fs::write(&path, "old").unwrap();
    symlink(folder.path().join("nowhere"), &link).unwrap();

    let there = write_new(&path, b"new", PRIVATE).unwrap_err();
    let dangling = write_new(&link, b"new", PRIVATE).unwrap_err();
    let planted = create(&link, PRIVATE, |file| file.write_all(b"new")).unwrap_err();
    let race =
        put(&path, PRIVATE, |file| file.write_all(b"new"), |draft| fs::hard_link(draft, &path)).unwrap_err();

    for error in [there, dangling, planted, race] {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!((fs::read(&path).unwrap().as_slice(), names(&folder).len()), (b"old".as_slice(), 2));
}

#[test]
fn nothing_is_left_of_a_file_that_could_not_be_written() {
    let folder = folder();
    let path = folder.path().join("a");
    let full = || io::Error::from(ErrorKind::StorageFull);

    let writing = put(&path, PRIVATE, |_| Err(full()), |draft| fs::rename(draft, &path)).unwrap_err();
    let placing = put(&path, PRIVATE, |file| file.write_all(b"a"), |_| Err(full())).unwrap_err();

    assert_eq!((writing.kind(), placing.kind()), (ErrorKind::StorageFull, ErrorKind::StorageFull));
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
}

#[test]
fn who_has_the_old_file_open_reads_it_to_the_end() {
    let folder = folder();
    let path = folder.path().join("a");
    fs::write(&path, "old and long").unwrap();
    let mut reader = File::open(&path).unwrap();

    replace(&path, b"new").unwrap();

    assert_eq!(io::read_to_string(&mut reader).unwrap(), "old and long");
    assert_eq!((fs::read(&path).unwrap().as_slice(), names(&folder).len()), (b"new".as_slice(), 1));
}

#[test]
fn a_replaced_file_keeps_its_mode_its_owner_and_the_links_to_it() {
    let folder = folder();
    let (path, link) = (folder.path().join("a"), folder.path().join("link"));
    fs::write(&path, "old").unwrap();
    estrange(&path);
    chmod(&path, 0o640);
    symlink("a", &link).unwrap();
    let before = fs::metadata(&path).unwrap();

    replace(&link, b"new").unwrap();

    let after = fs::metadata(&path).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn what_is_no_file_is_written_to_and_not_replaced() {
    replace(Path::new("/dev/null"), b"new").unwrap();

    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn only_who_owns_a_folder_may_write_to_it() {
    let folder = folder();
    for good in [0o700, 0o755, 0o500] {
        chmod(folder.path(), good);
        own_folder(folder.path()).unwrap();
    }
    for bad in [0o770, 0o707, 0o720, 0o702, 0o777, 0o1777] {
        chmod(folder.path(), bad);

        let error = own_folder(folder.path()).unwrap_err();

        let said = error.to_string();
        assert!(matches!(error, Unsafe::Folder { mode, .. } if mode == bad), "{said}");
        let path = folder.path().display();
        assert!(
            said.contains(&format!("{bad:04o}")) && said.contains(&format!("chmod go-w {path}")),
            "{said}"
        );
    }
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_one_of_root_is_not() {
    let folder = folder();
    let ours = estrange(folder.path());

    let error = own_folder_of(folder.path(), ours).unwrap_err();

    let owner = fs::metadata(folder.path()).unwrap().uid();
    let said = error.to_string();
    assert!(matches!(error, Unsafe::Owner { owner: found, .. } if found == owner), "{said}");
    assert!(said.contains(&format!("chown {ours} {}", folder.path().display())), "{said}");
    own_folder_of(Path::new("/"), 4_321).unwrap();
    own_folder(&folder.path().join("none")).unwrap_err();
}

#[test]
fn a_file_of_somebody_else_is_not_read() {
    let folder = folder();
    let path = folder.path().join("a");
    write_new(&path, b"secret", PRIVATE).unwrap();
    let ours = estrange(&path);

    let error = read_private_of(&path, (0o077, 99), ours).unwrap_err();

    assert!(matches!(error, Unsafe::Owner { .. }), "{error}");
}

#[test]
fn a_private_file_is_read_whole_up_to_its_bound() {
    let folder = folder();
    let (path, link) = (folder.path().join("a"), folder.path().join("link"));
    write_new(&path, b"secret", PRIVATE).unwrap();
    symlink("a", &link).unwrap();

    assert_eq!(read_private(&link, 0o077, 6).unwrap().as_slice(), b"secret");
    assert!(matches!(read_private(&path, 0o077, 5), Err(Unsafe::TooLarge { most: 5, .. })));
    chmod(&path, 0o640);
    assert!(matches!(read_private(&path, 0o077, 6), Err(Unsafe::Exposed { mode: 0o640, .. })));
    assert_eq!(read_private(&path, 0o007, 6).unwrap().as_slice(), b"secret");
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    for path in [folder.path(), Path::new("/dev/null"), &pipe] {
        let (told, answer) = mpsc::channel();
        let asked = path.to_owned();
        std::thread::spawn(move || told.send(read_private(&asked, 0, 99)));

        let read = answer.recv_timeout(Duration::from_secs(20)).expect("it does not wait");

        assert!(matches!(read, Err(Unsafe::NoFile(_))), "{path:?}");
    }
}
