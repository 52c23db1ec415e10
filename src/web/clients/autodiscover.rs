//! Autodiscover of Outlook (MS-OXDSCLI, the schema for IMAP and SMTP): a POST with an address in XML, answered with the
//! servers. A machine's page: it has no form token, changes nothing, and says the same for every address of a domain.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::problem::Problem;
use super::super::visitor::Visitor;
use super::super::{Web, fresh};
use super::{Security, Server, Servers, base_url, domain_of};

const CONTENT_TYPE: &str = "text/xml; charset=utf-8";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const PATH: &str = "/autodiscover/autodiscover.xml";

/// Longest address that is looked at, in bytes (RFC 5321 4.5.3.1, with room).
const ADDRESS_BYTES_MAX: usize = 512;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, post(discover))
        .route("/Autodiscover/Autodiscover.xml", post(discover))
        .route("/AutoDiscover/AutoDiscover.xml", post(discover))
        .route("/autodiscover/autodiscover.json", get(second_version))
}

async fn discover(State(web): State<Web>, body: Bytes) -> Response {
    let settings = &web.sources.settings;
    let asked = address_in(&body);
    let known = asked
        .as_deref()
        .filter(|address| domain_of(address, settings).is_some());
    let content = match known {
        Some(address) => answer(address, &Servers::of(settings)),
        None => refusal(),
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}\n",
        content.into_string()
    );
    fresh(StatusCode::OK, CONTENT_TYPE, text)
}

/// The text of the one element that matters, whatever prefix its name has. An address needs no entity in XML but `&amp;`
/// and `&apos;`.
fn address_in(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("EMailAddress>")?;
    let (address, _) = rest.split_once("</")?;
    let address = address.trim().replace("&apos;", "'").replace("&amp;", "&");
    (address.len() <= ADDRESS_BYTES_MAX && address.contains('@')).then_some(address)
}

fn answer(address: &str, servers: &Servers) -> Markup {
    html! {
        Autodiscover xmlns=(RESPONSE) {
            Response xmlns=(OUTLOOK) {
                User { DisplayName { (address) } }
                Account {
                    AccountType { "email" }
                    Action { "settings" }
                    @if let Some(imap) = servers.imap.first() { (protocol("IMAP", imap, address)) }
                    @if let Some(pop3) = servers.pop3.first() { (protocol("POP3", pop3, address)) }
                    @if let Some(smtp) = servers.smtp.first() { (protocol("SMTP", smtp, address)) }
                }
            }
        }
    }
}

fn protocol(kind: &str, server: &Server, address: &str) -> Markup {
    let encryption = match server.security {
        Security::Tls => "SSL",
        Security::StartTls => "TLS",
    };
    html! {
        Protocol {
            Type { (kind) }
            Server { (server.host) }
            Port { (server.port) }
            DomainRequired { "off" }
            LoginName { (address) }
            SPA { "off" }
            SSL { "on" }
            Encryption { (encryption) }
            AuthRequired { "on" }
            @if kind == "SMTP" { UsePOPAuth { "off" } SMTPLast { "off" } }
        }
    }
}

fn refusal() -> Markup {
    html! {
        Autodiscover xmlns=(RESPONSE) {
            Response {
                Error Time="00:00:00.0000000" Id="1" {
                    ErrorCode { "600" }
                    Message { "Invalid Request" }
                    DebugData {}
                }
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Second {
    #[serde(default, rename = "Protocol")]
    protocol: String,
}

/// Newer Outlooks ask first where the first version is.
async fn second_version(
    State(web): State<Web>,
    visitor: Visitor,
    Query(asked): Query<Second>,
) -> Response {
    let base = base_url(&web.sources, &visitor);
    match base.filter(|_| asked.protocol.eq_ignore_ascii_case("autodiscoverv1")) {
        Some(base) => {
            let text =
                serde_json::json!({ "Protocol": "AutodiscoverV1", "Url": format!("{base}{PATH}") });
            fresh(StatusCode::OK, "application/json", text.to_string())
        }
        None => Problem::NotFound.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_requests() {
        let table = [
            (
                "<Autodiscover><Request><EMailAddress>anna@example.org</EMailAddress></Request>",
                Some("anna@example.org"),
            ),
            (
                "<a:EMailAddress> o&apos;neill@example.org </a:EMailAddress>",
                Some("o'neill@example.org"),
            ),
            ("<EMailAddress>anna</EMailAddress>", None),
            ("<EMailAddress>anna@example.org", None),
            ("", None),
        ];
        for (body, expected) in table {
            assert_eq!(address_in(body.as_bytes()).as_deref(), expected, "{body}");
        }
        let long = format!("<EMailAddress>{}@x</EMailAddress>", "a".repeat(600));
        assert_eq!(address_in(long.as_bytes()), None);
        assert_eq!(address_in(b"\xff\xfe<EMailAddress>a@b</"), None);
    }

    #[test]
    fn what_is_echoed_stays_text() {
        let server = Server {
            host: "h".to_owned(),
            port: 1,
            security: Security::Tls,
        };
        let servers = Servers {
            imap: vec![server],
            pop3: Vec::new(),
            smtp: Vec::new(),
        };
        let text = answer("<x>&\"@example.org", &servers).into_string();
        assert!(
            text.contains("<LoginName>&lt;x&gt;&amp;&quot;@example.org</LoginName>"),
            "{text}"
        );
    }
}
