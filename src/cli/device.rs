//! `device add|list|policy|revoke`: app passwords and what POP3's DELE means for each.

use jiff::Timestamp;
use serde_json::json;

use super::operation::Format;
use super::output::table;
use super::{Context, Failure, Output, Result, account_at};
use crate::clock::Wall;
use crate::manage::device::{self as devices, BadPolicy, Policy};
use crate::store::types::{Account, Device};

pub(super) fn add(
    account: &str,
    name: &str,
    pop3_delete: &str,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let policy: Policy = pop3_delete.parse().map_err(wrong_policy)?;
    let account = account_at(&context.store.snapshot()?, account)?;
    let now = context.clock.now();
    let added = context.office().add_device(account.id, name, policy.0, now);
    let (device, secret) = match added {
        Err(devices::Error::Exists(name)) => {
            return Err(Failure::failed(format!(
                "{} has a device \"{name}\" already",
                account.address
            )));
        }
        other => other?,
    };
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
    let (account, device) = find(account, name, context)?;
    let office = context.office();
    office.revoke_device(&device, context.clock.now())?;
    output.line(&format!(
        "revoked \"{name}\" of {}; its app password opens nothing any more",
        account.address
    ))?;
    Ok(())
}

pub(super) fn policy(
    account: &str,
    name: &str,
    pop3_delete: &str,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let policy: Policy = pop3_delete.parse().map_err(wrong_policy)?;
    let (account, device) = find(account, name, context)?;
    context.store.set_pop3_delete(device.id, policy.0)?;
    output.line(&format!(
        "POP3's DELE from \"{name}\" of {} means {policy} from now on",
        account.address
    ))?;
    Ok(())
}

fn find(account: &str, name: &str, context: &Context) -> Result<(Account, Device)> {
    let snapshot = context.store.snapshot()?;
    let account = account_at(&snapshot, account)?;
    let devices = snapshot.devices(account.id)?;
    let device = devices.into_iter().find(|device| device.name == name);
    let missing = || Failure::failed(format!("{} has no device \"{name}\"", account.address));
    Ok((account.clone(), device.ok_or_else(missing)?))
}

fn wrong_policy(wrong: BadPolicy) -> Failure {
    Failure::Usage(wrong.to_string())
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
            Policy(device.pop3_delete).to_string(),
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
            "pop3_delete": Policy(device.pop3_delete).to_string(),
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
