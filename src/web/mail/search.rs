//! Searching: the newest first, in one mailbox or in all. A page takes a limited time and amount of reading; what was not
//! looked at by then is gone on with by a link.

use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::deeds::{self, Bar, Of};
use super::list::{self, Line, PAGE_MESSAGES};
use super::shell::{self, Shell};
use super::{access, folders, query};
use crate::clock::Clock;
use crate::mail::ids::{MailboxId, Serial, Uid};
use crate::search::plan::{Facts, Plan};
use crate::search::reading::Reading;
use crate::store::types::{Mailbox, MessageRow};
use crate::store::{self, Snapshot, Store};
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// Rows of one mailbox taken at a time.
const WINDOW_ROWS: usize = 200;

/// What one page may cost.
const COST_MAX: Cost = Cost {
    rows: 50_000,
    records: 20_000,
    pieces: 2_000,
    time: Duration::from_millis(1500),
};

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/mail/search", get(search))
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    /// Mailbox; nothing for all.
    #[serde(default, rename = "in")]
    mailbox: String,
    /// Serial that the messages are below.
    #[serde(default)]
    before: Option<u64>,
}

/// A limit on what looking costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    rows: usize,
    records: usize,
    pieces: usize,
    time: Duration,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    lines: Vec<Line>,
    /// Where to go on: the serial that was looked at last.
    rest: Option<Rest>,
}

/// Why there is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// The page is full.
    Matches(Serial),
    /// It took long enough.
    Unseen(Serial),
}

async fn search(
    State(web): State<Web>,
    person: Person,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let place = match asked.mailbox.as_str() {
        "" | "all" => None,
        id => Some(MailboxId(id.parse().map_err(|_| Problem::NotFound)?)),
    };
    let (typed, before) = (asked.q.clone(), asked.before.map(Serial));
    let work = web.run(move |sources, _| {
        let snapshot = sources.store.snapshot()?;
        let scope = match place {
            Some(id) => vec![access::mailbox(&snapshot, account, id)?],
            None => snapshot.mailboxes(account)?,
        };
        let found = match query::plan(&typed) {
            Some(plan) => look(
                (&sources.store, &sources.clock),
                &snapshot,
                (&plan, before),
                scope,
                (lang, COST_MAX),
            )?,
            None => Found::default(),
        };
        Ok((found, shell::folders(&snapshot, account, lang)?))
    });
    let (found, all) = work.await?;
    let shell = Shell::new(&web, &person, all, place).looking_for(&asked.q);
    let zone = &web.sources.settings.time_zone;
    let lines = list::render_lines(&shell, &found.lines, web.now().stamp(), zone);
    let body = render(&shell, &asked, place, &found, &lines);
    Ok(shell.page(lang.t("Suche", "Search"), &body))
}

/// A mailbox on the way from its newest message to its oldest.
struct Walk {
    mailbox: Mailbox,
    next: Uid,
    rows: VecDeque<MessageRow>,
}

impl Walk {
    fn new(snapshot: &Snapshot, mailbox: Mailbox, before: Option<Serial>) -> store::Result<Self> {
        let next = match before {
            Some(before) => first_from(snapshot, &mailbox, before)?,
            None => Uid::MAX,
        };
        Ok(Self {
            mailbox,
            next,
            rows: VecDeque::new(),
        })
    }

    fn peek(&mut self, snapshot: &Snapshot) -> store::Result<Option<MessageRow>> {
        if self.rows.is_empty() {
            let rows = snapshot.rows_before(self.mailbox.id, self.next, WINDOW_ROWS)?;
            if let Some(last) = rows.last() {
                self.next = last.uid;
            }
            self.rows = rows.into();
        }
        Ok(self.rows.front().copied())
    }
}

