//! The probe against applications of a few lines.

use super::*;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn local<F: Future<Output = ()>>(test: F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), test).await.expect("it does not come to an end");
    });
}

/// An application that answers every request with what is in the cell.
async fn application(answer: &Rc<Cell<&'static str>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Rc::clone(answer);
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _asked = stream.read(&mut [0; 1024]).await;
            let _gone = stream.write_all(answer.get().as_bytes()).await;
        }
    });
    address
}

fn workload(app: SocketAddr, health: Option<Health>) -> Workload {
    Workload { service: Arc::from("order"), app, protocol: Protocol::H1, health }
}

fn asking(path: Option<&str>) -> Option<Health> {
    let (interval, timeout) = (Duration::from_millis(5), Duration::from_millis(500));
    Some(Health { path: path.map(Arc::from), interval, timeout })
}

const GOOD: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn it_is_well_while_it_answers_2xx_and_sick_when_it_does_not() {
    local(async {
        let answer = Rc::new(Cell::new("HTTP/1.1 503 Starting\r\ncontent-length: 0\r\n\r\n"));
        let address = application(&answer).await;
        let (mut well, work) = watch(&workload(address, asking(Some("/healthz"))));
        tokio::task::spawn_local(work);

        assert!(!*well.borrow());
        for sick in
            ["HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n", "garbage\r\n\r\n", ""]
        {
            answer.set(GOOD);
            well.wait_for(|well| *well).await.unwrap();
            answer.set(sick);
            well.wait_for(|well| !*well).await.unwrap();
        }
    });
}

#[test]
fn without_a_path_a_connection_is_enough() {
    local(async {
        let address = application(&Rc::new(Cell::new(""))).await;
        let (mut well, work) = watch(&workload(address, asking(None)));
        tokio::task::spawn_local(work);

        well.wait_for(|well| *well).await.unwrap();
    });
}

#[test]
fn without_health_it_is_taken_to_be_well_after_the_first_connection() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut well, work) = watch(&workload(listener.local_addr().unwrap(), None));
        let probing = tokio::task::spawn_local(work);

        well.wait_for(|well| *well).await.unwrap();
        drop(listener);
        tokio::task::yield_now().await;

        assert!(*well.borrow() && !probing.is_finished());
    });
}

#[test]
fn the_work_ends_when_nobody_wants_to_know() {
    local(async {
        let address = application(&Rc::new(Cell::new(GOOD))).await;
        let (well, work) = watch(&workload(address, asking(Some("/"))));
        let probing = tokio::task::spawn_local(work);

        drop(well);

        probing.await.unwrap();
    });
}

#[test]
fn an_application_that_says_nothing_is_given_up() {
    local(async {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let patience = Duration::from_millis(20);

        let answer = ask::status(Question { address, path: "/", h2: false, patience }).await;

        assert!(matches!(answer, Err(AskError::Late)), "{answer:?}");
    });
}

#[test]
fn http_2_is_asked_with_prior_knowledge() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service =
                hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                    assert_eq!(request.uri().path(), "/healthz");
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new()))
                });
            let server = hyper::server::conn::http2::Builder::new(crate::runtime::LocalExecutor);
            let _gone = server.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
        let workload = Workload { protocol: Protocol::H2, ..workload(app, asking(Some("/healthz"))) };
        let health = workload.health.clone().unwrap();

        let answer = ask_once(&workload, &health).await;

        assert!(answer.is_ok(), "{answer:?}");
    });
}
