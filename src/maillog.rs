//! What an owner asks about, one function per event: who wrote whom, what was refused and why, what the box did by itself.
//!
//! Events go to the log under the target [`TARGET`] with their values as fields; `HEIMPOST_LOG=warn,maillog=info` shows
//! them and nothing else. Never passwords, never text of mail, and nothing that could break a line.
//! What an owner may want to look up later is kept in the store too ([`Log`], `store::events`).
//! Mails are counted where they are logged, so that log and figures cannot differ ([`Tally`]).

mod keep;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Now;
use crate::mail::address::{Address, ReversePath};
use crate::mail::ids::{AccountId, SpoolId};
use crate::store::Store;
use crate::store::events::{Facts, Kind};
use crate::store::types::{Fill, Level};

/// Target of all events here.
pub const TARGET: &str = "maillog";

/// Most characters of a text that comes from outside: a login name, a line of a program's output.
const TEXT_CHARS_MAX: usize = 300;

/// Most recipients of one mail that are named.
const NAMED_MAX: usize = 10;

/// Where events are kept, and when this is.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a>(pub &'a Store, pub Now);

/// What became of mail since the start, in numbers. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    received: AtomicU64,
    submitted: AtomicU64,
    refused: AtomicU64,
    deferred_account_full: AtomicU64,
    deferred_card_full: AtomicU64,
    deferred_other: AtomicU64,
    sent: AtomicU64,
    put_off: AtomicU64,
    turned_away: AtomicU64,
}

/// One reading of a [`Tally`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Mails taken from other servers.
    pub received: u64,
    /// Mails taken from our own users.
    pub submitted: u64,
    /// Mails and recipients refused for good.
    pub refused: u64,
    /// Mails and recipients put off because an account was full.
    pub deferred_account_full: u64,
    /// The same because the card was full.
    pub deferred_card_full: u64,
    /// The same for any other reason.
    pub deferred_other: u64,
    /// Recipients for whom another host took a mail of ours.
    pub sent: u64,
    /// Recipients for whom a mail of ours was not taken for now.
    pub put_off: u64,
    /// Recipients for whom a mail of ours was refused for good.
    pub turned_away: u64,
}

/// What came of an attempt to send, for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Another host took it.
    Taken,
    /// It is tried again, or given up for its age.
    PutOff,
    /// It is refused for good.
    Refused,
}

impl Tally {
    /// Reads all counts.
    pub fn read(&self) -> Tallied {
        let of = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Tallied {
            received: of(&self.0.received),
            submitted: of(&self.0.submitted),
            refused: of(&self.0.refused),
            deferred_account_full: of(&self.0.deferred_account_full),
            deferred_card_full: of(&self.0.deferred_card_full),
            deferred_other: of(&self.0.deferred_other),
            sent: of(&self.0.sent),
            put_off: of(&self.0.put_off),
            turned_away: of(&self.0.turned_away),
        }
    }

    /// Counts what came of an attempt for a recipient.
    pub fn attempted(&self, sent: Sent) {
        count(match sent {
            Sent::Taken => &self.0.sent,
            Sent::PutOff => &self.0.put_off,
            Sent::Refused => &self.0.turned_away,
        });
    }
}

fn count(cell: &AtomicU64) {
    cell.fetch_add(1, Ordering::Relaxed);
}

/// A mail that was taken, on the disk by now.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// Our identifier, also in its Received field.
    pub id: &'a str,
    /// Reverse-path.
    pub from: &'a ReversePath,
    /// Its recipients.
    pub to: &'a [&'a Address],
    /// Its bytes as they came.
    pub bytes: u64,
    /// Accounts that got it.
    pub copies: usize,
    /// Addresses of other hosts that it waits for.
    pub spooled: usize,
    /// Where it came from.
    pub peer: IpAddr,
}

/// A mail, or one recipient of it, that was not taken.
#[derive(Clone, Copy, Debug)]
pub struct NotTaken<'a> {
    /// Reverse-path.
    pub from: &'a ReversePath,
    /// The recipients concerned.
    pub to: &'a [&'a Address],
    /// Its bytes, if the peer said how many.
    pub bytes: Option<u64>,
    /// Where it came from.
    pub peer: IpAddr,
    /// What the peer was told.
    pub reply: &'a str,
}

