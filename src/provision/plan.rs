//! What follows from what lies on the card: which files are written, and what is wished of the store. Pure.

use super::note::{Note, Problem};
use super::preseed::{Preseed, Security, User, Wifi};
use crate::config;
use crate::store::types::Language;

/// Name of the box, one line.
pub const HOSTNAME: &str = "data/etc/hostname";
/// Name of the time zone, one line.
pub const TIME_ZONE: &str = "data/etc/timezone";
/// The settings that hold.
pub const CONFIG: &str = "data/etc/heimpost/heimpost.toml";
/// The wireless network.
pub const WIFI: &str = "data/etc/wpa_supplicant/wpa_supplicant-wlan0.conf";
/// Who may come in by SSH, which is on as long as there is somebody.
pub const SSH_KEYS: &str = "data/etc/ssh/authorized_keys";

/// The settings where the card says nothing: without a file, the daemon would take this for somebody's desk.
const CONFIG_EMPTY: &str =
    "# Heimpost. What is set here is fixed; everything else is set on the page.\n";

/// What the system calls a box that has no name of its own yet.
const DEFAULT_NAME: &str = "heimpost";

/// Ends a file that came from the card, so that emptying the one there empties this one too.
const CONFIG_MARK: &str = "# From heimpost.toml on the card's first partition; change it there.\n";

/// What is known of the machine and of what was made before.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Name of the box, made before.
    pub hostname: Option<String>,
    /// The board's serial number.
    pub serial: Option<String>,
    /// Address of its first network interface.
    pub mac: Option<String>,
    /// The settings that hold.
    pub config: Option<String>,
    /// Settings on the card, as far as they are text.
    pub card_config: Option<Result<String, String>>,
}

/// A file to be written under the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where, without a slash in front.
    pub path: &'static str,
    /// What.
    pub text: String,
    /// Who may read it.
    pub mode: u32,
}

/// What is wished of the store.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The first account.
    pub user: Option<User>,
    /// The box's name in the home network, such as `heimpost-1a2b.local`; a domain where there is no other.
    pub home: String,
    /// Name of a time zone.
    pub time_zone: Option<String>,
    /// Language of the box and of its first account.
    pub language: Option<Language>,
}

/// All that is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Files, in order.
    pub files: Vec<File>,
    /// The same for the store; `None` if nothing is wished.
    pub wishes: Option<Wishes>,
    /// What is told beside the settings on the card; `None` if they are fine.
    pub config_page: Option<String>,
    /// What is told about those settings.
    pub config_notes: Vec<Note>,
}

/// Works it out.
pub fn plan(facts: &Facts, preseed: Option<&Preseed>) -> Plan {
    let hostname = hostname(facts, preseed);
    let (config, config_notes) = config(facts);
    let mut files: Vec<File> = Vec::new();
    files.extend(
        hostname
            .as_ref()
            .map(|name| file(HOSTNAME, format!("{name}\n"))),
    );
    files.extend(config);
    if let Some(preseed) = preseed {
        files.extend(
            preseed
                .time_zone
                .iter()
                .map(|name| file(TIME_ZONE, format!("{name}\n"))),
        );
        files.extend(preseed.wifi.as_ref().map(wifi));
        files.extend(ssh(&preseed.ssh_keys));
    }
    Plan {
        files,
        wishes: preseed.and_then(|preseed| wishes(preseed, hostname.as_deref())),
        config_page: super::note::page("heimpost.toml", &config_notes),
        config_notes,
    }
}

fn file(path: &'static str, text: String) -> File {
    File {
        path,
        text,
        mode: 0o644,
    }
}

/// `None` as long as nothing tells this box from others: the next start may know more.
fn hostname(facts: &Facts, preseed: Option<&Preseed>) -> Option<String> {
    let asked = preseed.and_then(|preseed| preseed.hostname.clone());
    asked
        .or_else(|| facts.hostname.clone())
        .or_else(|| made_up(facts))
}

