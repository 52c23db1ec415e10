//! The checked settings, each part handed by `app` to the one module that it concerns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use heimpost_board::Backend;
use jiff::tz::TimeZone;

use crate::dns;
use crate::mail::address::{Address, Domain};
use crate::queue;
use crate::queue::plan::Policy;
use crate::queue::relay::Relay;
use crate::store::types::{Language, Thresholds};

/// Everything that a file or a default decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name that the box gives itself in greetings and certificates.
    pub hostname: Domain,
    /// What the system calls the machine: one label, in lower case. The home network knows it with `.local` behind.
    pub machine: Option<String>,
    /// Domains whose mail is stored here, at least one.
    pub domains: Vec<Domain>,
    /// The data directory.
    pub data: PathBuf,
    /// Language of mail that the box writes, where an account says nothing.
    pub language: Language,
    /// Time zone of dates shown to people.
    pub time_zone: TimeZone,
    /// Listeners.
    pub listen: Listen,
    /// Where the certificate comes from.
    pub tls: TlsSource,
    /// Limits.
    pub limits: Limits,
    /// Logging in.
    pub auth: AuthSettings,
    /// The card.
    pub storage: StorageSettings,
    /// Accounts.
    pub account: AccountSettings,
    /// Smarthosts.
    pub relay: Relay,
    /// Name servers.
    pub dns: dns::Settings,
    /// Sending.
    pub queue: QueueSettings,
    /// Mail of the box's own people.
    pub submission: SubmissionSettings,
    /// Mail of others.
    pub receive: ReceiveSettings,
    /// Certificates from an authority that everybody knows; `None` for the box's own.
    pub acme: Option<AcmeSettings>,
    /// What "make room" removes.
    pub room: RoomSettings,
    /// Backups to a USB stick.
    pub backup: BackupSettings,
    /// LED and button.
    pub panel: PanelSettings,
    /// Setting the box up.
    pub setup: SetupSettings,
    /// Whether the owner's settings are missing, since they cannot be read or do not work: domains among them are not
    /// known here, so nothing may be refused for good on that account.
    pub provisional: bool,
}

/// Socket addresses per service; an empty list is a service switched off. An IPv6 wildcard address takes IPv6 only, so
/// that `0.0.0.0` and `[::]` stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// SMTP, receive role.
    pub smtp: Vec<SocketAddr>,
    /// SMTP, submission role, STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// SMTP, submission role, implicit TLS.
    pub submissions: Vec<SocketAddr>,
    /// IMAP, STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// IMAP, implicit TLS.
    pub imaps: Vec<SocketAddr>,
    /// POP3, STLS.
    pub pop3: Vec<SocketAddr>,
    /// POP3, implicit TLS.
    pub pop3s: Vec<SocketAddr>,
    /// HTTP.
    pub web: Vec<SocketAddr>,
    /// HTTPS.
    pub web_tls: Vec<SocketAddr>,
}

/// Sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// When what is tried again, and what is told.
    pub policy: Policy,
    /// How much at a time.
    pub limits: queue::plan::Limits,
    /// Port of other hosts: 25 but for experiments.
    pub port: u16,
}

/// Mail of the box's own people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmissionSettings {
    /// Whether what they send is filed in Sent here; a copy that their program files takes its place.
    pub sent_copy: bool,
}

/// What is done with mail that its author's domain disowns (DMARC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmarcPolicy {
    /// It is marked.
    Mark,
    /// What the domain asks for: refused, filed in Junk, or marked.
    Obey,
}

/// Mail of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveSettings {
    /// Whether SPF, DKIM and DMARC are checked.
    pub verify: bool,
    /// What is done about it.
    pub dmarc: DmarcPolicy,
}

/// Certificates by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// URL of the directory.
    pub directory: String,
    /// Where the authority writes to, if given.
    pub contact: Option<Address>,
}

/// Where the TLS certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// From the box's own certificate authority under the data directory.
    SelfMade,
    /// From PEM files, read again when they change.
    Files {
        /// Certificate chain, leaf first.
        certificate: PathBuf,
        /// Private key of the leaf.
        key: PathBuf,
    },
}

/// Limits that owners may want to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message, in bytes.
    pub message_bytes_max: u64,
    /// Most recipients of one mail (RFC 5321 4.5.3.1.8 asks for 100 at least).
    pub recipients_max: u32,
    /// Most connections at a time, all services together.
    pub connections_max: u32,
    /// Most connections at a time from one address.
    pub connections_per_address_max: u32,
}

/// How the account's own password is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordStorage {
    /// As SCRAM-SHA-256 keys: every mechanism works.
    Scram,
    /// As Argon2id hash: harder to guess from a stolen card; PLAIN and LOGIN only.
    Argon2id,
}

/// Logging in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// Whether passwords may cross the line without TLS.
    pub plaintext_without_tls: bool,
    /// How new passwords are kept.
    pub password_storage: PasswordStorage,
}

/// The card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// Most bytes that the store may take; `None` for the whole card.
    pub capacity_max: Option<u64>,
    /// Bytes kept free for deletes and the box's own mail.
    pub reserve: u64,
    /// Where people are told of accounts and cards that fill up.
    pub thresholds: Thresholds,
}

/// What "make room" removes and where the owner's own programs for it lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// Mail that has lain in Trash for that many days goes.
    pub trash_days: u32,
    /// Mail that has lain in Junk for that many days goes.
    pub junk_days: u32,
    /// Mail that has lain in "Fetched" for that many days goes.
    pub fetched_days: u32,
    /// Mail in INBOX older than that many months moves to Archive/YYYY; `None` for never.
    pub archive_months: Option<u32>,
    /// Directory of programs that run afterwards, in the order of their names.
    pub hooks: PathBuf,
}

