//! Calls to services on loopback that behave and misbehave.

use super::support::{certified, floods, hear, outside, outside_tls, remote, says, with};
use super::*;
use crate::mesh::support::local;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const MOST: usize = 1024;

fn fetcher(remote: &Remote) -> Fetcher {
    Fetcher::new(remote).unwrap()
}

async fn word(fetcher: &Fetcher) -> &'static str {
    fetcher.get("*/*", MOST).await.unwrap_err().word()
}

#[test]
fn a_good_answer_comes_whole_and_says_how_long_it_holds() {
    local(async {
        let service = outside(|_| {
            let reply = with(says(200, "{}"), "content-type", "application/json");
            with(reply, "cache-control", "max-age=60")
        })
        .await;

        let fetched = fetcher(&service.remote()).get("application/json", MOST).await.unwrap();

        let content_type = Some(HeaderValue::from_static("application/json"));
        let max_age = Some(Duration::from_secs(60));
        assert_eq!(fetched, Fetched { status: 200, max_age, content_type, body: b"{}".to_vec() });
        let heard = service.heard.borrow();
        assert_eq!((&heard[0].method, &*heard[0].target), (&http::Method::GET, "/keys?x=1"));
        assert_eq!(heard[0].headers["host"], service.address.to_string());
        assert_eq!(heard[0].headers["user-agent"], concat!("portcullis/", env!("CARGO_PKG_VERSION")));
    });
}

#[test]
fn a_form_says_who_sends_it() {
    local(async {
        let service = outside(|_| says(200, "{}")).await;

        fetcher(&service.remote()).post_form("Basic eDp5", "a=b".to_owned(), MOST).await.unwrap();

        let heard = service.heard.borrow();
        assert_eq!((&heard[0].method, &*heard[0].body), (&http::Method::POST, "a=b"));
        assert_eq!(heard[0].headers["authorization"], "Basic eDp5");
        assert_eq!(heard[0].headers["content-type"], "application/x-www-form-urlencoded");
    });
}

#[test]
fn anything_but_success_is_an_error() {
    local(async {
        for status in [500, 401, 404] {
            let service = outside(move |_| says(status, "{}")).await;

            assert_eq!(fetcher(&service.remote()).get("*/*", MOST).await, Err(FetchError::Status(status)));
        }
    });
}

#[test]
fn a_redirect_is_not_followed() {
    local(async {
        let elsewhere = outside(|_| says(200, "{}")).await;
        let target = format!("http://{}/", elsewhere.address);
        let service = outside(move |_| with(says(302, ""), "location", &target)).await;

        assert_eq!(word(&fetcher(&service.remote())).await, "redirected");

        assert_eq!((service.connections.get(), elsewhere.connections.get()), (1, 0));
    });
}

#[test]
fn silence_ends_in_time() {
    local(async {
        let service = outside(|_| None).await;
        let remote = Remote { timeout: Duration::from_millis(50), ..service.remote() };

        assert_eq!(word(&fetcher(&remote)).await, "timeout");
    });
}

#[test]
fn nothing_is_read_of_a_body_that_says_it_is_too_large() {
    local(async {
        let service = outside(|_| says(200, vec![b' '; MOST + 1])).await;

        assert_eq!(word(&fetcher(&service.remote())).await, "too_large");
    });
}

#[test]
fn a_body_of_exactly_the_most_is_read() {
    local(async {
        let service = outside(|_| says(200, vec![b' '; MOST])).await;

        assert_eq!(fetcher(&service.remote()).get("*/*", MOST).await.unwrap().body.len(), MOST);
    });
}

#[test]
fn a_body_without_end_is_cut_off_and_its_connection_with_it() {
    local(async {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let service = outside(move |_| floods(&counted)).await;
        let fetcher = fetcher(&service.remote());

        let words = [word(&fetcher).await, word(&fetcher).await];

        assert_eq!(words, ["too_large"; 2]);
        assert_eq!(service.connections.get(), 2);
        assert!(sent.load(Ordering::Relaxed) < 40 << 20, "only what fits the sockets was sent");
    });
}

