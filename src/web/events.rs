//! Live pages: streams of server-sent events (HTML standard, 9.2) that say that something has changed, not what.
//!
//! The page is fetched again then. Changes are told at most once per [`PAUSE`], however many there are. A stream ends
//! with its session, with its account and when the daemon drains; a session has [`STREAMS_PER_SESSION_MAX`] of them.
//! A browser hears at once that something may have changed when it comes back after a break, and when its page says that
//! it has seen fewer changes than there are by now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::Web;
use super::problem::Problem;
use super::session::{Realm, Session};
use super::state::Sources;
use super::visitor::{Owner, Person};
use crate::net::shutdown::{Phase, Token};
use crate::store::change::Subscription;
use crate::wake::Wake;

/// Streams of one session at a time.
pub const STREAMS_PER_SESSION_MAX: usize = 6;

/// Streams of all at a time.
pub const STREAMS_MAX: usize = 64;

/// Time between two tellings.
const PAUSE: Duration = Duration::from_secs(1);

/// A stream without news says something this often, so that either side finds out that the other has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// How a stream begins: when to come back after a break, and a name by which it is known that there was one.
const OPENING: &str = "retry: 3000\nid: 1\n\n";
const CHANGED: &str = "event: changed\ndata: 1\n\n";
const ALIVE: &str = ": here\n\n";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/box/events", get(of_the_box))
        .route("/mail/events", get(of_mail))
}

/// What the page says that opens a stream.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Since {
    /// [`Web::changes`] before the page was made.
    seen: Option<u64>,
}

impl Since {
    /// Whether the page may be behind. Asked by a stream that listens already.
    fn is_behind(self, web: &Web, headers: &HeaderMap) -> bool {
        let came_back = headers.contains_key("last-event-id");
        came_back || self.seen.is_some_and(|seen| seen != web.changes())
    }
}

/// For the owner: LED, levels, queue, and whatever the mail log has.
async fn of_the_box(
    State(web): State<Web>,
    owner: Owner,
    Extension(life): Extension<Token>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let listener = web.hub.listen(&owner.session, &Hears::House)?;
    if since.is_behind(&web, &headers) {
        listener.bell.notify_one();
    }
    Ok(stream(web, listener, Who(Realm::Box, owner.session), life))
}

/// For a person: mailboxes, flags and room of the own account.
async fn of_mail(
    State(web): State<Web>,
    person: Person,
    Extension(life): Extension<Token>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let account = person.account.id;
    let hears = |wake| web.sources.store.subscribe(account, wake);
    let listener = web.hub.listen(&person.session, &Hears::Account(&hears))?;
    if since.is_behind(&web, &headers) {
        listener.bell.notify_one();
    }
    let who = Who(Realm::Mail, person.session);
    Ok(stream(web, listener, who, life))
}

/// Who listens, and where from it is known that something has changed. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Of the streams that hear of the house.
    bells: Mutex<Vec<Weak<Notify>>>,
    /// Number of streams by session.
    streams: Mutex<BTreeMap<[u8; 32], usize>>,
    /// How often the bells were rung, counted before that.
    rung: AtomicU64,
}

/// What a stream is about.
enum Hears<'a> {
    House,
    Account(&'a dyn Fn(Wake) -> Subscription),
}

impl Hub {
    /// One that hears of the house by these sources.
    pub(super) fn of(sources: &Sources) -> Self {
        let hub = Self::default();
        let wake = hub.wake();
        sources.store.on_level(wake.clone());
        sources.desk.on_change(wake.clone());
        sources.store.on_event(wake.clone());
        sources.panel.on_change(wake);
        hub
    }

    /// How often the house was told of.
    pub(super) fn changes(&self) -> u64 {
        self.0.rung.load(Ordering::SeqCst)
    }

    /// Tells all who hear of the house, at once.
    pub(super) fn tell(&self) {
        self.0.ring();
    }

    /// As [`Hub::tell`], later. Those who hold it do not keep the hub.
    fn wake(&self) -> Wake {
        let inner = Arc::downgrade(&self.0);
        Wake::new(move || {
            if let Some(inner) = inner.upgrade() {
                inner.ring();
            }
        })
    }

    fn listen(&self, session: &Session, hears: &Hears<'_>) -> Result<Listener, Problem> {
        let place = self.take_place(session).ok_or(Problem::Busy)?;
        let bell = Arc::new(Notify::new());
        let subscription = match hears {
            Hears::House => {
                lock(&self.0.bells).push(Arc::downgrade(&bell));
                None
            }
            Hears::Account(subscribe) => {
                let bell = Arc::clone(&bell);
                Some(subscribe(Wake::new(move || bell.notify_one())))
            }
        };
        Ok(Listener {
            bell,
            _subscription: subscription,
            _place: place,
        })
    }

