//! `room`: makes room as a held button does, shows what would go, or undoes the last time.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::operation::Format;
use super::{Context, Failure, Output, Result};
use crate::manage::room::hook;
use crate::panel::Remote;
use crate::room::plan::{Action, Item};
use crate::room::{self, words};
use crate::space;
use crate::store;
use crate::store::aside::undo::Outcome;
use crate::store::types::Language;

/// What `room` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Make room.
    Press,
    /// Show what would go.
    DryRun(Format),
    /// Put back what went last.
    Undo,
}

pub(super) fn room(task: Task, context: &Context, output: &mut dyn Output) -> Result<()> {
    match task {
        Task::Press => press(context, output),
        Task::DryRun(format) => dry_run(format, context, output),
        Task::Undo => undo(context, output),
    }
}

fn press(context: &Context, output: &mut dyn Output) -> Result<()> {
    let hook = hook(&context.store, &context.settings, &context.clock);
    let busy = context.panel.as_ref().map(Remote::making_room);
    let receipt = room::press(&hook, context.clock.now())?;
    drop(busy);
    let house = space::house(&context.store, context.clock.now())?;
    let text = words::text(&receipt, &hook.policy, &house, Language::En);
    for line in text.lines() {
        output.line(line)?;
    }
    if let Some(owner) = receipt.mailed_to {
        output.line("")?;
        output.line(&format!("The receipt was mailed to {owner}."))?;
    }
    Ok(())
}

fn dry_run(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let hook = hook(&context.store, &context.settings, &context.clock);
    let items = room::dry_run(&hook, context.clock.now())?;
    if format == Format::Json {
        let rows: Vec<_> = items.iter().map(row).collect();
        return Ok(output.line(&json!(rows).to_string())?);
    }
    for line in words::plan_lines(&items) {
        output.line(&line)?;
    }
    Ok(())
}

fn row(item: &Item) -> serde_json::Value {
    json!({
        "account": item.account.address.to_string(),
        "mailbox": item.name.as_str(),
        "messages": item.usage.messages,
        "bytes": item.usage.bytes,
        "move_to": match &item.action {
            Action::SetAside => None,
            Action::Archive(to) => Some(to.as_str()),
        },
    })
}

fn undo(context: &Context, output: &mut dyn Output) -> Result<()> {
    let undone = match room::undo(&context.store, context.clock.now()) {
        Err(store::Error::NotFound(_)) => return Err(Failure::failed("there is nothing to undo")),
        undone => undone?,
    };
    let snapshot = context.store.snapshot()?;
    let mut refused = false;
    for (id, outcome) in &undone.accounts {
        refused |= matches!(outcome, Outcome::WouldBeFull { .. });
        if let Some(account) = snapshot.account(*id)? {
            output.line(&words::undone_line(&account.address, outcome))?;
        }
    }
    if let Some(line) = words::undone_rest(&undone) {
        output.line(&line)?;
    }
    if refused {
        return Err(Failure::failed("not everything was put back"));
    }
    if undone.accounts.is_empty() {
        output.line("nothing was left to put back")?;
    }
    Ok(())
}
