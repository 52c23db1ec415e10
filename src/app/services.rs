//! Which session serves which port, and what each session needs of the daemon.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

use crate::auth::Auth;
use crate::config::{DmarcPolicy, ReceiveSettings, Settings};
use crate::delivery::route::Router;
use crate::imap;
use crate::maillog::Tally;
use crate::net::ca::Subject;
use crate::net::driver::Open;
use crate::net::listener::TlsMode::{self, Implicit, OnRequest};
use crate::net::listener::{Service, Talk};
use crate::pop3::{self, Pop3};
use crate::smtp::{self, Role};
use crate::store::Store;
use crate::web::guard::HOME_NAME;
use crate::web::{self, Sources};

/// Names of the web ports' services: in plain, and with TLS.
const WEB: &str = "web";
const WEB_TLS: &str = "web_tls";

/// What a peer over the limits hears (RFC 5321 3.8, RFC 3501 7.1.5, RFC 3206 4).
const SMTP_REFUSAL: &str = "421 4.3.2 Too many connections, try again later\r\n";
const IMAP_REFUSAL: &str = "* BYE [UNAVAILABLE] Too many connections, try again later\r\n";
const POP3_REFUSAL: &str = "-ERR [SYS/TEMP] Too many connections, try again later\r\n";

/// Every service that has an address. `sources` are the web port's.
pub(super) fn services(settings: &Settings, auth: &Auth, mut sources: Sources) -> Vec<Service> {
    let listen = &settings.listen;
    let (store, tally) = (&sources.store, &sources.tally);
    let imap = imap_sessions(settings, store, auth);
    let smtp = |role| smtp_sessions(settings, store, auth, tally, role);
    let (receive, submission) = (smtp(Role::Receive), smtp(Role::Submission));
    let pop3 = pop3_sessions(settings, store, auth);
    let mut all = vec![
        service("smtp", &listen.smtp, OnRequest, &receive),
        service("submission", &listen.submission, OnRequest, &submission),
        service("submissions", &listen.submissions, Implicit, &submission),
        service("imap", &listen.imap, OnRequest, &imap),
        service("imaps", &listen.imaps, Implicit, &imap),
        service("pop3", &listen.pop3, OnRequest, &pop3),
        service("pop3s", &listen.pop3s, Implicit, &pop3),
    ];
    sources.services = all
        .iter()
        .map(|service| service.name)
        .chain([WEB, WEB_TLS])
        .collect();
    let pages = |name, tls, addresses: &[SocketAddr], carry| Service {
        name,
        tls,
        addresses: addresses.to_vec(),
        refusal: web::REFUSAL,
        talk: Talk::Carried(carry),
    };
    let carries = web::carry(sources);
    all.push(pages(WEB, OnRequest, &listen.web, carries.plain));
    all.push(pages(WEB_TLS, Implicit, &listen.web_tls, carries.tls));
    all.retain(|service| !service.addresses.is_empty());
    all
}

/// How sessions of one protocol begin, and what a peer hears that gets none.
struct Protocol {
    open: Open,
    refusal: &'static str,
}

fn service(
    name: &'static str,
    addresses: &[SocketAddr],
    tls: TlsMode,
    protocol: &Protocol,
) -> Service {
    Service {
        name,
        tls,
        addresses: addresses.to_vec(),
        refusal: protocol.refusal,
        talk: Talk::Session(Arc::clone(&protocol.open)),
    }
}

fn smtp_sessions(
    settings: &Settings,
    store: &Store,
    auth: &Auth,
    tally: &Tally,
    role: Role,
) -> Protocol {
    let hostname = settings.hostname.clone();
    let domains = settings.domains.iter().cloned();
    let service = smtp::Service {
        role,
        limits: smtp::Limits {
            message_bytes_max: settings.limits.message_bytes_max,
            recipients_max: settings.limits.recipients_max,
        },
        plaintext_without_tls: settings.auth.plaintext_without_tls,
        language: settings.language,
        keeps_sent: settings.submission.sent_copy,
        checking: checking(settings.receive),
        router: Router::new(
            settings.domains.first().unwrap_or(&hostname).clone(),
            domains,
        )
        .provisional(settings.provisional),
        hostname,
        store: store.clone(),
        auth: auth.clone(),
        tally: tally.clone(),
    };
    let open: Open = Arc::new(move |peer, _| {
        let session = smtp::Session::new(service.clone(), peer, random()?);
        Ok(Box::new(session))
    });
    Protocol {
        open,
        refusal: SMTP_REFUSAL,
    }
}

fn checking(receive: ReceiveSettings) -> smtp::Checking {
    match receive {
        ReceiveSettings { verify: false, .. } => smtp::Checking::Off,
        ReceiveSettings {
            dmarc: DmarcPolicy::Mark,
            ..
        } => smtp::Checking::Mark,
        ReceiveSettings {
            dmarc: DmarcPolicy::Obey,
            ..
        } => smtp::Checking::Obey,
    }
}

fn imap_sessions(settings: &Settings, store: &Store, auth: &Auth) -> Protocol {
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
    let open: Open = Arc::new(move |peer, _| {
        let session = imap::session::ImapSession::new(services.clone(), peer, random()?);
        Ok(Box::new(session))
    });
    Protocol {
        open,
        refusal: IMAP_REFUSAL,
    }
}

fn pop3_sessions(settings: &Settings, store: &Store, auth: &Auth) -> Protocol {
    let (store, auth) = (store.clone(), auth.clone());
    let settings = pop3::Settings {
        plaintext_without_tls: settings.auth.plaintext_without_tls,
    };
    let open: Open = Arc::new(move |peer, now| {
        let (store, auth) = (store.clone(), auth.clone());
        let session = Pop3::new(store, auth, peer, settings, &random()?, now);
        Ok(Box::new(session))
    });
    Protocol {
        open,
        refusal: POP3_REFUSAL,
    }
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
    let home = [HOME_NAME, "localhost"].map(str::to_owned);
    let mut names = BTreeSet::from(home);
    names.insert(format!("{label}.local"));
    names.extend(
        settings
            .machine
            .iter()
            .map(|machine| format!("{machine}.local")),
    );
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
