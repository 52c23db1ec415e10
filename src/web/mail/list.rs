//! Mailboxes, and the list of messages in one: newest first, a page at a time.
//!
//! A page reads the rows of its messages and nothing else, however many there are.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::deeds::{Bar, Of};
use super::shell::Shell;
use super::{access, deeds, folders, people, shell};
use crate::clock::Wall;
use crate::mail::flags::{SpecialUse, SystemFlags};
use crate::mail::ids::{AccountId, MailboxId, Serial, Uid};
use crate::mail::mime::Summary;
use crate::mail::mime::view::has_files;
use crate::store::Snapshot;
use crate::store::types::{Mailbox, MessageRow};
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// Messages of a page.
pub(super) const PAGE_MESSAGES: usize = 50;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/mail", get(inbox))
        .route("/mail/box/{mailbox}", get(list))
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Place {
    /// UID that the page's messages are below.
    before: Option<u32>,
    /// UID that the page's messages are above.
    after: Option<u32>,
}

/// A message as lists show it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) serial: Serial,
    pub(super) row: MessageRow,
    pub(super) who: String,
    pub(super) subject: String,
    pub(super) date: Wall,
    pub(super) bytes: u64,
    pub(super) has_files: bool,
    /// Name of its mailbox, where lists have several.
    pub(super) lies_in: Option<String>,
}

/// A page of a mailbox.
struct Listing {
    mailbox: Mailbox,
    lines: Vec<Line>,
    has_newer: bool,
    has_older: bool,
}

async fn inbox(State(web): State<Web>, person: Person) -> Result<Response, Problem> {
    let account = person.account.id;
    let found = web.run(move |sources, _| {
        let all = sources.store.snapshot()?.mailboxes(account)?;
        let inbox = all.into_iter().find(|mailbox| mailbox.name.is_inbox());
        Ok(inbox.ok_or(Problem::NotFound)?.id)
    });
    show(&web, &person, found.await?, Place::default()).await
}

async fn list(
    State(web): State<Web>,
    person: Person,
    Path(mailbox): Path<u32>,
    Query(place): Query<Place>,
) -> Result<Response, Problem> {
    show(&web, &person, MailboxId(mailbox), place).await
}

async fn show(
    web: &Web,
    person: &Person,
    id: MailboxId,
    place: Place,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let work = web.run(move |sources, _| {
        let snapshot = sources.store.snapshot()?;
        let listing = read(&snapshot, account, id, place, lang)?;
        Ok((listing, shell::folders(&snapshot, account, lang)?))
    });
    let (listing, all) = work.await?;
    let shell = Shell::new(web, person, all, Some(id));
    let title = folders::label(&listing.mailbox, lang);
    let zone = &web.sources.settings.time_zone;
    let now = web.now().stamp();
    Ok(shell.page(&title, &render(&shell, &listing, now, zone)))
}

fn read(
    snapshot: &Snapshot,
    account: AccountId,
    id: MailboxId,
    place: Place,
    lang: Lang,
) -> Result<Listing, Problem> {
    let mailbox = access::mailbox(snapshot, account, id)?;
    let (rows, has_newer, has_older) = page_rows(snapshot, id, place)?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        // Gone meanwhile is impossible within a snapshot; a damaged record must not hide the others.
        if let Some(line) = line(snapshot, row, &mailbox, lang)? {
            lines.push(line);
        }
    }
    Ok(Listing {
        mailbox,
        lines,
        has_newer,
        has_older,
    })
}

/// The rows of a page, newest first, and whether there are newer and older ones.
fn page_rows(
    snapshot: &Snapshot,
    id: MailboxId,
    place: Place,
) -> Result<(Vec<MessageRow>, bool, bool), Problem> {
    if let Some(after) = place.after.and_then(Uid::new) {
        let mut rows = snapshot.rows_after(id, after, PAGE_MESSAGES + 1)?;
        let has_newer = rows.len() > PAGE_MESSAGES;
        rows.truncate(PAGE_MESSAGES);
        // Fewer than a page: the newest page then, so that it is full.
        if has_newer {
            rows.reverse();
            return Ok((rows, true, true));
        }
    }
    let before = place
        .before
        .and_then(Uid::new)
        .filter(|_| place.after.is_none());
    let mut rows = snapshot.rows_before(id, before.unwrap_or(Uid::MAX), PAGE_MESSAGES + 1)?;
    let has_older = rows.len() > PAGE_MESSAGES;
    rows.truncate(PAGE_MESSAGES);
    let has_newer = match (before, rows.first()) {
        (Some(_), Some(first)) => !snapshot.rows_after(id, first.uid, 1)?.is_empty(),
        _ => false,
    };
    Ok((rows, has_newer, has_older))
}

/// A message for a list; `None` if it is gone.
pub(super) fn line(
    snapshot: &Snapshot,
    row: MessageRow,
    mailbox: &Mailbox,
    lang: Lang,
) -> Result<Option<Line>, Problem> {
    let Some(record) = snapshot.record(row.serial)? else {
        return Ok(None);
    };
    let summary = access::summary(&record).unwrap_or_default();
    Ok(Some(Line {
        serial: row.serial,
        row,
        who: who(&summary, mailbox, lang),
        subject: people::subject(&summary.envelope, lang),
        date: record.internal_date,
        bytes: record.bytes,
        has_files: has_files(&summary),
        lies_in: None,
    }))
}

