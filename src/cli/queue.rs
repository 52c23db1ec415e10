//! `queue list|retry|hold|remove`: mail that waits to be sent to other hosts.
//!
//! With a daemon running, its queue is asked; else the one that lies in the store. Each mail says why it waits.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::operation::Format;
use super::output::bytes_in_words;
use super::{Context, Failure, Output, Result};
use crate::clock::Wall;
use crate::mail::address::ReversePath;
use crate::mail::ids::SpoolId;
use crate::mail::report::is_reply;
use crate::queue::desk::{Desk, Listed, Turn, Unreadable};
use crate::store::spool::LastTry;

/// Mails that are read at a time.
const PAGE: usize = 100;

/// Most characters of a subject that are shown.
const SUBJECT_CHARS_MAX: usize = 70;

/// What sending waits for after the box was switched on.
pub(super) const A_TIME_SERVER: &str = "a time server to set the clock, ten minutes at most";

/// Which mails are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// All there are.
    All,
    /// Those of these numbers.
    These(Vec<u64>),
}

/// What is done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Tries them at once, held or not.
    Retry,
    /// Keeps them back.
    Hold,
    /// Takes them out.
    Remove,
}

pub(super) fn list(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let desk = context.desk()?;
    let mut shown = 0;
    if format == Format::Json {
        output.line("[")?;
    }
    each(&desk, context, |listed| {
        let subject = desk.subject(&listed.mail).ok().flatten();
        match format {
            Format::Table => {
                for line in lines(listed, subject.as_deref(), context) {
                    output.line(&line)?;
                }
            }
            Format::Json => {
                let comma = if shown == 0 { "" } else { "," };
                let row = in_json(listed, subject.as_deref());
                output.line(&format!("{comma}{row}"))?;
            }
        }
        shown += 1;
        Ok(())
    })?;
    for mail in desk.unreadable(context.clock.now()) {
        match format {
            Format::Table => output.line(&unreadable(&mail))?,
            Format::Json => {
                let comma = if shown == 0 { "" } else { "," };
                output.line(&format!("{comma}{}", unreadable_json(&mail)))?;
            }
        }
        shown += 1;
    }
    match format {
        Format::Json => output.line("]")?,
        Format::Table if shown == 0 => output.line("no mail waits to be sent")?,
        Format::Table => {}
    }
    Ok(())
}

pub(super) fn act(
    deed: Deed,
    which: &Which,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let desk = context.desk()?;
    let ids = match which {
        Which::These(ids) => ids.iter().copied().map(SpoolId).collect(),
        Which::All => {
            let mut ids = Vec::new();
            each(&desk, context, |listed| {
                ids.push(listed.mail.id);
                Ok(())
            })?;
            let unreadable = desk.unreadable(context.clock.now());
            ids.extend(unreadable.iter().map(|mail| mail.id));
            ids
        }
    };
    if ids.is_empty() {
        output.line("no mail waits to be sent")?;
    }
    let (mut missing, mut failed) = (Vec::new(), Vec::new());
    for id in ids {
        let now = context.clock.now();
        let done = match deed {
            Deed::Retry => desk.retry(id, now),
            Deed::Hold => desk.hold(id, now),
            Deed::Remove => desk.remove(id, now),
        };
        match done {
            Ok(()) => output.line(&format!("{id}: {}", deed.in_words()))?,
            Err(crate::store::Error::NotFound(_)) => missing.push(id.to_string()),
            Err(error) => failed.push(format!("mail {id}: {error}")),
        }
    }
    if !failed.is_empty() {
        return Err(Failure::failed(failed.join("\n")));
    }
    // One that has gone meanwhile is what is wanted by "all".
    if missing.is_empty() || *which == Which::All {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "there is no mail {} in the queue",
        missing.join(", ")
    )))
}

impl Deed {
    fn in_words(self) -> &'static str {
        match self {
            Self::Retry => "is tried now",
            Self::Hold => "is kept back until `heimpost queue retry`",
            Self::Remove => "was taken out; its sender is not told",
        }
    }
}

fn each(desk: &Desk, context: &Context, mut take: impl FnMut(&Listed) -> Result<()>) -> Result<()> {
    let mut from = SpoolId(0);
    loop {
        let page = desk.list(from, PAGE, context.clock.now())?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        from = SpoolId(last.mail.id.0.saturating_add(1));
        page.iter().try_for_each(&mut take)?;
    }
}

