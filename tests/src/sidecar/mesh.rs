//! The authority of a mesh and what it gives out.

use super::{Rogue, Svid};
use crate::{Ca, CaServer};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The SPIFFE ID of `name` (`svc/order`).
pub fn id(name: &str) -> String {
    format!("spiffe://{}/{name}", crate::ca::TRUST_DOMAIN)
}

/// An authority for `shop.example` that knows `edge` and `edge-two`, which may introduce users, and `svc/order`,
/// `svc/payment`, `svc/other`, which may not.
#[derive(Debug)]
pub struct Mesh {
    ca: Ca,
    made: AtomicUsize,
}

impl Mesh {
    /// A new one. Certificates live for a day.
    #[expect(clippy::new_without_default, reason = "making keys is no default")]
    pub fn new() -> Self {
        Self::of_life(None)
    }

    /// A new one whose certificates live a minute.
    pub fn short_lived() -> Self {
        Self::of_life(Some("1m"))
    }

    fn of_life(life: Option<&str>) -> Self {
        let ca = match life {
            Some(life) => Ca::with(&["--ttl", life]),
            None => Ca::new(),
        };
        let limit: Vec<&str> = life.iter().flat_map(|life| ["--ttl-max", life]).collect();
        for name in ["edge", "edge-two"] {
            ca.entry(name, &[limit.as_slice(), &["--grant", "assert"]].concat());
        }
        for name in ["svc/order", "svc/payment", "svc/other"] {
            ca.entry(name, &limit);
        }
        Self { ca, made: AtomicUsize::new(0) }
    }

    /// The authority.
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// A path nobody was given before.
    pub fn fresh_path(&self, stem: &str) -> PathBuf {
        self.ca.path(&format!("{stem}-{}", self.made.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new certificate for `name` (`svc/order`), with a new key; each one is another instance.
    pub fn svid(&self, name: &str) -> Svid {
        let folder = self.fresh_path(&name.replace('/', "-"));
        self.ca.run(&["issue", name, "--out", &folder.display().to_string()]).ok();
        Svid::read(name, folder)
    }

    /// A file with a new join token for `name`, which names the address of `server`.
    pub fn token_file(&self, name: &str, server: &CaServer) -> PathBuf {
        let file = self.fresh_path(&format!("token-{}", name.replace('/', "-")));
        self.write_token(name, server, &file);
        file
    }

    /// Writes a new join token for `name` into `file`, in one step.
    pub fn write_token(&self, name: &str, server: &CaServer, file: &std::path::Path) {
        let beside = self.fresh_path("token-new");
        std::fs::write(&beside, self.ca.token(name, server)).expect("written");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&beside, private).expect("permissions");
        std::fs::rename(&beside, file).expect("renamed");
    }

    /// Who stole the key of the intermediate.
    pub fn rogue(&self) -> Rogue {
        Rogue::new(self)
    }
}