/// Backups to a USB stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// The stick's label or UUID; `None` for no such backups.
    pub stick: Option<String>,
    /// When the last good one is older, that is trouble. Counts once a stick is named.
    pub age_max_days: u32,
    /// Where `dev`, `sys` and `proc` of the system are; tests have their own.
    pub system: PathBuf,
}

/// LED and button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelSettings {
    /// Which pins, and how to reach them.
    pub board: heimpost_board::Options,
    /// Whether all is well is told by a short tick instead of steady light.
    pub quiet: bool,
}

/// Setting the box up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupSettings {
    /// File that the one-time code is written to; `None` for `setup-code.txt` in the data directory.
    pub code_file: Option<PathBuf>,
}

/// Where the one-time code is, in the data directory.
const CODE_FILE: &str = "setup-code.txt";

/// Accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Quota of accounts that have none of their own, in bytes.
    pub quota_default: u64,
}

/// Where a developer's desk has its data.
const DESK_DATA: &str = "heimpost-data";

/// Where it has the owner's programs, in the data directory.
pub(super) const DESK_HOOKS: &str = "storage-full.d";

impl Settings {
    /// Whether mail is meant to come from and go to beyond the house.
    pub fn reaches_out(&self) -> bool {
        let relay = &self.relay;
        let sends_on = relay.default.is_some() || !relay.senders.is_empty();
        sends_on || self.domains.iter().any(Domain::is_public)
    }

    /// What holds at a developer's desk, without any file.
    pub fn desk() -> Self {
        let local = domain_constant("heimpost.local");
        Self {
            hostname: local.clone(),
            machine: machine(),
            domains: vec![local],
            data: PathBuf::from(DESK_DATA),
            language: Language::En,
            time_zone: TimeZone::system(),
            listen: Listen::desk(),
            tls: TlsSource::SelfMade,
            limits: Limits::standard(),
            auth: AuthSettings {
                plaintext_without_tls: false,
                password_storage: PasswordStorage::Scram,
            },
            storage: StorageSettings {
                capacity_max: None,
                reserve: 64 << 20,
                thresholds: Thresholds::default(),
            },
            account: AccountSettings {
                quota_default: 5 << 30,
            },
            relay: Relay::default(),
            dns: dns::Settings {
                servers: Vec::new(),
                dnssec: true,
                trust_anchor: None,
            },
            queue: QueueSettings {
                policy: Policy::default(),
                limits: queue::plan::Limits::default(),
                port: 25,
            },
            submission: SubmissionSettings { sent_copy: true },
            receive: ReceiveSettings {
                verify: true,
                dmarc: DmarcPolicy::Obey,
            },
            acme: None,
            room: RoomSettings {
                trash_days: 30,
                junk_days: 30,
                fetched_days: 30,
                archive_months: None,
                hooks: Path::new(DESK_DATA).join(DESK_HOOKS),
            },
            backup: BackupSettings {
                stick: None,
                age_max_days: 3,
                system: PathBuf::from("/"),
            },
            panel: PanelSettings {
                board: heimpost_board::Options {
                    backend: Backend::Sim,
                    ..heimpost_board::Options::default()
                },
                quiet: false,
            },
            setup: SetupSettings::default(),
            provisional: false,
        }
    }

    /// File that the one-time code is written to.
    pub fn code_file(&self) -> PathBuf {
        let given = self.setup.code_file.clone();
        given.unwrap_or_else(|| self.data.join(CODE_FILE))
    }

    pub(super) fn appliance() -> Self {
        let desk = Self::desk();
        Self {
            data: PathBuf::from("/var/lib/heimpost"),
            listen: Listen::well_known(),
            room: RoomSettings {
                hooks: PathBuf::from("/etc/heimpost/storage-full.d"),
                ..desk.room
            },
            panel: PanelSettings {
                board: heimpost_board::Options::default(),
                ..desk.panel
            },
            ..desk
        }
    }
}

fn machine() -> Option<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_str().ok()?.to_ascii_lowercase();
    let label = name.split('.').next().unwrap_or_default();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_name = !matches!(label, "" | "localhost") && label.bytes().all(is_letter);
    is_name.then(|| label.to_owned())
}

/// A domain that is known to be one.
#[expect(
    clippy::expect_used,
    reason = "called with literals only, each covered by a test"
)]
fn domain_constant(text: &str) -> Domain {
    Domain::parse(text).expect("a valid literal")
}

impl Listen {
    fn desk() -> Self {
        let at = |port| vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)];
        Self {
            smtp: at(2525),
            submission: at(2587),
            submissions: at(2465),
            imap: at(2143),
            imaps: at(2993),
            pop3: at(2110),
            pop3s: at(2995),
            web: at(8080),
            web_tls: at(8443),
        }
    }

    fn well_known() -> Self {
        let at = |port| {
            vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
            ]
        };
        Self {
            smtp: at(25),
            submission: at(587),
            submissions: at(465),
            imap: at(143),
            imaps: at(993),
            pop3: at(110),
            pop3s: at(995),
            web: at(80),
            web_tls: at(443),
        }
    }

    /// Every service with its key and addresses, in the order of the ports' listing.
    pub fn services(&self) -> [(&'static str, &[SocketAddr]); 9] {
        [
            ("smtp", &self.smtp),
            ("submission", &self.submission),
            ("submissions", &self.submissions),
            ("imap", &self.imap),
            ("imaps", &self.imaps),
            ("pop3", &self.pop3),
            ("pop3s", &self.pop3s),
            ("web", &self.web),
            ("web_tls", &self.web_tls),
        ]
    }
}

impl Limits {
    fn standard() -> Self {
        Self {
            message_bytes_max: 50 << 20,
            recipients_max: 200,
            connections_max: 256,
            connections_per_address_max: 64,
        }
    }
}