/// What a host, or the way there, made of a mail of ours.
#[derive(Clone, Copy, Debug)]
pub struct Handed<'a> {
    /// Its number in the queue.
    pub id: SpoolId,
    /// Reverse-path.
    pub from: &'a ReversePath,
    /// The recipients concerned.
    pub to: &'a [&'a Address],
    /// The host, if one was reached.
    pub host: Option<&'a str>,
    /// Its words, or ours.
    pub reply: &'a str,
}

/// Why mail has to wait outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An account is full.
    AccountFull,
    /// The card is full.
    CardFull,
    /// Anything else: a fault, too many recipients at once.
    Other,
}

/// Another server's mail was taken.
pub fn received(log: Log<'_>, tally: &Tally, mail: &Taken<'_>) {
    log.keep_taken(Kind::Received, mail);
    count(&tally.0.received);
    let Taken {
        id,
        bytes,
        copies,
        spooled,
        ..
    } = *mail;
    let (from, to, peer) = (Sender(mail.from), Recipients(mail.to), mail.peer);
    tracing::info!(target: TARGET, %id, %from, %to, bytes, copies, spooled, %peer, "mail received");
}

/// A mail of one of our users was taken.
pub fn submitted(log: Log<'_>, tally: &Tally, mail: &Taken<'_>, account: AccountId) {
    log.keep_taken(Kind::Submitted, mail);
    count(&tally.0.submitted);
    let Taken {
        id,
        bytes,
        copies,
        spooled,
        ..
    } = *mail;
    let (from, to, peer) = (Sender(mail.from), Recipients(mail.to), mail.peer);
    tracing::info!(
        target: TARGET, %id, %account, %from, %to, bytes, copies, spooled, %peer, "mail submitted"
    );
}

/// Mail was refused for good; the sender hears so.
pub fn refused(log: Log<'_>, tally: &Tally, mail: &NotTaken<'_>) {
    log.keep_not_taken(Kind::Refused, mail);
    count(&tally.0.refused);
    let (from, to, reply) = (Sender(mail.from), Recipients(mail.to), Plain(mail.reply));
    let (bytes, peer) = (mail.bytes, mail.peer);
    tracing::info!(target: TARGET, %from, %to, bytes, %peer, %reply, "mail refused");
}

/// Mail was put off; the sender tries again.
pub fn deferred(log: Log<'_>, tally: &Tally, mail: &NotTaken<'_>, cause: Cause) {
    log.keep_not_taken(Kind::Deferred, mail);
    let (cell, cause) = match cause {
        Cause::AccountFull => (&tally.0.deferred_account_full, "account full"),
        Cause::CardFull => (&tally.0.deferred_card_full, "card full"),
        Cause::Other => (&tally.0.deferred_other, "other"),
    };
    count(cell);
    let (from, to, reply) = (Sender(mail.from), Recipients(mail.to), Plain(mail.reply));
    let (bytes, peer) = (mail.bytes, mail.peer);
    tracing::info!(target: TARGET, %from, %to, bytes, %peer, cause, %reply, "mail deferred");
}

/// Another host has taken a mail of ours.
pub fn accepted(log: Log<'_>, mail: &Handed<'_>) {
    log.keep_handed(Kind::Sent, mail);
    let Handed { id, host, .. } = *mail;
    let (from, to, reply) = (Sender(mail.from), Recipients(mail.to), Plain(mail.reply));
    let (id, host) = (id.0, Plain(host.unwrap_or("?")));
    tracing::info!(target: TARGET, id, %from, %to, %host, %reply, "accepted by host");
}

/// A mail of ours was not taken for now; it is tried again.
pub fn put_off(log: Log<'_>, mail: &Handed<'_>) {
    log.keep_handed(Kind::PutOff, mail);
    let Handed { id, host, .. } = *mail;
    let (from, to, reply) = (Sender(mail.from), Recipients(mail.to), Plain(mail.reply));
    let (id, host) = (id.0, Plain(host.unwrap_or("none")));
    tracing::info!(target: TARGET, id, %from, %to, %host, %reply, "put off");
}

