//! Which session serves which port, and what each session needs of the daemon.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

use crate::auth::Auth;
use crate::config::Settings;
use crate::delivery::route::Router;
use crate::imap;
use crate::net::ca::Subject;
use crate::net::driver::Open;
use crate::net::listener::{Service, TlsMode};
use crate::smtp::{self, Role};
use crate::store::Store;

/// What a peer over the limits hears (RFC 5321 3.8, RFC 3501 7.1.5, RFC 3206 4).
const SMTP_REFUSAL: &str = "421 4.3.2 Too many connections, try again later\r\n";
const IMAP_REFUSAL: &str = "* BYE [UNAVAILABLE] Too many connections, try again later\r\n";
const POP3_REFUSAL: &str = "-ERR [SYS/TEMP] Too many connections, try again later\r\n";

/// Every service that has an address.
pub(super) fn services(settings: &Settings, store: &Store, auth: &Auth) -> Vec<Service> {
    let listen = &settings.listen;
    let imap = imap_sessions(settings, store, auth);
    let receive = smtp_sessions(settings, store, auth, Role::Receive);
    let submission = smtp_sessions(settings, store, auth, Role::Submission);
    let all = vec![
        service(
            "smtp",
            &listen.smtp,
            TlsMode::OnRequest,
            SMTP_REFUSAL,
            &receive,
        ),
        service(
            "submission",
            &listen.submission,
            TlsMode::OnRequest,
            SMTP_REFUSAL,
            &submission,
        ),
        service(
            "submissions",
            &listen.submissions,
            TlsMode::Implicit,
            SMTP_REFUSAL,
            &submission,
        ),
        service(
            "imap",
            &listen.imap,
            TlsMode::OnRequest,
            IMAP_REFUSAL,
            &imap,
        ),
        service(
            "imaps",
            &listen.imaps,
            TlsMode::Implicit,
            IMAP_REFUSAL,
            &imap,
        ),
    ];
    let mut all = all;
    all.retain(|service| !service.addresses.is_empty());
    all
}

fn service(
    name: &'static str,
    addresses: &[SocketAddr],
    tls: TlsMode,
    refusal: &'static str,
    open: &Open,
) -> Service {
    Service {
        name,
        tls,
        addresses: addresses.to_vec(),
        refusal,
        open: Arc::clone(open),
    }
}

fn smtp_sessions(settings: &Settings, store: &Store, auth: &Auth, role: Role) -> Open {
    let hostname = settings.hostname.clone();
    let domains = settings.domains.iter().cloned();
    let service = smtp::Service {
        role,
        limits: smtp::Limits {
            message_bytes_max: settings.limits.message_bytes_max,
            recipients_max: settings.limits.recipients_max,
        },
        plaintext_without_tls: settings.auth.plaintext_without_tls,
        router: Router::new(
            settings.domains.first().unwrap_or(&hostname).clone(),
            domains,
        ),
        hostname,
        store: store.clone(),
        auth: auth.clone(),
    };
    Arc::new(move |peer| {
        let session = smtp::Session::new(service.clone(), peer, random()?);
        Ok(Box::new(session))
    })
}

fn imap_sessions(settings: &Settings, store: &Store, auth: &Auth) -> Open {
    let services = imap::session::Services {
        store: store.clone(),
        auth: auth.clone(),
        settings: Arc::new(imap::session::Settings {
            hostname: settings.hostname.as_str().to_owned(),
            append_bytes_max: settings.limits.message_bytes_max,
            plaintext_without_tls: settings.auth.plaintext_without_tls,
            starttls: true,
        }),
    };
    Arc::new(move |peer| {
        let session = imap::session::ImapSession::new(services.clone(), peer, random()?);
        Ok(Box::new(session))
    })
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("no randomness"))?;
    Ok(bytes)
}

/// Whom the self-made certificate names.
pub(super) fn subject(settings: &Settings) -> Subject {
    let hostname = settings.hostname.as_str().to_owned();
    let label = hostname.split('.').next().unwrap_or(&hostname);
    let mut names = BTreeSet::from([format!("{label}.local"), "localhost".to_owned()]);
    names.extend(
        settings
            .domains
            .iter()
            .map(|domain| domain.as_str().to_owned()),
    );
    Subject {
        hostname,
        names,
        addresses: super::upkeep::addresses(&settings.listen),
    }
}
