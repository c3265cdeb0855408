//! The stream of trusts: at once, at each change, the newest only, and its end.

use super::*;
use crate::authority::Revoke;
use crate::proto::{self, Acknowledgement};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

/// An open stream.
struct Watch {
    client: Client,
    say: mpsc::Sender<Acknowledgement>,
    trusts: Streaming<proto::Trust>,
}

impl Watch {
    async fn open(server: &Running, workload: &Workload) -> Result<Self, Status> {
        let mut client = server.client(Some(workload)).await;
        let (say, heard) = mpsc::channel(8);
        let trusts = client.call.watch_bundle(ReceiverStream::new(heard)).await?.into_inner();
        Ok(Self { client, say, trusts })
    }

    async fn next(&mut self) -> proto::Trust {
        self.trusts.message().await.unwrap().expect("a trust")
    }

    async fn acknowledge(&self, sequence: u64) {
        self.say.send(Acknowledgement { sequence }).await.unwrap();
    }
}

/// A change of the trust; returns its sequence.
fn change(ground: &Ground, assert: bool) -> u64 {
    ground.register("spiffe://shop.example/edge", Grants { assert, ..Grants::default() });
    ground.authority.settings().unwrap().sequence
}

fn acknowledged(authority: &Authority) -> u64 {
    authority.live_instances(clock::wall()).unwrap().iter().map(|one| one.acknowledged).max().unwrap()
}

#[test]
fn a_member_is_told_at_once_and_at_each_change_and_is_heard() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let server = ground.serve().await;
        let mut watch = Watch::open(&server, &member).await.unwrap();

        let first = watch.next().await;
        let sequence = change(&ground, true);
        let second = watch.next().await;
        watch.acknowledge(sequence).await;
        ground.until(|authority| acknowledged(authority) == sequence).await;

        assert_eq!(second.sequence, sequence);
        assert!(first.sequence < sequence);
        assert_eq!((first.asserters.len(), second.asserters.len()), (0, 1));
        assert!((second.server_time_ms / 1000 - clock::wall().0).abs() <= 2);
    });
}

#[test]
fn an_acknowledgement_of_what_never_was_is_passed_over_and_the_next_one_is_heard() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let server = ground.serve().await;
        let mut watch = Watch::open(&server, &member).await.unwrap();
        let sequence = watch.next().await.sequence;

        for said in [0, sequence + 100, u64::MAX, sequence, 0] {
            watch.acknowledge(said).await;
        }
        ground.until(|authority| acknowledged(authority) > 0).await;

        assert_eq!(acknowledged(&ground.authority), sequence);
        assert_eq!(change(&ground, true), watch.next().await.sequence, "the stream lives");
    });
}

#[test]
fn who_says_all_and_ends_its_side_gets_an_answer_and_an_end() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let server = ground.serve().await;
        let sequence = ground.authority.settings().unwrap().sequence;
        let mut client = server.client(Some(&member)).await;
        let said = tokio_stream::iter([Acknowledgement { sequence }]);

        let mut trusts = client.call.watch_bundle(said).await.unwrap().into_inner();
        let first = trusts.message().await.unwrap();
        let end = trusts.message().await.unwrap();

        assert_eq!(first.map(|trust| trust.sequence), Some(sequence));
        assert!(end.is_none());
        assert_eq!(acknowledged(&ground.authority), sequence, "heard before the end");
    });
}

#[test]
fn a_member_has_two_streams_over_all_its_connections() {
    local(async {
        let ground = Ground::new();
        let (member, other) = (ground.workload(ORDER), ground.workload(&format!("{ORDER}-2")));
        let server = ground.serve().await;
        let first = Watch::open(&server, &member).await.unwrap();
        let mut second = Watch::open(&server, &member).await.unwrap();

        let Err(refused) = Watch::open(&server, &member).await else { panic!("a third") };
        let others = Watch::open(&server, &other).await;
        drop(first);
        // Its place is free once the server has seen its end.
        let third = loop {
            match Watch::open(&server, &member).await {
                Ok(watch) => break watch,
                Err(_) => tokio::task::yield_now().await,
            }
        };

        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(pushback(&refused).is_some());
        assert!(others.is_ok());
        assert!(second.next().await.sequence > 0);
        drop(third);
    });
}

#[test]
fn the_stream_and_the_connection_of_a_denied_member_end_and_others_are_told() {
    local(async {
        let ground = Ground::new();
        let (member, other) = (ground.workload(ORDER), ground.workload(&format!("{ORDER}-2")));
        let server = ground.serve().await;
        let mut watch = Watch::open(&server, &member).await.unwrap();
        let mut others = Watch::open(&server, &other).await.unwrap();
        watch.next().await;
        others.next().await;
        let began = clock::monotonic();

        ground.authority.revoke(&Revoke::Id(member.id()), "stolen", clock::wall()).unwrap();
        let end = watch.trusts.message().await.unwrap_err();
        let told = others.next().await;
        let closed = timeout(Duration::from_secs(5), &mut watch.client.driver).await;

        assert_eq!(end.code(), Code::PermissionDenied);
        assert_eq!(told.denied.len(), 1);
        assert!(closed.is_ok(), "the connection ends too");
        let took = clock::monotonic().duration_since(began);
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}

#[test]
fn a_member_under_a_root_that_is_retired_is_out() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let server = ground.serve().await;
        let mut watch = Watch::open(&server, &member).await.unwrap();
        watch.next().await;
        let (authority, year) = (&ground.authority, Duration::from_secs(365 * 86_400));

        authority.prepare_root(year, clock::wall()).unwrap();
        authority.activate_root(true, clock::wall()).unwrap();
        assert!(watch.next().await.roots.len() == 2);
        authority.retire_root(true, clock::wall()).unwrap();
        let closed = timeout(Duration::from_secs(5), &mut watch.client.driver).await;

        assert!(closed.is_ok());
    });
}

#[test]
fn a_member_is_out_when_its_certificate_expires() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let member = ground.forged(ORDER, -60, 2);
        let mut watch = Watch::open(&server, &member).await.unwrap();
        watch.next().await;

        let closed = timeout(Duration::from_secs(10), &mut watch.client.driver).await;

        assert!(closed.is_ok());
        assert!(clock::wall() > certificate::svid(&member.chain[0]).unwrap().not_after);
    });
}

#[test]
fn a_slow_reader_misses_trusts_but_never_the_newest() {
    local(async {
        let ground = Ground::new();
        let (slow, quick) = (ground.workload(ORDER), ground.workload(&format!("{ORDER}-2")));
        let server = ground.serve().await;
        // Each trust is larger than all buffers between the two.
        for number in 0..400 {
            let id = format!("spiffe://shop.example/{}/{number}", "x".repeat(1_900));
            ground.register(&id, Grants { assert: true, ..Grants::default() });
        }
        let mut slow = Watch::open(&server, &slow).await.unwrap();
        let mut quick = Watch::open(&server, &quick).await.unwrap();
        let mut newest = quick.next().await.sequence;

        // The slow one reads nothing until all of these have been seen.
        for round in 0..20 {
            newest = change(&ground, round % 2 == 0);
            while quick.next().await.sequence < newest {}
        }
        let mut read = 0;
        while slow.next().await.sequence < newest {
            read += 1;
        }

        assert!(read < 10, "{read} were kept for it");
    });
}
