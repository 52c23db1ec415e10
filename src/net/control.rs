//! The local control socket: commands of the same machine's owner, run by the daemon that has the store open.
//!
//! A client connects, sends one line (a request as JSON) and reads lines (replies as JSON) until the connection closes.
//! What the lines say is the matter of `cli`; here are only the way there and back, who may come, and limits. A request
//! runs on a blocking thread and is told when its client has gone.
//! Only root, the owner of the data directory and the daemon's own user are heard, whatever the file's mode says.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::net::Counters;
use crate::net::files::MODE_PRIVATE;
use crate::net::shutdown::{Phase, Token};

/// Name of the socket in the data directory.
pub const SOCKET_NAME: &str = "control.sock";

/// Longest request, line end included.
pub const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// Longest line of a reply that a client takes.
pub const REPLY_BYTES_MAX: u64 = 1 << 20;

/// Commands that run at once; more wait.
pub const CLIENTS_MAX: usize = 16;

/// Time for a client to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Lines of replies that may wait for a slow client before the command itself waits.
const REPLIES_QUEUED_MAX: usize = 64;

const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// Longest path that a socket address holds; longer ones are reached through the open directory.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Carries out one request line, sending reply lines. Called on a blocking thread.
pub type Handler = Arc<dyn Fn(&str, &mut Replies) + Send + Sync>;

/// Where a command's replies go.
#[derive(Debug)]
pub struct Replies(mpsc::Sender<String>);

/// The client has gone; going on is of use only for what must not be left half-done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has gone")]
pub struct Gone;

impl Replies {
    /// Sends one line, given without its line end. Waits while the client is slow. Not to be called on an async thread.
    pub fn send(&mut self, line: String) -> Result<(), Gone> {
        self.0.blocking_send(line).map_err(|_| Gone)
    }
}

/// The socket, bound, not served yet. Removed from the directory when dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Binds the socket in `data`. The caller has the store open, so a socket that is there already is stale.
    pub fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET_NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let directory = File::open(data)?;
        let listener = UnixListener::bind(short_path(&directory, &path))?;
        fs::set_permissions(&path, Permissions::from_mode(MODE_PRIVATE))?;
        let owner = directory.metadata()?.uid();
        Ok(Self {
            listener,
            path,
            owner,
        })
    }

    /// Serves clients until the daemon stops.
    pub async fn serve(self, handler: Handler, counters: Counters, mut token: Token) {
        let slots = Arc::new(Semaphore::new(CLIENTS_MAX));
        loop {
            let accepted = tokio::select! {
                () = token.reached(Phase::Draining) => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                sleep(ACCEPT_BACKOFF).await;
                continue;
            };
            if !self.may_come(&stream) {
                continue;
            }
            let (handler, counters) = (Arc::clone(&handler), counters.clone());
            let (slots, token) = (Arc::clone(&slots), token.clone());
            tokio::spawn(async move {
                let slot = slots.acquire_owned().await;
                if let Err(error) = serve_client(stream, handler, &counters, token).await {
                    tracing::debug!(%error, "control client");
                }
                drop(slot);
            });
        }
    }

    fn may_come(&self, stream: &UnixStream) -> bool {
        let own = rustix::process::geteuid().as_raw();
        let allowed = match stream.peer_cred() {
            Ok(peer) => [0, self.owner, own].contains(&peer.uid()),
            Err(_) => false,
        };
        if !allowed {
            tracing::warn!("a control client of another user was turned away");
        }
        allowed
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "control socket");
        }
    }
}

async fn serve_client(
    stream: UnixStream,
    handler: Handler,
    counters: &Counters,
    mut token: Token,
) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = tokio::io::BufReader::new(reading.take(REQUEST_BYTES_MAX));
    let mut request = String::new();
    let read = timeout(REQUEST_TIMEOUT, reading.read_line(&mut request));
    let read = tokio::select! {
        read = read => read,
        () = token.reached(Phase::Draining) => return Ok(()),
    };
    read.map_err(|_| io::ErrorKind::TimedOut)??;
    if !request.ends_with('\n') {
        return Err(io::Error::other("request cut short or too long"));
    }
    let (sender, mut replies) = mpsc::channel::<String>(REPLIES_QUEUED_MAX);
    let held = token.clone();
    let work = tokio::task::spawn_blocking(move || {
        handler(request.trim_end(), &mut Replies(sender));
        drop(held);
    });
    let forward = async {
        while let Some(mut line) = replies.recv().await {
            line.push('\n');
            writing.write_all(line.as_bytes()).await?;
        }
        writing.shutdown().await
    };
    let forwarded = tokio::select! {
        forwarded = forward => forwarded,
        () = token.reached(Phase::Aborting) => Err(io::ErrorKind::Interrupted.into()),
        () = hung_up(&mut reading) => Err(io::ErrorKind::BrokenPipe.into()),
    };
    // The command hears of it by its next reply.
    drop(replies);
    if work.await.is_err_and(|error| error.is_panic()) {
        counters.panicked();
        tracing::error!("a command panicked");
    }
    forwarded
}

/// Returns when the client has closed its connection. More input than one request is ignored up to the limit.
async fn hung_up(reading: &mut (impl AsyncReadExt + Unpin)) {
    let mut waste = [0_u8; 64];
    while matches!(reading.read(&mut waste).await, Ok(1..)) {}
}

/// Connects to the daemon that serves `data`; `None` if there is none. For the command line: blocks.
pub fn connect(data: &Path) -> io::Result<Option<Connection>> {
    let directory = match File::open(data) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let path = data.join(SOCKET_NAME);
    match BlockingStream::connect(short_path(&directory, &path)) {
        Ok(stream) => Ok(Some(Connection(stream))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A client's connection to the daemon.
#[derive(Debug)]
pub struct Connection(BlockingStream);

impl Connection {
    /// Sends one request, a line without its end, and gives each line of the reply to `take`, until the daemon closes or
    /// `take` has had enough.
    pub fn call(
        self,
        request: &str,
        mut take: impl FnMut(&str) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let mut stream = self.0;
        stream.write_all(request.as_bytes())?;
        stream.write_all(b"\n")?;
        let mut lines = BufReader::new(stream);
        loop {
            let mut line = String::new();
            lines.by_ref().take(REPLY_BYTES_MAX).read_line(&mut line)?;
            match line.strip_suffix('\n') {
                Some(line) if take(line).is_break() => return Ok(()),
                Some(_) => {}
                None if line.is_empty() => return Ok(()),
                None => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// The same place in few bytes, as long as `directory` is open.
fn short_path(directory: &File, path: &Path) -> PathBuf {
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return path.to_owned();
    }
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(SOCKET_NAME)
}

/// A handler by a function, for those who pass closures.
pub fn handler(run: impl Fn(&str, &mut Replies) + Send + Sync + 'static) -> Handler {
    Arc::new(run)
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}
