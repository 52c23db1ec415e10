//! A name server on loopback, by UDP and TCP, for tests of what asks real servers. It serves a [`Zone`], or whatever a
//! function answers.
//!
//! It answers one question a message, follows aliases, keeps silent where the zone says so, and truncates what a UDP
//! answer has no room for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TLSA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::zone::{End, Trouble, Zone, canonical};
use super::{Data, Kind};
use crate::mail::address::Domain;

/// Time to live of every record, in seconds.
const TTL: u32 = 60;

/// Longest TXT string (RFC 1035 3.3).
const STRING_BYTES_MAX: usize = 255;

/// Longest question that is read.
const QUESTION_BYTES_MAX: usize = 4096;

/// Gives the reply to a message; `None` is silence.
pub(super) type Answerer = Arc<dyn Fn(&Message) -> Option<Message> + Send + Sync>;

/// Serves the zone.
pub(super) fn start_zone(zone: Arc<Zone>) -> io::Result<SocketAddr> {
    start(Arc::new(move |question| answer(&zone, question)))
}

/// How often a port is looked for.
const BIND_TRIES_MAX: u32 = 32;

/// Starts it on a free port, as tasks of the runtime that is running.
pub(super) fn start(answerer: Answerer) -> io::Result<SocketAddr> {
    let (listener, socket) = bind()?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    socket.set_nonblocking(true)?;
    tokio::spawn(serve_udp(
        Arc::clone(&answerer),
        UdpSocket::from_std(socket)?,
    ));
    tokio::spawn(serve_tcp(answerer, TcpListener::from_std(listener)?));
    Ok(address)
}

/// A port that is free for both TCP and UDP: the system picks it for one, and somebody may have the other.
fn bind() -> io::Result<(StdListener, StdSocket)> {
    let mut tries = 1;
    loop {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        match StdSocket::bind(listener.local_addr()?) {
            Ok(socket) => return Ok((listener, socket)),
            Err(_) if tries < BIND_TRIES_MAX => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn serve_udp(answerer: Answerer, socket: UdpSocket) {
    let mut buffer = [0; QUESTION_BYTES_MAX];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let question = buffer
            .get(..length)
            .and_then(|it| Message::from_vec(it).ok());
        if let Some(bytes) = question.and_then(|it| datagram(&answerer, &it)) {
            drop(socket.send_to(&bytes, peer).await);
        }
    }
}

fn datagram(answerer: &Answerer, question: &Message) -> Option<Vec<u8>> {
    let reply = answerer(question)?;
    let bytes = reply.to_vec().ok()?;
    if bytes.len() > usize::from(question.max_payload()) {
        return reply.truncate().to_vec().ok();
    }
    Some(bytes)
}

async fn serve_tcp(answerer: Answerer, listener: TcpListener) {
    while let Ok((stream, _peer)) = listener.accept().await {
        tokio::spawn(serve_stream(Arc::clone(&answerer), stream));
    }
}

/// Messages come with their length in two bytes before (RFC 1035 4.2.2).
async fn serve_stream(answerer: Answerer, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut buffer = vec![0; length];
        stream.read_exact(&mut buffer).await?;
        let question = Message::from_vec(&buffer).map_err(io::Error::other)?;
        if let Some(reply) = answerer(&question) {
            let bytes = reply.to_vec().map_err(io::Error::other)?;
            let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
            stream.write_u16(length).await?;
            stream.write_all(&bytes).await?;
        }
    }
}

/// The reply to a question; `None` is silence.
fn answer(zone: &Zone, question: &Message) -> Option<Message> {
    let query = question.queries.first()?;
    let mut reply = Message::response(question.id, OpCode::Query);
    reply.add_query(query.clone());
    reply.metadata.recursion_available = true;
    let Some(kind) = kind(query.query_type()) else {
        return Some(reply);
    };
    let name = canonical(&query.name().to_ascii());
    let found = zone.find(&name, kind);
    for (alias, target) in found.aliases {
        let data = RData::CNAME(CNAME(fqdn(target)?));
        reply.add_answer(Record::from_rdata(fqdn(alias)?, TTL, data));
    }
    match found.end {
        End::Records(records) => {
            for data in records {
                let record = Record::from_rdata(fqdn(found.name)?, TTL, rdata(data)?);
                reply.add_answer(record);
            }
        }
        End::NoRecord => {}
        End::NoName => reply.metadata.response_code = ResponseCode::NXDomain,
        End::Trouble(Trouble::Timeout) => return None,
        End::Trouble(Trouble::ServFail | Trouble::Bogus) => {
            reply.metadata.response_code = ResponseCode::ServFail;
        }
    }
    Some(reply)
}

fn kind(of: RecordType) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.record_type() == of)
}

fn rdata(data: &Data) -> Option<RData> {
    Some(match data {
        Data::Mx(mx) => {
            let host = mx.host.as_ref().map_or(".", Domain::as_str);
            RData::MX(MX::new(mx.preference, fqdn(host)?))
        }
        Data::Address(std::net::IpAddr::V4(v4)) => RData::A(A(*v4)),
        Data::Address(std::net::IpAddr::V6(v6)) => RData::AAAA(AAAA(*v6)),
        Data::Txt(text) => RData::TXT(TXT::from_bytes(text.chunks(STRING_BYTES_MAX).collect())),
        Data::Tlsa(tlsa) => RData::TLSA(TLSA::new(
            tlsa.usage.into(),
            tlsa.selector.into(),
            tlsa.matching.into(),
            tlsa.data.clone(),
        )),
        Data::Name(name) => RData::PTR(PTR(fqdn(name.as_str())?)),
    })
}

fn fqdn(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}
