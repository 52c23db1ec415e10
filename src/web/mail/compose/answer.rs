//! What a form begins with: nothing, an answer, a forward, or a draft.

use super::Begin;
use super::attached;
use super::draft::Note;
use super::plan;
use crate::delivery::route::Router;
use crate::mail::address::Address;
use crate::mail::compose::recipients::{party, shown_in_field};
use crate::mail::compose::{MessageId, Party, Thread};
use crate::mail::flags::SystemFlags;
use crate::mail::flowed::{self, Format};
use crate::mail::ids::{AccountId, Serial};
use crate::mail::mime::view::{Block, Leaf, view};
use crate::mail::mime::{EnvelopeAddress, HEADER_BYTES_MAX, Part, header};
use crate::mail::quote;
use crate::store::types::Account;
use crate::store::{Snapshot, Store};
use crate::web::Sources;
use crate::web::mail::access::{self, Opened};
use crate::web::mail::body::{Body, text_of};
use crate::web::mail::people;
use crate::web::mail::writing::Typed;
use crate::web::problem::Problem;
use crate::web::words::Lang;

/// Bytes of a text that is taken over.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Starts of a subject that says already that the mail is an answer, or a forward.
const ANSWERED: [&str; 4] = ["re:", "aw:", "antw:", "sv:"];
const FORWARDED: [&str; 3] = ["fwd:", "fw:", "wg:"];

/// Whom an answer goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Author,
    All,
}

/// A form as its address asks for it. A message of somebody else is not there.
pub(super) fn begin(
    sources: &Sources,
    account: AccountId,
    begin: &Begin,
    lang: Lang,
) -> Result<Typed, Problem> {
    let snapshot = sources.store.snapshot()?;
    let account = snapshot.account(account)?.ok_or(Problem::NotFound)?;
    let router = plan::router(&sources.settings);
    let writer = Beginner {
        sources,
        snapshot: &snapshot,
        router: &router,
        account: &account,
        lang,
    };
    let open = |serial| access::message(&snapshot, account.id, Serial(serial));
    let mut typed = if let Some(serial) = begin.reply {
        writer.answer(&open(serial)?, To::Author)?
    } else if let Some(serial) = begin.replyall {
        writer.answer(&open(serial)?, To::All)?
    } else if let Some(serial) = begin.forward {
        writer.forward(&open(serial)?, &begin.way)?
    } else if let Some(serial) = begin.draft {
        writer.draft(&open(serial)?)?
    } else {
        Typed {
            to: begin.to.clone(),
            ..Typed::default()
        }
    };
    if typed.from.is_empty() {
        typed.from = account.address.to_string();
    }
    typed.key = super::new_key()?;
    Ok(typed)
}

struct Beginner<'a> {
    sources: &'a Sources,
    snapshot: &'a Snapshot,
    router: &'a Router,
    account: &'a Account,
    lang: Lang,
}

