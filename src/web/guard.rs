//! What every request passes: which host may be asked for, which pages need a private connection, which forms come from
//! elsewhere; and what every answer carries: security headers, and problems as pages.
//!
//! Invariants: a page that takes a password is never answered over a plain connection that leaves this machine; an
//! unknown Host is refused before anything else is looked at (DNS rebinding).

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName,
    LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Web;
use super::layout::{Frame, notice_page};
use super::problem::Problem;
use super::session::Token;
use super::visitor::{Link, SameSite, Visitor, cookie, set_cookie};
use super::words::Lang;
use crate::config::Settings;

/// Cookie of the language that was chosen by hand.
pub const LANGUAGE_COOKIE: &str = "heimpost-language";

/// Cookie of the token in forms that need no session.
pub const FORM_COOKIE: &str = "heimpost-form";

/// The same over a plain connection: a browser keeps a cookie that came behind TLS from being replaced there.
const FORM_COOKIE_IN_PLAIN: &str = "heimpost-form-plain";

/// What the box is called at home, whatever name it has been given.
pub const HOME_NAME: &str = "heimpost.local";

/// Nothing from outside, nothing inline, nothing framed but our own.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Paths that anyone may ask for over a plain connection, with all below those that end in `/`. Everything else is on
/// the port with TLS.
const IN_PLAIN: &[&str] = &[
    "/",
    "/health",
    "/metrics",
    "/language",
    "/setup",
    "/setup/",
    "/assets/",
    "/authority/",
    "/.well-known/",
    "/mail/config-v1.1.xml",
];

/// Paths that programs ask for by any name, such as a certificate authority's checks; they say nothing of the house.
const ANY_HOST: &[&str] = &["/health", "/metrics", "/.well-known/"];

/// Checks a request, and dresses its answer.
pub(super) async fn guard(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let link = match request.extensions().get::<Link>() {
        Some(link) => *link,
        None => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let settings = &web.sources.settings;
    let host = host_of(request.uri(), request.headers());
    let is_known = host.as_deref().is_some_and(|host| is_ours(host, settings));
    if !is_known && !is_listed(&path, ANY_HOST) {
        return refuse_host();
    }
    let host = host.unwrap_or_default();
    if !link.is_private() && !is_listed(&path, IN_PLAIN) {
        return to_tls(&host, request.uri(), settings);
    }
    if comes_from_elsewhere(request.method(), request.headers()) {
        return (
            StatusCode::FORBIDDEN,
            "This form did not come from this box\n",
        )
            .into_response();
    }
    let Some((mut visitor, fresh_form)) = visitor(&request, link, host, settings) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    visitor.changes = (request.method() == Method::GET).then(|| web.changes());
    request.extensions_mut().insert(visitor.clone());
    let response = next.run(request).await;
    dress(response, &visitor, fresh_form)
}

fn visitor(
    request: &Request,
    link: Link,
    host: String,
    settings: &Settings,
) -> Option<(Visitor, bool)> {
    let headers = request.headers();
    let chosen = cookie(headers, LANGUAGE_COOKIE).and_then(Lang::named);
    let accepted = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let lang = chosen.or_else(|| accepted.and_then(Lang::preferred));
    let held = cookie(headers, form_cookie(link)).filter(|text| text.len() >= 32);
    let form = held.map_or_else(Token::new, |text| Some(Token::from_text(text)))?;
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let visitor = Visitor {
        lang: lang.unwrap_or(Lang(settings.language)),
        link,
        host,
        path: path.to_owned(),
        form,
        changes: None,
    };
    Some((visitor, held.is_none()))
}

/// The host that is asked for, in lower case and without port (RFC 9112 3.2).
fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let given = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    let host = match given.strip_prefix('[') {
        Some(literal) => literal.split(']').next()?,
        None => given.split(':').next()?,
    };
    Some(host.trim_end_matches('.').to_lowercase())
}