    fn take_place(&self, session: &Session) -> Option<Place> {
        let key = *session.key();
        let mut streams = lock(&self.0.streams);
        let all: usize = streams.values().sum();
        let own = streams.get(&key).copied().unwrap_or(0);
        if all >= STREAMS_MAX || own >= STREAMS_PER_SESSION_MAX {
            return None;
        }
        streams.insert(key, own + 1);
        Some(Place {
            hub: Arc::clone(&self.0),
            key,
        })
    }
}

impl Inner {
    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        lock(&self.bells).retain(|bell| {
            let bell = bell.upgrade();
            bell.inspect(|bell| bell.notify_one()).is_some()
        });
    }
}

/// A stream's ear and its place among all streams.
#[derive(Debug)]
struct Listener {
    bell: Arc<Notify>,
    _subscription: Option<Subscription>,
    _place: Place,
}

struct Place {
    hub: Arc<Inner>,
    key: [u8; 32],
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = lock(&self.hub.streams);
        match streams.get_mut(&self.key) {
            Some(more @ 2..) => *more -= 1,
            Some(_) | None => drop(streams.remove(&self.key)),
        }
    }
}

/// Whose session a stream ends with.
struct Who(Realm, Session);

impl Who {
    fn is_there(&self, web: &Web) -> bool {
        let sessions = &web.sources.kept.sessions;
        sessions.is_there(self.0, &self.1, web.now().mono)
    }
}

fn stream(web: Web, listener: Listener, who: Who, life: Token) -> Response {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(web, listener, who, life, sender));
    let headers = [(CONTENT_TYPE, "text/event-stream")];
    (StatusCode::OK, headers, Body::from_stream(Told(receiver))).into_response()
}

/// Tells a stream what it is to hear, until nobody reads it any more or its time is over.
async fn tell(
    web: Web,
    listener: Listener,
    who: Who,
    mut life: Token,
    out: mpsc::Sender<&'static str>,
) {
    let mut next = OPENING;
    loop {
        let sent = tokio::select! {
            sent = out.send(next) => sent.is_ok(),
            () = life.reached(Phase::Draining) => return,
        };
        if !sent {
            return;
        }
        let told = Instant::now();
        let pause = if next == CHANGED {
            PAUSE
        } else {
            Duration::ZERO
        };
        let heard = async {
            sleep_until(told + pause).await;
            listener.bell.notified().await;
        };
        next = tokio::select! {
            () = life.reached(Phase::Draining) => return,
            () = out.closed() => return,
            () = heard => CHANGED,
            () = sleep_until(told + KEEP_ALIVE) => ALIVE,
        };
        if !who.is_there(&web) {
            return;
        }
    }
}

/// What goes out.
struct Told(mpsc::Receiver<&'static str>);

impl Stream for Told {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let text = self.0.poll_recv(context);
        text.map(|text| text.map(|text| Ok(Bytes::from_static(text.as_bytes()))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::mail::ids::AccountId;
    use crate::web::session::{Asked, Sessions};

    fn session(sessions: &Sessions) -> Session {
        let now = Mono(Duration::ZERO);
        let cookie = sessions.begin(Realm::Box, AccountId(1), now).unwrap();
        sessions
            .find(Realm::Box, cookie.expose(), Asked::ByPerson, now)
            .unwrap()
    }

    #[test]
    fn streams_are_bounded_by_session_and_in_all() {
        let (hub, sessions) = (Hub::default(), Sessions::default());
        let mine = session(&sessions);
        let listen = |session: &Session| hub.listen(session, &Hears::House).ok();
        let held: Vec<_> = (0..STREAMS_PER_SESSION_MAX)
            .map(|_| listen(&mine).unwrap())
            .collect();
        assert!(listen(&mine).is_none());
        let others: Vec<_> = std::iter::repeat_with(|| listen(&session(&sessions)))
            .map_while(|listener| listener)
            .collect();
        assert_eq!(held.len() + others.len(), STREAMS_MAX);
        drop(held);
        assert!(listen(&mine).is_some());
        drop(others);
        assert!(lock(&hub.0.streams).is_empty());
    }

    #[tokio::test]
    async fn many_changes_are_one_telling() {
        let (hub, sessions) = (Hub::default(), Sessions::default());
        let listener = hub.listen(&session(&sessions), &Hears::House).unwrap();
        for _ in 0..10 {
            hub.wake().wake();
        }
        listener.bell.notified().await;
        let again = listener.bell.notified();
        tokio::select! {
            biased;
            () = again => panic!("told twice"),
            () = async {} => {}
        }
        drop(listener);
        hub.wake().wake();
        assert!(lock(&hub.0.bells).is_empty());
    }
}
