//! What other machines look for at well-known places: answers for certificate authorities (RFC 8555 8.3), in plain, and the
//! policies of the MTA-STS hosts of our domains (RFC 8461 3.3), with TLS.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::problem::Problem;
use super::{Web, fresh};
use crate::net::acme::challenge;
use crate::trust::sts_policy::{self, Policy};

const TEXT: &str = "text/plain";

pub(super) fn in_plain(router: Router<Web>) -> Router<Web> {
    let path = format!("{}{{token}}", challenge::PATH);
    router.route(&path, get(answer))
}

pub(super) fn with_tls(router: Router<Web>) -> Router<Web> {
    router.route(sts_policy::PATH, get(policy))
}

/// The answer to a token of an order under way.
async fn answer(State(web): State<Web>, Path(token): Path<String>) -> Response {
    match web.sources.tls.challenges().http(&token) {
        Some(authorization) => fresh(StatusCode::OK, TEXT, authorization),
        None => Problem::NotFound.into_response(),
    }
}

/// The policy of the domain whose policy host is asked. There is none while the mail host has no certificate that others
/// accept: senders would keep to the policy and their mail to themselves.
async fn policy(State(web): State<Web>, headers: HeaderMap) -> Response {
    let sources = &web.sources;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_ours = host.is_some_and(|host| {
        let name = host.split(':').next().unwrap_or(host);
        let mut hosts = sources.settings.domains.iter().map(sts_policy::host);
        hosts.any(|ours| ours.eq_ignore_ascii_case(name))
    });
    let hostname = &sources.settings.hostname;
    if is_ours
        && sources
            .tls
            .vouches_for(hostname.as_str(), sources.clock.now())
    {
        fresh(StatusCode::OK, TEXT, Policy::enforce(hostname).text)
    } else {
        Problem::NotFound.into_response()
    }
}
