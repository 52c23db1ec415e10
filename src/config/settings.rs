//! The checked settings, each part handed by `app` to the one module that it concerns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use toml::Spanned;

use super::fragment::{
    Fragment, LimitsFragment, ListenFragment, PanelFragment, RoomFragment, Size, StorageFragment,
    TlsFragment, Value, Values,
};
use super::size::parse_bytes;
use crate::mail::address::Domain;
use crate::store::types::{Language, Thresholds};

/// Everything that a file or a default decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name that the box gives itself in greetings and certificates.
    pub hostname: Domain,
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
    /// What "make room" removes.
    pub room: RoomSettings,
    /// LED and button.
    pub panel: PanelSettings,
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

/// LED and button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelSettings {
    /// How to reach them.
    pub backend: PanelBackend,
    /// Label of the GPIO chip, or name of the LED with `leds-class`; the board's if there is none.
    pub chip: Option<String>,
    /// Offset of the LED's line; the board's if there is none.
    pub led: Option<u32>,
    /// Offset of the button's line; the board's if there is none.
    pub button: Option<u32>,
    /// Whether the LED is lit by a low level.
    pub active_low: bool,
    /// Whether the pressed button gives a low level, as one to ground does.
    pub button_active_low: bool,
    /// Whether all is well is told by a short tick instead of steady light.
    pub quiet: bool,
}

/// How LED and button are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelBackend {
    /// Whatever this board and kernel have.
    Auto,
    /// The older character device interface, by linux-embedded-hal.
    LinuxEmbeddedHal,
    /// The newer one, by gpiocdev.
    Gpiocdev,
    /// A LED of the kernel's; no button.
    LedsClass,
    /// Neither; for desks and tests.
    Sim,
    /// None.
    Off,
}

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

/// Smallest and largest values that are taken for limits.
const MESSAGE_BYTES_RANGE: (u64, u64) = (64 << 10, 1 << 30);
const RECIPIENTS_RANGE: (u64, u64) = (100, 10_000);
const CONNECTIONS_RANGE: (u64, u64) = (1, 4096);
const RESERVE_RANGE: (u64, u64) = (8 << 20, 1 << 40);
const CAPACITY_RANGE: (u64, u64) = (64 << 20, 1 << 50);
const QUOTA_RANGE: (u64, u64) = (1 << 20, 1 << 50);
const PERCENT_RANGE: (u64, u64) = (50, 99);
/// 0 is all mail, however new.
const ROOM_DAYS_RANGE: (u64, u64) = (0, 3650);
/// 0 is never.
const ARCHIVE_MONTHS_RANGE: (u64, u64) = (0, 1200);

/// A problem with its byte offset in the file.
type Problem = (usize, String);

impl Settings {
    /// What holds at a developer's desk, without any file.
    pub fn desk() -> Self {
        let local = domain_constant("heimpost.local");
        Self {
            hostname: local.clone(),
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
            room: RoomSettings {
                trash_days: 30,
                junk_days: 30,
                fetched_days: 30,
                archive_months: None,
                hooks: Path::new(DESK_DATA).join(DESK_HOOKS),
            },
            panel: PanelSettings {
                backend: PanelBackend::Sim,
                chip: None,
                led: None,
                button: None,
                active_low: false,
                button_active_low: true,
                quiet: false,
            },
        }
    }

