//! `account add|list|remove|password|quota|rename`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::operation::{Format, Password};
use super::output::{bytes_in_words, table};
use super::{Context, Failure, Output, Result, account_at, parse_address};
use crate::auth::crypt::CryptHash;
use crate::config::parse_bytes;
use crate::mail::address::{Address, Domain};
use crate::manage::account::Chosen;
use crate::panel::Policy;
use crate::store::types::{Account, Language};
use crate::store::{NewAccount, Snapshot};

/// What `account add` was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Add {
    /// Address and login name.
    pub address: String,
    /// Whether it shall own the box; the first account always does.
    pub owner: bool,
    /// `de` or `en`; the box's language if absent.
    pub language: Option<String>,
    /// A size; the box's default if absent.
    pub quota: Option<String>,
    /// The password; one is made and shown if absent.
    pub password: Option<Password>,
    /// In its place, a hash of it by another system.
    pub password_hash: Option<Password>,
}

pub(super) fn add(add: &Add, context: &Context, output: &mut dyn Output) -> Result<()> {
    let address = local_address(&add.address, context)?;
    let language = match add.language.as_deref() {
        None => context.settings.language,
        Some("de") => Language::De,
        Some("en") => Language::En,
        Some(other) => {
            return Err(Failure::Usage(format!(
                "language \"{other}\": de or en is right"
            )));
        }
    };
    let quota_bytes = add.quota.as_deref().map(size).transpose()?.flatten();
    let new = NewAccount {
        address,
        owner: add.owner,
        language,
        quota_bytes,
    };
    let Some(Password(hash)) = &add.password_hash else {
        let chosen = chosen(add.password.as_ref())?;
        let account = context.office().add(&new, &chosen, context.clock.now())?;
        added(&account, context, output)?;
        return tell(&chosen, output);
    };
    let hash = CryptHash::parse(hash.expose()).map_err(|e| Failure::Usage(e.to_string()))?;
    let now = context.clock.now();
    let account = context.office().add_with_hash(&new, hash, now)?;
    added(&account, context, output)
}

fn added(account: &Account, context: &Context, output: &mut dyn Output) -> Result<()> {
    let role = if account.owner {
        ", owner of the box"
    } else {
        ""
    };
    output.line(&format!("added {}{role}", account.address))?;
    end_setup(context)
}

/// With its first account the box is no longer open to whoever comes first.
fn end_setup(context: &Context) -> Result<()> {
    let accounts = context.store.snapshot()?.accounts()?;
    if let (Some(panel), 1) = (&context.panel, accounts.len()) {
        panel.change(Policy::close_setup);
    }
    Ok(())
}

pub(super) fn list(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let snapshot = context.store.snapshot()?;
    let accounts = snapshot.accounts()?;
    match format {
        Format::Table => list_table(&accounts, &snapshot, context, output),
        Format::Json => list_json(&accounts, &snapshot, context, output),
    }
}

pub(super) fn remove(address: &str, context: &Context, output: &mut dyn Output) -> Result<()> {
    let account = account_at(&context.store.snapshot()?, address)?;
    context.office().remove(&account)?;
    output.line(&format!("removed {} with all its mail", account.address))?;
    Ok(())
}

pub(super) fn password(
    address: &str,
    password: Option<&Password>,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let account = account_at(&context.store.snapshot()?, address)?;
    let chosen = chosen(password)?;
    let office = context.office();
    office.set_password(account.id, &chosen.secret)?;
    output.line(&format!("changed the password of {}", account.address))?;
    tell(&chosen, output)
}

pub(super) fn quota(
    address: &str,
    quota: &str,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let account = account_at(&context.store.snapshot()?, address)?;
    let bytes = size(quota)?;
    context.store.set_quota(account.id, bytes)?;
    let now = bytes.map_or_else(|| "the default quota".to_owned(), bytes_in_words);
    output.line(&format!("{} may take {now}", account.address))?;
    Ok(())
}

pub(super) fn rename(
    address: &str,
    to: &str,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let to = local_address(to, context)?;
    let account = account_at(&context.store.snapshot()?, address)?;
    context.office().rename(account.id, &to)?;
    output.line(&format!(
        "{} is {to} from now on; its clients need the new login name",
        account.address
    ))?;
    Ok(())
}

fn chosen(given: Option<&Password>) -> Result<Chosen> {
    Ok(Chosen::new(given.map(|Password(secret)| secret))?)
}

/// Shows a password that was made here.
fn tell(chosen: &Chosen, output: &mut dyn Output) -> Result<()> {
    if chosen.made {
        output.line(&format!("password: {}", chosen.secret.expose()))?;
    }
    Ok(())
}

/// An address at one of the box's own domains.
fn local_address(text: &str, context: &Context) -> Result<Address> {
    let address = parse_address(text)?;
    if context.settings.domains.contains(address.domain()) {
        return Ok(address);
    }
    let names: Vec<&str> = context
        .settings
        .domains
        .iter()
        .map(Domain::as_str)
        .collect();
    Err(Failure::failed(format!(
        "{address} is not at a domain of this box ({}); add the domain to the configuration first",
        names.join(", ")
    )))
}

/// A size, or `None` for `default`.
fn size(text: &str) -> Result<Option<u64>> {
    if text == "default" {
        return Ok(None);
    }
    let wrong = || {
        Failure::Usage(format!(
            "quota \"{text}\": a size such as 2G is right, or default"
        ))
    };
    parse_bytes(text)
        .filter(|bytes| *bytes > 0)
        .map(Some)
        .ok_or_else(wrong)
}

fn list_table(
    accounts: &[Account],
    snapshot: &Snapshot,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let mut rows = vec![
        ["ADDRESS", "MAILS", "USED", "QUOTA", "LANGUAGE", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for account in accounts {
        let usage = snapshot.usage(account.id)?;
        rows.push(vec![
            account.address.to_string(),
            usage.messages.to_string(),
            bytes_in_words(usage.bytes),
            bytes_in_words(quota_in_force(account, context)),
            language_code(account.language).to_owned(),
            if account.owner {
                "owner".to_owned()
            } else {
                String::new()
            },
        ]);
    }
    Ok(table(output, &rows)?)
}

fn list_json(
    accounts: &[Account],
    snapshot: &Snapshot,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let mut list = Vec::new();
    for account in accounts {
        let usage = snapshot.usage(account.id)?;
        list.push(json!({
            "address": account.address.to_string(),
            "owner": account.owner,
            "language": language_code(account.language),
            "quota_bytes": quota_in_force(account, context),
            "quota_is_default": account.quota_bytes.is_none(),
            "used_bytes": usage.bytes,
            "messages": usage.messages,
        }));
    }
    Ok(output.line(&json!(list).to_string())?)
}

fn quota_in_force(account: &Account, context: &Context) -> u64 {
    account
        .quota_bytes
        .unwrap_or(context.settings.account.quota_default)
}

fn language_code(language: Language) -> &'static str {
    match language {
        Language::De => "de",
        Language::En => "en",
    }
}
