//! Certificates by ACME in the daemon: who asks for what, and which ports can prove it.

use std::sync::Arc;

use super::open::tls_directory;
use crate::config::{Settings, TlsSource};
use crate::dns::Resolver;
use crate::net::acme::kept::Kept;
use crate::net::acme::{self, Keeper, Way};
use crate::net::driver::Shared;
use crate::net::shutdown::Shutdown;

/// Where certificates by ACME are, if they are wanted: files of the owner's go before.
pub(super) fn kept(settings: &Settings) -> Option<Kept> {
    let is_wanted = settings.acme.is_some() && settings.tls == TlsSource::SelfMade;
    is_wanted.then(|| Kept::new(&tls_directory(settings)))
}

/// Looks after the certificate from now on, if that is wanted.
pub(super) fn start(
    settings: &Settings,
    resolver: Option<Resolver>,
    shared: &Shared,
    shutdown: &Shutdown,
) {
    let (Some(acme), Some(kept)) = (&settings.acme, kept(settings)) else {
        return;
    };
    let Some(resolver) = resolver else {
        return tracing::error!("no certificate by ACME without DNS");
    };
    let ports = [
        (Way::Http, &settings.listen.web),
        (Way::Tls, &settings.listen.web_tls),
    ];
    let ways = ports.iter().filter(|(_, port)| !port.is_empty());
    let wanted = acme::Settings {
        directory: acme.directory.clone(),
        contact: acme.contact.clone(),
        hostname: settings.hostname.clone(),
        domains: settings.domains.clone(),
        ways: ways.map(|(way, _)| *way).collect(),
    };
    let tls = Arc::clone(&shared.tls);
    let keeper = Keeper::new(wanted, kept, tls, resolver, shared.clock.clone());
    tokio::spawn(keeper.run(shutdown.token()));
}
