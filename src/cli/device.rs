//! `device add|list|revoke`: app passwords and what POP3's DELE means for each.

use jiff::Timestamp;
use serde_json::json;

use super::operation::Format;
use super::output::table;
use super::{Context, Failure, Output, Result, account_at};
use crate::clock::Wall;
use crate::store::types::{Account, Device, Pop3Delete};

/// Days that a device keeps mail after DELE when nothing else is said.
const KEEP_DAYS_DEFAULT: u16 = 30;
/// Most days of `keep:DAYS`.
const KEEP_DAYS_MAX: u16 = 3650;

pub(super) fn add(
    account: &str,
    name: &str,
    pop3_delete: &str,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let policy = parse_policy(pop3_delete)?;
    let snapshot = context.store.snapshot()?;
    let account = account_at(&snapshot, account)?;
    if snapshot
        .devices(account.id)?
        .iter()
        .any(|device| device.name == name)
    {
        return Err(Failure::failed(format!(
            "{} has a device \"{name}\" already",
            account.address
        )));
    }
    drop(snapshot);
    let (device, secret) =
        context
            .auth
            .add_device(account.id, name, policy, context.clock.now())?;
    output.line(&format!(
        "added the device \"{}\" of {}",
        device.name, account.address
    ))?;
    output.line(&format!("login name: {}", account.address))?;
    output.line(&format!("app password: {}", secret.expose()))?;
    output.line("It is shown this once. Spaces and dashes in it do not matter.")?;
    Ok(())
}

pub(super) fn list(
    account: Option<&str>,
    format: Format,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let snapshot = context.store.snapshot()?;
    let accounts = match account {
        Some(text) => vec![account_at(&snapshot, text)?],
        None => snapshot.accounts()?,
    };
    let mut devices = Vec::new();
    for account in accounts {
        let of_account = snapshot.devices(account.id)?;
        devices.extend(
            of_account
                .into_iter()
                .map(|device| (account.clone(), device)),
        );
    }
    match format {
        Format::Table => list_table(&devices, context, output),
        Format::Json => list_json(&devices, output),
    }
}

pub(super) fn revoke(
    account: &str,
    name: &str,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let snapshot = context.store.snapshot()?;
    let account = account_at(&snapshot, account)?;
    let devices = snapshot.devices(account.id)?;
    drop(snapshot);
    let device = devices.into_iter().find(|device| device.name == name);
    let missing = || Failure::failed(format!("{} has no device \"{name}\"", account.address));
    context
        .store
        .revoke_device(device.ok_or_else(missing)?.id)?;
    output.line(&format!(
        "revoked \"{name}\" of {}; its app password opens nothing any more",
        account.address
    ))?;
    Ok(())
}

fn parse_policy(text: &str) -> Result<Pop3Delete> {
    let wrong = || {
        Failure::Usage(format!(
            "\"{text}\": delete, keep, keep:DAYS (1 to {KEEP_DAYS_MAX}) or move is right"
        ))
    };
    match text {
        "delete" => Ok(Pop3Delete::Delete),
        "keep" => Ok(Pop3Delete::Keep {
            days: KEEP_DAYS_DEFAULT,
        }),
        "move" => Ok(Pop3Delete::Move),
        other => {
            let days = other
                .strip_prefix("keep:")
                .and_then(|days| days.parse().ok());
            let days = days.filter(|days| (1..=KEEP_DAYS_MAX).contains(days));
            Ok(Pop3Delete::Keep {
                days: days.ok_or_else(wrong)?,
            })
        }
    }
}

fn policy_in_words(policy: Pop3Delete) -> String {
    match policy {
        Pop3Delete::Delete => "delete".to_owned(),
        Pop3Delete::Keep { days } => format!("keep:{days}"),
        Pop3Delete::Move => "move".to_owned(),
    }
}

fn list_table(
    devices: &[(Account, Device)],
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let mut rows = vec![
        ["ACCOUNT", "DEVICE", "POP3 DELETE", "ADDED", "LAST SEEN"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (account, device) in devices {
        let seen = device
            .last_seen
            .map_or_else(|| "never".to_owned(), |wall| day(wall, context));
        rows.push(vec![
            account.address.to_string(),
            device.name.clone(),
            policy_in_words(device.pop3_delete),
            day(device.created, context),
            seen,
        ]);
    }
    Ok(table(output, &rows)?)
}

fn list_json(devices: &[(Account, Device)], output: &mut dyn Output) -> Result<()> {
    let in_json = |(account, device): &(Account, Device)| {
        json!({
            "account": account.address.to_string(),
            "name": device.name,
            "pop3_delete": policy_in_words(device.pop3_delete),
            "created": device.created.0,
            "last_seen": device.last_seen.map(|wall| wall.0),
        })
    };
    let list: Vec<_> = devices.iter().map(in_json).collect();
    Ok(output.line(&json!(list).to_string())?)
}

/// The day of `wall` in the box's time zone.
fn day(wall: Wall, context: &Context) -> String {
    let Ok(timestamp) = Timestamp::from_second(wall.0) else {
        return "unknown".to_owned();
    };
    timestamp
        .to_zoned(context.settings.time_zone.clone())
        .date()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        assert_eq!(parse_policy("delete"), Ok(Pop3Delete::Delete));
        assert_eq!(parse_policy("keep"), Ok(Pop3Delete::Keep { days: 30 }));
        assert_eq!(parse_policy("keep:7"), Ok(Pop3Delete::Keep { days: 7 }));
        assert_eq!(parse_policy("move"), Ok(Pop3Delete::Move));
        for wrong in ["", "keep:", "keep:0", "keep:3651", "keep:-1", "Delete"] {
            assert!(
                matches!(parse_policy(wrong), Err(Failure::Usage(_))),
                "{wrong:?}"
            );
        }
    }
}