/// A mail in some lines: what it is, and for each recipient why it waits.
fn lines(listed: &Listed, subject: Option<&str>, context: &Context) -> Vec<String> {
    let mail = &listed.mail;
    let subject = plain(subject.unwrap_or_default());
    let subject: String = subject.chars().take(SUBJECT_CHARS_MAX).collect();
    let bytes = bytes_in_words(mail.bytes);
    let sender = sender(&mail.new.sender);
    let mut lines = vec![format!("{}: <{sender}>, {bytes}, \"{subject}\"", mail.id)];
    let awaits_clock = !context.clock.is_settled();
    let until = listed.until.map(|until| date(until, context));
    let until = until.map_or_else(String::new, |until| format!(", until {until}"));
    let recipients = mail.new.recipients.iter().zip(&mail.states);
    for ((new, state), now) in recipients.zip(&listed.recipients) {
        let turn = match now.turn {
            Turn::In(_) if awaits_clock => format!("waits for {A_TIME_SERVER}{until}"),
            Turn::In(wait) if wait.is_zero() => format!("is due{until}"),
            Turn::In(wait) => format!("next try in {}{until}", span(wait)),
            Turn::Now => "is being tried".to_owned(),
            Turn::Held => "held".to_owned(),
            Turn::Over => "done".to_owned(),
        };
        let way = plain(&now.destination);
        lines.push(format!("  <{}> by {way}: {turn}", new.address));
        if let (Some(last), true) = (&state.last, now.turn != Turn::Over) {
            let tries = state.attempts;
            lines.push(format!("    tries: {tries}; {}", said(last)));
        }
    }
    lines
}

/// A mail of which nothing else is known.
fn unreadable(mail: &Unreadable) -> String {
    let (id, why, wait) = (mail.id, plain(&mail.why), span(mail.again_in));
    format!("{id}: cannot be read ({why}); all other mail goes on; looked at again in {wait}")
}

fn unreadable_json(mail: &Unreadable) -> Value {
    json!({
        "id": mail.id.0,
        "unreadable": mail.why,
        "due_seconds": mail.again_in.as_secs(),
        "recipients": [],
    })
}

/// What the last attempt heard, from whom.
pub(super) fn said(last: &LastTry) -> String {
    let reply = plain(&last.reply);
    match &last.host {
        Some(host) if is_reply(&reply) => format!("{} says: {reply}", plain(host)),
        Some(host) => format!("{}: {reply}", plain(host)),
        None => reply,
    }
}

fn in_json(listed: &Listed, subject: Option<&str>) -> Value {
    let mail = &listed.mail;
    let recipients = mail.new.recipients.iter().zip(&mail.states);
    let recipients = recipients
        .zip(&listed.recipients)
        .map(|((new, state), now)| {
            let (turn, due) = match now.turn {
                Turn::In(wait) => ("waiting", Some(wait.as_secs())),
                Turn::Now => ("under_way", None),
                Turn::Held => ("held", None),
                Turn::Over => ("over", None),
            };
            json!({
                "address": new.address.to_string(),
                "destination": now.destination,
                "state": turn,
                "due_seconds": due,
                "attempts": state.attempts,
                "delay_told": state.delay_told,
                "last": state.last.as_ref().map(last_json),
            })
        });
    json!({
        "id": mail.id.0,
        "from": sender(&mail.new.sender),
        "subject": subject,
        "bytes": mail.bytes,
        "spooled": mail.spooled.0,
        "until": listed.until.map(|until| until.0),
        "recipients": recipients.collect::<Vec<_>>(),
    })
}

fn last_json(last: &LastTry) -> Value {
    json!({
        "at": last.at.map(|at| at.0),
        "host": last.host,
        "status": last.status,
        "reply": last.reply,
    })
}

/// The null sender is empty, as in SMTP.
fn sender(from: &ReversePath) -> String {
    from.as_ref().map_or_else(String::new, ToString::to_string)
}

/// Text of others, that cannot break a line or move a terminal's cursor.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A span of time as people say it, such as `1 h 5 min`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", seconds.max(1)),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Day and time of day in the box's time zone.
fn date(wall: Wall, context: &Context) -> String {
    let zone = context.settings.time_zone.clone();
    jiff::Timestamp::from_second(wall.0).map_or_else(
        |_| "?".to_owned(),
        |time| time.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (seconds, words) in [
            (0, "1 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3600, "1 h"),
            (3900, "1 h 5 min"),
            (86_400, "1 d"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn one_that_cannot_be_read_is_listed() {
        let mail = Unreadable {
            id: SpoolId(7),
            why: "a row of\nspool is damaged".to_owned(),
            again_in: Duration::from_mins(2),
        };
        assert_eq!(
            unreadable(&mail),
            "7: cannot be read (a row of spool is damaged); all other mail goes on; looked at again in 2 min"
        );
        let shown = unreadable_json(&mail);
        assert_eq!(
            (&shown["id"], &shown["due_seconds"]),
            (&json!(7), &json!(120))
        );
    }

    #[test]
    fn words_of_ours_are_not_the_hosts() {
        let check = |host: Option<&str>, reply: &str, expected| {
            let last = LastTry {
                at: None,
                host: host.map(str::to_owned),
                status: "4.4.2".to_owned(),
                reply: reply.to_owned(),
            };
            assert_eq!(said(&last), expected);
        };
        check(
            Some("mx.x"),
            "450 4.2.0 later",
            "mx.x says: 450 4.2.0 later",
        );
        check(
            Some("mx.x"),
            "the connection broke",
            "mx.x: the connection broke",
        );
        check(None, "no answer", "no answer");
    }

    #[test]
    fn texts_of_others_stay_on_their_line() {
        assert_eq!(plain("450 a\r\n450 \u{1b}[2Jb"), "450 a 450 [2Jb");
    }
}
