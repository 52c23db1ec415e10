//! `status`: how the box and its store are, at one glance.
//!
//! The storage part is the state that every outlet shows (`space`), with the same words.

use serde_json::{Value, json};

use super::certificate::Shown;
use super::operation::Format;
use super::output::{bytes_in_words, table};
use super::queue::{A_TIME_SERVER, said, span};
use super::{Context, Output, Result};
use crate::clock::{Now, Standing as ClockStanding};
use crate::mail::address::ReversePath;
use crate::queue::desk::{Diagnosis, Figures};
use crate::space::words::{self, Whose};
use crate::space::{self, House, State};
use crate::stick::{Standing, words as stick_words};
use crate::store::Health;
use crate::store::space::Space;
use crate::store::spool::{SpoolMail, SpoolStage};
use crate::store::types::{Account, Language, Level, Usage, Waiting};

/// What is shown.
struct Facts {
    hostname: String,
    data: String,
    certificate: Shown,
    mail: Usage,
    space: Space,
    health: Health,
    house: House,
    /// Whose mail waits outside, for each account of the house.
    waiting: Vec<Vec<Waiting>>,
    queue: Figures,
    /// What the oldest mail in the queue waits for, in the words of its last attempt.
    queue_trouble: Option<String>,
    /// The stick for backups, if one is named.
    stick: Option<Standing>,
    now: Now,
    clock: ClockStanding,
}

pub(super) fn status(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let facts = Facts::gather(context)?;
    match format {
        Format::Json => Ok(output.line(&facts.json().to_string())?),
        Format::Table => facts.tell(output),
    }
}

impl Facts {
    fn gather(context: &Context) -> Result<Self> {
        let store = &context.store;
        let space = store.space()?;
        let house = space::house(store, context.clock.now())?;
        let (mut mail, mut waiting) = (Usage::default(), Vec::new());
        let snapshot = store.snapshot()?;
        for (account, _) in &house.accounts {
            let usage = snapshot.usage(account.id)?;
            mail.bytes += usage.bytes;
            mail.messages += usage.messages;
            waiting.push(store.waiting(account.id)?);
        }
        let stick = Standing::load(&snapshot, &context.settings.backup)?;
        let desk = context.desk()?;
        let queue = desk.figures(context.clock.now());
        let oldest = queue.oldest.and_then(|(_, id)| desk.mail(id).ok());
        Ok(Self {
            queue,
            queue_trouble: oldest.as_ref().and_then(|mail| waits_for(mail, context)),
            hostname: context.settings.hostname.as_str().to_owned(),
            data: context.settings.data.display().to_string(),
            certificate: Shown::gather(&context.settings, context.clock.now()),
            mail,
            space,
            health: store.health(),
            house,
            waiting,
            stick,
            now: context.clock.now(),
            clock: context.clock.standing(),
        })
    }

    fn takes_mail(&self) -> bool {
        self.house.card.fill.level < Level::Full
    }

    fn accounts(&self) -> impl Iterator<Item = (&Account, &State, &[Waiting])> {
        let accounts = self.house.accounts.iter().zip(&self.waiting);
        accounts.map(|((account, state), waiting)| (account, state, waiting.as_slice()))
    }