/// A name that differs from that of the neighbour's box, and is the same after the card was flashed again.
fn made_up(facts: &Facts) -> Option<String> {
    let digits = |text: &String| {
        let hex = text.chars().filter(char::is_ascii_hexdigit);
        let hex: Vec<char> = hex.map(|digit| digit.to_ascii_lowercase()).collect();
        let last: String = hex.last_chunk::<4>()?.iter().collect();
        hex.iter().any(|digit| *digit != '0').then_some(last)
    };
    let serial = facts.serial.as_ref().and_then(digits);
    let four = serial.or_else(|| facts.mac.as_ref().and_then(digits))?;
    Some(format!("{DEFAULT_NAME}-{four}"))
}

/// The settings as they shall be from now on, if that is a change.
fn config(facts: &Facts) -> (Option<File>, Vec<Note>) {
    let kept = facts.config.as_deref();
    let is_ours = kept.is_some_and(|kept| kept.ends_with(CONFIG_MARK));
    let standard = |is_wanted: bool| is_wanted.then(|| file(CONFIG, CONFIG_EMPTY.to_owned()));
    let unreadable = |problem: String| {
        let note = Note {
            key: "heimpost.toml".to_owned(),
            problem: Problem::Unreadable(problem),
        };
        (standard(kept.is_none()), vec![note])
    };
    let text = match &facts.card_config {
        None => return (standard(kept.is_none()), Vec::new()),
        Some(Err(problem)) => return unreadable(problem.clone()),
        Some(Ok(text)) => text.trim_start_matches('\u{feff}'),
    };
    if let Err(error) = config::parse("heimpost.toml", text) {
        return unreadable(error.to_string());
    }
    let is_empty = text
        .parse::<toml::Table>()
        .is_ok_and(|table| table.is_empty());
    if is_empty {
        return (standard(kept.is_none() || is_ours), Vec::new());
    }
    let line_end = if text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{line_end}{CONFIG_MARK}");
    (Some(file(CONFIG, text)), Vec::new())
}

/// The network for `wpa_supplicant`, which reads texts in hexadecimal too.
fn wifi(wifi: &Wifi) -> File {
    let mut lines = vec![
        "# As Raspberry Pi Imager was told.".to_owned(),
        "ctrl_interface=DIR=/run/wpa_supplicant".to_owned(),
    ];
    // Sets the regulatory domain too.
    lines.extend(
        wifi.country
            .iter()
            .map(|country| format!("country={country}")),
    );
    lines.push("network={".to_owned());
    lines.push(format!("\tssid={}", hex(&wifi.ssid)));
    if wifi.hidden {
        lines.push("\tscan_ssid=1".to_owned());
    }
    match &wifi.security {
        Security::Open => lines.push("\tkey_mgmt=NONE".to_owned()),
        Security::Owe => {
            lines.push("\tkey_mgmt=OWE".to_owned());
            lines.push("\tieee80211w=2".to_owned());
        }
        Security::Psk(key) => {
            lines.push("\tkey_mgmt=WPA-PSK".to_owned());
            lines.push(format!("\tpsk={}", hex(key.expose())));
        }
        Security::Sae(passphrase) => {
            lines.push("\tkey_mgmt=SAE".to_owned());
            lines.push("\tieee80211w=2".to_owned());
            lines.push(format!(
                "\tsae_password={}",
                hex(passphrase.expose().as_bytes())
            ));
        }
    }
    lines.push("}\n".to_owned());
    File {
        path: WIFI,
        text: lines.join("\n"),
        mode: 0o600,
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

fn ssh(keys: &[String]) -> Option<File> {
    (!keys.is_empty()).then(|| File {
        path: SSH_KEYS,
        text: format!("{}\n", keys.join("\n")),
        mode: 0o600,
    })
}

fn wishes(preseed: &Preseed, hostname: Option<&str>) -> Option<Wishes> {
    let hostname = hostname.unwrap_or(DEFAULT_NAME);
    let wishes = Wishes {
        user: preseed.user.clone(),
        home: format!("{hostname}.local"),
        time_zone: preseed.time_zone.clone(),
        language: preseed.language,
    };
    let is_empty = wishes.user.is_none() && wishes.time_zone.is_none() && wishes.language.is_none();
    (!is_empty).then_some(wishes)
}
