//! Making an authority: a root, an intermediate under it, an empty store.
//!
//! Everything is made in a folder beside and moved to its place at the end: a crash in between leaves no half an
//! authority, only a folder to delete.

use super::{Authority, AuthorityError, audit, operator, random};
use crate::audit::{Event, What};
use crate::issuer::{self, Issuer};
use crate::key::{Key, Password};
use crate::names::{AuthorityId, Fingerprint, Serial};
use crate::policy::BACKDATE;
use crate::profile::Validity;
use crate::rotation::Phase;
use crate::spiffe::TrustDomain;
use crate::store::{AuthorityRecord, Settings, Sqlite, Store};
use crate::time::Timestamp;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// How long an intermediate lives: 30 days.
pub(super) const INTERMEDIATE_LIFE: Duration = Duration::from_secs(30 * DAY.as_secs());

/// What an authority is made with.
#[derive(Debug)]
pub struct Init {
    /// Whose authority it is.
    pub trust_domain: TrustDomain,
    /// Where its clients will reach it.
    pub urls: Vec<String>,
    /// The life of a certificate nobody asked a life for.
    pub ttl_default: Duration,
    /// The life of the root.
    pub root_life: Duration,
    /// Encrypts the keys.
    pub password: Option<Password>,
    /// The moment.
    pub now: Timestamp,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The root, and the SHA-256 of its certificate.
    pub root: AuthorityId,
    /// See `root`.
    pub fingerprint: Fingerprint,
    /// When the root expires.
    pub root_expires: Timestamp,
    /// The intermediate that signs, and when it expires.
    pub intermediate: AuthorityId,
    /// See `intermediate`.
    pub intermediate_expires: Timestamp,
    /// The file of the root's key.
    pub root_key: PathBuf,
}

impl Authority {
    /// Makes an authority in `dir`, which must be empty or absent.
    ///
    /// # Errors
    /// When there is one already, or the folder cannot be written.
    pub fn init(dir: &Path, init: &Init) -> Result<Summary, AuthorityError> {
        check(init)?;
        super::Dir::new(dir).check_owner()?;
        if super::Dir::new(dir).database().exists() {
            return Err(AuthorityError::AlreadyInitialised(dir.to_owned()));
        }
        if std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some()) {
            return Err(AuthorityError::NotEmpty(dir.to_owned()));
        }
        let io = |path: &Path| {
            let path = path.to_owned();
            |source| AuthorityError::Io { path, source }
        };
        let beside = beside(dir)?;
        make_folder(&beside)?;
        let made = fill(&beside, init).and_then(|summary| {
            // An empty folder that was there before gives way to the whole one.
            std::fs::rename(&beside, dir).map_err(io(dir))?;
            sync_parent(dir)?;
            Ok(summary)
        });
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&beside);
        }
        let mut summary = made?;
        summary.root_key = super::Dir::new(dir).key(&summary.root);
        Self::open_without_keys(dir, None)?.flush_audit()?;
        Ok(summary)
    }
}

fn check(init: &Init) -> Result<(), AuthorityError> {
    let bounds = |what, least, most| AuthorityError::OutOfBounds { what, least, most };
    if !(Duration::from_secs(60)..=3 * DAY).contains(&init.ttl_default) {
        return Err(bounds("the default life of certificates", "1m", "72h"));
    }
    super::admin::urls_sound(&init.urls)?;
    // A root must outlive its intermediates by far.
    if !(90 * DAY..=Duration::from_secs(20 * 365 * DAY.as_secs())).contains(&init.root_life) {
        return Err(bounds("the life of the root", "90d", "7300d"));
    }
    Ok(())
}

/// A folder next to `dir`, on the same file system.
pub(super) fn beside(dir: &Path) -> Result<PathBuf, AuthorityError> {
    let dir =
        std::path::absolute(dir).map_err(|source| AuthorityError::Io { path: dir.to_owned(), source })?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parent = dir.parent().unwrap_or(&dir);
    std::fs::create_dir_all(parent)
        .map_err(|source| AuthorityError::Io { path: parent.to_owned(), source })?;
    Ok(parent.join(format!(".{name}.{}", crate::names::to_hex(&random::<4>()?))))
}