impl Beginner<'_> {
    fn is_own(&self, address: &Address) -> Result<bool, Problem> {
        let router = self.router;
        Ok(router.may_send_as(self.snapshot, self.account.id, address)?)
    }

    /// Those that are not this person.
    fn others(&self, parties: impl Iterator<Item = Party>) -> Result<Vec<Party>, Problem> {
        let mut others: Vec<Party> = Vec::new();
        for party in parties {
            let is_new = others.iter().all(|known| known.address != party.address);
            if is_new && !self.is_own(&party.address)? {
                others.push(party);
            }
        }
        Ok(others)
    }

    fn answer(&self, opened: &Opened, to: To) -> Result<Typed, Problem> {
        let envelope = &opened.summary.envelope;
        let mut author = self.others(parties(&envelope.reply_to))?;
        // What one wrote oneself is answered to those who got it.
        let is_own = author.is_empty() && !envelope.to.is_empty();
        if is_own {
            author = self.others(parties(&envelope.to))?;
        }
        if author.is_empty() {
            author = parties(&envelope.reply_to).collect();
        }
        let mut others = match to {
            To::Author => Vec::new(),
            To::All => self.others(parties(&envelope.to).chain(parties(&envelope.cc)))?,
        };
        others.retain(|one| author.iter().all(|known| known.address != one.address));
        let thread = thread(&self.sources.store, opened)?;
        let text = self.text(opened)?;
        Ok(Typed {
            from: self.addressed(opened)?,
            to: shown_in_field(&author),
            cc: shown_in_field(&others),
            subject: Self::subject(opened, "Re: ", &ANSWERED),
            text: format!("\n\n{}\n{}", self.attribution(opened), quote::quote(&text)),
            answers: format!("reply:{}", opened.row.serial),
            in_reply_to: joined(thread.in_reply_to.as_slice()),
            references: joined(&thread.references),
            ..Typed::default()
        })
    }

    fn forward(&self, opened: &Opened, way: &str) -> Result<Typed, Problem> {
        let serial = opened.row.serial;
        let thread = thread(&self.sources.store, opened)?;
        let mut typed = Typed {
            from: self.addressed(opened)?,
            subject: Self::subject(opened, "Fwd: ", &FORWARDED),
            answers: format!("forward:{serial}"),
            // RFC 5322 3.6.4 knows answers only; References keeps the conversation together.
            references: joined(&thread.references),
            ..Typed::default()
        };
        if way == "message" {
            typed.keep = vec![serial.to_string()];
        } else {
            typed.keep = attached::all_of(serial, &opened.summary);
            typed.text = format!(
                "\n\n{}\n\n{}",
                self.introduction(opened),
                self.text(opened)?
            );
        }
        Ok(typed)
    }

    /// Goes on with a draft, of any program. What is no draft is the pattern of a new mail.
    fn draft(&self, opened: &Opened) -> Result<Typed, Problem> {
        let envelope = &opened.summary.envelope;
        let note = Note::read(&opened.record.prefix);
        let field = |noted: &String, list: &[EnvelopeAddress]| {
            if noted.is_empty() {
                shown_in_field(&parties(list).collect::<Vec<_>>())
            } else {
                noted.clone()
            }
        };
        let serial = opened.row.serial;
        let is_draft = opened.row.flags.system.contains(SystemFlags::DRAFT);
        let from = parties(&envelope.from).next();
        let own = match &from {
            Some(from) if self.is_own(&from.address)? => from.address.to_string(),
            _ => self.account.address.to_string(),
        };
        let text = |value: &Option<Vec<u8>>| {
            String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned()
        };
        Ok(Typed {
            from: own,
            name: from
                .map(|from| from.name.as_str().to_owned())
                .unwrap_or_default(),
            to: field(&note.to, &envelope.to),
            cc: field(&note.cc, &envelope.cc),
            bcc: field(&note.bcc, &envelope.bcc),
            subject: envelope
                .subject
                .as_deref()
                .map(people::clean)
                .unwrap_or_default(),
            text: self.text(opened)?.trim_end().to_owned(),
            answers: note.answers,
            in_reply_to: text(&envelope.in_reply_to),
            references: field_of(&self.sources.store, opened, "References")?,
            draft: if is_draft {
                serial.to_string()
            } else {
                String::new()
            },
            keep: attached::all_of(serial, &opened.summary),
            ..Typed::default()
        })
    }

    /// The own address that a mail came to.
    fn addressed(&self, opened: &Opened) -> Result<String, Problem> {
        let envelope = &opened.summary.envelope;
        let named = [&envelope.to, &envelope.cc, &envelope.from];
        for one in named.into_iter().flat_map(|list| parties(list)) {
            if self.is_own(&one.address)? {
                return Ok(one.address.to_string());
            }
        }
        Ok(self.account.address.to_string())
    }

    fn subject(opened: &Opened, mark: &str, marks: &[&str]) -> String {
        let subject = opened.summary.envelope.subject.as_deref();
        let subject = subject.map(people::clean).unwrap_or_default();
        let lower = subject.to_lowercase();
        if marks.iter().any(|mark| lower.starts_with(mark)) {
            return subject;
        }
        format!("{mark}{subject}")
    }

    /// The texts of a message, one after another.
    fn text(&self, opened: &Opened) -> Result<String, Problem> {
        let mut all = String::new();
        for block in view(&opened.summary).blocks {
            let Block::Text { plain, html } = block else {
                continue;
            };
            if let Some(leaf) = plain {
                let text = read_leaf(&self.sources.store, opened, &leaf)?;
                all.push_str(&flowed::read(&text, format_of(leaf.part)));
            } else if let Some(leaf) = html {
                let text = read_leaf(&self.sources.store, opened, &leaf)?;
                all.push_str(&quote::from_html(&text));
            }
        }
        Ok(all)
    }

    fn moment(&self, opened: &Opened) -> String {
        let zone = &self.sources.settings.time_zone;
        self.lang.moment(opened.record.internal_date, zone)
    }

    fn attribution(&self, opened: &Opened) -> String {
        let from = opened.summary.envelope.from.first();
        let who = from.map(people::short).unwrap_or_default();
        let pattern = self
            .lang
            .t("Am {when} schrieb {who}:", "On {when}, {who} wrote:");
        pattern
            .replace("{when}", &self.moment(opened))
            .replace("{who}", &who)
    }

    fn introduction(&self, opened: &Opened) -> String {
        let envelope = &opened.summary.envelope;
        let lang = self.lang;
        let list =
            |list: &[EnvelopeAddress]| shown_in_field(&parties(list).take(50).collect::<Vec<_>>());
        let mut lines = vec![
            format!(
                "-------- {} --------",
                lang.t("Weitergeleitete Nachricht", "Forwarded message")
            ),
            format!(
                "{}: {}",
                lang.t("Betreff", "Subject"),
                people::subject(envelope, lang)
            ),
            format!("{}: {}", lang.t("Datum", "Date"), self.moment(opened)),
            format!("{}: {}", lang.t("Von", "From"), list(&envelope.from)),
            format!("{}: {}", lang.t("An", "To"), list(&envelope.to)),
        ];
        if !envelope.cc.is_empty() {
            lines.push(format!("{}: {}", lang.t("Kopie", "Cc"), list(&envelope.cc)));
        }
        lines.join("\n")
    }
}

