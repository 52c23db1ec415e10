//! Attachments that are in the store already: of a draft, or of a mail that is forwarded.

use crate::mail::compose::{Attachment, DRAFT_FIELD, Line, MediaType};
use crate::mail::ids::{AccountId, Serial};
use crate::mail::mime::filter::{HeaderFilter, Unwanted};
use crate::mail::mime::view::{Block, numbers, view, written};
use crate::mail::mime::{Content, Summary, param};
use crate::store::{self, Snapshot, Store};
use crate::web::mail::access::{self, Opened};
use crate::web::mail::body::Body;
use crate::web::mail::people;
use crate::web::problem::Problem;

/// Most attachments of one mail.
pub(super) const ATTACHMENTS_MAX: usize = 100;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// How forms name it.
    pub(super) key: String,
    /// About its size as a file, in bytes.
    pub(super) bytes: u64,
    pub(super) attachment: Attachment,
    serial: Serial,
    numbers: Vec<u32>,
}

impl Piece {
    pub(super) fn name(&self) -> &str {
        match &self.attachment {
            Attachment::File { name, .. } | Attachment::Message { name } => name.as_str(),
        }
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(self.attachment, Attachment::Message { .. })
    }

    /// Its bytes, in pieces.
    pub(super) fn read(
        &self,
        store: &Store,
        account: AccountId,
        mut take: impl FnMut(&[u8]) -> Result<(), super::Trouble>,
    ) -> Result<(), super::Trouble> {
        let opened = access::message(&store.snapshot()?, account, self.serial)?;
        let reader = store.blob(opened.record.blob)?;
        if self.numbers.is_empty() {
            return read_whole(Body::raw(reader, opened.record.prefix), take);
        }
        let part = opened.summary.part(&self.numbers);
        let mut body = Body::new(reader, part.ok_or(Problem::NotFound)?);
        while let Some(piece) = body.next_piece()? {
            take(&piece)?;
        }
        Ok(())
    }
}

/// Without what only its author may see.
fn read_whole(
    mut body: Body,
    mut take: impl FnMut(&[u8]) -> Result<(), super::Trouble>,
) -> Result<(), super::Trouble> {
    let unwanted = ["Bcc", DRAFT_FIELD, "Return-Path", "Delivered-To"];
    let mut filter = HeaderFilter::new(unwanted.map(Unwanted::Named).to_vec());
    let mut kept = Vec::new();
    while let Some(piece) = body.next_piece()? {
        filter.push(&piece, &mut kept);
        take(&kept)?;
        kept.clear();
    }
    filter.finish(&mut kept);
    take(&kept)
}

/// The piece that a form names, if it is this account's.
pub(super) fn find(snapshot: &Snapshot, account: AccountId, key: &str) -> Result<Piece, Problem> {
    let (serial, part) = match key.split_once('/') {
        Some((serial, part)) => (serial, Some(numbers(part).ok_or(Problem::NotFound)?)),
        None => (key, None),
    };
    let serial = serial.parse().map(Serial).map_err(|_| Problem::NotFound)?;
    let opened = access::message(snapshot, account, serial)?;
    match part {
        None => Ok(whole(&opened, serial)),
        Some(numbers) => part_of(&opened.summary, serial, numbers).ok_or(Problem::NotFound),
    }
}

/// A whole message.
fn whole(opened: &Opened, serial: Serial) -> Piece {
    Piece {
        key: serial.to_string(),
        bytes: opened.record.bytes,
        attachment: Attachment::Message {
            name: message_name(&opened.summary),
        },
        serial,
        numbers: Vec::new(),
    }
}

fn message_name(summary: &Summary) -> Line {
    let subject = summary.envelope.subject.as_deref().map(people::clean);
    let subject = subject.filter(|subject| !subject.is_empty());
    let short: String = subject
        .unwrap_or_else(|| "mail".to_owned())
        .chars()
        .take(60)
        .collect();
    Line::new(&format!("{short}.eml"))
}

fn part_of(summary: &Summary, serial: Serial, numbers: Vec<u32>) -> Option<Piece> {
    let part = summary.part(&numbers).filter(|_| !numbers.is_empty())?;
    let name = param::file_name(part).map(|name| Line::new(&name));
    let attachment = match &part.content {
        Content::Multipart(_) => return None,
        Content::Message(inner) => Attachment::Message {
            name: name.unwrap_or_else(|| message_name(inner)),
        },
        Content::Leaf => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Attachment::File {
                name: name.unwrap_or_else(|| Line::new("file")),
                kind: MediaType::new(&format!(
                    "{}/{}",
                    text(&part.media_type),
                    text(&part.subtype)
                )),
            }
        }
    };
    Some(Piece {
        key: format!("{serial}/{}", written(&numbers)),
        bytes: crate::web::mail::attachment::size(part),
        attachment,
        serial,
        numbers,
    })
}

/// Names of all that lies beside the text of a message.
pub(super) fn all_of(serial: Serial, summary: &Summary) -> Vec<String> {
    let view = view(summary);
    let leaves = view.files.iter().chain(&view.embedded);
    let leaves = leaves.map(|leaf| leaf.numbers.clone());
    let messages = view.blocks.iter().filter_map(|block| match block {
        Block::Message { numbers, .. } => Some(numbers.clone()),
        Block::Text { .. } => None,
    });
    let all = leaves.chain(messages).take(ATTACHMENTS_MAX);
    all.map(|numbers| format!("{serial}/{}", written(&numbers)))
        .collect()
}

/// Those of a form that are still there.
pub(super) fn still_there(
    snapshot: &Snapshot,
    account: AccountId,
    keep: &[String],
) -> store::Result<Vec<Piece>> {
    let mut found = Vec::new();
    for key in keep.iter().take(ATTACHMENTS_MAX) {
        match find(snapshot, account, key) {
            Ok(piece) => found.push(piece),
            Err(Problem::Store(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(found)
}