/// Whom it is from; of what one wrote oneself, whom it is to.
fn who(summary: &Summary, mailbox: &Mailbox, lang: Lang) -> String {
    let envelope = &summary.envelope;
    let is_own = matches!(
        mailbox.special_use,
        Some(SpecialUse::Sent | SpecialUse::Drafts)
    );
    let names = if is_own {
        people::several(&envelope.to, 2)
    } else {
        people::several(&envelope.from, 1)
    };
    match (is_own, names.is_empty()) {
        (_, false) => names,
        (true, true) => lang.t("(noch an niemanden)", "(to nobody yet)").to_owned(),
        (false, true) => lang.t("(unbekannt)", "(unknown)").to_owned(),
    }
}

fn render(shell: &Shell, listing: &Listing, now: Wall, zone: &TimeZone) -> Markup {
    let frame = &shell.frame;
    let mailboxes = shell.mailboxes();
    let bar = Bar {
        mailbox: &listing.mailbox,
        mailboxes: &mailboxes,
        of: Of::Picked,
        here: shell.path(),
        away: shell.path(),
    };
    html! {
        form.mails method="post" action=(deeds::ACTION) {
            // With the first message the bar comes too; once there it stays as it is, since somebody may be using it.
            @if listing.lines.is_empty() { div #bar data-live="" {} }
            @else { div #bar { (deeds::bar(frame, &bar)) } }
            (render_lines(shell, &listing.lines, now, zone))
        }
        (pager(shell, listing))
    }
}

/// The lines, with a box to pick each.
pub(super) fn render_lines(shell: &Shell, lines: &[Line], now: Wall, zone: &TimeZone) -> Markup {
    let frame = &shell.frame;
    html! {
        div #mails data-live="" {
            @if lines.is_empty() {
                p.empty { (frame.t("Hier liegt keine E-Mail.", "There is no mail here.")) }
            } @else {
                ul.mail-lines {
                    @for line in lines { (render_line(shell.lang(), line, now, zone)) }
                }
            }
        }
    }
}

fn render_line(lang: Lang, line: &Line, now: Wall, zone: &TimeZone) -> Markup {
    let flags = line.row.flags.system;
    let unread = !flags.contains(SystemFlags::SEEN);
    let pick = format!("{}: {}", lang.t("Auswählen", "Pick"), line.subject);
    html! {
        li.unread[unread] {
            label.pick { input type="checkbox" name="pick" value=(line.serial) aria-label=(pick); }
            a href={ "/mail/message/" (line.serial) } {
                span.who {
                    @if unread { span.visually-hidden { (lang.t("Ungelesen: ", "Unread: ")) } }
                    (line.who)
                }
                span.what { (line.subject) (marks(lang, line)) }
                span.when { (lang.brief(line.date, now, zone)) }
                span.size { (lang.amount(line.bytes)) }
            }
        }
    }
}

fn marks(lang: Lang, line: &Line) -> Markup {
    let flags = line.row.flags.system;
    let shown = [
        (
            flags.contains(SystemFlags::FLAGGED),
            "★",
            lang.t("markiert", "flagged"),
            "sign star",
        ),
        (
            flags.contains(SystemFlags::ANSWERED),
            "↩",
            lang.t("beantwortet", "answered"),
            "sign",
        ),
        (
            flags.contains(SystemFlags::DRAFT),
            "✎",
            lang.t("Entwurf", "draft"),
            "sign",
        ),
    ];
    html! {
        @for (is_set, sign, word, class) in shown {
            @if is_set { " " span class=(class) role="img" aria-label=(word) title=(word) { (sign) } }
        }
        @if line.has_files { " " (clip(lang.t("mit Anhang", "with attachment"))) }
        @if let Some(lies_in) = &line.lies_in { " " span.badge { (lies_in) } }
    }
}

/// A paper clip, drawn, since few fonts have one.
fn clip(word: &str) -> Markup {
    let path = "M11 4.5 5.8 9.7a1.5 1.5 0 0 0 2.1 2.1l5-5a3 3 0 0 0-4.2-4.2l-5 5a4.5 4.5 0 0 0 6.4 6.4L14.3 9.8";
    html! {
        svg.sign.clip viewBox="0 0 16 16" role="img" aria-label=(word) {
            title { (word) }
            path d=(path) {}
        }
    }
}

fn pager(shell: &Shell, listing: &Listing) -> Markup {
    let frame = &shell.frame;
    let path = format!("/mail/box/{}", listing.mailbox.id);
    let total = shell.lang().number(listing.mailbox.messages.into());
    html! {
        nav #pager .spread data-live="" aria-label=(frame.t("Seiten", "Pages")) {
            span.soft {
                (total) " "
                @if listing.mailbox.messages == 1 { (frame.t("E-Mail", "message")) }
                @else { (frame.t("E-Mails", "messages")) }
            }
            span.row {
                @if let (true, Some(first)) = (listing.has_newer, listing.lines.first()) {
                    a.button.second rel="prev" href={ (path) "?after=" (first.row.uid) } { (frame.t("Neuere", "Newer")) }
                    a.button.quiet href=(path) { (frame.t("Neueste", "Newest")) }
                }
                @if let (true, Some(last)) = (listing.has_older, listing.lines.last()) {
                    a.button.second rel="next" href={ (path) "?before=" (last.row.uid) } { (frame.t("Ältere", "Older")) }
                }
            }
        }
    }
}
