//! Hosts, from a name server that changes, lies, stutters and keeps silent.

use super::*;
use crate::dns::answer::Reply;
use crate::dns::ask::Asker;

#[tokio::test]
async fn the_addresses_of_both_families_are_endpoints_at_the_port() {
    let server = Server::start(|asked, answer| match asked.kind {
        A => records(answer, [address("order.test", 60, "10.0.0.2"), address("order.test", 60, "10.0.0.1")]),
        _ => records(answer, [address("order.test", 60, "fd00::1")]),
    })
    .await;
    let mut dns = host(&server);

    let seen = look(&mut dns).await;

    assert_eq!(dns.name(), "dns order.test:80");
    assert_eq!(addresses(seen), ["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"]);
}

#[tokio::test]
async fn a_changed_record_is_seen_at_the_next_look_for_nothing_is_kept_between_looks() {
    let server = Server::start(v4_only(|asked, answer| {
        records(answer, [address("order.test", 86_400, &format!("10.0.0.{}", asked.before + 1))])
    }))
    .await;
    let mut dns = host(&server);

    for expected in ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"] {
        let seen = look(&mut dns).await;

        assert_eq!(addresses(seen), [expected]);
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = Server::start(v4_only(|asked, mut answer| {
        if asked.via == Via::Udp {
            answer.metadata.truncation = true;
            return records(answer, [address("order.test", 60, "10.0.0.1")]);
        }
        records(answer, (1..=3).map(|n| address("order.test", 60, &format!("10.0.0.{n}"))))
    }))
    .await;
    let mut dns = host(&server);

    let seen = look(&mut dns).await;

    assert_eq!(addresses(seen), ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
}

#[tokio::test]
async fn a_thousand_addresses_are_taken_and_of_more_the_same_thousand_in_whatever_order() {
    for (listed, rotated) in [(1000_u32, 0), (1500, 0), (1500, 700)] {
        let server = Server::start(v4_only(move |asked, mut answer| {
            if asked.via == Via::Udp {
                answer.metadata.truncation = true;
                return vec![answer];
            }
            let numbers = (0..listed).map(|n| (n + rotated) % listed);
            let text = |n| format!("10.0.{}.{}", n / 256, n % 256);
            records(answer, numbers.map(|n| address("order.test", 60, &text(n))))
        }))
        .await;

        let seen = found(look(&mut host(&server)).await);

        assert_eq!(seen.len(), 1000);
        assert_eq!(seen[999].address, SocketAddr::from(([10, 0, 3, 231], 80)));
    }
}

#[tokio::test]
async fn an_answer_with_the_wrong_id_is_as_if_it_had_not_come() {
    let server = Server::start(v4_only(|_, answer| {
        let mut forged = answer.clone();
        forged.metadata.id = answer.metadata.id.wrapping_add(1);
        let mut sent = records(forged, [address("order.test", 60, "10.6.6.6")]);
        sent.extend(records(answer, [address("order.test", 60, "10.0.0.1")]));
        sent
    }))
    .await;

    let seen = look(&mut host(&server)).await;

    assert_eq!(addresses(seen), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn an_answer_to_another_question_is_as_if_it_had_not_come() {
    let server = Server::start(v4_only(|_, answer| {
        let mut forged = answer.clone();
        forged.queries[0].set_name(name("other.test"));
        let mut sent = records(forged, [address("other.test", 60, "10.6.6.6")]);
        sent.extend(records(answer, [address("order.test", 60, "10.0.0.1")]));
        sent
    }))
    .await;

    let seen = look(&mut host(&server)).await;

    assert_eq!(addresses(seen), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_server_that_fails_or_refuses_says_nothing_about_the_endpoints() {
    let codes = [
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::NotImp, "Not Implemented"),
    ];
    for (said, expected) in codes {
        let server = Server::start(move |_, answer| code(answer, said)).await;
        let mut dns = host(&server);

        for _ in 0..3 {
            let trouble = trouble(look(&mut dns).await);

            for part in ["order.test A: ", "order.test AAAA: ", expected] {
                assert!(trouble.contains(part), "{trouble}");
            }
        }
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_time_it_has() {
    let server = Server::start(|_, _| vec![]).await;
    let question = Question::Host("order.test".into(), 80);
    let brief = Settings { timeout: Duration::from_millis(40), attempts: 2, ..settings(&server, question) };

    let trouble = trouble(look(&mut Dns::new(brief).unwrap()).await);

    assert_eq!(trouble, "order.test A: no answer in time; order.test AAAA: no answer in time");
    assert_eq!(server.asked().iter().filter(|asked| asked.kind == A).count(), 2, "two attempts");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure() {
    let server = Server::start(|_, _| vec![]).await;
    let question = Question::Host("order.test".into(), 80);
    let brief = Settings { timeout: Duration::from_millis(50), ..settings(&server, question) };
    let mut dns = Dns::new(brief).unwrap();
    drop(server);

    let trouble = trouble(look(&mut dns).await);

    assert!(trouble.contains("order.test A: "), "{trouble}");
}

#[tokio::test]
async fn a_name_that_is_denied_is_gone_when_it_is_denied_twice() {
    for (said, text) in [(ResponseCode::NXDomain, "NXDOMAIN"), (ResponseCode::NoError, "no such record")] {
        let server = Server::start(move |asked, answer| match (asked.kind, asked.before) {
            (A, 0 | 3) => records(answer, [address("order.test", 60, "10.0.0.1")]),
            _ => denial(answer, said),
        })
        .await;
        let mut dns = host(&server);
        look(&mut dns).await;

        let first = trouble(look(&mut dns).await);
        let second = look(&mut dns).await;
        let back = look(&mut dns).await;

        assert!(first.contains("order.test A: ") && first.contains(text), "{first}");
        assert_eq!(second, Observation::Nothing);
        assert_eq!(addresses(back), ["10.0.0.1:80"]);
    }
}

#[tokio::test]
async fn one_family_of_addresses_is_enough_whatever_becomes_of_the_other() {
    let families: [(RecordType, &str, &str); 2] =
        [(A, "10.0.0.1", "10.0.0.1:80"), (AAAA, "fd00::1", "[fd00::1]:80")];
    for (good, answered, expected) in families {
        for said in [Some(ResponseCode::ServFail), Some(ResponseCode::NXDomain), None] {
            let server = Server::start(move |asked, answer| match said {
                _ if asked.kind == good => records(answer, [address("order.test", 60, answered)]),
                Some(said) => code(answer, said),
                None => vec![],
            })
            .await;

            // A silent server has an hour to answer: the other family must not wait for it.
            let seen = look(&mut host(&server)).await;

            assert_eq!(addresses(seen), [expected], "{good} with {said:?}");
        }
    }
}

#[tokio::test]
async fn half_a_denial_is_none() {
    let server = Server::start(|asked, answer| match asked.kind {
        A => denial(answer, ResponseCode::NoError),
        _ => code(answer, ResponseCode::ServFail),
    })
    .await;
    let mut dns = host(&server);

    for _ in 0..3 {
        let trouble = trouble(look(&mut dns).await);

        assert_eq!(trouble, "order.test AAAA: the server says SERVFAIL");
    }
}

#[tokio::test]
async fn local_addresses_are_dropped_unless_they_are_allowed() {
    let server = Server::start(|asked, answer| match asked.kind {
        A => records(
            answer,
            ["127.0.0.1", "169.254.169.254", "10.0.0.1"].map(|a| address("order.test", 60, a)),
        ),
        _ => records(answer, ["::ffff:127.0.0.2", "::1"].map(|a| address("order.test", 60, a))),
    })
    .await;
    let mut allowing = settings(&server, Question::Host("order.test".into(), 80));
    allowing.allow_local = true;

    let mut strictly = host(&server);
    let strict = look(&mut strictly).await;
    let lax = look(&mut Dns::new(allowing).unwrap()).await;

    assert_eq!(addresses(strict), ["10.0.0.1:80"]);
    let dropped = ["127.0.0.1", "127.0.0.2", "169.254.169.254", "::1"].map(|a| format!("order.test {a}"));
    assert_eq!(strictly.remarks.local, dropped);
    let all = ["10.0.0.1:80", "127.0.0.1:80", "127.0.0.2:80", "169.254.169.254:80", "[::1]:80"];
    assert_eq!(addresses(lax), all);
}

#[tokio::test]
async fn an_answer_of_local_addresses_only_is_a_failure_however_often_it_comes() {
    let server =
        Server::start(v4_only(|_, answer| records(answer, [address("order.test", 60, "127.0.0.1")]))).await;
    let mut dns = host(&server);

    for _ in 0..3 {
        let trouble = trouble(look(&mut dns).await);

        assert!(trouble.contains("order.test 127.0.0.1"), "{trouble}");
    }
}

#[tokio::test]
async fn localhost_is_this_machine_without_asking_anybody() {
    let server = Server::start(|_, answer| code(answer, ResponseCode::Refused)).await;
    let mut settings = settings(&server, Question::Host("localhost".into(), 80));
    settings.allow_local = true;

    let seen = addresses(look(&mut Dns::new(settings).unwrap()).await);

    assert!(seen.contains(&"127.0.0.1:80".to_owned()), "{seen:?}");
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn a_chain_of_cnames_is_followed_whether_it_comes_at_once_or_in_steps() {
    let whole = |answer| {
        let chain = [alias("order.test", 60, "a.test"), alias("a.test", 60, "b.test")];
        records(answer, chain.into_iter().chain([address("b.test", 60, "10.0.0.1")]))
    };
    let step = |asked: &Asked, answer| match asked.name.as_str() {
        "order.test" => records(answer, [alias("order.test", 60, "a.test")]),
        "a.test" => records(answer, [alias("a.test", 60, "b.test")]),
        _ => records(answer, [address("b.test", 60, "10.0.0.1")]),
    };
    let at_once = Server::start(v4_only(move |_, answer| whole(answer))).await;
    let in_steps = Server::start(v4_only(step)).await;

    for server in [at_once, in_steps] {
        let seen = look(&mut host(&server)).await;

        assert_eq!(addresses(seen), ["10.0.0.1:80"]);
    }
}

#[tokio::test]
async fn cnames_in_a_circle_are_left_after_a_few_questions_and_are_no_denial() {
    let circle = |asked: &Asked, answer| match asked.name.as_str() {
        "order.test" => records(answer, [alias("order.test", 60, "a.test")]),
        "a.test" => records(answer, [alias("a.test", 60, "order.test")]),
        _ => denial(answer, ResponseCode::NXDomain),
    };
    let endless = |asked: &Asked, answer| {
        let next = format!("x{}.test", asked.name.len() + asked.before);
        records(answer, [alias(&asked.name, 60, &next), alias(&next, 60, &asked.name)])
    };
    let (circle, endless) = (Server::start(circle).await, Server::start(endless).await);

    for server in [circle, endless] {
        let mut dns = host(&server);
        for _ in 0..2 {
            let trouble = trouble(look(&mut dns).await);

            assert!(trouble.contains("order.test A: its CNAMEs lead in circles or too far"), "{trouble}");
        }
        assert!(server.asked().len() <= 2 * 2 * 9, "{}", server.asked().len());
    }
}

#[tokio::test]
async fn a_denial_without_authority_at_the_end_of_a_chain_is_a_denial() {
    let server = Server::start(|asked, answer| match (asked.name.as_str(), asked.kind) {
        ("order.test", _) => records(answer, [alias("order.test", 60, "a.test")]),
        _ => code(answer, ResponseCode::NoError),
    })
    .await;
    let mut dns = host(&server);

    let first = trouble(look(&mut dns).await);

    assert!(first.contains("the name has no such record"), "{first}");
    assert_eq!(look(&mut dns).await, Observation::Nothing);
    assert!(server.asked().iter().any(|asked| asked.name == "a.test" && asked.kind == CNAME));
}

#[tokio::test]
async fn an_answer_over_tcp_that_is_to_no_question_is_no_denial() {
    let server = Server::start(|asked, mut answer| {
        match asked.via {
            Via::Udp => answer.metadata.truncation = true,
            Via::Tcp => answer.queries.clear(),
        }
        records(answer, [address("order.test", 60, "10.0.0.1")])
    })
    .await;
    let mut dns = host(&server);

    for _ in 0..2 {
        let trouble = trouble(look(&mut dns).await);

        assert!(trouble.contains("order.test A: the answer is to no question"), "{trouble}");
    }
}

#[tokio::test]
async fn an_answer_lives_as_long_as_the_first_of_its_records_to_go() {
    let seconds = Duration::from_secs;
    let server = Server::start(|asked, answer| match (asked.name.as_str(), asked.kind) {
        ("order.test", A) => {
            let addresses = [address("order.test", 30, "10.0.0.1"), address("order.test", 20, "10.0.0.2")];
            records(answer, addresses)
        }
        ("order.test", _) => records(answer, [address("order.test", 40, "fd00::1")]),
        ("alias.test", A) => {
            records(answer, [alias("alias.test", 5, "a.test"), address("a.test", 30, "10.0.0.1")])
        }
        ("steps.test", A) => records(answer, [alias("steps.test", 5, "a.test")]),
        ("a.test", A) => records(answer, [address("a.test", 30, "10.0.0.1")]),
        _ => denial(answer, ResponseCode::NXDomain),
    })
    .await;
    let asker = Asker::new(&host(&server).settings).unwrap();

    for (asked, expected) in [("order.test", 20), ("alias.test", 5), ("steps.test", 5)] {
        let reply = asker.host(&name(asked)).await;

        assert!(matches!(reply, Reply::Found { ttl, .. } if ttl == seconds(expected)), "{asked}: {reply:?}");
    }
    let denied = asker.host(&name("none.test")).await;
    assert!(matches!(denied, Reply::Absent { ttl, .. } if ttl == Some(seconds(7))), "{denied:?}");
}
