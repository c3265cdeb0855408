//! What is copied into a backup, and what is not.

use super::*;
use crate::authority::init::make_folder;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tempfile::TempDir;

/// A folder with a key, and one to copy it to.
fn given() -> (TempDir, Dir, Dir) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (Dir::new(&folder.path().join("from")), Dir::new(&folder.path().join("to")));
    make_folder(&from.keys()).unwrap();
    make_folder(&to.keys()).unwrap();
    fs::write(from.keys().join("intermediate-1.key"), "key").unwrap();
    fs::write(from.audit(), "audit").unwrap();
    (folder, from, to)
}

#[test]
fn copies_are_for_their_owner_alone() {
    let (_folder, from, to) = given();

    copy_files(&from, &to).unwrap();

    for (file, content) in [(to.keys().join("intermediate-1.key"), "key"), (to.audit(), "audit")] {
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_key_that_was_moved_away_is_not_copied_through_its_link() {
    let (folder, from, to) = given();
    let away = folder.path().join("away.key");
    fs::write(&away, "root").unwrap();
    symlink(&away, from.keys().join("root-1.key")).unwrap();

    copy_files(&from, &to).unwrap();

    let copied: Vec<_> = fs::read_dir(to.keys()).unwrap().map(|key| key.unwrap().file_name()).collect();
    assert_eq!(copied, ["intermediate-1.key"]);
}

#[test]
fn a_link_that_was_planted_in_a_backup_is_not_followed() {
    let (folder, from, to) = given();
    let stolen = folder.path().join("stolen");
    for planted in [to.keys().join("intermediate-1.key"), to.audit()] {
        symlink(&stolen, &planted).unwrap();

        let error = copy_files(&from, &to).unwrap_err();

        assert!(matches!(&error, AuthorityError::Io { path, .. } if *path == planted), "{error}");
        assert!(!stolen.exists());
        fs::remove_file(planted).unwrap();
        let _ = fs::remove_file(to.keys().join("intermediate-1.key"));
    }
}

#[test]
fn keys_are_not_copied_to_where_others_can_write() {
    let (_folder, from, to) = given();
    for place in [to.path().to_owned(), to.keys()] {
        fs::set_permissions(&place, fs::Permissions::from_mode(0o1777)).unwrap();

        let error = copy_files(&from, &to).unwrap_err();

        assert!(error.to_string().contains("chmod go-w"), "{error}");
        assert!(!to.keys().join("intermediate-1.key").exists());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
