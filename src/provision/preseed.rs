//! What Raspberry Pi Imager asks for: `rpi-preseed.toml`, read into types. Pure.
//!
//! The keys are those of rpi-preseed's schema (`config_version` 1.x). Used are the name of the box, its time zone, Wi-Fi, the
//! first account and SSH keys; everything else belongs to other systems and is only named. Commands are never run. One
//! section that cannot be used does not keep the others from being used: a box that is on the network can be helped. No
//! note holds a value.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use ring::pbkdf2;
use toml::{Table, Value};

use super::note::{Note, Problem};
use crate::auth::crypt::CryptHash;
use crate::auth::password::Prepared;
use crate::mail::address::Address;
use crate::mail::secret::Secret;
use crate::store::types::Language;

/// The version of the schema that is known; a newer minor one adds keys.
const MAJOR: &str = "1";

/// Longest name of a box; a label of DNS (RFC 1035 2.3.4).
const LABEL_CHARS_MAX: usize = 63;

/// Longest name of a network, in bytes (IEEE 802.11).
const SSID_BYTES_MAX: usize = 32;

/// Most SSH keys.
const SSH_KEYS_MAX: usize = 20;

/// Longest SSH key, in bytes; one of RSA with 16384 bits has 2,800.
const SSH_KEY_BYTES_MAX: usize = 4096;

/// Keys of the schema that are used.
const USED: &[&str] = &[
    "config_version",
    "system.hostname",
    "user.name",
    "user.password",
    "user.password_encrypted",
    "ssh.enabled",
    "ssh.password_authentication",
    "ssh.authorized_keys",
    "wlan.ssid",
    "wlan.ssid_hex",
    "wlan.password",
    "wlan.password_encrypted",
    "wlan.hidden",
    "wlan.country",
    "wlan.key_mgmt",
    "locale.keymap",
    "locale.lang",
    "locale.timezone",
];

/// Keys of the schema that are for other systems; a name that ends in a dot is a whole section.
const FOR_OTHERS: &[&str] = &[
    "user.passwordless_sudo",
    "user.groups",
    "ssh.ssh_import_id",
    "locale.",
    "connect.",
    "ethernet.",
    "packages.",
    "ca_certificates.",
    "time.",
    "mounts.",
    "interfaces.",
    "boot.",
    "runcmd.",
    "debug",
];

/// What is asked for, checked.
#[derive(Clone, Debug, Default)]
pub struct Preseed {
    /// The name of the box: one label, in lower case.
    pub hostname: Option<String>,
    /// The first account.
    pub user: Option<User>,
    /// Lines for `authorized_keys`; SSH is on if there are any.
    pub ssh_keys: Vec<String>,
    /// The wireless network.
    pub wifi: Option<Wifi>,
    /// Name of a time zone that exists.
    pub time_zone: Option<String>,
    /// Language, as the keyboard tells it.
    pub language: Option<Language>,
    /// What was not used, and why.
    pub notes: Vec<Note>,
}

/// The first account.
#[derive(Clone, Debug)]
pub struct User {
    /// What stands before the `@`.
    pub name: String,
    /// Its password.
    pub password: Password,
}

/// A password that keeps to the rules, or its hash.
#[derive(Clone, Debug)]
pub enum Password {
    /// As typed.
    Plain(Secret<String>),
    /// As crypt(3) keeps it.
    Hash(CryptHash),
}

/// A wireless network.
#[derive(Clone, Debug)]
pub struct Wifi {
    /// Its name: 1 to 32 bytes of any kind.
    pub ssid: Vec<u8>,
    /// Whether it has to be called by name.
    pub hidden: bool,
    /// Two capital letters; which channels may be used.
    pub country: Option<String>,
    /// How it is locked.
    pub security: Security,
}

/// How a network is locked.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all.
    Open,
    /// Enhanced Open.
    Owe,
    /// WPA2, or both WPA2 and WPA3: the key that follows from passphrase and name.
    Psk(Secret<[u8; 32]>),
    /// WPA3 alone: the passphrase.
    Sae(Secret<String>),
}

/// Why nothing of a file is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no TOML.
    #[error("line {line}: {problem}")]
    Toml {
        /// Line, from 1.
        line: usize,
        /// What is wrong, without the text.
        problem: String,
    },
    /// It does not say which version it has.
    #[error("config_version is missing; \"1.0\" is right")]
    NoVersion,
    /// It is of a version that is not known.
    #[error("config_version is not 1.x")]
    Version,
}

