//! Connections that have nothing to do, kept a little while for the next mail to the same host.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connect::Way;
use super::line::Line;
use crate::clock::Mono;

/// How long a connection is kept. Others wait for theirs too: servers have limits.
const IDLE: Duration = Duration::from_secs(10);

/// Most connections that are kept.
const KEPT_MAX: usize = 20;

/// Most mails on one connection; servers with several machines like to spread.
const MESSAGES_MAX: u32 = 100;

/// The connections. Cheap to clone; clones are the same pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    way: Way,
    address: SocketAddr,
    line: Line,
    since: Mono,
}

impl Pool {
    /// The one of this way that was used last and is still good; those that are not are closed.
    pub(super) async fn take(&self, way: &Way) -> Option<(Line, SocketAddr)> {
        loop {
            let mut idle = self.remove_last(way)?;
            if idle.line.is_untouched().await {
                return Some((idle.line, idle.address));
            }
        }
    }

    fn remove_last(&self, way: &Way) -> Option<Idle> {
        let mut all = self.all();
        let at = all.iter().rposition(|idle| idle.way == *way)?;
        Some(all.remove(at))
    }

    /// Keeps a connection that is ready. Gives back one that is not kept (any more): close it.
    pub(super) fn put(&self, way: Way, address: SocketAddr, line: Line) -> Option<Line> {
        if line.messages() >= MESSAGES_MAX {
            return Some(line);
        }
        let since = line.now().mono;
        let mut all = self.all();
        all.push(Idle {
            way,
            address,
            line,
            since,
        });
        (all.len() > KEPT_MAX).then(|| all.remove(0).line)
    }

    /// Takes out what was kept for long enough.
    pub(super) fn expired(&self, now: Mono) -> Vec<Line> {
        let mut all = self.all();
        let kept = |idle: &mut Idle| now.since(idle.since) >= IDLE;
        all.extract_if(.., kept).map(|idle| idle.line).collect()
    }

    /// In how much time [`Pool::expired`] has something.
    pub(super) fn next_expiry(&self, now: Mono) -> Option<Duration> {
        let all = self.all();
        let oldest = all.iter().map(|idle| idle.since).min()?;
        Some((oldest + IDLE).since(now))
    }

    /// Takes out all.
    pub(super) fn clear(&self) -> Vec<Line> {
        self.all().drain(..).map(|idle| idle.line).collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
