//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one quota root per account, named "".
//!
//! STORAGE counts in units of 1024 bytes, usage rounded up (RFC 9208 5.1). A resource without a limit is not listed
//! (RFC 9208 4.2.1); the number of messages never has one.

use super::{Ctx, Reply, dialect, mailbox, store_failure};
use crate::imap::syntax::render::{put, string};
use crate::imap::syntax::response::{Code, Completion};
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::store::Result;
use crate::store::types::Subject;

/// GETQUOTA
pub fn get_quota(root: &[u8], ctx: &mut Ctx<'_>) -> Reply {
    let account = match ctx.user() {
        Ok(user) => user.account,
        Err(completion) => return completion.into(),
    };
    if !root.is_empty() {
        let unknown = Completion::no("no such quota root");
        return unknown.with(Code::NonExistent).into();
    }
    match write_quota(account, ctx) {
        Ok(()) => Completion::ok("GETQUOTA done").into(),
        Err(error) => store_failure(&error).into(),
    }
}

/// GETQUOTAROOT
pub fn get_quota_root(name: &MailboxName, ctx: &mut Ctx<'_>) -> Reply {
    let found = match mailbox(name, ctx) {
        Ok(found) => found,
        Err(completion) => return completion.into(),
    };
    ctx.out.extend_from_slice(b"* QUOTAROOT ");
    string::mailbox(ctx.out, &found.name, dialect(ctx.state));
    ctx.out.extend_from_slice(b" \"\"\r\n");
    match write_quota(found.account, ctx) {
        Ok(()) => Completion::ok("GETQUOTAROOT done").into(),
        Err(error) => store_failure(&error).into(),
    }
}

/// SETQUOTA: quotas are the owner's matter.
pub fn set_quota(ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = ctx.user() {
        return completion.into();
    }
    let refused = Completion::no("quotas are set by the owner of the box");
    refused.with(Code::NoPerm).into()
}

fn write_quota(account: AccountId, ctx: &mut Ctx<'_>) -> Result<()> {
    let store = &ctx.services.store;
    let fill = store.fill(Subject::Account(account))?;
    let resources = match fill.limit {
        Some(limit) => format!("STORAGE {} {}", fill.used.div_ceil(1024), limit / 1024),
        None => String::new(),
    };
    put!(ctx.out, "* QUOTA \"\" ({resources})\r\n");
    Ok(())
}