    fn json(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "hostname": self.hostname,
            "data": self.data,
            "certificate": self.certificate.json(),
            "accounts": self.house.accounts.len(),
            "messages": self.mail.messages,
            "mail_bytes": self.mail.bytes,
            "store_bytes": self.space.used,
            "free_bytes": self.space.free,
            "reserve_bytes": self.space.reserve,
            "takes_mail": self.takes_mail(),
            "clock": clock_name(self.clock),
            "faults": self.health.faults,
            "last_fault": self.health.last_fault,
            "storage": self.storage_json(),
            "queue": self.queue_json(),
            "backup": self.stick.as_ref().map(|stick| stick_json(stick, self.now)),
        })
    }

    fn storage_json(&self) -> Value {
        let accounts = self.accounts().map(|(account, state, waiting)| {
            let mut row = state_json(state);
            if let Value::Object(fields) = &mut row {
                let waiting = waiting.iter().map(waiting_json).collect();
                fields.insert("address".to_owned(), json!(account.address.to_string()));
                fields.insert("waiting".to_owned(), waiting);
            }
            row
        });
        json!({
            "level": self.house.level().name(),
            "card": state_json(&self.house.card),
            "accounts": accounts.collect::<Vec<_>>(),
        })
    }

    fn queue_json(&self) -> Value {
        let queue = &self.queue;
        json!({
            "waiting": queue.waiting,
            "held": queue.held,
            "recipients": queue.recipients,
            "oldest_seconds": queue.oldest.map(|(age, _)| age.as_secs()),
            "oldest_waits_for": self.queue_trouble,
            "trouble": queue.diagnosis.as_ref().map(Diagnosis::in_words),
        })
    }

    /// How many wait to be sent, and for how long.
    fn queue_in_words(&self) -> String {
        let Figures { waiting, held, .. } = self.queue;
        let oldest = self.queue.oldest.map(|(age, _)| span(age));
        let oldest = oldest.map_or_else(String::new, |age| format!(", the oldest for {age}"));
        match (waiting, held) {
            (0, 0) => "nothing waits to be sent".to_owned(),
            (waiting, 0) => format!("{waiting} wait to be sent{oldest}"),
            (waiting, held) => format!("{waiting} wait to be sent{oldest}; {held} held"),
        }
    }

    fn tell_queue(&self, output: &mut dyn Output) -> Result<()> {
        let trouble = self.queue.diagnosis.as_ref().map(Diagnosis::in_words);
        if let Some(trouble) = trouble {
            output.line("")?;
            output.line(&format!("sending: {trouble}"))?;
        }
        if let Some(words) = &self.queue_trouble {
            output.line(&format!("  the oldest mail in the queue: {words}"))?;
        }
        Ok(())
    }

    fn tell(&self, output: &mut dyn Output) -> Result<()> {
        table(output, &self.rows())?;
        output.line("")?;
        table(output, &self.storage_rows())?;
        for (account, state, waiting) in self.accounts() {
            tell_trouble(state, Whose::Of(&account.address), output)?;
            tell_waiting(waiting, output)?;
        }
        tell_trouble(&self.house.card, Whose::Yours, output)?;
        self.tell_queue(output)?;
        self.tell_stick(output)
    }

    fn tell_stick(&self, output: &mut dyn Output) -> Result<()> {
        let Some(stick) = &self.stick else {
            return Ok(());
        };
        let failure = stick.failure();
        if failure.is_some() || stick.is_overdue(self.now) {
            output.line("")?;
            let age = stick_words::age(stick, self.now, Language::En);
            output.line(&format!("backup: {age}"))?;
        }
        if let Some(failure) = failure {
            let name = &stick.record.name;
            let problem = stick_words::problem(failure, name, Language::En);
            output.line(&format!("  the last attempt: {problem}"))?;
        }
        Ok(())
    }

    fn stick_in_words(&self) -> String {
        self.stick.as_ref().map_or_else(
            || "to no USB stick".to_owned(),
            |stick| match stick.age(self.now) {
                Some(age) => format!("to {}, {} ago", stick.record.name, span(age)),
                None => format!("to {}, none known", stick.record.name),
            },
        )
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let faults = match &self.health.last_fault {
            Some(text) => format!("{} (last: {text})", self.health.faults),
            None => "none".to_owned(),
        };
        let takes_mail = if self.takes_mail() {
            "yes"
        } else {
            "no, the card is full"
        };
        let (messages, bytes) = (self.mail.messages, bytes_in_words(self.mail.bytes));
        let rows = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("hostname", self.hostname.clone()),
            ("data", self.data.clone()),
            ("certificate", self.certificate.in_words()),
            ("accounts", self.house.accounts.len().to_string()),
            ("mails", format!("{messages} ({bytes})")),
            ("store", bytes_in_words(self.space.used)),
            ("free", bytes_in_words(self.space.free)),
            ("queue", self.queue_in_words()),
            ("backup", self.stick_in_words()),
            ("takes mail", takes_mail.to_owned()),
            ("clock", clock_in_words(self.clock).to_owned()),
            ("store faults", faults),
        ];
        let rows = rows.into_iter();
        rows.map(|(name, value)| vec![name.to_owned(), value])
            .collect()
    }

    fn storage_rows(&self) -> Vec<Vec<String>> {
        let head = ["STORAGE", "LEVEL", "USED", "OF", "", "FULL IN"];
        let mut rows = vec![
            head.map(str::to_owned).to_vec(),
            state_row("card".to_owned(), &self.house.card),
        ];
        rows.extend(
            self.accounts()
                .map(|(account, state, _)| state_row(account.address.to_string(), state)),
        );
        rows
    }
}

