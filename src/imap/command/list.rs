//! LIST and LSUB (RFC 3501 6.3.8, 6.3.9), with CHILDREN (RFC 3348) and SPECIAL-USE (RFC 6154) attributes.
//!
//! Every ancestor of a mailbox is a mailbox here, so that LIST never shows `\Noselect`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ctx, Reply, dialect, store_failure};
use crate::imap::syntax::command::List;
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::pattern::Pattern;
use crate::imap::syntax::render::{put, string};
use crate::imap::syntax::response::Completion;
use crate::mail::flags::SpecialUse;
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::{MailboxName, SEPARATOR};
use crate::store::types::Mailbox;
use crate::store::{Result, Store};

/// LIST
pub fn list(list: &List, ctx: &mut Ctx<'_>) -> Reply {
    answer(list, ctx, "LIST", existing)
}

/// LSUB
pub fn lsub(list: &List, ctx: &mut Ctx<'_>) -> Reply {
    answer(list, ctx, "LSUB", subscribed)
}

/// A line of an answer.
struct Entry {
    name: MailboxName,
    attributes: Vec<&'static str>,
}

type Source = fn(&Store, AccountId, &Pattern) -> Result<Vec<Entry>>;

fn answer(list: &List, ctx: &mut Ctx<'_>, word: &'static str, source: Source) -> Reply {
    let account = match ctx.user() {
        Ok(user) => user.account,
        Err(completion) => return completion.into(),
    };
    if list.pattern.is_empty() && word == "LIST" {
        // RFC 3501 6.3.8: asks for the separator and the root of the reference.
        put!(ctx.out, "* LIST (\\Noselect) \"{SEPARATOR}\" \"\"\r\n");
        return Completion::ok("LIST done").into();
    }
    let pattern = Pattern::new(&format!("{}{}", list.reference, list.pattern));
    match source(&ctx.services.store, account, &pattern) {
        Ok(entries) => {
            let dialect = dialect(ctx.state);
            for entry in &entries {
                write(ctx.out, word, entry, dialect);
            }
            Completion::ok(format!("{word} done")).into()
        }
        Err(error) => store_failure(&error).into(),
    }
}

fn write(out: &mut Vec<u8>, word: &str, entry: &Entry, dialect: Dialect) {
    put!(
        out,
        "* {word} ({}) \"{SEPARATOR}\" ",
        entry.attributes.join(" ")
    );
    string::mailbox(out, &entry.name, dialect);
    out.extend_from_slice(b"\r\n");
}

fn existing(store: &Store, account: AccountId, pattern: &Pattern) -> Result<Vec<Entry>> {
    let mailboxes = store.snapshot()?.mailboxes(account)?;
    let parents = parents(&mailboxes);
    let matching = mailboxes
        .iter()
        .filter(|mailbox| pattern.matches(mailbox.name.as_str()));
    Ok(matching
        .map(|mailbox| Entry {
            name: mailbox.name.clone(),
            attributes: attributes(mailbox, parents.contains(&mailbox.name)),
        })
        .collect())
}

fn parents(mailboxes: &[Mailbox]) -> BTreeSet<MailboxName> {
    let parents = mailboxes.iter().filter_map(|mailbox| mailbox.name.parent());
    parents.collect()
}

fn attributes(mailbox: &Mailbox, has_children: bool) -> Vec<&'static str> {
    let children = if has_children {
        "\\HasChildren"
    } else {
        "\\HasNoChildren"
    };
    let special = mailbox.special_use.map(SpecialUse::attribute);
    std::iter::once(children).chain(special).collect()
}

/// Names subscribed to. With a pattern that ends in `%`, one that is not subscribed itself but has subscribed ones below
/// it is listed as `\Noselect` (RFC 3501 6.3.9).
fn subscribed(store: &Store, account: AccountId, pattern: &Pattern) -> Result<Vec<Entry>> {
    let snapshot = store.snapshot()?;
    let mailboxes = snapshot.mailboxes(account)?.into_iter();
    let mut names: Vec<MailboxName> = mailboxes
        .filter_map(|mailbox| mailbox.subscribed.then_some(mailbox.name))
        .collect();
    names.extend(snapshot.orphan_subscriptions(account)?);
    let mut found: BTreeMap<MailboxName, Vec<&'static str>> = BTreeMap::new();
    for name in names {
        if pattern.matches(name.as_str()) {
            found.insert(name, Vec::new());
        } else if let Some(ancestor) = listed_ancestor(&name, pattern) {
            found.entry(ancestor).or_insert_with(|| vec!["\\Noselect"]);
        }
    }
    let entries = found.into_iter();
    Ok(entries
        .map(|(name, attributes)| Entry { name, attributes })
        .collect())
}

fn listed_ancestor(name: &MailboxName, pattern: &Pattern) -> Option<MailboxName> {
    if !pattern.ends_with_percent() {
        return None;
    }
    let mut ancestors = std::iter::successors(name.parent(), MailboxName::parent);
    ancestors.find(|ancestor| pattern.matches(ancestor.as_str()))
}
