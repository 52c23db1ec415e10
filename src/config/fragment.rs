//! The configuration file as written: every key optional, each value with its place in the file.
//!
//! Serde knows the keys and rejects others; whether a value makes sense is `settings`' question.

use serde::Deserialize;
use toml::Spanned;

use crate::mail::secret::Secret;

/// A value with its place.
pub(super) type Value<T> = Option<Spanned<T>>;
/// Several values with their places.
pub(super) type Values = Option<Vec<Spanned<String>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fragment {
    pub(super) hostname: Value<String>,
    pub(super) domains: Values,
    pub(super) data: Value<String>,
    pub(super) language: Value<String>,
    pub(super) time_zone: Value<String>,
    pub(super) listen: ListenFragment,
    pub(super) tls: TlsFragment,
    pub(super) limits: LimitsFragment,
    pub(super) auth: AuthFragment,
    pub(super) storage: StorageFragment,
    pub(super) account: AccountFragment,
    pub(super) relay: RelayFragment,
    pub(super) dns: DnsFragment,
    pub(super) queue: QueueFragment,
    pub(super) submission: SubmissionFragment,
    pub(super) receive: ReceiveFragment,
    pub(super) acme: AcmeFragment,
    pub(super) room: RoomFragment,
    pub(super) backup: BackupFragment,
    pub(super) panel: PanelFragment,
    pub(super) setup: SetupFragment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenFragment {
    pub(super) smtp: Values,
    pub(super) submission: Values,
    pub(super) submissions: Values,
    pub(super) imap: Values,
    pub(super) imaps: Values,
    pub(super) pop3: Values,
    pub(super) pop3s: Values,
    pub(super) web: Values,
    pub(super) web_tls: Values,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsFragment {
    pub(super) certificate: Value<String>,
    pub(super) key: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are the keys in the file, which say what they limit"
)]
pub(super) struct LimitsFragment {
    pub(super) message_bytes_max: Value<Size>,
    pub(super) recipients_max: Value<u32>,
    pub(super) connections_max: Value<u32>,
    pub(super) connections_per_address_max: Value<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuthFragment {
    pub(super) plaintext_without_tls: Value<bool>,
    pub(super) password_storage: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StorageFragment {
    pub(super) capacity_max: Value<Size>,
    pub(super) reserve: Value<Size>,
    pub(super) notice_percent: Value<u32>,
    pub(super) warning_percent: Value<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccountFragment {
    pub(super) quota_default: Value<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RelayFragment {
    pub(super) preset: Value<String>,
    pub(super) host: Value<String>,
    pub(super) port: Value<u32>,
    pub(super) tls: Value<String>,
    pub(super) user: Value<String>,
    pub(super) password_file: Value<String>,
    pub(super) password: Value<Hidden>,
    pub(super) sender: Vec<RelaySenderFragment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RelaySenderFragment {
    pub(super) address: Value<String>,
    pub(super) domain: Value<String>,
    pub(super) preset: Value<String>,
    pub(super) host: Value<String>,
    pub(super) port: Value<u32>,
    pub(super) tls: Value<String>,
    pub(super) user: Value<String>,
    pub(super) password_file: Value<String>,
    pub(super) password: Value<Hidden>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DnsFragment {
    pub(super) servers: Values,
    pub(super) dnssec: Value<bool>,
    pub(super) trust_anchor: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueFragment {
    pub(super) retry_first: Value<String>,
    pub(super) retry_max: Value<String>,
    pub(super) lifetime: Value<String>,
    pub(super) delay_notice_after: Value<String>,
    pub(super) attempts_max: Value<u32>,
    pub(super) per_destination_max: Value<u32>,
    pub(super) port: Value<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SubmissionFragment {
    pub(super) sent_copy: Value<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReceiveFragment {
    pub(super) verify: Value<bool>,
    pub(super) dmarc: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AcmeFragment {
    pub(super) directory: Value<String>,
    pub(super) contact: Value<String>,
    pub(super) terms_agreed: Value<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RoomFragment {
    pub(super) trash_days: Value<u32>,
    pub(super) junk_days: Value<u32>,
    pub(super) fetched_days: Value<u32>,
    pub(super) archive_months: Value<u32>,
    pub(super) hooks: Value<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BackupFragment {
    pub(super) stick: Value<String>,
    pub(super) age_max_days: Value<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PanelFragment {
    pub(super) backend: Value<String>,
    pub(super) chip: Value<String>,
    pub(super) led: Value<u32>,
    pub(super) button: Value<u32>,
    pub(super) active_low: Value<bool>,
    pub(super) button_active_low: Value<bool>,
    pub(super) quiet: Value<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SetupFragment {
    pub(super) code_file: Value<String>,
}

/// A password.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Hidden(pub(super) Secret<String>);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// A size: a number of bytes, or a text such as `"5G"`.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a size such as \"5G\", \"50M\" or a number of bytes"
)]
pub(super) enum Size {
    Bytes(u64),
    Text(String),
}

/// Parses the text; an error is a byte offset and a problem in words.
pub(super) fn parse(text: &str) -> Result<Fragment, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().unwrap_or(0..0).start;
        let problem = error.message().replace('\n', ", ");
        let key = key_at(text, start).filter(|key| !problem.contains(&format!("`{key}`")));
        (
            start,
            key.map_or_else(|| problem.clone(), |key| format!("{key}: {problem}")),
        )
    })
}

/// The dotted key whose value begins at or before `offset` on the same line.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let (key, _) = before.get(line_start..)?.split_once('=')?;
    let table = before
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    let table = table.map(|name| format!("{name}.")).unwrap_or_default();
    Some(format!("{table}{}", key.trim()))
}
