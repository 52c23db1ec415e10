//! How mail programs find this box: what they are told (`autoconfig`, `autodiscover`), what phones fetch (`profile`, by a
//! link in a QR code), the steps people take (`steps`), and the authority behind the box's own certificate
//! (`authority`).
//!
//! Programs are told the same for every address of a domain of ours, so that nobody learns which accounts there are.

mod authority;
mod autoconfig;
mod autodiscover;
mod handover;
mod profile;
mod qr;
mod steps;

use std::net::SocketAddr;

use axum::Router;
use maud::{Markup, html};

use super::layout::Frame;
use super::visitor::Visitor;
use super::{Sources, Web};
use crate::config::Settings;
use crate::mail::address::{Address, Domain};
pub(super) use handover::panel;
pub(super) use qr::qr;
pub(super) use steps::{Kind, steps};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .merge(authority::routes())
        .merge(autoconfig::routes())
        .merge(autodiscover::routes())
        .merge(handover::routes())
}

/// How a connection to a server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS.
    StartTls,
}

impl Security {
    /// As programs call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tls => "SSL/TLS",
            Self::StartTls => "STARTTLS",
        }
    }
}

/// A server that programs connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
}

/// What this box offers; the best way first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Servers {
    pub(super) imap: Vec<Server>,
    pub(super) pop3: Vec<Server>,
    pub(super) smtp: Vec<Server>,
}

impl Servers {
    pub(super) fn of(settings: &Settings) -> Self {
        let listen = &settings.listen;
        let both = |tls: &[SocketAddr], starttls: &[SocketAddr]| {
            let one = |addresses: &[SocketAddr], security| {
                addresses.first().map(|address| Server {
                    host: settings.hostname.as_str().to_owned(),
                    port: address.port(),
                    security,
                })
            };
            let found = [one(tls, Security::Tls), one(starttls, Security::StartTls)];
            found.into_iter().flatten().collect()
        };
        Self {
            imap: both(&listen.imaps, &listen.imap),
            pop3: both(&listen.pop3s, &listen.pop3),
            smtp: both(&listen.submissions, &listen.submission),
        }
    }

    /// The data that a person types into a program.
    pub(super) fn facts(&self, frame: &Frame, login: &Address) -> Markup {
        let incoming = self.imap.first();
        html! {
            dl.facts {
                dt { (frame.t("Anmeldename", "User name")) } dd { code #login { (login) } }
                dt { (frame.t("Posteingang (IMAP)", "Incoming (IMAP)")) } dd { (in_words(incoming)) }
                dt { (frame.t("Postausgang (SMTP)", "Outgoing (SMTP)")) } dd { (in_words(self.smtp.first())) }
                @if let Some(pop3) = self.pop3.first() {
                    dt { (frame.t("Oder POP3", "Or POP3")) } dd { (in_words(Some(pop3))) }
                }
                dt { (frame.t("Anmeldung", "Authentication")) }
                dd { (frame.t("Passwort, normal; auch beim Postausgang", "Password, normal; for outgoing mail too")) }
            }
        }
    }
}

fn in_words(server: Option<&Server>) -> Markup {
    html! {
        @match server {
            Some(server) => {
                code { (server.host) } " · Port " code { (server.port) } " · " (server.security.name())
            }
            None => "–",
        }
    }
}

/// The domain of ours that an address is of.
fn domain_of<'a>(address: &str, settings: &'a Settings) -> Option<&'a Domain> {
    let (_, domain) = address.trim().rsplit_once('@')?;
    let domain = Domain::parse(domain).ok()?;
    settings.domains.iter().find(|ours| **ours == domain)
}

/// What another machine in the house reaches this page by, with TLS; `None` without a port for that.
pub(super) fn base_url(sources: &Sources, visitor: &Visitor) -> Option<String> {
    let settings = &sources.settings;
    let port = settings.listen.web_tls.first()?.port();
    let is_local = visitor.host == "localhost"
        || visitor
            .host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let host = if is_local || visitor.host.is_empty() {
        settings.hostname.as_str()
    } else {
        &visitor.host
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    Some(match port {
        443 => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    })
}
