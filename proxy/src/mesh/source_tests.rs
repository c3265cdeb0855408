//! Both sources on a real runtime, without an authority that answers.

use super::super::support::{self, Ca, DOMAIN, ORDER, local};
use super::*;
use crate::config::mesh::{Level, Mesh};
use portcullis_ca::client::StateDir;
use std::path::Path;

fn config(folder: &Path, address: Option<&str>) -> Mesh {
    let source =
        Source::Authority { address: address.map(str::to_owned), join_token: None, state: folder.to_owned() };
    Mesh {
        trust_domain: DOMAIN.parse().unwrap(),
        source,
        level: Level::default(),
        assert: Vec::new(),
        headers: Vec::new(),
    }
}

#[test]
fn a_stored_identity_is_in_force_at_once_and_ends_with_its_source() {
    local(async {
        let (ca, folder) = (Ca::new(), tempfile::tempdir().unwrap());
        let own = ca.own(ORDER);
        StateDir::open(folder.path()).unwrap().store(&ca.identity(&own)).unwrap();

        let running = start(&config(folder.path(), Some("127.0.0.1:1"))).unwrap();

        let membership = wait_ready(&mut running.memberships()).await.unwrap();
        assert_eq!((membership.own.leaf, membership.own.generation), (own.leaf, 1));
        assert_eq!(membership.origin, Origin::Authority);
        let mut memberships = running.memberships();
        drop(running);
        assert!(memberships.wait_for(Option::is_none).await.is_err());
    });
}

#[test]
fn an_identity_that_is_over_is_in_force_but_not_ready() {
    local(async {
        let (ca, folder) = (Ca::new(), tempfile::tempdir().unwrap());
        let over = ca.spoiled(ORDER, |params| support::period(params, -7_200, -3_600));
        StateDir::open(folder.path()).unwrap().store(&ca.identity(&over)).unwrap();

        let running = start(&config(folder.path(), None)).unwrap();

        let membership = running.memberships().borrow().clone().unwrap();
        assert!(membership.expired(now()));
        let mut memberships = running.memberships();
        let ready = tokio::time::timeout(Duration::from_millis(100), wait_ready(&mut memberships)).await;
        assert!(ready.is_err());
    });
}

#[test]
fn an_identity_of_another_trust_domain_is_not_used() {
    local(async {
        let (ca, folder) = (Ca::new(), tempfile::tempdir().unwrap());
        StateDir::open(folder.path()).unwrap().store(&ca.identity(&ca.own(ORDER))).unwrap();
        let config = Mesh { trust_domain: "lab.example".parse().unwrap(), ..config(folder.path(), None) };

        let running = start(&config).unwrap();

        assert!(running.memberships().borrow().is_none());
    });
}

#[test]
fn the_address_of_the_authority_is_a_place_or_a_url() {
    assert_eq!(url("127.0.0.1:8600").unwrap(), "https://127.0.0.1:8600");
    assert_eq!(url("https://ca.shop.example:8600").unwrap(), "https://ca.shop.example:8600");
    for wrong in ["", "http://127.0.0.1:8600", "ca:8600/path", "user@ca:8600"] {
        assert!(matches!(url(wrong), Err(MeshError::Address(_))), "{wrong}");
    }
}
