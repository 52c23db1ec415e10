//! `status`: how the box and its store are, at one glance.

use serde_json::json;

use super::operation::Format;
use super::output::{bytes_in_words, table};
use super::{Context, Output, Result};
use crate::store::types::Usage;

pub(super) fn status(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let snapshot = context.store.snapshot()?;
    let accounts = snapshot.accounts()?;
    let mut mail = Usage::default();
    for account in &accounts {
        let usage = snapshot.usage(account.id)?;
        mail.bytes += usage.bytes;
        mail.messages += usage.messages;
    }
    drop(snapshot);
    let space = context.store.space()?;
    let takes_mail = space.free > space.reserve;
    let health = context.store.health();
    let hostname = context.settings.hostname.as_str();
    let data = context.settings.data.display().to_string();
    if format == Format::Json {
        let document = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "hostname": hostname,
            "data": data,
            "accounts": accounts.len(),
            "messages": mail.messages,
            "mail_bytes": mail.bytes,
            "store_bytes": space.used,
            "free_bytes": space.free,
            "reserve_bytes": space.reserve,
            "takes_mail": takes_mail,
            "faults": health.faults,
            "last_fault": health.last_fault,
        });
        return Ok(output.line(&document.to_string())?);
    }
    let faults = match health.last_fault {
        Some(text) => format!("{} (last: {text})", health.faults),
        None => "none".to_owned(),
    };
    let rows = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("hostname", hostname.to_owned()),
        ("data", data),
        ("accounts", accounts.len().to_string()),
        (
            "mails",
            format!("{} ({})", mail.messages, bytes_in_words(mail.bytes)),
        ),
        ("store", bytes_in_words(space.used)),
        ("free", bytes_in_words(space.free)),
        (
            "takes mail",
            if takes_mail {
                "yes"
            } else {
                "no, the store is full"
            }
            .to_owned(),
        ),
        ("store faults", faults),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    Ok(table(output, &rows)?)
}
