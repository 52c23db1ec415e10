//! What the daemon opens before it serves: data directory, store, queue, certificate, name servers.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::{Error, acme, services};
use crate::cli::connect::{open_desk, store_options};
use crate::clock::Clock;
use crate::config::{Settings, TlsSource};
use crate::dns::Resolver;
use crate::maillog::Tally;
use crate::net::Counters;
use crate::net::limits::Limits;
use crate::net::tls::{Certificate, Tls};
use crate::queue::desk::Desk;
use crate::store::{self, Store};
use crate::trust::verify::Judge;

/// How long a start waits for a command that has the store open, and how often it looks.
const STORE_WAIT: Duration = Duration::from_secs(5);
const STORE_RETRY: Duration = Duration::from_millis(100);

pub(super) fn limits(settings: &Settings) -> Limits {
    let count = |max: u32| usize::try_from(max).unwrap_or(usize::MAX);
    Limits {
        connections_max: count(settings.limits.connections_max),
        per_address_max: count(settings.limits.connections_per_address_max),
    }
}

/// Opens the store, waiting a little for a command that has it open.
pub(super) async fn open_store(settings: &Settings, clock: &Clock) -> Result<Store, Error> {
    make_private(&settings.data).map_err(|cause| Error::Data {
        path: settings.data.clone(),
        cause,
    })?;
    let begun = clock.now().mono;
    loop {
        match try_open(settings, clock).await {
            Err(store::Error::InUse) if clock.now().mono.since(begun) < STORE_WAIT => {
                sleep(STORE_RETRY).await;
            }
            Ok(store) => return Ok(store),
            Err(cause) => {
                return Err(Error::Store {
                    path: settings.data.clone(),
                    cause,
                });
            }
        }
    }
}

async fn try_open(settings: &Settings, clock: &Clock) -> store::Result<Store> {
    let options = store_options(settings);
    let (data, now) = (settings.data.clone(), clock.now());
    let opened = spawn_blocking(move || Store::open(&data, &options, now));
    opened
        .await
        .unwrap_or_else(|error| Err(store::Error::Fault(error.to_string())))
}

/// Mail between the box's own mailboxes needs no name servers, so that the box starts without them.
pub(super) fn open_resolver(settings: &Settings) -> Option<Resolver> {
    let opened = Resolver::new(&settings.dns);
    let tell = |error| tracing::error!(%error, "nothing can be asked of DNS until the next start");
    opened.map_err(tell).ok()
}

pub(super) fn judge(resolver: Option<&Resolver>, settings: &Settings, clock: &Clock) -> Judge {
    let hostname = settings.hostname.clone();
    match resolver {
        Some(resolver) => Judge::new(resolver.clone(), hostname, clock.clone()),
        None => Judge::without_dns(hostname),
    }
}

/// Opens the queue.
pub(super) async fn take_queue(
    store: &Store,
    settings: &Settings,
    tally: &Tally,
    clock: &Clock,
) -> Result<Desk, Error> {
    let (store, settings, tally) = (store.clone(), settings.clone(), tally.clone());
    let (path, now) = (settings.data.clone(), clock.now());
    let opened = spawn_blocking(move || open_desk(&store, &settings, &tally, now));
    let opened = opened.await.map_err(io::Error::other)?;
    opened.map_err(|cause| Error::Store { path, cause })
}

/// Directory of authority, keys and certificates.
pub(super) fn tls_directory(settings: &Settings) -> PathBuf {
    settings.data.join("tls")
}

pub(super) async fn open_tls(
    settings: &Settings,
    clock: &Clock,
    counters: &Counters,
) -> Result<Tls, Error> {
    let directory = tls_directory(settings);
    let subject = services::subject(settings);
    let certificate = match &settings.tls {
        TlsSource::SelfMade => {
            make_private(&directory).map_err(|cause| Error::Data {
                path: directory.clone(),
                cause,
            })?;
            match acme::kept(settings) {
                Some(kept) => Certificate::Known {
                    directory,
                    subject,
                    certificate: kept.certificate_path(),
                    key: kept.key_path(),
                },
                None => Certificate::Made { directory, subject },
            }
        }
        TlsSource::Files { certificate, key } => Certificate::Given {
            certificate: certificate.clone(),
            key: key.clone(),
        },
    };
    let (now, counters) = (clock.now(), counters.clone());
    let opened = spawn_blocking(move || Tls::open(certificate, now, counters));
    Ok(opened.await.map_err(io::Error::other)??)
}

/// A directory for its owner only, made if it is missing.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
