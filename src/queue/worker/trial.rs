//! A trial of a smarthost: connects, logs in and hands over a mail to the owner, and says what came of it.
//!
//! It uses the worker's client and demands of TLS what the worker does, so that what works here works there. It tries the
//! password whatever is known of it, since somebody has just typed it. `words` says in plain words how it ended.

mod words;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use super::blocking;
use super::connect::{Connector, Way};
use super::line::Line;
use super::logins::{Denial, Logins, authenticate, first_line};
use super::message::Pieces;
use super::targets::way;
use super::words::Fault;
use crate::clock::{Clock, Now};
use crate::delivery::notice;
use crate::delivery::report::unique;
use crate::dns::Resolver;
use crate::mail::address::{Address, Domain};
use crate::mail::date::DateTime;
use crate::mail::trace;
use crate::mail::transport::{BodyType, HeaderType};
use crate::net::outbound::{Outbound, TlsFailure};
use crate::queue::relay::{Login, Password, Smarthost};
use crate::sasl::client::Credentials;
use crate::smtp::client::envelope::{Envelope, Recipient};
use crate::smtp::client::outcome::{
    Cause, Ended, Fate, LoginError, LoginFailure, Phase, SendError,
};
use crate::smtp::client::reply::{Class, Reply};
use crate::store;
use crate::store::types::Language;
use crate::trust::signing::Keyring;

/// Longest time for the whole: somebody waits before a page.
pub const TIME_MAX: Duration = Duration::from_secs(45);

/// Longest time for one address, while there are others.
const ADDRESS_TIME_MAX: Duration = Duration::from_secs(15);

/// Most addresses that are tried.
const ADDRESSES_MAX: usize = 4;

/// Most bytes of a host's words that are kept.
const SAID_BYTES_MAX: usize = 512;

/// What a trial is made with.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Connections.
    pub outbound: Outbound,
    /// Names; without it addresses work alone.
    pub resolver: Option<Resolver>,
    /// Signatures.
    pub keyring: Keyring,
    /// What the box calls itself.
    pub hostname: Domain,
    /// Time.
    pub clock: Clock,
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Request {
    /// The smarthost.
    pub smarthost: Smarthost,
    /// Sender and recipient of the mail: the owner.
    pub owner: Address,
    /// Language of the mail.
    pub language: Language,
}

/// Why a trial failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub what: What,
    /// The other side's words, or the system's; empty for none.
    pub said: String,
}

/// What happened instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// There is no host of that name.
    NoHost,
    /// The name servers do not answer.
    NoNames,
    /// No connection: refused or unreachable.
    NoConnection,
    /// Nobody answers.
    Silent,
    /// The certificate does not prove the name.
    Certificate,
    /// The handshake fails: most often the port wants the other kind of security.
    Handshake,
    /// The host offers no TLS at that port.
    NoTls,
    /// The host does not talk to us.
    Unwelcome,
    /// User or password is wrong.
    Password,
    /// The host takes no logins for now.
    LoginLater,
    /// The host offers no login that we know.
    NoLogin,
    /// The host wants a login.
    LoginMissing,
    /// The host does not let this sender send.
    Sender,
    /// The host does not take mail for this recipient.
    Recipient,
    /// The host does not take this message.
    Message,
    /// The connection broke.
    Lost,
    /// Something of ours.
    Ours,
}

/// What somebody logs in with; a password in a file is read.
async fn credentials(login: &Login) -> io::Result<Credentials> {
    let password = match &login.password {
        Password::Given(password) => password.clone(),
        Password::File(file) => {
            let file = file.clone();
            blocking(move || first_line(&file), io::Error::other).await?
        }
    };
    Ok(Credentials {
        login: login.user.clone(),
        password,
    })
}

impl Trial {
    /// Makes the trial, within [`TIME_MAX`]; gives the host's words when it took the mail.
    pub async fn run(&self, request: &Request) -> Result<String, Failure> {
        let tried = timeout(TIME_MAX, Box::pin(self.try_all(request))).await;
        tried.unwrap_or_else(|_| Err(What::Silent.with("")))
    }