/// The lowest UID from which on all messages have that serial or a higher one: both rise together.
fn first_from(snapshot: &Snapshot, mailbox: &Mailbox, serial: Serial) -> store::Result<Uid> {
    let (mut low, mut high) = (1, mailbox.uid_next.get());
    while low < high {
        let middle = low + (high - low) / 2;
        match first_at(snapshot, mailbox.id, middle)? {
            Some(row) if row.serial < serial => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(Uid::new(low).unwrap_or(Uid::MIN))
}

/// The first message with that UID or a higher one.
fn first_at(
    snapshot: &Snapshot,
    mailbox: MailboxId,
    uid: u32,
) -> store::Result<Option<MessageRow>> {
    let Some(before) = Uid::new(uid.saturating_sub(1)) else {
        let first = snapshot.rows(mailbox, Uid::MIN, Uid::MIN)?;
        return match first.first() {
            Some(row) => Ok(Some(*row)),
            None => Ok(snapshot.rows_after(mailbox, Uid::MIN, 1)?.first().copied()),
        };
    };
    let rows = snapshot.rows_after(mailbox, before, 1)?;
    Ok(rows.first().copied())
}

/// Looks through mailboxes together, by when messages came into them.
fn look(
    (store, clock): (&Store, &Clock),
    snapshot: &Snapshot,
    (plan, before): (&Plan, Option<Serial>),
    scope: Vec<Mailbox>,
    (lang, mut left): (Lang, Cost),
) -> Result<Found, Problem> {
    let began = clock.now().mono;
    let names_mailboxes = scope.len() > 1;
    let mut walks = Vec::new();
    let mut heads = BinaryHeap::new();
    for mailbox in scope {
        let mut walk = Walk::new(snapshot, mailbox, before)?;
        if let Some(row) = walk.peek(snapshot)? {
            heads.push((row.serial, walks.len()));
            walks.push(walk);
        }
    }
    let mut found = Found::default();
    let mut last = None;
    while let Some((serial, at)) = heads.pop() {
        if found.lines.len() >= PAGE_MESSAGES {
            found.rest = last.map(Rest::Matches);
            break;
        }
        if left.rows == 0
            || left.records == 0
            || left.pieces == 0
            || clock.now().mono.since(began) > left.time
        {
            found.rest = last.map(Rest::Unseen);
            break;
        }
        let Some(walk) = walks.get_mut(at) else {
            break;
        };
        let row = walk.rows.pop_front();
        if let Some(next) = walk.peek(snapshot)? {
            heads.push((next.serial, at));
        }
        last = Some(serial);
        if let Some(row) = row
            && matches(store, snapshot, plan, row, &mut left)?
            && let Some(mut line) = list::line(snapshot, row, &walk.mailbox, lang)?
        {
            line.lies_in = names_mailboxes.then(|| folders::label(&walk.mailbox, lang));
            found.lines.push(line);
        }
    }
    Ok(found)
}

fn matches(
    store: &Store,
    snapshot: &Snapshot,
    plan: &Plan,
    row: MessageRow,
    left: &mut Cost,
) -> Result<bool, Problem> {
    left.rows -= 1;
    let facts = Facts::of_row(0, &row);
    if let Some(decided) = plan.test(&facts) {
        return Ok(decided);
    }
    left.records = left.records.saturating_sub(1);
    let Some(record) = snapshot.record(row.serial)? else {
        return Ok(false);
    };
    let Ok(summary) = access::summary(&record) else {
        return Ok(false);
    };
    if let Some(decided) = plan.test(&facts.with_record(&record, &summary)) {
        return Ok(decided);
    }
    let content = store.message(&record)?;
    let mut reading = Reading::begin((0, row), (record, summary), content, plan)?;
    loop {
        left.pieces = left.pieces.saturating_sub(1);
        // A mail that cannot be read must not hide the others.
        match reading.step(plan) {
            Ok(Some(decided)) => return Ok(decided),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "a message cannot be searched");
                return Ok(false);
            }
        }
    }
}