fn parties(list: &[EnvelopeAddress]) -> impl Iterator<Item = Party> {
    list.iter().filter_map(party)
}

fn joined(ids: &[MessageId]) -> String {
    let ids: Vec<&str> = ids.iter().map(MessageId::as_str).collect();
    ids.join(" ")
}

fn thread(store: &Store, opened: &Opened) -> Result<Thread, Problem> {
    let envelope = &opened.summary.envelope;
    let bytes = |value: &Option<Vec<u8>>| value.clone().unwrap_or_default();
    let references = field_of(store, opened, "References")?;
    Ok(Thread::answering(
        &bytes(&envelope.message_id),
        references.as_bytes(),
        &bytes(&envelope.in_reply_to),
    ))
}

/// A field of the header that the summary does not have.
fn field_of(store: &Store, opened: &Opened, name: &str) -> Result<String, Problem> {
    let mut reader = store.blob(opened.record.blob)?;
    let end = usize::try_from(opened.summary.body.body_start).unwrap_or(HEADER_BYTES_MAX);
    let mut block = Vec::new();
    reader.read_at(0, end.min(HEADER_BYTES_MAX), &mut block)?;
    let value = header::find(&block, name).unwrap_or_default();
    Ok(String::from_utf8_lossy(&value).into_owned())
}

fn read_leaf(store: &Store, opened: &Opened, leaf: &Leaf<'_>) -> Result<String, Problem> {
    let mut body = Body::new(store.blob(opened.record.blob)?, leaf.part);
    let (bytes, _) = body.read_up_to(TEXT_BYTES_MAX)?;
    Ok(text_of(leaf.part, &bytes))
}

/// RFC 3676 4.1, 4.2
fn format_of(part: &Part) -> Format {
    let says = |name, value: &[u8]| {
        let is = part.param(name);
        is.is_some_and(|is| is.eq_ignore_ascii_case(value))
    };
    match (says("format", b"flowed"), says("delsp", b"yes")) {
        (false, _) => Format::Fixed,
        (true, false) => Format::Flowed,
        (true, true) => Format::FlowedTight,
    }
}
