//! Smarthosts: servers that send for us, after a login.

use std::path::PathBuf;

use crate::mail::address::{Address, Domain};

/// How the connection to a smarthost is made secure. Without TLS there is no login that shows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayTls {
    /// Plaintext: for a relay on the same machine or wire.
    None,
    /// STARTTLS, with a certificate that proves the name, or not at all.
    StartTls,
    /// TLS from the first byte, with a certificate that proves the name.
    Implicit,
}

/// A login at a smarthost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// File whose first line is the password; read at each login.
    pub password_file: PathBuf,
}

/// A smarthost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smarthost {
    /// Host, port and who logs in, such as `mail.gmx.net:587 (anna@gmx.net)`: what the queue and people call it.
    pub name: String,
    /// Host.
    pub host: Domain,
    /// Port.
    pub port: u16,
    /// Security.
    pub tls: RelayTls,
    /// Login, if it wants one.
    pub login: Option<Login>,
}

/// Whose mail goes by a smarthost of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// One sender address, subaddresses included.
    Address(Address),
    /// All senders of a domain.
    Domain(Domain),
}

/// The owner's rules about smarthosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// For whatever no rule names; `None` to send to the hosts that DNS names.
    pub default: Option<Smarthost>,
    /// By sender.
    pub senders: Vec<(Sender, Smarthost)>,
}