fn clock_name(clock: ClockStanding) -> &'static str {
    match clock {
        ClockStanding::Unset => "unset",
        ClockStanding::Unconfirmed => "unconfirmed",
        ClockStanding::Right => "right",
    }
}

fn clock_in_words(clock: ClockStanding) -> &'static str {
    match clock {
        ClockStanding::Unset => "not set",
        ClockStanding::Unconfirmed => "no time server has set it since power-on",
        ClockStanding::Right => "set",
    }
}

/// Why a mail that still waits does so.
fn waits_for(mail: &SpoolMail, context: &Context) -> Option<String> {
    if context.clock.is_settled() {
        last_words(mail)
    } else {
        Some(format!("waits for {A_TIME_SERVER}"))
    }
}

/// What the last attempt heard of a recipient who still waits.
fn last_words(mail: &SpoolMail) -> Option<String> {
    let mut waiting = mail
        .states
        .iter()
        .filter(|state| matches!(state.stage, SpoolStage::Waiting(_)));
    waiting.find_map(|state| Some(said(state.last.as_ref()?)))
}

fn state_json(state: &State) -> Value {
    json!({
        "level": state.fill.level.name(),
        "used": state.fill.used,
        "limit": state.fill.limit,
        "percent": state.fill.percent(),
        "bytes_to_free": state.fill.bytes_to_free(),
        "days_left": state.days_left,
    })
}

fn stick_json(stick: &Standing, now: Now) -> Value {
    let good = stick.record.good.as_ref();
    let last = stick.record.last.as_ref();
    json!({
        "stick": stick.record.name,
        "last_good": good.and_then(|good| good.at),
        "bytes": good.map(|good| good.bytes),
        "age_seconds": stick.age(now).map(|age| age.as_secs()),
        "limit_seconds": stick.limit.as_secs(),
        "trouble": stick.is_overdue(now),
        "last_attempt": last.and_then(|last| last.at),
        "failure": stick.failure().map(|failure| failure.reason.name()),
    })
}

fn waiting_json(waiting: &Waiting) -> Value {
    json!({
        "from": sender(&waiting.from),
        "first": waiting.first.0,
        "last": waiting.last.0,
        "bytes": waiting.bytes,
        "tries": waiting.tries,
    })
}

/// The null sender is empty, as in SMTP.
fn sender(from: &ReversePath) -> String {
    from.as_ref().map_or_else(String::new, ToString::to_string)
}

fn state_row(name: String, state: &State) -> Vec<String> {
    let limit = state.fill.limit;
    let percent = state.fill.percent();
    let days = state.days_left.filter(|_| state.fill.level < Level::Full);
    vec![
        name,
        state.fill.level.name().to_owned(),
        bytes_in_words(state.fill.used),
        limit.map_or_else(|| "no limit".to_owned(), bytes_in_words),
        percent.map_or_else(String::new, |percent| format!("{percent} %")),
        days.map_or_else(String::new, |days| format!("about {days} days")),
    ]
}

fn tell_trouble(state: &State, whose: Whose<'_>, output: &mut dyn Output) -> Result<()> {
    let Some(advice) = words::advice(state, whose, Language::En) else {
        return Ok(());
    };
    output.line("")?;
    output.line(&words::reason(state, whose, Language::En))?;
    if let Some(meaning) = words::meaning(state.fill.level, Language::En) {
        output.line(meaning)?;
    }
    Ok(output.line(&advice)?)
}

fn tell_waiting(waiting: &[Waiting], output: &mut dyn Output) -> Result<()> {
    for one in waiting {
        let bytes = one
            .bytes
            .map_or_else(String::new, |bytes| format!(", {}", bytes_in_words(bytes)));
        let tries = one.tries;
        let from = sender(&one.from);
        output.line(&format!("  waits outside: <{from}>{bytes}, tries: {tries}"))?;
    }
    Ok(())
}
