//! The part for programs: per-message and per-recipient fields (RFC 3464 2.2 and 2.3, RFC 6533 4).

use super::{Dsn, PartType, Recipient, one_line};
use crate::clock::Wall;
use crate::mail::address::Address;
use crate::mail::date::DateTime;
use crate::mail::report::{Event, is_reply};
use crate::mail::trace::folded;

/// All groups of fields, each with the empty line after it but the last.
pub(super) fn render(dsn: &Dsn<'_>) -> String {
    let is_global = dsn.recipients.iter().any(is_global);
    let mut groups = vec![of_message(dsn)];
    groups.extend(
        dsn.recipients
            .iter()
            .map(|one| of_recipient(one, is_global)),
    );
    groups.join("\r\n")
}

/// The media type that these fields need.
pub(super) fn part_type(fields: &str) -> PartType {
    if fields.is_ascii() {
        ("message/delivery-status", "7bit")
    } else {
        ("message/global-delivery-status", "8bit")
    }
}

/// Whether an address of it needs UTF-8.
fn is_global(one: &Recipient<'_>) -> bool {
    one.address.smtputf8_needed() || one.original.is_some_and(|(_, address)| !address.is_ascii())
}

fn of_message(dsn: &Dsn<'_>) -> String {
    let id = dsn
        .envelope_id
        .map(|id| text("Original-Envelope-Id:", id, false));
    let reporting = text("Reporting-MTA:", &format!("dns; {}", dsn.reporting), false);
    [
        id.unwrap_or_default(),
        reporting,
        date("Arrival-Date:", dsn.arrived),
    ]
    .concat()
}

fn of_recipient(one: &Recipient<'_>, is_global: bool) -> String {
    let original = one.original.map(|(kind, address)| {
        let value = format!("{}; {}", atom(kind), one_line(address));
        text("Original-Recipient:", &value, is_global)
    });
    let remote = one.remote.filter(|_| one.remote_has_spoken());
    let remote = remote.map(|host| text("Remote-MTA:", &format!("dns; {}", atom(host)), false));
    let reply = one.reply.filter(|_| one.remote_has_spoken());
    let reply = reply.map(|reply| {
        let value = format!("smtp; {}", one_line(reply));
        text("Diagnostic-Code:", &value, is_global)
    });
    let until = one.retry_until.filter(|_| one.event == Event::Delayed);
    [
        original.unwrap_or_default(),
        text("Final-Recipient:", &typed(one.address), is_global),
        format!("Action: {}\r\n", one.event.action()),
        format!("Status: {}\r\n", one.status),
        remote.unwrap_or_default(),
        reply.unwrap_or_default(),
        date("Last-Attempt-Date:", one.last_attempt),
        date("Will-Retry-Until:", until),
    ]
    .concat()
}

impl Recipient<'_> {
    /// Whether there is a reply to be shown, and whose it is. RFC 3464 2.3.5, 2.3.6: words of ours are neither `smtp` nor
    /// the other host's.
    pub(super) fn remote_has_spoken(&self) -> bool {
        self.remote.is_some() && is_reply(self.reply.unwrap_or_default())
    }
}

/// An address with its type (RFC 3464 2.3.2, RFC 6533 3).
fn typed(address: &Address) -> String {
    let kind = if address.smtputf8_needed() {
        "utf-8"
    } else {
        "rfc822"
    };
    format!("{kind}; {address}")
}

/// A word of a peer where the syntax has an atom.
fn atom(word: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let clean = |c| if fits(c) { c } else { '?' };
    let word: String = word.chars().take(255).map(clean).collect();
    if word.is_empty() {
        "?".to_owned()
    } else {
        word
    }
}

/// A field of text, folded between its words. Without `is_global` it is ASCII.
fn text(name: &str, value: &str, is_global: bool) -> String {
    let value = one_line(value);
    let clean = |c: char| if c.is_ascii() || is_global { c } else { '?' };
    let word = |word: &str| word.chars().map(clean).collect();
    let words: Vec<String> = value.split(' ').map(word).collect();
    folded(name, &words)
}

fn date(name: &str, wall: Option<Wall>) -> String {
    let date = wall.map(|wall| format!("{name} {}\r\n", DateTime::utc(wall).to_rfc5322()));
    date.unwrap_or_default()
}
