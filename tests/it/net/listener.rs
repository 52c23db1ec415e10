//! Real sockets on loopback, on ports that the system picks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use heimpost::net::driver::{Deadlines, Shared};
use heimpost::net::limits::{Limiter, Limits};
use heimpost::net::listener::{self, Service, Sockets, Talk, TlsMode};
use heimpost::net::shutdown::{Phase, Shutdown, Stopped};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::toy::{self, Seen};

const LOOPBACK: &str = "127.0.0.1:0";

/// A service each: sockets are kept by name and address.
const NAMES: [&str; 9] = ["toy", "b", "c", "d", "e", "f", "g", "h", "i"];

fn service(addresses: &[SocketAddr]) -> Service {
    Service {
        name: "toy",
        tls: TlsMode::OnRequest,
        addresses: addresses.to_vec(),
        refusal: "too many\n",
        talk: Talk::Session(toy::open(&Seen::default())),
    }
}

struct Rig {
    address: SocketAddr,
    addresses: Vec<SocketAddr>,
    sockets: Sockets,
    shared: Shared,
    shutdown: Shutdown,
    _dir: tempfile::TempDir,
}

fn rig(limits: Limits) -> Rig {
    rig_at(&[LOOPBACK], limits)
}

fn rig_at(addresses: &[&str], limits: Limits) -> Rig {
    rig_of(TlsMode::OnRequest, addresses, limits)
}

fn rig_of(tls: TlsMode, addresses: &[&str], limits: Limits) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let shared = toy::shared(dir.path(), Deadlines::default());
    let sockets = Sockets::default();
    let named = |(at, address): (usize, &&str)| Service {
        name: NAMES[at],
        tls,
        ..service(&[address.parse().unwrap()])
    };
    let services = addresses.iter().enumerate().map(named).collect();
    let bound = listener::bind_again(services, &sockets).unwrap();
    let addresses: Vec<_> = bound.addresses().iter().map(|(_, at)| *at).collect();
    let shutdown = Shutdown::new();
    bound.accept(&shared, &Limiter::new(limits), &shutdown.token());
    Rig {
        address: addresses[0],
        addresses,
        sockets,
        shared,
        shutdown,
        _dir: dir,
    }
}

async fn talk(address: SocketAddr, words: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn our_own_look_at_the_ports_is_beyond_limits_and_figures() {
    let closed = Limits {
        connections_max: 0,
        per_address_max: 0,
    };
    let rig = rig_at(&[LOOPBACK; 9], closed);
    for _ in 0..20 {
        assert!(rig.sockets.accept_some().await);
    }
    // Each port takes connections in their order: whoever came before this one has been looked at.
    for address in &rig.addresses {
        assert_eq!(talk(*address, "").await, "too many\n");
    }
    assert_eq!(rig.shared.counters.read().refused, 9);
    assert_eq!(rig.shared.counters.read().accepted, 0);
}

#[tokio::test]
async fn over_the_limit_a_peer_hears_why_and_room_comes_back() {
    let rig = rig(Limits {
        connections_max: 10,
        per_address_max: 1,
    });
    let mut first = TcpStream::connect(rig.address).await.unwrap();
    let mut hello = [0_u8; 6];
    first.read_exact(&mut hello).await.unwrap();
    assert_eq!(talk(rig.address, "").await, "too many\n");
    assert_eq!(rig.shared.counters.read().refused, 1);
    first.write_all(b"quit\n").await.unwrap();
    let mut rest = String::new();
    first.read_to_string(&mut rest).await.unwrap();
    drop(first);
    // The connection's place is free a moment after its end; until then the answer is the refusal.
    while talk(rig.address, "quit\n").await == "too many\n" {}
}

#[tokio::test]
async fn stopping_closes_the_port_and_ends_connections() {
    let rig = rig(Limits::default());
    let mut open = TcpStream::connect(rig.address).await.unwrap();
    let mut hello = [0_u8; 6];
    open.read_exact(&mut hello).await.unwrap();
    let hour = Duration::from_hours(1);
    let stop = tokio::spawn(rig.shutdown.stop(hour, std::future::pending()));
    let mut rest = String::new();
    open.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "stopping\n");
    drop(open);
    assert_eq!(stop.await.unwrap(), Stopped::Clean);
    drop(rig.sockets);
    assert!(TcpStream::connect(rig.address).await.is_err());
}

#[tokio::test]
async fn who_just_connected_hears_a_goodbye_behind_tls() {
    let rig = rig_of(TlsMode::Implicit, &[LOOPBACK], Limits::default());
    let near = TcpStream::connect(rig.address).await.unwrap();
    while rig.shared.counters.read().accepted == 0 {
        tokio::task::yield_now().await;
    }
    let mut watcher = rig.shutdown.token();
    let hour = Duration::from_hours(1);
    let stop = tokio::spawn(rig.shutdown.stop(hour, std::future::pending()));
    watcher.reached(Phase::Draining).await;
    drop(watcher);
    let connector = TlsConnector::from(Arc::new(toy::client(&rig.shared.tls)));
    let name = ServerName::try_from("toy.example").unwrap();
    let mut stream = connector.connect(name, near).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.ends_with("stopping\n"), "{said}");
    drop(stream);
    assert_eq!(stop.await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let holder = std::net::TcpListener::bind(LOOPBACK).unwrap();
    let taken = holder.local_addr().unwrap();
    let error = listener::bind(vec![service(&[taken])]).unwrap_err();
    let expected = format!("cannot listen on {taken} for toy: ");
    assert!(error.to_string().starts_with(&expected), "{error}");
}
