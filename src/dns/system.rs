//! The name servers that are asked: those of the settings, or those of the system as they are at the moment.
//!
//! A box often starts before its network does, and moves to another: `/etc/resolv.conf` is looked at every
//! [`LOOK_AFTER`] while somebody asks. A file that is missing, empty or unreadable names nobody, and every question
//! has no answer for now.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::time::Instant;

use super::network::{Anchored, Network};
use super::{Settings, SetupError};

/// How long what the file said counts.
const LOOK_AFTER: Duration = Duration::from_secs(10);

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Whom to ask.
pub(super) struct System {
    /// What has to be proved; `None` without DNSSEC.
    anchored: Option<Anchored>,
    /// Longest time for one server.
    timeout: Duration,
    look_after: Duration,
    /// The file that names servers, if the settings do not.
    file: Option<PathBuf>,
    current: Mutex<Current>,
}

struct Current {
    network: Arc<Network>,
    stamp: Stamp,
    looked: Instant,
}

/// What tells that the file has changed: time of change and length.
type Stamp = Option<(SystemTime, u64)>;

impl System {
    /// By the settings.
    pub(super) fn new(settings: &Settings, timeout: Duration) -> Result<Self, SetupError> {
        Self::with_file(settings, timeout, Path::new(RESOLV_CONF), LOOK_AFTER)
    }

    /// With another file, and another time until it is looked at.
    pub(super) fn with_file(
        settings: &Settings,
        timeout: Duration,
        file: &Path,
        look_after: Duration,
    ) -> Result<Self, SetupError> {
        let anchored = if settings.dnssec {
            Some(Anchored::new(settings.trust_anchor.as_deref())?)
        } else {
            None
        };
        let file = settings.servers.is_empty().then(|| file.to_owned());
        let servers = match &file {
            Some(file) => read(file),
            None => given(settings),
        };
        let network = Network::new(servers, anchored.as_ref(), timeout)?;
        Ok(Self {
            anchored,
            timeout,
            look_after,
            current: Mutex::new(Current {
                network: Arc::new(network),
                stamp: file.as_deref().and_then(stamp),
                looked: Instant::now(),
            }),
            file,
        })
    }

    /// Those of the moment.
    pub(super) fn network(&self) -> Arc<Network> {
        let mut current = self.current();
        if let Some(file) = &self.file
            && current.looked.elapsed() >= self.look_after
        {
            current.looked = Instant::now();
            let stamp = stamp(file);
            if stamp != current.stamp {
                current.stamp = stamp;
                self.renew(file, &mut current);
            }
        }
        Arc::clone(&current.network)
    }

    fn renew(&self, file: &Path, current: &mut Current) {
        match Network::new(read(file), self.anchored.as_ref(), self.timeout) {
            Ok(network) => {
                tracing::info!("the system's name servers have changed");
                current.network = Arc::new(network);
            }
            Err(error) => tracing::warn!(%error, "the name servers stay as they were"),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

fn given(settings: &Settings) -> ResolverConfig {
    let servers = settings.servers.iter().map(|address| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.into())
    });
    ResolverConfig::from_name_servers(servers.collect())
}

/// The servers that the file names; domain and search list are left out.
fn read(file: &Path) -> ResolverConfig {
    let parsed = fs::read(file)
        .map_err(|error| error.to_string())
        .and_then(|text| parse_resolv_conf(text).map_err(|error| error.to_string()));
    let servers = match parsed {
        Ok((config, _options)) => config.into_parts().2,
        Err(error) => {
            tracing::warn!(file = %file.display(), error, "the system names no name servers");
            Vec::new()
        }
    };
    ResolverConfig::from_name_servers(servers)
}

fn stamp(file: &Path) -> Stamp {
    let about = fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}
