//! How a session of each protocol is made.

use std::sync::Arc;

use heimpost::delivery::route::Router;
use heimpost::imap::session::{ImapSession, Services, Settings};
use heimpost::machine::{Peer, Session};
use heimpost::mail::address::{Address, Domain};
use heimpost::maillog::Tally;
use heimpost::pop3::{self, Pop3};
use heimpost::smtp;
use heimpost::store::types::{Alias, Language};

use super::script::Options;
use super::world::World;

/// Makes a session for a peer.
pub(super) type Open = fn(&World, &Options, Peer) -> Box<dyn Session>;

/// Every protocol by the name of its directory.
pub(super) const PROTOCOLS: &[(&str, Open)] = &[("imap", imap), ("pop3", pop3), ("smtp", smtp)];

/// Option `append`: largest message that APPEND takes.
fn imap(world: &World, options: &Options, peer: Peer) -> Box<dyn Session> {
    let append = options.values("append").first();
    let services = Services {
        store: world.store.clone(),
        auth: world.auth.clone(),
        settings: Arc::new(Settings {
            hostname: "heimpost.test".to_owned(),
            append_bytes_max: append.map_or(1 << 20, |bytes| bytes.parse().unwrap()),
            plaintext_without_tls: options.has("plaintext"),
            starttls: true,
        }),
    };
    Box::new(ImapSession::new(services, peer, [7; 32]))
}

fn pop3(world: &World, options: &Options, peer: Peer) -> Box<dyn Session> {
    let settings = pop3::Settings {
        plaintext_without_tls: options.has("plaintext"),
    };
    let (store, auth) = (world.store.clone(), world.auth.clone());
    Box::new(Pop3::new(
        store,
        auth,
        peer,
        settings,
        &[7; 32],
        world.now(),
    ))
}

/// Options `role=submission`, `alias=FROM TO...`. Mail for heimpost.test and catch.test is stored.
fn smtp(world: &World, options: &Options, peer: Peer) -> Box<dyn Session> {
    let address = |text: &str| Address::parse(text).unwrap();
    let domain = |text: &str| Domain::parse(text).unwrap();
    for alias in options.values("alias") {
        let (from, to) = alias.split_once(' ').unwrap();
        let (from, to) = (from.to_owned(), to.split(' ').map(address).collect());
        world.store.set_alias(&Alias { from, to }).unwrap();
    }
    let role = if options.has("role") {
        smtp::Role::Submission
    } else {
        smtp::Role::Receive
    };
    let service = smtp::Service {
        role,
        hostname: domain("mx.heimpost.test"),
        limits: smtp::Limits {
            message_bytes_max: 1000,
            recipients_max: 3,
        },
        plaintext_without_tls: options.has("plaintext"),
        language: Language::En,
        keeps_sent: true,
        checking: smtp::Checking::Off,
        router: Router::new(domain("heimpost.test"), [domain("catch.test")]),
        store: world.store.clone(),
        auth: world.auth.clone(),
        tally: Tally::default(),
    };
    Box::new(smtp::Session::new(service, peer, [7; 32]))
}
