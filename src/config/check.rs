//! From a fragment to settings: whether each value makes sense, and what holds where the file says nothing.
//!
//! A problem names its key, what is wrong and what would be right, and knows its place in the file.

mod relay;
mod sending;

use std::net::SocketAddr;
use std::path::PathBuf;

use heimpost_board::Backend;
use jiff::tz::TimeZone;
use toml::Spanned;

use super::fragment::{
    BackupFragment, Fragment, LimitsFragment, ListenFragment, PanelFragment, RoomFragment, Size,
    StorageFragment, TlsFragment, Value, Values,
};
use super::ranges::{
    ARCHIVE_MONTHS_RANGE, BACKUP_DAYS_RANGE, CAPACITY_RANGE, CONNECTIONS_RANGE,
    MESSAGE_BYTES_RANGE, PERCENT_RANGE, QUOTA_RANGE, RECIPIENTS_RANGE, RESERVE_RANGE,
    ROOM_DAYS_RANGE,
};
use super::settings::{
    AccountSettings, AuthSettings, BackupSettings, Limits, Listen, PanelSettings, PasswordStorage,
    RoomSettings, Settings, SetupSettings, StorageSettings, SubmissionSettings, TlsSource,
};
use super::size::parse_bytes;
use crate::mail::address::Domain;
use crate::store::types::{Language, Thresholds};

/// Longest label or UUID of a stick, in bytes.
const STICK_BYTES_MAX: usize = 64;

/// A problem with its byte offset in the file.
type Problem = (usize, String);

/// Turns a fragment into settings; `standard` holds where it says nothing.
pub(super) fn check(fragment: Fragment, standard: Settings) -> Result<Settings, Problem> {
    let domains = domains(fragment.domains, &standard)?;
    let hostname = match fragment.hostname {
        Some(text) => domain("hostname", &text)?,
        None => domains.first().cloned().unwrap_or(standard.hostname),
    };
    Ok(Settings {
        hostname,
        machine: standard.machine,
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
        relay: relay::relay(fragment.relay)?,
        dns: sending::dns(fragment.dns, standard.dns)?,
        queue: sending::queue(fragment.queue, &standard.queue)?,
        submission: SubmissionSettings {
            sent_copy: plain(fragment.submission.sent_copy)
                .unwrap_or(standard.submission.sent_copy),
        },
        receive: sending::receive(fragment.receive, standard.receive)?,
        acme: sending::acme(fragment.acme)?,
        room: room(fragment.room, standard.room)?,
        backup: backup(fragment.backup, standard.backup)?,
        panel: panel(fragment.panel, &standard.panel)?,
        setup: SetupSettings {
            code_file: path("setup.code_file", fragment.setup.code_file)?,
        },
        provisional: standard.provisional,
    })
}

/// What only the owner's settings may hold: a file names a file for it, so that configurations can be shown around.
pub(super) fn of_file_only(fragment: &Fragment) -> Result<(), Problem> {
    let relay = &fragment.relay;
    let senders = relay
        .sender
        .iter()
        .map(|one| ("relay.sender", &one.password));
    let mut all = senders.chain([("relay", &relay.password)]);
    let found = all.find_map(|(table, password)| Some((table, password.as_ref()?)));
    found.map_or(Ok(()), |(table, password)| {
        let problem = format!(
            "{table}.password: no password stands in this file; {table}.password_file names a file that holds it"
        );
        Err((password.span().start, problem))
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
        web_tls: addresses("listen.web_tls", fragment.web_tls, standard.web_tls)?,
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

fn backup(fragment: BackupFragment, standard: BackupSettings) -> Result<BackupSettings, Problem> {
    let days = count(
        "backup.age_max_days",
        fragment.age_max_days,
        BACKUP_DAYS_RANGE,
    )?;
    Ok(BackupSettings {
        stick: stick(fragment.stick)?,
        age_max_days: days.unwrap_or(standard.age_max_days),
        system: standard.system,
    })
}

/// What a label or UUID may be: it stands in commands of the system.
fn stick(value: Value<String>) -> Result<Option<String>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let text = value.get_ref();
    let is_odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    let begins_oddly = text.starts_with([' ', '-', '"', '\'']);
    let is_right = !text.is_empty()
        && text.len() <= STICK_BYTES_MAX
        && !text.contains(is_odd)
        && !begins_oddly
        && !text.ends_with(' ');
    if !is_right {
        let problem = format!(
            "backup.stick = {text:?}: no label; the name of the stick, such as \"BACKUP\", or its UUID is right"
        );
        return Err((value.span().start, problem));
    }
    Ok(Some(value.into_inner()))
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
    let board = &standard.board;
    Ok(PanelSettings {
        board: heimpost_board::Options {
            backend: panel_backend(fragment.backend)?.unwrap_or(board.backend),
            chip: plain(fragment.chip),
            led: plain(fragment.led),
            button: plain(fragment.button),
            led_active_low: plain(fragment.active_low).unwrap_or(board.led_active_low),
            button_active_low: plain(fragment.button_active_low).unwrap_or(board.button_active_low),
        },
        quiet: plain(fragment.quiet).unwrap_or(standard.quiet),
    })
}

fn panel_backend(value: Value<String>) -> Result<Option<Backend>, Problem> {
    let Some(value) = value else { return Ok(None) };
    Ok(Some(match value.get_ref().as_str() {
        "auto" => Backend::Auto,
        "linux-embedded-hal" => Backend::LinuxEmbeddedHal,
        "gpiocdev" => Backend::Gpiocdev,
        "leds-class" => Backend::LedsClass,
        "sim" => Backend::Sim,
        "off" => Backend::Off,
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
        let settings = check(Fragment::default(), Settings::appliance()).unwrap();
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