    fn appliance() -> Self {
        let desk = Self::desk();
        Self {
            data: PathBuf::from("/var/lib/heimpost"),
            listen: Listen::well_known(),
            room: RoomSettings {
                hooks: PathBuf::from("/etc/heimpost/storage-full.d"),
                ..desk.room
            },
            panel: PanelSettings {
                backend: PanelBackend::Auto,
                ..desk.panel
            },
            ..desk
        }
    }
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
        }
    }

    /// Every service with its key and addresses, in the order of the ports' listing.
    pub fn services(&self) -> [(&'static str, &[SocketAddr]); 8] {
        [
            ("smtp", &self.smtp),
            ("submission", &self.submission),
            ("submissions", &self.submissions),
            ("imap", &self.imap),
            ("imaps", &self.imaps),
            ("pop3", &self.pop3),
            ("pop3s", &self.pop3s),
            ("web", &self.web),
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

/// Turns a fragment into settings.
pub(super) fn check(fragment: Fragment) -> Result<Settings, Problem> {
    let standard = Settings::appliance();
    let domains = domains(fragment.domains, &standard)?;
    let hostname = match fragment.hostname {
        Some(text) => domain("hostname", &text)?,
        None => domains.first().cloned().unwrap_or(standard.hostname),
    };
    Ok(Settings {
        hostname,
        domains,
        data: path("data", fragment.data)?.unwrap_or(standard.data),
        language: language(fragment.language)?.unwrap_or(standard.language),
        time_zone: time_zone(fragment.time_zone)?.unwrap_or(standard.time_zone),
        listen: listen(fragment.listen, standard.listen)?,
        tls: tls(fragment.tls)?,
        limits: limits(fragment.limits, &standard.limits)?,
        auth: AuthSettings {
            plaintext_without_tls: plain(fragment.auth.plaintext_without_tls)
                .unwrap_or(standard.auth.plaintext_without_tls),
            password_storage: password_storage(fragment.auth.password_storage)?
                .unwrap_or(standard.auth.password_storage),
        },
        storage: storage(fragment.storage, &standard.storage)?,
        account: AccountSettings {
            quota_default: size(
                "account.quota_default",
                fragment.account.quota_default,
                QUOTA_RANGE,
            )?
            .unwrap_or(standard.account.quota_default),
        },
        room: room(fragment.room, standard.room)?,
        panel: panel(fragment.panel, &standard.panel)?,
    })
}

fn plain<T>(value: Value<T>) -> Option<T> {
    value.map(Spanned::into_inner)
}

fn domain(key: &str, text: &Spanned<String>) -> Result<Domain, Problem> {
    let wrong = |why: String| {
        (
            text.span().start,
            format!(
                "{key} = \"{}\": {why}; a name such as \"example.org\" is right",
                text.get_ref()
            ),
        )
    };
    let domain = Domain::parse(text.get_ref()).map_err(|e| wrong(e.to_string()))?;
    if domain.as_str().starts_with('[') {
        return Err(wrong("an address is no domain name".to_owned()));
    }
    Ok(domain)
}

fn domains(list: Values, standard: &Settings) -> Result<Vec<Domain>, Problem> {
    let Some(list) = list else {
        return Ok(standard.domains.clone());
    };
    let mut domains = Vec::new();
    for text in &list {
        let domain = domain("domains", text)?;
        if domains.contains(&domain) {
            return Err((
                text.span().start,
                format!("domains names \"{}\" twice", text.get_ref()),
            ));
        }
        domains.push(domain);
    }
    if domains.is_empty() {
        return Err((
            0,
            "domains = [] is empty; name at least one, such as [\"example.org\"]".to_owned(),
        ));
    }
    Ok(domains)
}

fn path(key: &str, value: Value<String>) -> Result<Option<PathBuf>, Problem> {
    let Some(value) = value else { return Ok(None) };
    if value.get_ref().is_empty() {
        return Err((
            value.span().start,
            format!("{key} = \"\": an empty path; name a directory or file"),
        ));
    }
    Ok(Some(PathBuf::from(value.into_inner())))
}

fn language(value: Value<String>) -> Result<Option<Language>, Problem> {
    let Some(value) = value else { return Ok(None) };
    match value.get_ref().as_str() {
        "de" => Ok(Some(Language::De)),
        "en" => Ok(Some(Language::En)),
        other => Err((
            value.span().start,
            format!("language = \"{other}\": \"de\" or \"en\" is right"),
        )),
    }
}

fn time_zone(value: Value<String>) -> Result<Option<TimeZone>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let wrong = |_| {
        let problem = format!(
            "time_zone = \"{}\": no such time zone; a name such as \"Europe/Berlin\" is right",
            value.get_ref()
        );
        (value.span().start, problem)
    };
    TimeZone::get(value.get_ref()).map(Some).map_err(wrong)
}

fn listen(fragment: ListenFragment, standard: Listen) -> Result<Listen, Problem> {
    Ok(Listen {
        smtp: addresses("listen.smtp", fragment.smtp, standard.smtp)?,
        submission: addresses(
            "listen.submission",
            fragment.submission,
            standard.submission,
        )?,
        submissions: addresses(
            "listen.submissions",
            fragment.submissions,
            standard.submissions,
        )?,
        imap: addresses("listen.imap", fragment.imap, standard.imap)?,
        imaps: addresses("listen.imaps", fragment.imaps, standard.imaps)?,
        pop3: addresses("listen.pop3", fragment.pop3, standard.pop3)?,
        pop3s: addresses("listen.pop3s", fragment.pop3s, standard.pop3s)?,
        web: addresses("listen.web", fragment.web, standard.web)?,
    })
}

fn addresses(
    key: &str,
    list: Values,
    standard: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Problem> {
    let Some(list) = list else {
        return Ok(standard);
    };
    let parse = |text: &Spanned<String>| {
        let wrong = |_| {
            let problem = format!(
                "{key} = \"{}\": no socket address; \"0.0.0.0:25\" or \"[::]:25\" is right",
                text.get_ref()
            );
            (text.span().start, problem)
        };
        text.get_ref().parse().map_err(wrong)
    };
    list.iter().map(parse).collect()
}

fn tls(fragment: TlsFragment) -> Result<TlsSource, Problem> {
    match (fragment.certificate, fragment.key) {
        (None, None) => Ok(TlsSource::SelfMade),
        (Some(certificate), Some(key)) => Ok(TlsSource::Files {
            certificate: PathBuf::from(certificate.into_inner()),
            key: PathBuf::from(key.into_inner()),
        }),
        (Some(alone), None) => Err((
            alone.span().start,
            pair_missing("tls.certificate", "tls.key"),
        )),
        (None, Some(alone)) => Err((
            alone.span().start,
            pair_missing("tls.key", "tls.certificate"),
        )),
    }
}

fn pair_missing(there: &str, missing: &str) -> String {
    format!("{there} stands alone; it needs {missing} beside it")
}

fn limits(fragment: LimitsFragment, standard: &Limits) -> Result<Limits, Problem> {
    Ok(Limits {
        message_bytes_max: size(
            "limits.message_bytes_max",
            fragment.message_bytes_max,
            MESSAGE_BYTES_RANGE,
        )?
        .unwrap_or(standard.message_bytes_max),
        recipients_max: count(
            "limits.recipients_max",
            fragment.recipients_max,
            RECIPIENTS_RANGE,
        )?
        .unwrap_or(standard.recipients_max),
        connections_max: count(
            "limits.connections_max",
            fragment.connections_max,
            CONNECTIONS_RANGE,
        )?
        .unwrap_or(standard.connections_max),
        connections_per_address_max: count(
            "limits.connections_per_address_max",
            fragment.connections_per_address_max,
            CONNECTIONS_RANGE,
        )?
        .unwrap_or(standard.connections_per_address_max),
    })
}

fn storage(
    fragment: StorageFragment,
    standard: &StorageSettings,
) -> Result<StorageSettings, Problem> {
    let capacity = fragment.capacity_max;
    Ok(StorageSettings {
        capacity_max: size("storage.capacity_max", capacity, CAPACITY_RANGE)?,
        reserve: size("storage.reserve", fragment.reserve, RESERVE_RANGE)?
            .unwrap_or(standard.reserve),
        thresholds: thresholds(fragment.notice_percent, fragment.warning_percent)?,
    })
}

fn thresholds(notice: Value<u32>, warning: Value<u32>) -> Result<Thresholds, Problem> {
    let start = notice.as_ref().or(warning.as_ref());
    let start = start.map_or(0, |value| value.span().start);
    let standard = Thresholds::default();
    let notice = percent("storage.notice_percent", notice)?;
    let warning = percent("storage.warning_percent", warning)?;
    let notice_percent = notice.unwrap_or(standard.notice_percent);
    let warning_percent = warning.unwrap_or(standard.warning_percent);
    if notice_percent >= warning_percent {
        let problem = format!(
            "storage.notice_percent = {notice_percent} is not below storage.warning_percent = {warning_percent}"
        );
        return Err((start, problem));
    }
    Ok(Thresholds {
        notice_percent,
        warning_percent,
    })
}

fn percent(key: &str, value: Value<u32>) -> Result<Option<u8>, Problem> {
    let value = count(key, value, PERCENT_RANGE)?;
    Ok(value.and_then(|percent| u8::try_from(percent).ok()))
}

fn room(fragment: RoomFragment, standard: RoomSettings) -> Result<RoomSettings, Problem> {
    let days = |key: &str, value, standard| {
        count(key, value, ROOM_DAYS_RANGE).map(|days| days.unwrap_or(standard))
    };
    let months = count(
        "room.archive_months",
        fragment.archive_months,
        ARCHIVE_MONTHS_RANGE,
    )?;
    Ok(RoomSettings {
        trash_days: days("room.trash_days", fragment.trash_days, standard.trash_days)?,
        junk_days: days("room.junk_days", fragment.junk_days, standard.junk_days)?,
        fetched_days: days(
            "room.fetched_days",
            fragment.fetched_days,
            standard.fetched_days,
        )?,
        archive_months: months.filter(|months| *months > 0),
        hooks: path("room.hooks", fragment.hooks)?.unwrap_or(standard.hooks),
    })
}

fn panel(fragment: PanelFragment, standard: &PanelSettings) -> Result<PanelSettings, Problem> {
    if let (Some(led), Some(button)) = (&fragment.led, &fragment.button)
        && led.get_ref() == button.get_ref()
    {
        let problem = format!(
            "panel.button = {}: the LED has that line; another one is right",
            button.get_ref()
        );
        return Err((button.span().start, problem));
    }
    Ok(PanelSettings {
        backend: panel_backend(fragment.backend)?.unwrap_or(standard.backend),
        chip: plain(fragment.chip),
        led: plain(fragment.led),
        button: plain(fragment.button),
        active_low: plain(fragment.active_low).unwrap_or(standard.active_low),
        button_active_low: plain(fragment.button_active_low).unwrap_or(standard.button_active_low),
        quiet: plain(fragment.quiet).unwrap_or(standard.quiet),
    })
}

fn panel_backend(value: Value<String>) -> Result<Option<PanelBackend>, Problem> {
    let Some(value) = value else { return Ok(None) };
    Ok(Some(match value.get_ref().as_str() {
        "auto" => PanelBackend::Auto,
        "linux-embedded-hal" => PanelBackend::LinuxEmbeddedHal,
        "gpiocdev" => PanelBackend::Gpiocdev,
        "leds-class" => PanelBackend::LedsClass,
        "sim" => PanelBackend::Sim,
        "off" => PanelBackend::Off,
        other => {
            let problem = format!(
                "panel.backend = \"{other}\": \"auto\", \"linux-embedded-hal\", \"gpiocdev\", \"leds-class\", \
                 \"sim\" or \"off\" is right"
            );
            return Err((value.span().start, problem));
        }
    }))
}

fn password_storage(value: Value<String>) -> Result<Option<PasswordStorage>, Problem> {
    let Some(value) = value else { return Ok(None) };
    match value.get_ref().as_str() {
        "scram" => Ok(Some(PasswordStorage::Scram)),
        "argon2id" => Ok(Some(PasswordStorage::Argon2id)),
        other => {
            let problem =
                format!("auth.password_storage = \"{other}\": \"scram\" or \"argon2id\" is right");
            Err((value.span().start, problem))
        }
    }
}

fn size(key: &str, value: Value<Size>, range: (u64, u64)) -> Result<Option<u64>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let start = value.span().start;
    let bytes = match value.into_inner() {
        Size::Bytes(bytes) => bytes,
        Size::Text(text) => parse_bytes(&text).ok_or_else(|| {
            (
                start,
                format!(
                    "{key} = \"{text}\": no size; \"5G\", \"50M\" or a number of bytes is right"
                ),
            )
        })?,
    };
    in_range(key, bytes, range, start).map(Some)
}

fn count(key: &str, value: Value<u32>, range: (u64, u64)) -> Result<Option<u32>, Problem> {
    let Some(value) = value else { return Ok(None) };
    in_range(key, u64::from(*value.get_ref()), range, value.span().start)?;
    Ok(Some(value.into_inner()))
}

fn in_range(key: &str, value: u64, (min, max): (u64, u64), start: usize) -> Result<u64, Problem> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err((start, format!("{key} = {value}: {min} to {max} is right")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_file_is_the_appliance() {
        let settings = check(Fragment::default()).unwrap();
        assert_eq!(settings.data, PathBuf::from("/var/lib/heimpost"));
        assert_eq!(settings.listen.imaps.len(), 2);
        assert!(
            settings
                .listen
                .imaps
                .iter()
                .all(|address| address.port() == 993)
        );
    }

    #[test]
    fn hostname_follows_the_first_domain() {
        let settings =
            crate::config::parse("t", "domains = [\"example.org\", \"example.net\"]").unwrap();
        assert_eq!(settings.hostname.as_str(), "example.org");
    }

    #[test]
    fn sizes_and_lists() {
        let text = "[listen]\nsmtp = []\nimap = [\"127.0.0.1:1\"]\n[limits]\nmessage_bytes_max = \"10M\"\n\
                    [storage]\nreserve = 16777216\n";
        let settings = crate::config::parse("t", text).unwrap();
        assert!(settings.listen.smtp.is_empty());
        assert_eq!(settings.listen.imap.len(), 1);
        assert_eq!(settings.limits.message_bytes_max, 10 << 20);
        assert_eq!(settings.storage.reserve, 16 << 20);
    }
}