fn render(
    shell: &Shell,
    asked: &Asked,
    place: Option<MailboxId>,
    found: &Found,
    lines: &Markup,
) -> Markup {
    let frame = &shell.frame;
    let current = shell
        .folders
        .iter()
        .find(|folder| Some(folder.mailbox.id) == place);
    let has_query = query::plan(&asked.q).is_some();
    html! {
        (scope(shell, asked, current.map(|folder| folder.label.as_str())))
        @if !has_query {
            p.lead { (frame.t("Wonach suchen Sie?", "What are you looking for?")) }
        } @else if found.lines.is_empty() {
            p.empty {
                @if found.rest.is_some() { (frame.t("In den neueren E-Mails war nichts zu finden.", "Nothing was found in the newer mail.")) }
                @else { (frame.t("Nichts gefunden.", "Nothing found.")) }
            }
        } @else { (results(shell, current.map(|folder| &folder.mailbox), lines)) }
        (go_on(shell, asked, found.rest))
        (help(shell))
    }
}

/// Where is looked, and the way to look elsewhere.
fn scope(shell: &Shell, asked: &Asked, current: Option<&str>) -> Markup {
    let frame = &shell.frame;
    let query = utf8_percent_encode(&asked.q, NON_ALPHANUMERIC);
    html! {
        @if let Some(label) = current {
            p {
                (frame.t("Gesucht in", "Looked in")) " " strong { (label) } ". "
                a href={ "/mail/search?q=" (query) } { (frame.t("In allen Ordnern suchen", "Search all mailboxes")) }
            }
        } @else { p.soft { (frame.t("Gesucht in allen Ordnern.", "Looked in all mailboxes.")) } }
    }
}

/// What was found, with what can be done with it where it all lies in one mailbox.
fn results(shell: &Shell, mailbox: Option<&Mailbox>, lines: &Markup) -> Markup {
    let mailboxes = shell.mailboxes();
    let inbox = mailboxes.iter().find(|mailbox| mailbox.name.is_inbox());
    let bar = mailbox.or(inbox).map(|mailbox| Bar {
        mailbox,
        mailboxes: &mailboxes,
        of: Of::Picked,
        here: shell.path(),
        away: shell.path(),
    });
    html! {
        form.mails method="post" action=(deeds::ACTION) {
            @if let Some(bar) = &bar { (deeds::bar(&shell.frame, bar)) }
            (lines)
        }
    }
}

fn go_on(shell: &Shell, asked: &Asked, rest: Option<Rest>) -> Markup {
    let frame = &shell.frame;
    let (serial, text, label) = match rest {
        None => return html! {},
        Some(Rest::Matches(serial)) => (serial, "", frame.t("Ältere Treffer", "Older matches")),
        Some(Rest::Unseen(serial)) => (
            serial,
            frame.t(
                "Ältere E-Mails sind noch nicht durchsucht.",
                "Older mail has not been searched yet.",
            ),
            frame.t("Weitersuchen", "Go on"),
        ),
    };
    let query = utf8_percent_encode(&asked.q, NON_ALPHANUMERIC);
    let place = utf8_percent_encode(&asked.mailbox, NON_ALPHANUMERIC);
    let href = format!("/mail/search?q={query}&in={place}&before={serial}");
    html! {
        div.spread {
            span.soft { (text) }
            a.button.second rel="next" href=(href) { (label) }
        }
    }
}

fn help(shell: &Shell) -> Markup {
    let frame = &shell.frame;
    let examples = [
        ("from:anna", frame.t("von Anna", "from Anna")),
        ("to:bob", frame.t("an Bob", "to Bob")),
        ("subject:\"a b\"", frame.t("im Betreff", "in the subject")),
        (
            "after:2026-11-01 before:2026-12-01",
            frame.t("aus dieser Zeit", "of that time"),
        ),
        ("has:attachment", frame.t("mit Anhang", "with attachment")),
        ("is:unread", frame.t("ungelesen", "unread")),
        ("-word", frame.t("ohne dieses Wort", "without that word")),
    ];
    html! {
        details {
            summary { (frame.t("Genauer suchen", "More precise searching")) }
            dl.facts {
                @for (example, meaning) in examples {
                    dt { code { (example) } }
                    dd { (meaning) }
                }
            }
        }
    }
}