#[test]
fn a_head_that_is_too_large_is_not_taken() {
    local(async {
        let service = outside(|_| with(says(200, "{}"), "x-long", &"x".repeat(33 << 10))).await;

        assert_eq!(word(&fetcher(&service.remote())).await, "protocol");
    });
}

#[test]
fn what_is_no_http_is_not_taken() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            hear(&mut stream).await;
            stream.write_all(b"SSH-2.0-OpenSSH\r\n").await.unwrap();
        });

        assert_eq!(word(&fetcher(&remote(&url))).await, "protocol");
    });
}

#[test]
fn a_name_without_address_and_a_closed_port_have_words_of_their_own() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);

        assert_eq!(word(&fetcher(&remote(&format!("http://{closed}/")))).await, "connect");
        assert_eq!(word(&fetcher(&remote("http://nowhere.invalid/"))).await, "resolve");
    });
}

#[test]
fn one_connection_serves_call_after_call() {
    local(async {
        let service = outside(|_| says(200, "{}")).await;
        let fetcher = fetcher(&service.remote());

        for _ in 0..5 {
            fetcher.get("*/*", MOST).await.unwrap();
        }

        assert_eq!((service.connections.get(), service.heard.borrow().len()), (1, 5));
    });
}

#[test]
fn calls_at_the_same_time_have_connections_of_their_own_and_one_is_kept() {
    local(async {
        let service = outside(|_| says(200, "{}")).await;
        let fetcher = fetcher(&service.remote());

        let both = tokio::join!(fetcher.get("*/*", MOST), fetcher.get("*/*", MOST));
        fetcher.get("*/*", MOST).await.unwrap();

        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!(service.connections.get(), 2);
    });
}

#[test]
fn a_connection_closed_when_it_is_used_again_is_replaced_once() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let taken = Rc::new(std::cell::Cell::new(0));
        let counted = Rc::clone(&taken);
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.set(counted.get() + 1);
                hear(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
                // The second question is heard and not answered.
                hear(&mut stream).await;
            }
        });
        let fetcher = fetcher(&remote(&url));

        fetcher.get("*/*", MOST).await.unwrap();
        let second = fetcher.get("*/*", MOST).await;

        assert_eq!(second.unwrap().body, b"{}");
        assert_eq!(taken.get(), 2);
    });
}

#[test]
fn a_connection_that_breaks_when_it_is_new_is_not_replaced() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let taken = Rc::new(std::cell::Cell::new(0));
        let counted = Rc::clone(&taken);
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.set(counted.get() + 1);
                hear(&mut stream).await;
            }
        });

        assert_eq!(word(&fetcher(&remote(&url))).await, "protocol");

        assert_eq!(taken.get(), 1);
    });
}

#[test]
fn a_certificate_is_believed_by_its_authority_only() {
    local(async {
        let (acceptor, _folder, bundle) = certified("127.0.0.1");
        let service = outside_tls(acceptor, |_| says(200, "{}")).await;

        let believed = fetcher(&service.remote_tls(Some(bundle))).get("*/*", MOST).await;
        // A machine without any authorities says so when the fetcher is made.
        let unknown = match Fetcher::new(&service.remote_tls(None)) {
            Ok(fetcher) => fetcher.get("*/*", MOST).await.map(drop),
            Err(error) => Err(error),
        };

        assert_eq!(believed.unwrap().body, b"{}");
        assert_eq!(unknown.unwrap_err().word(), "tls");
        assert_eq!(service.heard.borrow().len(), 1);
    });
}

#[test]
fn a_certificate_for_another_name_is_not_believed() {
    local(async {
        let (acceptor, _folder, bundle) = certified("id.shop.example");
        let service = outside_tls(acceptor, |_| says(200, "{}")).await;

        assert_eq!(word(&fetcher(&service.remote_tls(Some(bundle)))).await, "tls");
    });
}

#[test]
fn authorities_that_cannot_be_read_are_an_error_before_anybody_is_asked() {
    let missing = Remote { ca: Some("/nowhere/ca.pem".into()), ..remote("https://127.0.0.1/") };

    assert_eq!(Fetcher::new(&missing).unwrap_err().word(), "tls");
}
