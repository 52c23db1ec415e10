//! The web ports: pages for people, and figures for programs (`/health`, `/metrics`, well-known places).
//!
//! Server-rendered pages in German and English that work without script: setting the box up (`setup`), the owner's pages
//! (`owner`), a person's own account (`person`) and mail (`mail`). `guard` is what every request passes, `visitor` says
//! who asks, `form` what was sent, `session` who is logged in, `layout` and `parts` are what pages are put together
//! from. What anyone may read has no address and no name in it. Connections come from `net`'s listener with its limits;
//! each has a deadline as a whole (`connection`), so that a slow client holds nothing. What is asked of the store is asked on a blocking
//! thread, few at a time, and a panic there is that request's alone.

pub mod assets;
pub mod change;
mod clients;
mod connection;
mod devices;
pub mod drawer;
pub mod events;
pub mod form;
pub mod guard;
mod job_page;
pub mod jobs;
pub mod layout;
pub mod login;
mod mail;
pub mod metrics;
mod moving;
mod owner;
pub mod parts;
pub mod person;
mod plugged;
pub mod problem;
pub mod safe_html;
pub mod session;
pub mod setup;
pub mod smarthost;
mod state;
mod stream;
pub mod visitor;
mod welcome;
mod well_known;
pub mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::clock::Now;
use crate::net::listener::Carry;
use crate::net::stream::Stream;
use crate::space::{self, House};
use crate::stick::Standing;
use crate::store;
use crate::store::types::Level;
use metrics::{BackupFigures, Figures};
use problem::Problem;
pub use state::{Kept, Sources, Trouble, Web};
use visitor::Link;

/// What a peer over the limits is told.
pub const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\
     Connection: close\r\n\r\nToo many connections\n";

/// Bytes of a form; pages that take files have limits of their own.
const FORM_BYTES_MAX: usize = 256 << 10;

/// What the listener does with connections of the web ports.
#[expect(missing_debug_implementations, reason = "functions show nothing")]
pub struct Carries {
    /// Of the one in plain.
    pub plain: Carry,
    /// Of the one with TLS.
    pub tls: Carry,
}

/// Pages for both ports.
pub fn carry(sources: Sources) -> Carries {
    let web = Web::new(sources);
    Carries {
        plain: carry_to(finish(well_known::in_plain(router()), &web), |_| false),
        tls: carry_to(finish(well_known::with_tls(router()), &web), |_| true),
    }
}

fn carry_to(router: Router, tls: fn(&Stream) -> bool) -> Carry {
    Arc::new(move |stream, peer: SocketAddr, token| {
        let link = Link {
            peer,
            tls: tls(&stream),
        };
        let router = router
            .clone()
            .layer(Extension(link))
            .layer(Extension(token.clone()));
        Box::pin(connection::serve(stream, router, token))
    })
}

/// What both have.
fn router() -> Router<Web> {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(figures))
        .route("/assets/{name}", get(assets::serve))
        .merge(welcome::routes())
        .merge(login::routes())
        .merge(setup::routes())
        .merge(clients::routes())
        .merge(events::routes())
        .merge(owner::routes())
        .merge(person::routes())
        .merge(mail::routes())
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
}

fn finish(router: Router<Web>, web: &Web) -> Router {
    router
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(web.clone(), guard::guard))
        .with_state(web.clone())
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
        backup: backup_figures(sources, now),
        net: sources.counters.read(),
        sessions,
        connections: sources.limiter.open(),
        uptime: now.mono.0,
    }
}

fn backup_figures(sources: &Sources, now: Now) -> Option<BackupFigures> {
    let snapshot = sources.store.snapshot().ok()?;
    let standing = Standing::load(&snapshot, &sources.settings.backup).ok()??;
    Some(BackupFigures {
        age: standing.age(now),
        limit: standing.limit,
        trouble: standing.is_overdue(now),
    })
}

fn fresh(code: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (code, headers, Body::from(body)).into_response()
}
