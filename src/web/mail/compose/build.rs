//! A message on its way into the store, piece by piece, within the limit.

use super::attached::{self, Piece};
use super::plan::{self, Plan, Trouble};
use crate::clock::Now;
use crate::delivery::intake::{Intake, Received};
use crate::mail::compose::{Attachment, Boundary, Line, MediaType, Shape, Writer};
use crate::mail::ids::AccountId;
use crate::web::Sources;
use crate::web::mail::writing::Typed;
use crate::web::words::Lang;

/// A message that is all there, and what it means.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) plan: Plan,
    pub(super) received: Received,
}

/// One that is not.
#[derive(Debug)]
pub(super) struct Build {
    plan: Plan,
    intake: Intake,
    writer: Writer,
    out: Vec<u8>,
    bytes_max: u64,
    attachments: usize,
}

/// Whether files come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    Coming,
    None,
}

impl Build {
    /// Begins with header and text, and what stays of the attachments.
    pub(super) fn begin(
        sources: &Sources,
        account: AccountId,
        typed: &Typed,
        files: Files,
        (lang, now): (Lang, Now),
    ) -> Result<Self, Trouble> {
        let plan = plan::plan(sources, account, typed, lang, now)?;
        let snapshot = sources.store.snapshot()?;
        let keep = typed.keep.iter().take(attached::ATTACHMENTS_MAX);
        let keep = keep.map(|key| attached::find(&snapshot, account, key));
        let keep: Vec<Piece> = keep.collect::<Result<_, _>>()?;
        let boundary = Boundary::new(&plan.unique);
        let shape = if keep.iter().any(Piece::is_message) {
            Shape::Messages(boundary)
        } else if keep.is_empty() && files == Files::None {
            Shape::Text
        } else {
            Shape::Files(boundary)
        };
        let mut out = Vec::new();
        let writer = Writer::begin(&plan.head, &typed.text, shape, &mut out);
        let mut build = Self {
            plan,
            intake: Intake::begin(&sources.store, None)?,
            writer,
            out,
            bytes_max: sources.settings.limits.message_bytes_max,
            attachments: 0,
        };
        build.flush()?;
        for piece in &keep {
            build.attach(&piece.attachment)?;
            piece.read(&sources.store, account, |bytes| build.push(bytes))?;
        }
        Ok(build)
    }

    /// Begins a file that is uploaded. Some browsers give a path.
    pub(super) fn file(&mut self, name: &str, kind: &str) -> Result<(), Trouble> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name: String = name.chars().take(200).collect();
        self.attach(&Attachment::File {
            name: Line::new(&name),
            kind: MediaType::new(kind),
        })
    }

    fn attach(&mut self, attachment: &Attachment) -> Result<(), Trouble> {
        self.attachments += 1;
        if self.attachments > attached::ATTACHMENTS_MAX {
            return Err(Trouble::TooLarge);
        }
        self.writer.attach(attachment, &mut self.out);
        self.flush()
    }

    /// The next bytes of an attachment.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.writer.push(bytes, &mut self.out);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        let bytes = self.intake.bytes().saturating_add(self.out.len() as u64);
        if bytes > self.bytes_max {
            return Err(Trouble::TooLarge);
        }
        self.intake.write(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// No more files.
    pub(super) fn finish(mut self) -> Result<Built, Trouble> {
        let mut last = Vec::new();
        self.writer.finish(&mut last);
        self.intake.write(&last)?;
        Ok(Built {
            plan: self.plan,
            received: self.intake.finish()?,
        })
    }
}