    async fn try_all(&self, request: &Request) -> Result<String, Failure> {
        let addresses = self.addresses(&request.smarthost.host).await?;
        let way = Way {
            login: None,
            ..way(&request.smarthost)
        };
        let mut failure = What::NoHost.with("");
        for ip in addresses.into_iter().take(ADDRESSES_MAX) {
            let address = SocketAddr::new(ip, request.smarthost.port);
            let opened = timeout(ADDRESS_TIME_MAX, self.open(&way, address)).await;
            match opened.unwrap_or_else(|_| Err(What::Silent.with(""))) {
                Ok(line) => return self.send(line, request).await,
                Err(one) => failure = one,
            }
        }
        Err(failure)
    }

    async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Failure> {
        // RFC 6761 6.3
        if host.as_str() == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        if let Some(address) = host.address() {
            return Ok(vec![address]);
        }
        let resolver = self
            .resolver
            .clone()
            .ok_or_else(|| What::NoNames.with(""))?;
        let mut addresses = match resolver.addresses(host).await {
            Ok(answer) => answer.records,
            Err(failure) if failure.is_temporary() => return Err(What::NoNames.with("")),
            Err(_) => return Err(What::NoHost.with("")),
        };
        // Connections at home often have no IPv6.
        addresses.sort_by_key(IpAddr::is_ipv6);
        Ok(addresses)
    }

    async fn open(&self, way: &Way, address: SocketAddr) -> Result<Line, Failure> {
        let connector = Connector {
            outbound: self.outbound.clone(),
            logins: Logins::new(Language::En),
            hostname: self.hostname.clone(),
            clock: self.clock.clone(),
        };
        connector.open(way, address).await.map_err(of_fault)
    }

    async fn send(&self, mut line: Line, request: &Request) -> Result<String, Failure> {
        if let Some(login) = &request.smarthost.login {
            let read = credentials(login).await;
            let credentials = read.map_err(|error| What::Ours.with(&error.to_string()))?;
            authenticate(&mut line, &credentials)
                .await
                .map_err(of_denial)?;
        }
        let message = self.message(request).await;
        let message = message.map_err(|error| What::Ours.with(&error.to_string()))?;
        let envelope = envelope(&request.owner, &message);
        let sent = line.send(envelope, &mut Pieces::of(message)).await;
        let fates = sent.map_err(of_send_error)?.fates;
        tokio::spawn(line.quit());
        match fates.into_iter().next() {
            Some(fate) => of_fate(fate, request),
            None => Err(What::Ours.with("")),
        }
    }

    /// The mail, signed as others are.
    async fn message(&self, request: &Request) -> store::Result<Vec<u8>> {
        let now = self.clock.now();
        let unsigned = compose(request, &self.hostname, &unique()?, now);
        let keyring = self.keyring.clone();
        let work = move || {
            let mut once = std::iter::once(Ok::<_, store::Error>(unsigned.clone()));
            let mut message = keyring.sign(&mut once, now)?;
            message.extend(unsigned);
            Ok(message)
        };
        blocking(work, store::Error::Fault).await
    }
}

impl What {
    fn with(self, said: &str) -> Failure {
        let end = said.floor_char_boundary(SAID_BYTES_MAX);
        Failure {
            what: self,
            said: said.get(..end).unwrap_or_default().to_owned(),
        }
    }
}

fn compose(request: &Request, hostname: &Domain, unique: &str, now: Now) -> Vec<u8> {
    let owner = &request.owner;
    let (subject, text) = words::mail(&request.smarthost, request.language);
    let (encoding, body) = notice::encoded(&text);
    let date = now.wall.map(|wall| trace::date(DateTime::utc(wall)));
    let mail = [
        date.unwrap_or_default(),
        trace::message_id(unique, hostname.as_str()),
        format!("From: Heimpost <{owner}>\r\n"),
        format!("To: <{owner}>\r\n"),
        format!("Subject: {}\r\n", notice::unstructured(subject)),
        // RFC 3834 5.
        "Auto-Submitted: auto-generated\r\n".to_owned(),
        "MIME-Version: 1.0\r\n".to_owned(),
        "Content-Type: text/plain; charset=utf-8\r\n".to_owned(),
        format!("Content-Language: {}\r\n", notice::tag(request.language)),
        format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"),
        body,
    ];
    mail.concat().into_bytes()
}

