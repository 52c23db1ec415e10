//! The state of the house as JSON, which the owner's programs get on standard input. The README describes it; fields are
//! only ever added.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Receipt;
use super::plan::Action;
use crate::clock::Now;
use crate::space::{House, State};

/// What happened. There is one event so far; programs should pass over those that they do not know.
const EVENT: &str = "storage-full";

/// The document, one line with a line end.
pub fn document(house: &House, receipt: &Receipt, now: Now) -> String {
    let accounts = house.accounts.iter().map(|(account, state)| {
        let mut row = fill(state);
        if let Value::Object(row) = &mut row {
            row.insert("address".to_owned(), json!(account.address.to_string()));
        }
        row
    });
    let document = json!({
        "event": EVENT,
        "time": now.wall.and_then(|wall| Timestamp::from_second(wall.0).ok()).map(|at| at.to_string()),
        "level": house.level().name(),
        "card": fill(&house.card),
        "accounts": accounts.collect::<Vec<_>>(),
        "receipt": of_receipt(receipt),
    });
    format!("{document}\n")
}

fn fill(state: &State) -> Value {
    json!({
        "level": state.fill.level.name(),
        "used": state.fill.used,
        "limit": state.fill.limit,
        "percent": state.fill.percent(),
        "days_left": state.days_left,
    })
}

fn of_receipt(receipt: &Receipt) -> Value {
    let done = receipt.done.iter().map(|done| {
        json!({
            "account": done.account.to_string(),
            "mailbox": done.mailbox.as_str(),
            "messages": done.usage.messages,
            "bytes": done.usage.bytes,
            "moved_to": match &done.action {
                Action::SetAside => None,
                Action::Archive(to) => Some(to.as_str()),
            },
        })
    });
    json!({
        "messages": receipt.messages,
        "bytes": receipt.bytes,
        "archived_messages": receipt.archived.messages,
        "archived_bytes": receipt.archived.bytes,
        "released_messages": receipt.released.messages,
        "released_bytes": receipt.released.bytes,
        "done": done.collect::<Vec<_>>(),
    })
}
