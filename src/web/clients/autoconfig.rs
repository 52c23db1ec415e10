//! Autoconfiguration of Thunderbird, K-9, `FairEmail` and others (draft-ietf-mailmaint-autoconfig): where the servers of a
//! domain are, as XML, at the places that programs look in.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::problem::Problem;
use super::super::visitor::Visitor;
use super::super::{Web, fresh};
use super::{Security, Server, Servers, domain_of};
use crate::config::Settings;
use crate::mail::address::Domain;

const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/mail/config-v1.1.xml", get(config))
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(config))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    emailaddress: String,
}

async fn config(State(web): State<Web>, visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let settings = &web.sources.settings;
    match domain_asked(&asked.emailaddress, &visitor.host, settings) {
        Some(domain) => fresh(StatusCode::OK, CONTENT_TYPE, document(domain, settings)),
        None => Problem::NotFound.into_response(),
    }
}

/// The domain that is asked about: the address's, else the one that the host is of.
fn domain_asked<'a>(address: &str, host: &str, settings: &'a Settings) -> Option<&'a Domain> {
    if !address.is_empty() {
        return domain_of(address, settings);
    }
    let of_host = settings.domains.iter().find(|domain| {
        let name = domain.as_str();
        host.strip_suffix(name)
            .is_some_and(|front| front.is_empty() || front.ends_with('.'))
    });
    of_host.or_else(|| settings.domains.first())
}

fn document(domain: &Domain, settings: &Settings) -> String {
    let servers = Servers::of(settings);
    let content = html! {
        clientConfig version="1.1" {
            emailProvider id=(domain) {
                domain { (domain) }
                displayName { "Heimpost (" (domain) ")" }
                displayShortName { "Heimpost" }
                @for found in &servers.imap { incomingServer type="imap" { (server(found)) } }
                @for found in &servers.pop3 { incomingServer type="pop3" { (server(found)) } }
                @for found in &servers.smtp { outgoingServer type="smtp" { (server(found)) } }
            }
        }
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
        content.into_string()
    )
}

fn server(server: &Server) -> Markup {
    let kind = match server.security {
        Security::Tls => "SSL",
        Security::StartTls => "STARTTLS",
    };
    html! {
        hostname { (server.host) }
        port { (server.port) }
        socketType { (kind) }
        authentication { "password-cleartext" }
        username { "%EMAILADDRESS%" }
    }
}