fn envelope(owner: &Address, message: &[u8]) -> Envelope {
    Envelope {
        from: Some(owner.clone()),
        recipients: vec![Recipient {
            address: owner.clone(),
            notify: None,
            original: None,
        }],
        size_bytes: u64::try_from(message.len()).unwrap_or(u64::MAX),
        body: BodyType::SevenBit,
        header: HeaderType::Ascii,
        ret: None,
        envid: None,
    }
}

fn of_fault(fault: Fault) -> Failure {
    match fault {
        Fault::Connect(error) if error.kind() == io::ErrorKind::TimedOut => What::Silent.with(""),
        Fault::Connect(error) => What::NoConnection.with(&error.to_string()),
        Fault::Tls(TlsFailure::Certificate(why)) => What::Certificate.with(&why),
        Fault::Tls(failure) => What::Handshake.with(&failure.to_string()),
        Fault::TlsNotOffered => What::NoTls.with(""),
        Fault::TlsRefused(reply) => What::NoTls.with(&reply.to_string()),
        Fault::Ended(ended) => of_end(ended),
        Fault::Login(words) | Fault::NoLogin(words) => What::Ours.with(&words),
    }
}

fn of_end(ended: Ended) -> Failure {
    match ended {
        Ended::Refused(_, reply) => What::Unwelcome.with(&reply.to_string()),
        // A host that wants TLS from the first byte waits for it, or closes at what is none.
        Ended::Lost(Phase::Greeting, loss) => What::Handshake.with(&loss.to_string()),
        Ended::Lost(_, loss) => What::Lost.with(&loss.to_string()),
        Ended::Quit => What::Lost.with(""),
    }
}

fn of_denial(denial: Denial) -> Failure {
    match denial {
        Denial::Chance(words) => What::Ours.with(&words),
        Denial::NotBegun(error @ LoginError::Client(_)) => What::Password.with(&error.to_string()),
        Denial::NotBegun(error) => What::NoLogin.with(&error.to_string()),
        Denial::Failed(LoginFailure::Refused(reply)) => of_refused_login(&reply),
        Denial::Failed(LoginFailure::Client(failure)) => What::NoLogin.with(&failure.to_string()),
        Denial::Ended(ended) => of_end(ended),
    }
}

/// RFC 4954 6: 454 is for now; 534 and 504 are about the way of logging in.
fn of_refused_login(reply: &Reply) -> Failure {
    let what = match (reply.class(), reply.code()) {
        (Class::Permanent, 504) => What::NoLogin,
        (Class::Permanent, _) => What::Password,
        (Class::Done | Class::GoOn | Class::Transient, _) => What::LoginLater,
    };
    what.with(&reply.to_string())
}

fn of_send_error(error: SendError) -> Failure {
    match error {
        SendError::NotReady | SendError::MailMax => What::Lost.with(&error.to_string()),
        SendError::NoRecipients => What::Ours.with(&error.to_string()),
        SendError::TooLarge { .. } | SendError::Needs(_) => What::Message.with(&error.to_string()),
    }
}

fn of_fate(fate: Fate, request: &Request) -> Result<String, Failure> {
    let cause = match fate {
        Fate::Delivered(reply) => return Ok(reply.to_string()),
        Fate::Transient(cause) | Fate::Permanent(cause) => cause,
    };
    Err(match cause {
        Cause::Refused(phase, reply) => {
            let what = if request.smarthost.login.is_none() && reply.code() == 530 {
                What::LoginMissing
            } else {
                refused_at(phase)
            };
            what.with(&reply.to_string())
        }
        Cause::Lost(_, loss) => What::Lost.with(&loss.to_string()),
        Cause::RecipientsMax => What::Recipient.with(""),
    })
}

fn refused_at(phase: Phase) -> What {
    match phase {
        Phase::Mail => What::Sender,
        Phase::Rcpt => What::Recipient,
        Phase::Greeting
        | Phase::Hello
        | Phase::StartTls
        | Phase::Login
        | Phase::Idle
        | Phase::Data
        | Phase::Body
        | Phase::End
        | Phase::Reset
        | Phase::Quit => What::Message,
    }
}