/// Whether a host can only be this box: an address (which no name server can redirect), or one of its names.
fn is_ours(host: &str, settings: &Settings) -> bool {
    if host.parse::<IpAddr>().is_ok() || matches!(host, "localhost" | "heimpost" | HOME_NAME) {
        return true;
    }
    let machine = settings.machine.as_deref();
    let is_machine = |machine: &str| host == machine || host == format!("{machine}.local");
    if machine.is_some_and(is_machine) {
        return true;
    }
    let hostname = settings.hostname.as_str().to_lowercase();
    let label = hostname.split('.').next().unwrap_or_default();
    if host == hostname || host == label || host == format!("{label}.local") {
        return true;
    }
    let mut domains = settings
        .domains
        .iter()
        .map(|domain| domain.as_str().to_lowercase());
    domains.any(|domain| {
        let prefix = host.strip_suffix(&domain);
        prefix.is_some_and(|prefix| {
            matches!(
                prefix,
                "" | "mail." | "www." | "autoconfig." | "autodiscover." | "mta-sts."
            )
        })
    })
}

fn is_listed(path: &str, list: &[&str]) -> bool {
    let is_below =
        |place: &&str| place.ends_with('/') && place.len() > 1 && path.starts_with(place);
    list.iter().any(|place| path == *place || is_below(place))
}

fn refuse_host() -> Response {
    let text = "This box does not answer to that name. Use its own name or address.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// The same page on the port with TLS.
fn to_tls(host: &str, uri: &Uri, settings: &Settings) -> Response {
    let Some(base) = tls_base(host, settings) else {
        let text = "Passwords are only taken over TLS, and [listen] web_tls is off.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let location = HeaderValue::from_str(&format!("{base}{path}"));
    match location {
        Ok(location) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Where the port with TLS is for whoever asks for this host.
fn tls_base(host: &str, settings: &Settings) -> Option<String> {
    let port = settings.listen.web_tls.first()?.port();
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let port = if port == 443 {
        String::new()
    } else {
        format!(":{port}")
    };
    Some(format!("https://{host}{port}"))
}

/// A link to a page that takes passwords: as it is where the connection is private, else on the port with TLS.
pub(super) fn over_tls(web: &Web, visitor: &Visitor, path: &str) -> String {
    let base = tls_base(&visitor.host, &web.sources.settings);
    match base.filter(|_| !visitor.link.is_private()) {
        Some(base) => format!("{base}{path}"),
        None => path.to_owned(),
    }
}

fn form_cookie(link: Link) -> &'static str {
    if link.tls {
        FORM_COOKIE
    } else {
        FORM_COOKIE_IN_PLAIN
    }
}

/// Whether a request that changes something was made by a page of somebody else (Fetch Metadata, RFC 6454 7).
fn comes_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site"))
        && !matches!(site, "same-origin" | "none")
    {
        return true;
    }
    // "null" comes from our own pages too, since they send no referrer; the token decides then.
    let origin = text(ORIGIN).filter(|origin| *origin != "null");
    let (Some(origin), Some(host)) = (origin, text(HOST)) else {
        return false;
    };
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    !authority.eq_ignore_ascii_case(host)
}

/// Shows a problem as a page, and adds what every answer carries.
fn dress(mut response: Response, visitor: &Visitor, fresh_form: bool) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let (heading, text) = problem.in_words(visitor.lang);
        let frame = Frame::outside(visitor);
        response = notice_page(&frame, problem.status(), heading, &text);
    }
    let headers = response.headers_mut();
    if fresh_form
        && is_page(headers)
        && let Ok(value) = set_cookie(
            (form_cookie(visitor.link), visitor.form.expose()),
            SameSite::Strict,
            None,
            visitor.link,
        )
    {
        headers.append(SET_COOKIE, value);
    }
    let fixed = |text| HeaderValue::from_static(text);
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(REFERRER_POLICY, fixed("no-referrer"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(fixed(POLICY));
    headers.entry(X_FRAME_OPTIONS).or_insert(fixed("DENY"));
    headers.entry(CACHE_CONTROL).or_insert(fixed("no-store"));
    // Browsers take it from private connections only, and complain elsewhere.
    if visitor.link.tls {
        let name = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(name, fixed("same-origin"));
    }
    for (name, text) in [
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), microphone=(), geolocation=(), interest-cohort=()",
        ),
    ] {
        headers.insert(HeaderName::from_static(name), fixed(text));
    }
    response
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}
