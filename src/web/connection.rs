//! One connection of the web ports: request after request until it ends, its life is over or the services stop.
//!
//! Services stop whenever settings change, while a page that was just sent is on its way to the next. Whoever has
//! connected by then is heard: a request under way is answered, and a connection without one gets a moment for its
//! first. What connects later waits for the next services.

use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::{self, Connection};
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::net::shutdown::{Phase, Token};
use crate::net::stream::Stream;

/// Time for a request line with its header, and between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest life of a connection, whatever it does. Event streams and uploads live that long; browsers reconnect.
const CONNECTION_LIFE_MAX: Duration = Duration::from_mins(10);

/// Time for the first request when the services stop. Browsers open connections that they may not need, and each of
/// them can hold the stop up for as long.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// Time for an answer under way when the services stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Bytes of a request line with its header, and their number of lines.
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// Serves `router` until the end.
pub(super) async fn serve(stream: Stream, router: Router, token: Token) {
    serve_within(stream, router, token, FIRST_REQUEST_TIME).await;
}

async fn serve_within(stream: Stream, router: Router, mut token: Token, first: Duration) {
    let (asked, mut has_asked) = watch::channel(false);
    let pages = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        asked.send_replace(true);
        pages.call(request)
    });
    let connection = server().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = timeout(CONNECTION_LIFE_MAX, connection.as_mut()) => ended,
        () = token.reached(Phase::Draining) => {
            let asked = timeout(first, has_asked.wait_for(|asked| *asked));
            timeout(first + DRAIN_TIME, drain(connection, asked)).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "http"),
        Err(_) => tracing::debug!("http: out of time"),
    }
}

fn server() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    http
}

/// Goes on until `asked`, then until what was asked is answered. A connection that is told to end before its first
/// request closes at once.
async fn drain<S>(
    mut connection: Pin<&mut Connection<TokioIo<Stream>, S>>,
    asked: impl Future,
) -> hyper::Result<()>
where
    S: HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = asked => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::net::shutdown::{GRACE, Shutdown, Stopped};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: box\r\n\r\n";
    const LONG: Duration = Duration::from_mins(1);

    /// A browser's end of a connection, and the services.
    struct Rig {
        browser: DuplexStream,
        shutdown: Shutdown,
    }

    impl Rig {
        fn new(first: Duration) -> Self {
            let (browser, ours) = duplex(4096);
            let shutdown = Shutdown::new();
            let router = Router::new().route("/", get(async || "here"));
            let stream = Stream::plain(ours);
            tokio::spawn(serve_within(stream, router, shutdown.token(), first));
            Self { browser, shutdown }
        }

        async fn ask(&mut self) -> String {
            self.browser.write_all(REQUEST).await.unwrap();
            let mut answer = vec![0; 4096];
            let read = self.browser.read(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer[..read]).into_owned()
        }

        /// Tells the services to stop; the browser's end, and how that went.
        async fn stop(self) -> (DuplexStream, JoinHandle<Stopped>) {
            let mut watcher = self.shutdown.token();
            let stopping = tokio::spawn(self.shutdown.stop(GRACE, std::future::pending()));
            watcher.reached(Phase::Draining).await;
            (self.browser, stopping)
        }
    }

    async fn rest(mut browser: DuplexStream) -> String {
        let mut rest = String::new();
        browser.read_to_string(&mut rest).await.unwrap();
        rest
    }

    #[tokio::test]
    async fn the_first_request_is_answered_although_the_services_stop() {
        let (mut browser, stopping) = Rig::new(LONG).stop().await;
        browser.write_all(REQUEST).await.unwrap();
        let answer = rest(browser).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("here"), "{answer}");
        assert_eq!(stopping.await.unwrap(), Stopped::Clean);
    }

    #[tokio::test]
    async fn who_asks_nothing_is_let_go() {
        let (browser, stopping) = Rig::new(Duration::ZERO).stop().await;
        assert_eq!(rest(browser).await, "");
        assert_eq!(stopping.await.unwrap(), Stopped::Clean);
    }

    #[tokio::test]
    async fn who_was_answered_is_let_go() {
        let mut rig = Rig::new(LONG);
        let answer = rig.ask().await;
        assert!(answer.ends_with("here"), "{answer}");
        let (browser, stopping) = rig.stop().await;
        assert_eq!(rest(browser).await, "");
        assert_eq!(stopping.await.unwrap(), Stopped::Clean);
    }
}
