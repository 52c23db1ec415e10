//! Smarthosts: servers that send for us, after a login.

use std::path::PathBuf;

use subtle::ConstantTimeEq;

use crate::mail::address::{Address, Domain};
use crate::mail::secret::Secret;

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
    /// Password.
    pub password: Password,
}

/// Where the password of a login is.
#[derive(Clone, Debug)]
pub enum Password {
    /// The first line of this file; read at each login.
    File(PathBuf),
    /// Among the owner's settings.
    Given(Secret<String>),
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(another)) => one == another,
            (Self::Given(one), Self::Given(another)) => {
                let (one, another) = (one.expose().as_bytes(), another.expose().as_bytes());
                one.ct_eq(another).into()
            }
            (Self::File(_), Self::Given(_)) | (Self::Given(_), Self::File(_)) => false,
        }
    }
}

impl Eq for Password {}

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