/// Reads the text of a file.
pub fn parse(text: &str) -> Result<Preseed, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The whole error would show the line, and with it a password.
        let at = error.span().map_or(0, |span| span.start);
        Error::Toml {
            line: 1 + text.bytes().take(at).filter(|b| *b == b'\n').count(),
            problem: error.message().to_owned(),
        }
    })?;
    check_version(&table)?;
    let mut reader = Reader {
        table: &table,
        notes: unused(&table),
    };
    let mut preseed = Preseed {
        hostname: reader.hostname(),
        user: reader.user(),
        ssh_keys: reader.ssh_keys(),
        wifi: reader.wifi(),
        time_zone: reader.time_zone(),
        language: reader.language(),
        notes: Vec::new(),
    };
    preseed.notes = reader.notes;
    Ok(preseed)
}

fn check_version(table: &Table) -> Result<(), Error> {
    let version = table.get("config_version").ok_or(Error::NoVersion)?;
    let version = version.as_str().ok_or(Error::Version)?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let is_minor = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    (major == MAJOR && is_minor)
        .then_some(())
        .ok_or(Error::Version)
}

/// The keys that are not used, by name.
fn unused(table: &Table) -> Vec<Note> {
    let mut keys = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                keys.extend(section.keys().map(|key| format!("{name}.{key}")));
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => keys.push(name.clone()),
        }
    }
    let is_for_others = |key: &str| {
        let mut names = FOR_OTHERS.iter();
        names.any(|name| key == *name || (name.ends_with('.') && key.starts_with(name)))
    };
    keys.retain(|key| !USED.contains(&key.as_str()));
    let note = |key: String| {
        let problem = match key.as_str() {
            "runcmd.early" | "runcmd.late" => Problem::Command,
            other if is_for_others(other) => Problem::ForOthers,
            _ => Problem::Unknown,
        };
        Note { key, problem }
    };
    keys.into_iter().map(note).collect()
}

/// Takes values out of the table, and notes what cannot be used.
struct Reader<'a> {
    table: &'a Table,
    notes: Vec<Note>,
}

impl<'a> Reader<'a> {
    fn note(&mut self, key: &str, problem: Problem) {
        self.notes.push(Note {
            key: key.to_owned(),
            problem,
        });
    }

