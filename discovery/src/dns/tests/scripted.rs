//! A name server that does what a test says, over UDP and TCP at one port of loopback.

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, SOA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dns) enum Via {
    Udp,
    Tcp,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dns) struct Asked {
    /// Without the last dot.
    pub(in crate::dns) name: String,
    pub(in crate::dns) kind: RecordType,
    pub(in crate::dns) via: Via,
    /// Whether the question had a last dot is lost on the wire; how often this was asked before, is not.
    pub(in crate::dns) before: usize,
}

/// What is sent back, one message after the other; none is silence.
type Script = dyn Fn(&Asked, Message) -> Vec<Message> + Send + Sync;

/// Answers until it is dropped.
pub(in crate::dns) struct Server {
    pub(in crate::dns) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `script` gets the question and an empty answer to it, and returns what to send.
    pub(in crate::dns) async fn start(
        script: impl Fn(&Asked, Message) -> Vec<Message> + Send + Sync + 'static,
    ) -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let asked = Arc::default();
        let desk = Desk { asked: Arc::clone(&asked), script: Arc::new(script) };
        let mut tasks = JoinSet::new();
        tasks.spawn(over_udp(udp, desk.clone()));
        tasks.spawn(over_tcp(tcp, desk));
        Self { address, asked, _tasks: tasks }
    }

    /// Everything that was asked so far.
    pub(in crate::dns) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Desk {
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Script>,
}

impl Desk {
    fn answers(&self, datagram: &[u8], via: Via) -> Vec<Vec<u8>> {
        let request = Message::from_vec(datagram).unwrap();
        let query = request.queries.first().unwrap();
        let name = query.name().to_ascii().trim_end_matches('.').to_owned();
        let mut log = self.asked.lock().unwrap();
        let before = log.iter().filter(|a| a.name == name && a.kind == query.query_type()).count();
        let asked = Asked { name, kind: query.query_type(), via, before };
        log.push(asked.clone());
        (self.script)(&asked, request.into_response()).iter().map(|m| m.to_vec().unwrap()).collect()
    }
}

/// One port for both.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn over_udp(socket: UdpSocket, desk: Desk) {
    let mut buffer = [0; 4096];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        for answer in desk.answers(&buffer[..length], Via::Udp) {
            socket.send_to(&answer, peer).await.unwrap();
        }
    }
}

async fn over_tcp(listener: TcpListener, desk: Desk) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(stream, desk.clone()));
    }
}

async fn connection(mut stream: TcpStream, desk: Desk) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        for answer in desk.answers(&question, Via::Tcp) {
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

/// A name as in a record.
pub(in crate::dns) fn name(text: &str) -> Name {
    let mut name = Name::from_str(text).unwrap();
    name.set_fqdn(true);
    name
}

/// An A or AAAA record.
pub(in crate::dns) fn address(owner: &str, ttl: u32, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name(owner), ttl, data)
}

/// A CNAME record.
pub(in crate::dns) fn alias(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

/// An SRV record: priority, weight, port.
pub(in crate::dns) fn offer(owner: &str, (priority, weight, port): (u16, u16, u16), target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::SRV(SRV::new(priority, weight, port, name(target))))
}

/// These records.
pub(in crate::dns) fn records(
    mut answer: Message,
    records: impl IntoIterator<Item = Record>,
) -> Vec<Message> {
    answer.add_answers(records);
    vec![answer]
}

/// No records: a code, and the start of authority with a time for it.
pub(in crate::dns) fn denial(mut answer: Message, code: ResponseCode) -> Vec<Message> {
    let soa = SOA::new(name("ns.test"), name("admin.test"), 1, 60, 60, 60, 7);
    answer.add_authority(Record::from_rdata(name("test"), 600, RData::SOA(soa)));
    self::code(answer, code)
}

/// No records: a code and nothing else.
pub(in crate::dns) fn code(mut answer: Message, code: ResponseCode) -> Vec<Message> {
    answer.metadata.response_code = code;
    vec![answer]
}
