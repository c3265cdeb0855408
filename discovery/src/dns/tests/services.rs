//! Services, whose targets are names themselves.

use super::*;

const OWNER: &str = "_http._tcp.order.test";

#[tokio::test]
async fn a_service_has_the_addresses_that_came_along_and_looks_up_the_others() {
    let server = Server::start(|asked, mut answer| match (asked.name.as_str(), asked.kind) {
        (OWNER, SRV) => {
            answer.add_additional(address("one.test", 60, "10.0.0.1"));
            let offers = [offer(OWNER, (10, 5, 8001), "one.test"), offer(OWNER, (20, 0, 8002), "two.test")];
            records(answer, offers)
        }
        ("two.test", A) => records(answer, [address("two.test", 60, "10.0.0.2")]),
        _ => denial(answer, ResponseCode::NoError),
    })
    .await;
    let mut dns = service(&server);

    let seen = found(look(&mut dns).await);

    let one = Endpoint { weight: 5, ..Endpoint::at(SocketAddr::from(([10, 0, 0, 1], 8001))) };
    let two = Endpoint { priority: 1, ..Endpoint::at(SocketAddr::from(([10, 0, 0, 2], 8002))) };
    assert_eq!(dns.name(), "dns _http._tcp.order.test");
    assert_eq!(seen, [one, two]);
    assert!(!server.asked().iter().any(|asked| asked.name == "one.test"));
}

#[tokio::test]
async fn a_service_of_many_targets_asks_for_no_more_than_sixty_four() {
    let target = |n| format!("t{n:03}.test");
    let server = Server::start(move |asked, mut answer| match (asked.kind, asked.via) {
        (SRV, Via::Udp) => {
            answer.metadata.truncation = true;
            vec![answer]
        }
        (SRV, Via::Tcp) => records(answer, (0..200).map(|n| offer(OWNER, (n, 1, 80), &target(n)))),
        (A, _) => records(
            answer,
            [address(&asked.name, 60, &format!("10.0.0.{}", &asked.name[1..4].parse::<u8>().unwrap()))],
        ),
        _ => denial(answer, ResponseCode::NoError),
    })
    .await;

    let seen = found(look(&mut service(&server)).await);

    let asked: Vec<String> =
        server.asked().into_iter().filter(|asked| asked.kind == A).map(|asked| asked.name).collect();
    assert_eq!(seen.len(), 64);
    assert_eq!(seen[63].priority, 63);
    assert!(asked.iter().all(|name| *name < target(64)), "the best ones: {asked:?}");
}

#[tokio::test]
async fn a_service_behind_a_cname_is_found_whether_it_comes_at_once_or_in_steps() {
    let server = |at_once: bool| {
        Server::start(move |asked, answer| match (asked.name.as_str(), asked.kind) {
            (OWNER, CNAME) => records(answer, [alias(OWNER, 60, "real.test")]),
            (OWNER, SRV) if at_once => {
                let chain = [alias(OWNER, 60, "real.test"), offer("real.test", (1, 1, 8001), "one.test")];
                records(answer, chain)
            }
            (OWNER, SRV) => records(answer, [alias(OWNER, 60, "real.test")]),
            ("real.test", SRV) => records(answer, [offer("real.test", (1, 1, 8001), "one.test")]),
            ("one.test", A) => records(answer, [address("one.test", 60, "10.0.0.1")]),
            _ => denial(answer, ResponseCode::NoError),
        })
    };

    for server in [server(true).await, server(false).await] {
        let seen = look(&mut service(&server)).await;

        assert_eq!(addresses(seen), ["10.0.0.1:8001"]);
    }
}

#[tokio::test]
async fn a_service_behind_a_circle_of_cnames_is_left_after_a_few_questions() {
    let server = Server::start(|asked, answer| match asked.name.as_str() {
        OWNER => records(answer, [alias(OWNER, 60, "a.test")]),
        _ => records(answer, [alias("a.test", 60, OWNER)]),
    })
    .await;
    let mut dns = service(&server);

    let trouble = trouble(look(&mut dns).await);

    assert!(trouble.contains("order.test SRV: its CNAMEs lead in circles or too far"), "{trouble}");
    assert!(server.asked().len() <= 50, "{}", server.asked().len());
}

#[tokio::test]
async fn a_service_that_is_denied_or_not_available_is_gone_when_it_is_said_twice() {
    for unavailable in [true, false] {
        let server = Server::start(move |_, answer| match unavailable {
            true => records(answer, [offer(OWNER, (0, 0, 0), ".")]),
            false => denial(answer, ResponseCode::NXDomain),
        })
        .await;
        let mut dns = service(&server);

        let first = trouble(look(&mut dns).await);

        assert!(first.contains("_http._tcp.order.test SRV: "), "{first}");
        assert_eq!(look(&mut dns).await, Observation::Nothing);
    }
}

#[tokio::test]
async fn a_service_whose_targets_cannot_be_looked_up_has_failed() {
    let server = Server::start(|asked, answer| match asked.kind {
        SRV => records(answer, [offer(OWNER, (1, 1, 80), "one.test")]),
        _ => code(answer, ResponseCode::ServFail),
    })
    .await;
    let mut dns = service(&server);

    for _ in 0..2 {
        let trouble = trouble(look(&mut dns).await);

        assert!(trouble.contains("order.test SRV: one.test A: the server says SERVFAIL"), "{trouble}");
    }
}

#[tokio::test]
async fn a_service_that_is_its_own_alias_is_no_denial() {
    let server = Server::start(|_, answer| records(answer, [alias(OWNER, 60, OWNER)])).await;
    let mut dns = service(&server);

    for _ in 0..2 {
        let trouble = trouble(look(&mut dns).await);

        assert!(trouble.contains("lead in circles"), "{trouble}");
    }
}

#[tokio::test]
async fn few_targets_are_looked_up_at_once() {
    let server = Server::start(|asked, answer| match asked.kind {
        SRV => records(answer, (0..20).map(|n| offer(OWNER, (n, 1, 80), &format!("t{n}.test")))),
        _ => vec![],
    })
    .await;
    let mut dns = service(&server);
    let mut looking = Box::pin(dns.look());
    // A question may be sent twice, if the machine is slow.
    let asked = || server.asked().iter().filter(|asked| asked.kind == A && asked.before == 0).count();

    // Nobody answers, so what is asked at first is all there is.
    let mut more = 200;
    while more > 0 {
        assert!(looking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
        more -= usize::from(asked() >= 8);
    }

    assert_eq!(asked(), 8);
}

#[tokio::test]
async fn a_denial_is_no_denial_while_nobody_knows_whether_there_is_a_cname() {
    let unknown = |asked: &Asked, answer| match asked.kind {
        CNAME => code(answer, ResponseCode::ServFail),
        _ => code(answer, ResponseCode::NoError),
    };
    let server = Server::start(unknown).await;

    for mut dns in [service(&server), host(&server)] {
        for _ in 0..2 {
            let trouble = trouble(look(&mut dns).await);

            assert!(trouble.contains("CNAME: the server says SERVFAIL"), "{trouble}");
        }
    }
}