/// A mail of ours was refused for good; its sender hears so.
pub fn turned_away(log: Log<'_>, mail: &Handed<'_>) {
    log.keep_handed(Kind::TurnedAway, mail);
    let Handed { id, host, .. } = *mail;
    let (from, to, reply) = (Sender(mail.from), Recipients(mail.to), Plain(mail.reply));
    let (id, host) = (id.0, Plain(host.unwrap_or("none")));
    tracing::info!(target: TARGET, id, %from, %to, %host, %reply, "refused by host");
}

/// A smarthost does not let us in. All mail for it waits.
pub fn smarthost_login_failed(what: &str, hint: &str) {
    let (what, hint) = (Plain(what), Plain(hint));
    tracing::warn!(target: TARGET, %what, %hint, "smarthost login failed");
}

/// A mail program wanted to file or copy something in its account and there was no room.
pub fn no_room(log: Log<'_>, account: AccountId, what: &'static str) {
    log.keep_about(Kind::NoRoom, account, what);
    tracing::info!(target: TARGET, %account, what, "no room");
}

/// Somebody could not log in. What was given as name is shown if it is an address: people type passwords there too.
pub fn login_failed(log: Log<'_>, login: &str, peer: IpAddr, why: &'static str) {
    let login = Address::parse(login).map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let facts = Facts {
        from: login.clone(),
        peer: peer.to_string(),
        text: why.to_owned(),
        ..Facts::default()
    };
    log.keep(Kind::LoginFailed, facts);
    let login = Plain(&login);
    tracing::info!(target: TARGET, %login, %peer, why, "login failed");
}

/// The card (no `account`) or an account went from one level to another.
pub fn level_changed(log: Log<'_>, account: Option<&Address>, before: Level, fill: &Fill) {
    let facts = Facts {
        from: account.map(ToString::to_string).unwrap_or_default(),
        code: fill.level.name().to_owned(),
        text: before.name().to_owned(),
        bytes: Some(fill.used),
        count: fill.limit.unwrap_or_default(),
        ..Facts::default()
    };
    log.keep(Kind::Level, facts);
    let of = account.map_or_else(|| "card".to_owned(), ToString::to_string);
    let (of, level, before) = (Plain(&of), fill.level.name(), before.name());
    let (used, limit) = (fill.used, fill.limit);
    if fill.level >= Level::Full {
        tracing::warn!(target: TARGET, %of, level, before, used, limit, "level changed");
    } else {
        tracing::info!(target: TARGET, %of, level, before, used, limit, "level changed");
    }
}

/// The box itself wrote a mail.
pub fn house_wrote(log: Log<'_>, to: &Address, subject: &str) {
    let facts = Facts {
        to: vec![to.to_string()],
        ..Facts::default()
    };
    log.keep(Kind::HouseWrote, facts);
    let subject = Plain(subject);
    tracing::info!(target: TARGET, %to, %subject, "the box wrote a mail");
}

/// Mails were set aside to make room.
pub fn room_made(log: Log<'_>, account: &Address, messages: u64, bytes: u64) {
    let facts = Facts {
        from: account.to_string(),
        count: messages,
        bytes: Some(bytes),
        ..Facts::default()
    };
    log.keep(Kind::RoomMade, facts);
    tracing::info!(target: TARGET, %account, messages, bytes, "room made");
}

/// Mails that had been set aside are gone for good: the card needed the space, or their time was over.
pub fn room_released(log: Log<'_>, messages: u64, bytes: u64) {
    let facts = Facts {
        count: messages,
        bytes: Some(bytes),
        ..Facts::default()
    };
    log.keep(Kind::RoomReleased, facts);
    tracing::info!(target: TARGET, messages, bytes, "set-aside mails released");
}

/// Mails that had been set aside were put back.
pub fn room_undone(log: Log<'_>, account: &Address, messages: u64, bytes: u64) {
    let facts = Facts {
        from: account.to_string(),
        count: messages,
        bytes: Some(bytes),
        ..Facts::default()
    };
    log.keep(Kind::RoomUndone, facts);
    tracing::info!(target: TARGET, %account, messages, bytes, "room undone");
}

