//! One document by HTTPS, from a host that an authority of the system's vouches for: what MTA-STS needs (RFC 8461 3.3).
//!
//! No redirects, no cookies, no proxies; size and time have limits. HTTP is hyper's, TLS is that of [`Outbound`].

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::mail::address::Domain;
use crate::net::outbound::{Check, Outbound};
use crate::net::stream::Stream;

/// Longest time for all of it (RFC 8461 3.3 suggests a minute).
pub const FETCH_TIMEOUT: Duration = Duration::from_mins(1);

/// Largest document, in bytes (RFC 8461 3.3 suggests 64 KiB).
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Port of HTTPS.
pub const PORT: u16 = 443;

/// Where a document is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Host, which its certificate has to name.
    pub host: Domain,
    /// Its addresses, tried in this order.
    pub addresses: Vec<IpAddr>,
    /// Port: [`PORT`] but in tests.
    pub port: u16,
    /// Path with its `/`.
    pub path: &'static str,
}

/// Why there is no document, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

/// The plain text at that place.
pub async fn text(outbound: &Outbound, place: &Place) -> Result<String, Failure> {
    let fetching = Box::pin(fetch(outbound, place));
    let fetched = timeout(FETCH_TIMEOUT, fetching).await;
    fetched.map_err(|_| Failure("it took too long".to_owned()))?
}

async fn fetch(outbound: &Outbound, place: &Place) -> Result<String, Failure> {
    let stream = connect(outbound, place).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failure)?;
    let request = Request::get(place.path)
        .header(HOST, place.host.as_str())
        .header(USER_AGENT, "heimpost")
        .body(String::new())
        .map_err(failure)?;
    let asking = async {
        let response = sender.send_request(request).await.map_err(failure)?;
        read(response).await
    };
    let mut connection = std::pin::pin!(connection);
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        biased;
        read = &mut asking => read,
        // The end of the connection may come with the answer.
        ended = &mut connection => match ended {
            Ok(()) => asking.await,
            Err(error) => Err(failure(error)),
        },
    }
}

async fn connect(outbound: &Outbound, place: &Place) -> Result<Stream, Failure> {
    let mut failed = Failure("the host has no address".to_owned());
    for address in &place.addresses {
        let address = SocketAddr::new(*address, place.port);
        match outbound.connect(address).await {
            Err(error) => failed = Failure(error.to_string()),
            Ok(io) => {
                let check = Check::Names(vec![place.host.clone()]);
                let started = outbound.start_tls(io, &place.host, &check).await;
                return started.map(|(stream, _)| stream).map_err(failure);
            }
        }
    }
    Err(failed)
}

async fn read(response: Response<Incoming>) -> Result<String, Failure> {
    if response.status() != StatusCode::OK {
        return Err(Failure(format!("the status is {}", response.status())));
    }
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("text/plain") {
        return Err(Failure(format!("its type is \"{kind}\", not text/plain")));
    }
    let mut body = response.into_body();
    let mut document = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(failure)?;
        if let Some(data) = frame.data_ref() {
            document.extend_from_slice(data);
        }
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(Failure("it is too large".to_owned()));
        }
    }
    String::from_utf8(document).map_err(failure)
}

fn failure(error: impl std::error::Error) -> Failure {
    Failure(error.to_string())
}
