//! The store against sentinels, a cluster, and over TLS.

use super::support_tests::{Server, ask, free_port, limit, rate, store, worker};
use super::*;
use crate::config::limit::Limit;
use crate::config::store::{Servers, StoreTls};
use std::fs;

const SOON: Duration = Duration::from_secs(20);

fn generous() -> Limit {
    limit(Algorithm::TokenBucket, rate(1000, Duration::from_secs(86_400), 1000))
}

/// Asks until it is answered well.
async fn answered(store: &Store, ask: &Ask<'_>) -> Decision {
    let end = clock::now() + SOON;
    loop {
        match store.take(ask).await {
            Ok(decision) => return decision,
            Err(error) => assert!(clock::now() < end, "still {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn command(server: &Server, words: &[&str]) -> redis::Value {
    let (name, arguments) = words.split_first().unwrap();
    redis::cmd(name).arg(arguments).query(&mut server.direct()).unwrap()
}

#[test]
fn the_primary_that_sentinels_name_is_asked_and_followed() {
    worker(async {
        let mut primary = Server::start(&[]).await;
        let port = primary.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let rules = format!(
            "sentinel monitor counts 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds counts 300\n\
             sentinel failover-timeout counts 2000\n"
        );
        fs::write(&file, rules).unwrap();
        let sentinel = Server::sentinel(&file).await;
        let mut config = primary.config();
        let sentinels = vec![format!("127.0.0.1:{}", sentinel.port).into()];
        config.servers = Servers::Sentinel { sentinels, primary: "counts".into() };
        let (store, _) = store(&config);
        let (limit, end) = (generous(), clock::now() + SOON);

        let before = answered(&store, &ask(&limit, 1, 1)).await;
        // The sentinel has to know the replica, and the replica the count.
        while !format!("{:?}", command(&sentinel, &["SENTINEL", "REPLICAS", "counts"]))
            .contains("slave-priority")
            || command(&replica, &["DBSIZE"]) != redis::Value::Int(2)
        {
            assert!(clock::now() < end, "the replica is known");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        primary.kill();
        let after = answered(&store, &ask(&limit, 1, 1)).await;

        assert_eq!((before.remaining, after.remaining), (999, 998), "the replica goes on counting");
    });
}

#[test]
fn keys_of_a_cluster_are_found_on_their_nodes_also_after_they_have_moved() {
    worker(async {
        let nodes = [
            Server::start(&["--cluster-enabled", "yes"]).await,
            Server::start(&["--cluster-enabled", "yes"]).await,
        ];
        let [one, two] = &nodes;
        command(one, &["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
        command(two, &["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
        command(one, &["CLUSTER", "MEET", "127.0.0.1", &two.port.to_string()]);
        let end = clock::now() + SOON;
        while nodes
            .iter()
            .any(|node| !format!("{:?}", command(node, &["CLUSTER", "INFO"])).contains("cluster_state:ok"))
        {
            assert!(clock::now() < end, "the cluster is whole");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut config = one.config();
        config.servers = Servers::Cluster(vec![format!("127.0.0.1:{}", one.port).into()]);
        let (store, seen) = store(&config);
        let limit = generous();

        for key in 0..64 {
            assert!(store.take(&ask(&limit, key, 1)).await.unwrap().admitted);
        }
        let counts = nodes.each_ref().map(|node| command(node, &["DBSIZE"]));
        // The slot of a key that does not exist yet moves, and nobody tells us.
        let name = store.inner.key(Key(1000));
        let redis::Value::Int(slot) = command(one, &["CLUSTER", "KEYSLOT", &name]) else { panic!("no slot") };
        let (from, to) = if slot < 8192 { (one, two) } else { (two, one) };
        let id: String = redis::cmd("CLUSTER").arg("MYID").query(&mut to.direct()).unwrap();
        command(to, &["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
        command(from, &["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
        let moved = store.take(&ask(&limit, 1000, 1)).await.unwrap();

        assert!(counts.iter().all(|count| *count != redis::Value::Int(0)), "{counts:?}");
        assert!(moved.admitted);
        assert!(seen.errors.borrow().is_empty());
    });
}

#[test]
fn a_server_with_tls_is_believed_for_its_authority_and_its_name_only() {
    worker(async {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::from_params(&params, &key);
        let own = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&own, &issuer)
            .unwrap();
        fs::write(path("ca.pem"), authority.pem()).unwrap();
        fs::write(path("own.pem"), leaf.pem()).unwrap();
        fs::write(path("own.key"), own.serialize_pem()).unwrap();
        let port = free_port();
        let (ca, cert, own) = (path("ca.pem"), path("own.pem"), path("own.key"));
        let _server = Server::start(&[
            "--tls-port",
            &port.to_string(),
            "--tls-ca-cert-file",
            &ca,
            "--tls-cert-file",
            &cert,
            "--tls-key-file",
            &own,
            "--tls-auth-clients",
            "no",
        ])
        .await;
        let limit = generous();
        let with = |host: &str, ca: Option<&str>| {
            let mut config = support_tests::config(port);
            config.servers = Servers::Single(format!("{host}:{port}").into());
            config.tls = Some(StoreTls { ca: ca.map(Into::into) });
            store(&config).0
        };

        let believed = with("localhost", Some(&ca)).take(&ask(&limit, 1, 1)).await;
        let other_name = with("127.0.0.1", Some(&ca)).take(&ask(&limit, 1, 1)).await;
        let other_authority = with("localhost", None).take(&ask(&limit, 1, 1)).await;

        assert!(believed.unwrap().admitted);
        assert_eq!(
            (other_name, other_authority),
            (Err(StoreError::Unreachable), Err(StoreError::Unreachable))
        );
    });
}
