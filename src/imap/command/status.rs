//! STATUS (RFC 3501 6.3.10; RFC 8438, RFC 7162 3.1.7, RFC 7889 3, RFC 9208 4.1.4).

use super::{Ctx, Reply, dialect, enable_condstore, mailbox, store_failure};
use crate::imap::syntax::command::{Status, StatusItem};
use crate::imap::syntax::render::{put, string};
use crate::imap::syntax::response::Completion;
use crate::mail::flags::SystemFlags;
use crate::mail::ids::Uid;
use crate::store::types::Mailbox;
use crate::store::{Result, Store};

/// Tells the counters of a mailbox.
pub fn run(status: &Status, ctx: &mut Ctx<'_>) -> Reply {
    let found = match mailbox(&status.mailbox, ctx) {
        Ok(found) => found,
        Err(completion) => return completion.into(),
    };
    // RFC 7162 3.1: asking for it shows that the client knows CONDSTORE.
    if status.items.contains(&StatusItem::HighestModSeq) {
        enable_condstore(ctx);
    }
    match items(&status.items, &found, ctx) {
        Ok(items) => {
            ctx.out.extend_from_slice(b"* STATUS ");
            string::mailbox(ctx.out, &found.name, dialect(ctx.state));
            put!(ctx.out, " ({})\r\n", items.join(" "));
            Completion::ok("STATUS done").into()
        }
        Err(error) => store_failure(&error).into(),
    }
}

fn items(items: &[StatusItem], mailbox: &Mailbox, ctx: &Ctx<'_>) -> Result<Vec<String>> {
    let text = |item: &StatusItem| item_text(*item, mailbox, ctx);
    items.iter().map(text).collect()
}

/// `\Recent` is not kept (see `imap::view`): it is 0.
fn item_text(item: StatusItem, mailbox: &Mailbox, ctx: &Ctx<'_>) -> Result<String> {
    let services = ctx.services;
    Ok(match item {
        StatusItem::Messages => format!("MESSAGES {}", mailbox.messages),
        StatusItem::Recent => "RECENT 0".to_owned(),
        StatusItem::UidNext => format!("UIDNEXT {}", mailbox.uid_next),
        StatusItem::UidValidity => format!("UIDVALIDITY {}", mailbox.uid_validity),
        StatusItem::Unseen => format!("UNSEEN {}", mailbox.unseen),
        // Of the messages as stored, which RFC 6858 3 permits: adding up what is shown before ENABLE, as RFC 8438 has
        // it, would read every record of the mailbox each time.
        StatusItem::Size => format!("SIZE {}", mailbox.bytes),
        StatusItem::HighestModSeq => format!("HIGHESTMODSEQ {}", mailbox.highest_modseq),
        StatusItem::Deleted => format!("DELETED {}", mailbox.deleted),
        StatusItem::DeletedStorage => {
            format!(
                "DELETED-STORAGE {}",
                deleted_bytes(mailbox, &services.store)?
            )
        }
        StatusItem::AppendLimit => format!("APPENDLIMIT {}", services.settings.append_bytes_max),
    })
}

/// Bytes that an expunge would free. Reads records only of messages that have `\Deleted`.
fn deleted_bytes(mailbox: &Mailbox, store: &Store) -> Result<u64> {
    if mailbox.deleted == 0 {
        return Ok(0);
    }
    let snapshot = store.snapshot()?;
    let mut bytes = 0;
    for row in snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX)? {
        if row.flags.system.contains(SystemFlags::DELETED) {
            bytes += snapshot
                .record(row.serial)?
                .map_or(0, |record| record.bytes);
        }
    }
    Ok(bytes)
}
