//! The beginning and the end of the server itself.

use super::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

#[test]
fn an_address_in_use_is_named() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;

        let options = Options::new(server.address);
        let error = serve(Arc::clone(&ground.authority), options, std::future::pending()).await.unwrap_err();

        assert!(error.to_string().contains(&server.address.to_string()), "{error}");
    });
}

#[test]
fn when_it_stops_streams_end_nobody_new_comes_and_it_returns() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let server = ground.serve().await;
        let address = server.address;
        let mut watching = server.client(Some(&member)).await;
        let (_say, heard) = mpsc::channel(1);
        let mut trusts = watching.call.watch_bundle(ReceiverStream::new(heard)).await.unwrap().into_inner();
        trusts.message().await.unwrap();
        let silent = TcpStream::connect(address).await.unwrap();

        let ended = server.stop();
        let end = trusts.message().await.unwrap_err();
        let ended = timeout(Duration::from_secs(3), ended).await.expect("nothing was in flight");

        assert!(ended.unwrap().is_ok());
        assert_eq!(end.code(), Code::Unavailable);
        assert!(TcpStream::connect(address).await.is_err());
        drop((silent, watching));
    });
}

#[test]
fn calls_in_flight_are_answered_when_it_stops() {
    local(async {
        let ground = Ground::new();
        let (token, key) = (ground.token(ORDER), Key::generate().unwrap());
        let server = ground.serve().await;
        let mut client = server.client(None).await;
        // Whoever else writes holds the call up until it is let go.
        let path = ground.file("ca.db");
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut call = Box::pin(client.bootstrap(&token, &key));
        let early = timeout(Duration::from_millis(200), &mut call).await;
        assert!(early.is_err(), "it is in flight");

        let mut ended = server.stop();
        let waits = timeout(Duration::from_millis(200), &mut ended).await;
        assert!(waits.is_err(), "the server waits for it");
        other.execute_batch("COMMIT").unwrap();

        assert!(call.await.is_ok());
        drop(client);
        assert!(ended.await.unwrap().is_ok());
    });
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve_with(Limits { drain: Duration::from_millis(200), ..limits() }).await;
        let client = server.client(None).await;
        let (_never, body) = mpsc::channel::<crate::proto::Acknowledgement>(1);
        let mut call = client.call.clone();
        let uri = format!("https://{}/portcullis.ca.v1.CertificateAuthority/Bootstrap", server.address);
        let mut grpc = client.send.clone();
        let request = Request::post(uri).body(Body::new(Endless(body))).unwrap();
        let asked = tokio::task::spawn_local(async move { grpc.send_request(request).await });
        // Answered after the one before: the server has that too.
        let _refused = call.bootstrap(BootstrapRequest::default()).await;

        let ended = timeout(Duration::from_secs(5), server.stop()).await;

        assert!(ended.expect("in time").unwrap().is_ok());
        assert!(asked.await.unwrap().is_err());
    });
}

/// A body that never comes.
struct Endless(mpsc::Receiver<crate::proto::Acknowledgement>);

impl hyper::body::Body for Endless {
    type Data = tonic::codegen::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Status>>> {
        self.0.poll_recv(context).map(|_| None)
    }
}
