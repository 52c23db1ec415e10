//! How a session of each protocol is made.

use std::sync::Arc;

use heimpost::imap::session::{ImapSession, Services, Settings};
use heimpost::machine::{Peer, Session};
use heimpost::pop3::{self, Pop3};

use super::script::Options;
use super::world::World;

/// Makes a session for a peer.
pub(super) type Open = fn(&World, &Options, Peer) -> Box<dyn Session>;

/// Every protocol by the name of its directory.
pub(super) const PROTOCOLS: &[(&str, Open)] = &[("imap", imap), ("pop3", pop3)];

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
