//! For tests: the `openssl` command in a folder of its own, so that what is written here is judged by somebody else.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A temporary folder in which commands run.
pub(crate) struct OpenSsl(TempDir);

impl OpenSsl {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file with mode 0600 and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let mut open = fs::OpenOptions::new();
        let mut file =
            open.write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a new file");
        std::io::Write::write_all(&mut file, content.as_ref()).expect("space for a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    pub(crate) fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("our own file");
    }

    /// Runs `openssl` with these words and returns what it printed; it must succeed.
    pub(crate) fn run(&self, words: &str) -> String {
        let out = self.start(words);
        let (printed, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "openssl {words}\n{printed}{errors}");
        printed.into_owned()
    }

    /// Runs `openssl` with these words and returns its complaint; it must fail.
    pub(crate) fn refused(&self, words: &str) -> String {
        let out = self.start(words);
        let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success(), "openssl {words} should fail\n{said}");
        said.into_owned()
    }

    fn start(&self, words: &str) -> Output {
        let mut command = Command::new("openssl");
        command.args(words.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().expect("these tests need the openssl command")
    }
}