/// Makes the name of a folder durable.
pub(super) fn sync_parent(dir: &Path) -> Result<(), AuthorityError> {
    let io = |source| AuthorityError::Io { path: dir.to_owned(), source };
    let whole = std::path::absolute(dir).map_err(io)?;
    crate::files::sync_folder(whole.parent().unwrap_or(&whole)).map_err(io)
}

pub(super) fn make_folder(path: &Path) -> Result<(), AuthorityError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| AuthorityError::Io { path: path.to_owned(), source })
}

fn fill(path: &Path, init: &Init) -> Result<Summary, AuthorityError> {
    let dir = super::Dir::new(path);
    make_folder(&dir.keys())?;
    let root_key = Key::generate()?;
    let root = new_root(&init.trust_domain, 1, (init.now, init.root_life), &root_key)?;
    root_key.write(&dir.key(&root.id), init.password.as_ref())?;
    let issuer = Issuer::new(root.der.clone(), root_key)?;
    let (intermediate, key) = new_intermediate(&init.trust_domain, 1, init.now, (&root, &issuer))?;
    key.write(&dir.key(&intermediate.id), init.password.as_ref())?;

    let store = Sqlite::create(&dir.database())?;
    let write = store.write()?;
    write.put_settings(&Settings {
        trust_domain: init.trust_domain.clone(),
        urls: init.urls.clone(),
        ttl_default: init.ttl_default.as_secs(),
        sequence: 1,
        phase: Phase::Stable { active: root.id.clone() },
        roots: 1,
        intermediates: 1,
        signing: intermediate.id.clone(),
        restored: None,
    })?;
    write.add_authority(&root)?;
    write.add_authority(&intermediate)?;
    audit(
        &*write,
        &Event { root: Some(root.id.clone()), ..Event::new(What::CaInitialised, init.now, operator()) },
    )?;
    write.commit()?;
    Ok(Summary {
        fingerprint: Fingerprint::of(&root.der),
        root: root.id.clone(),
        root_expires: root.not_after,
        intermediate: intermediate.id,
        intermediate_expires: intermediate.not_after,
        root_key: dir.key(&root.id),
    })
}

/// The `number`-th root, valid from `now` for `life`.
pub(super) fn new_root(
    trust_domain: &TrustDomain,
    number: u64,
    (now, life): (Timestamp, Duration),
    key: &Key,
) -> Result<AuthorityRecord, AuthorityError> {
    let id = AuthorityId::root(number);
    let validity = Validity { not_before: now.before(BACKDATE), not_after: now.after(life) };
    let der = issuer::self_signed_root((trust_domain, &id), validity, Serial::from_random(random()?), key)?;
    Ok(AuthorityRecord {
        id,
        root: None,
        der,
        not_before: validity.not_before,
        not_after: validity.not_after,
    })
}

/// The `number`-th intermediate with its key; never outlives its root.
pub(super) fn new_intermediate(
    trust_domain: &TrustDomain,
    number: u64,
    now: Timestamp,
    (root, issuer): (&AuthorityRecord, &Issuer),
) -> Result<(AuthorityRecord, Key), AuthorityError> {
    let id = AuthorityId::intermediate(number);
    let key = Key::generate()?;
    let not_after = now.after(INTERMEDIATE_LIFE).min(root.not_after);
    // Three times the longest certificate: else it would have to be replaced at once.
    if not_after < now.after(9 * DAY) {
        return Err(AuthorityError::RootExpires { root: root.id.clone(), not_after: root.not_after });
    }
    let validity = Validity { not_before: now.before(BACKDATE), not_after };
    let serial = Serial::from_random(random()?);
    let der = issuer.intermediate((trust_domain, &id), validity, serial, &key)?;
    let (not_before, not_after) = (validity.not_before, validity.not_after);
    Ok((AuthorityRecord { id, root: Some(root.id.clone()), der, not_before, not_after }, key))
}