    fn find(&self, key: &str) -> Option<&'a Value> {
        let (section, name) = key.split_once('.')?;
        self.table.get(section)?.as_table()?.get(name)
    }

    /// A text without control characters.
    fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.find(key)?;
        let text = value
            .as_str()
            .filter(|text| !text.chars().any(char::is_control));
        if text.is_none() {
            self.note(key, Problem::NoText);
        }
        text
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.find(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.note(key, Problem::NoFlag);
        }
        flag
    }

    fn hostname(&mut self) -> Option<String> {
        let text = self.text("system.hostname")?.trim();
        let label = text
            .split('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if is_label(&label) {
            return Some(label);
        }
        self.note("system.hostname", Problem::HostName);
        None
    }

    fn user(&mut self) -> Option<User> {
        let name = self.text("user.name")?.trim().to_lowercase();
        if Address::parse(&format!("{name}@heimpost.local")).is_err() {
            self.note("user.name", Problem::UserName);
            return None;
        }
        let Some(password) = self.text("user.password") else {
            self.note("user.password", Problem::NoPassword);
            return None;
        };
        let is_hash = self.flag("user.password_encrypted").unwrap_or(false);
        match own_password(password, is_hash) {
            Ok(password) => Some(User { name, password }),
            Err(problem) => {
                self.note("user.password", problem);
                None
            }
        }
    }

    fn ssh_keys(&mut self) -> Vec<String> {
        let is_off = self.flag("ssh.enabled") == Some(false);
        if is_off || self.table.get("ssh").is_none() {
            return Vec::new();
        }
        if self.flag("ssh.password_authentication") == Some(true) {
            self.note("ssh.password_authentication", Problem::SshPasswords);
        }
        let listed = self.find("ssh.authorized_keys").and_then(Value::as_array);
        let texts = listed.into_iter().flatten().filter_map(Value::as_str);
        let keys = texts.map(str::trim).filter(|key| is_ssh_key(key));
        let keys: Vec<String> = keys.take(SSH_KEYS_MAX).map(str::to_owned).collect();
        if keys.len() != listed.map_or(0, Vec::len) || keys.is_empty() {
            self.note("ssh.authorized_keys", Problem::SshKeys);
        }
        keys
    }

    fn wifi(&mut self) -> Option<Wifi> {
        let ssid = self.ssid()?;
        let hidden = self.flag("wlan.hidden").unwrap_or(false);
        let country = self.country();
        let security = self.security(&ssid)?;
        Some(Wifi {
            ssid,
            hidden,
            country,
            security,
        })
    }

    /// A name that is no UTF-8 comes in hexadecimal, and goes before.
    fn ssid(&mut self) -> Option<Vec<u8>> {
        let (key, ssid) = match self.text("wlan.ssid_hex") {
            Some(hex) => ("wlan.ssid_hex", from_hex(hex).unwrap_or_default()),
            None => ("wlan.ssid", self.text("wlan.ssid")?.as_bytes().to_vec()),
        };
        if (1..=SSID_BYTES_MAX).contains(&ssid.len()) {
            return Some(ssid);
        }
        self.note(key, Problem::Ssid);
        None
    }

    fn country(&mut self) -> Option<String> {
        let country = self.text("wlan.country")?.trim().to_ascii_uppercase();
        if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Some(country);
        }
        self.note("wlan.country", Problem::Country);
        None
    }

    fn security(&mut self, ssid: &[u8]) -> Option<Security> {
        let password = self.text("wlan.password");
        let is_key = self.flag("wlan.password_encrypted").unwrap_or(false);
        let named = self.text("wlan.key_mgmt");
        let standard = if password.is_some() {
            "wpa-psk"
        } else {
            "none"
        };
        let security = match (named.unwrap_or(standard), password) {
            ("none", None) => Ok(Security::Open),
            ("owe", None) => Ok(Security::Owe),
            ("wpa-psk", Some(password)) => psk(password, is_key, ssid),
            ("sae", Some(password)) if !is_key && !password.is_empty() => {
                Ok(Security::Sae(Secret::new(password.to_owned())))
            }
            ("none" | "owe" | "wpa-psk" | "sae", _) => Err(("wlan.password", Problem::Passphrase)),
            _ => Err(("wlan.key_mgmt", Problem::KeyManagement)),
        };
        security
            .map_err(|(key, problem)| self.note(key, problem))
            .ok()
    }

    fn time_zone(&mut self) -> Option<String> {
        let name = self.text("locale.timezone")?.trim();
        if TimeZone::get(name).is_ok() {
            return Some(name.to_owned());
        }
        self.note("locale.timezone", Problem::TimeZone);
        None
    }

    fn language(&mut self) -> Option<Language> {
        if let Some(lang) = self.text("locale.lang") {
            return Some(if lang.starts_with("de") {
                Language::De
            } else {
                Language::En
            });
        }
        let keymap = self.text("locale.keymap")?;
        matches!(keymap, "de" | "at" | "ch").then_some(Language::De)
    }
}

fn is_label(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_CHARS_MAX).contains(&text.len())
        && text.bytes().all(is_letter)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn own_password(text: &str, is_hash: bool) -> Result<Password, Problem> {
    if is_hash {
        let hash = CryptHash::parse(text).map_err(Problem::Hash)?;
        return Ok(Password::Hash(hash));
    }
    Prepared::chosen(text).map_err(Problem::Password)?;
    Ok(Password::Plain(Secret::new(text.to_owned())))
}

/// A key as it stands in `authorized_keys`, without options in front.
fn is_ssh_key(text: &str) -> bool {
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or_default();
    let is_kind = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.len() <= SSH_KEY_BYTES_MAX
        && !text.chars().any(char::is_control)
        && is_kind.iter().any(|prefix| kind.starts_with(prefix))
        && words
            .next()
            .is_some_and(|key| !key.is_empty() && key.bytes().all(is_base64))
}

/// The key of a network from its passphrase (IEEE 802.11 J.4), or as it stands there.
fn psk(text: &str, is_key: bool, ssid: &[u8]) -> Result<Security, (&'static str, Problem)> {
    let given = from_hex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if let Some(key) = given {
        return Ok(Security::Psk(Secret::new(key)));
    }
    if is_key || !(8..=63).contains(&text.len()) {
        return Err(("wlan.password", Problem::Passphrase));
    }
    let (mut key, rounds) = ([0; 32], NonZeroU32::MIN.saturating_add(4095));
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA1;
    pbkdf2::derive(algorithm, rounds, ssid, text.as_bytes(), &mut key);
    Ok(Security::Psk(Secret::new(key)))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| u8::try_from(c.to_digit(16)?).ok())
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}
