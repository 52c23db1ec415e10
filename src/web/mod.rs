//! The web ports: how the box is (`/health`) and its figures (`/metrics`), for programs that watch it, and what other
//! machines look for at well-known places (`well_known`).
//!
//! Anyone on the network can read it, so no address and no name is in what it says. Connections come from
//! `net`'s listener with its limits; each has a deadline as a whole, so that a slow client holds nothing. What is asked
//! of the store is asked on a blocking thread, few at a time, and a panic there is that request's alone.

pub mod metrics;
mod well_known;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::clock::{Clock, Now};
use crate::mail::address::Domain;
use crate::maillog::Tally;
use crate::net::Counters;
use crate::net::limits::Limiter;
use crate::net::listener::Carry;
use crate::net::shutdown::{Phase, Token};
use crate::net::stream::Stream;
use crate::net::tls::Tls;
use crate::queue::desk::Desk;
use crate::space::{self, House};
use crate::store::types::Level;
use crate::store::{self, Store};
use metrics::Figures;

/// What a peer over the limits is told.
pub const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\
     Connection: close\r\n\r\nToo many connections\n";

/// Time for a request line with its header, and between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest life of a connection, whatever it does.
const CONNECTION_LIFE_MAX: Duration = Duration::from_mins(1);

/// Time for an answer under way when the daemon stops.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Bytes of a request line with its header, and their number of lines.
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// Readings of the store at once.
const READS_MAX: usize = 2;

/// Time that the store has for an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What the pages are made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// What the network has counted.
    pub counters: Counters,
    /// What became of mail.
    pub tally: Tally,
    /// The queue.
    pub desk: Desk,
    /// Connections now.
    pub limiter: Limiter,
    /// Names of all services.
    pub services: Vec<&'static str>,
    /// Certificates, and what authorities ask for them.
    pub tls: Arc<Tls>,
    /// The box's name.
    pub hostname: Domain,
    /// Domains whose mail is stored here.
    pub domains: Vec<Domain>,
}

/// What the listener does with connections of the web ports.
#[expect(missing_debug_implementations, reason = "functions show nothing")]
pub struct Carries {
    /// Of the one in plain.
    pub plain: Carry,
    /// Of the one with TLS.
    pub tls: Carry,
}

#[derive(Clone, Debug)]
struct Web {
    sources: Arc<Sources>,
    reads: Arc<Semaphore>,
}

/// Pages for both ports.
pub fn carry(sources: Sources) -> Carries {
    let web = Web {
        sources: Arc::new(sources),
        reads: Arc::new(Semaphore::new(READS_MAX)),
    };
    Carries {
        plain: carry_to(well_known::in_plain(router()).with_state(web.clone())),
        tls: carry_to(well_known::with_tls(router()).with_state(web)),
    }
}

fn carry_to(router: Router) -> Carry {
    Arc::new(move |stream, _: SocketAddr, token| Box::pin(serve(stream, router.clone(), token)))
}

/// What both have.
fn router() -> Router<Web> {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(figures))
        .fallback(not_found)
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "GET only\n"))
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Not found\n").into_response()
}

/// One connection, request after request, until it ends, its life is over or the daemon stops.
async fn serve(stream: Stream, router: Router, mut token: Token) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = timeout(CONNECTION_LIFE_MAX, connection.as_mut()) => ended,
        () = token.reached(Phase::Draining) => {
            connection.as_mut().graceful_shutdown();
            timeout(DRAIN_TIME, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "http"),
        Err(_) => tracing::debug!("http: out of time"),
    }
}

/// 200 while the store answers and can write, else 503.
async fn health(State(web): State<Web>) -> Response {
    let house = web.read(|sources, now| space::house(&sources.store, now));
    let level = house.await.map_or(Level::Fault, |house| house.level());
    let (code, status) = match level {
        Level::Fault => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
        Level::Ok | Level::Notice | Level::Warning | Level::Full => (StatusCode::OK, "ok"),
    };
    let level = level.name();
    let body = format!("{{\"status\":\"{status}\",\"level\":\"{level}\"}}\n");
    fresh(code, "application/json", body)
}

/// All figures; those of the store are left out while it does not answer.
async fn figures(State(web): State<Web>) -> Response {
    let taken = web.read(|sources, now| {
        let house = space::house(&sources.store, now);
        Ok(take_figures(sources, now, house))
    });
    let figures = match taken.await {
        Some(figures) => figures,
        None => take_figures(&web.sources, web.sources.clock.now(), Err(silent())),
    };
    fresh(StatusCode::OK, metrics::CONTENT_TYPE, figures.render())
}

fn silent() -> store::Error {
    store::Error::Fault("no answer in time".to_owned())
}

fn take_figures(sources: &Sources, now: Now, house: store::Result<House>) -> Figures {
    let mut sessions = sources.counters.sessions();
    for service in &sources.services {
        sessions.entry(service).or_default();
    }
    Figures {
        house: house.ok(),
        faults: sources.store.health().faults,
        mail: sources.tally.read(),
        queue: sources.desk.figures(now),
        net: sources.counters.read(),
        sessions,
        connections: sources.limiter.open(),
        uptime: now.mono.0,
    }
}

impl Web {
    /// Reads on a blocking thread; `None` if that fails or takes too long.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sources, Now) -> store::Result<T> + Send + 'static,
    ) -> Option<T> {
        let sources = Arc::clone(&self.sources);
        let done = async {
            let slot = Arc::clone(&self.reads).acquire_owned().await.ok()?;
            let now = sources.clock.now();
            let work = spawn_blocking(move || {
                let done = work(&sources, now);
                drop(slot);
                done
            });
            match work.await {
                Ok(done) => done
                    .inspect_err(|error| tracing::warn!(%error, "web: the store cannot be read"))
                    .ok(),
                Err(error) if error.is_panic() => {
                    self.sources.counters.panicked();
                    tracing::error!("a request of the web port panicked");
                    None
                }
                Err(_) => None,
            }
        };
        timeout(READ_TIMEOUT, done).await.ok().flatten()
    }
}

fn fresh(code: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (code, headers, Body::from(body)).into_response()
}