/// The button was pressed, or `heimpost panel press` in its stead.
pub fn button_pressed(log: Log<'_>, held: Duration, meaning: &str) {
    let held_millis = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
    let facts = Facts {
        count: held_millis,
        text: meaning.to_owned(),
        ..Facts::default()
    };
    log.keep(Kind::Button, facts);
    let meaning = Plain(meaning);
    tracing::info!(target: TARGET, held_millis, %meaning, "button pressed");
}

/// A program of the owner's has ended.
pub fn program_ended(program: &str, outcome: &str, took: Duration) {
    let (program, outcome) = (Plain(program), Plain(outcome));
    let seconds = took.as_secs();
    tracing::info!(target: TARGET, %program, %outcome, seconds, "program ended");
}

/// A file among the owner's programs was not run.
pub fn program_skipped(program: &str, why: &str) {
    let (program, why) = (Plain(program), Plain(why));
    tracing::warn!(target: TARGET, %program, %why, "program not run");
}

/// A program of the owner's said a line.
pub fn program_said(program: &str, line: &str) {
    let (program, line) = (Plain(program), Plain(line));
    tracing::info!(target: TARGET, %program, %line, "program says");
}

/// A mail was sent on its way without a copy in its author's Sent.
pub fn sent_not_kept(log: Log<'_>, account: AccountId, why: &str) {
    log.keep_about(Kind::SentNotKept, account, why);
    let why = Plain(why);
    tracing::warn!(target: TARGET, %account, %why, "no copy in Sent");
}

/// Something is wrong with sending as a whole; what, and what to do.
pub fn sending_trouble(log: Log<'_>, what: &str) {
    log.keep_text(Kind::SendingTrouble, what);
    let what = Plain(what);
    tracing::warn!(target: TARGET, %what, "sending trouble");
}

/// LED or button do not work. Mail goes on.
pub fn panel_trouble(log: Log<'_>, what: &str) {
    log.keep_text(Kind::PanelTrouble, what);
    let what = Plain(what);
    tracing::warn!(target: TARGET, %what, "panel trouble");
}

/// The box serves.
pub fn started(log: Log<'_>, version: &str) {
    log.keep_text(Kind::Started, version);
    tracing::info!(target: TARGET, version, "started");
}

/// A device got an app password.
pub fn device_added(log: Log<'_>, account: &Address, name: &str) {
    log.keep_device(Kind::DeviceAdded, account, name);
    let name = Plain(name);
    tracing::info!(target: TARGET, %account, %name, "device added");
}

/// A device's app password counts no more.
pub fn device_revoked(log: Log<'_>, account: &Address, name: &str) {
    log.keep_device(Kind::DeviceRevoked, account, name);
    let name = Plain(name);
    tracing::info!(target: TARGET, %account, %name, "device revoked");
}

/// A backup was made, with what its test restore said, or failed, with why.
pub fn backed_up(log: Log<'_>, to: &str, bytes: u64, outcome: Result<&str, &str>) {
    let (code, text) = match outcome {
        Ok(verified) => ("ok", verified),
        Err(why) => ("failed", why),
    };
    let facts = Facts {
        to: vec![to.to_owned()],
        bytes: Some(bytes),
        code: code.to_owned(),
        text: text.to_owned(),
        ..Facts::default()
    };
    log.keep(Kind::Backup, facts);
    let (to, text) = (Plain(to), Plain(text));
    tracing::info!(target: TARGET, %to, bytes, code, %text, "backup");
}

/// A reverse-path as in SMTP.
struct Sender<'a>(&'a ReversePath);

impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "<{}>", Plain(&address.to_string())),
            None => f.write_str("<>"),
        }
    }
}

/// Recipients with commas between them; many are cut short.
struct Recipients<'a>(&'a [&'a Address]);

impl fmt::Display for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, address) in self.0.iter().take(NAMED_MAX).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}<{}>", Plain(&address.to_string()))?;
        }
        match self.0.len().checked_sub(NAMED_MAX) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Text that cannot break a line or move a terminal's cursor, and is not endless.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(TEXT_CHARS_MAX) {
            let shown = if c.is_control() { ' ' } else { c };
            fmt::Write::write_char(f, shown)?;
        }
        if chars.next().is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}
