//! A spooled message as a host gets it: converted where the host needs it, then signed, in pieces.
//!
//! What is signed is what is sent, so a message is read twice: once for the signature, once for the host, and once more
//! before if it has to be converted. A small one is kept in memory in between; a large one never is.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::blocking;
use crate::clock::Now;
use crate::mail::mime::convert::{Findings, SevenBit, Survey};
use crate::mail::transport::Priority;
use crate::store::spool::{SpoolMail, SpoolReader};
use crate::store::{self, Store};
use crate::trust::signing::Keyring;

/// Up to this size a message is read once and kept while it is sent. As many are held as attempts are under way.
const HELD_BYTES_MAX: u64 = 256 << 10;

/// About how many bytes a piece has.
const PIECE_BYTES: usize = 64 << 10;

/// Longest line without its line end that hosts have to take (RFC 5321 4.5.3.1.6). Many refuse longer ones.
const LINE_BYTES_MAX: u32 = 998;

/// What is done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It goes as it came.
    AsIs,
    /// For a host without 8BITMIME, and for one with, if lines of the body are too long.
    SevenBit,
}

/// A message that is ready for hosts that need this form.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// Fields in front of it.
    signature: Vec<u8>,
    bytes: u64,
    has_long_lines: bool,
    body: Body,
}

/// Looks for lines of the body that are too long.
#[derive(Debug, Default)]
struct Lines {
    is_body: bool,
    bytes: u32,
    is_any_long: bool,
}

#[derive(Clone, Debug)]
enum Body {
    Held(Arc<Vec<u8>>),
    Stored(Arc<SpoolMail>, Store, Option<Findings>),
}

/// The bytes of a message, one piece after the other.
#[derive(Debug)]
pub(super) struct Pieces {
    signature: Vec<u8>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Held(Arc<Vec<u8>>, usize),
    Stored(Option<Box<Source>>),
}

/// What is stored, converted.
#[derive(Debug)]
struct Source {
    stored: SpoolReader,
    at: u64,
    convert: Option<SevenBit>,
}

impl Prepared {
    /// Reads, converts and signs.
    pub(super) async fn new(
        mail: &Arc<SpoolMail>,
        form: Form,
        (store, keyring): (&Store, &Keyring),
        now: Now,
    ) -> store::Result<Self> {
        let (mail, store, keyring) = (Arc::clone(mail), store.clone(), keyring.clone());
        let work = move || Self::read(mail, form, (&store, &keyring), now);
        blocking(work, store::Error::Fault).await
    }

    fn read(
        mail: Arc<SpoolMail>,
        form: Form,
        (store, keyring): (&Store, &Keyring),
        now: Now,
    ) -> store::Result<Self> {
        let findings = survey(store, &mail, form)?;
        let mut source = Source::open(store, &mail, findings.clone())?;
        if mail.bytes <= HELD_BYTES_MAX {
            let whole = source.collect::<store::Result<Vec<_>>>()?.concat();
            let mut lines = Lines::default();
            lines.push(&whole);
            let mut once = std::iter::once(Ok::<_, store::Error>(whole.clone()));
            let signature = sign(keyring, &mail, &mut once, now)?;
            let bytes = sum(&signature, whole.len());
            let body = Body::Held(Arc::new(whole));
            return Ok(Self {
                signature,
                bytes,
                has_long_lines: lines.is_any_long,
                body,
            });
        }
        let (mut read, mut lines) = (0, Lines::default());
        let mut counted = source.by_ref().inspect(|piece| {
            let piece = piece.as_deref().unwrap_or_default();
            read += piece.len();
            lines.push(piece);
        });
        let signature = sign(keyring, &mail, &mut counted, now)?;
        // Signing may end early, and not everything is signed; what it became is known at its end.
        counted.try_for_each(|piece| piece.map(drop))?;
        let bytes = sum(&signature, read);
        let body = Body::Stored(mail, store.clone(), findings);
        Ok(Self {
            signature,
            bytes,
            has_long_lines: lines.is_any_long,
            body,
        })
    }

    /// Bytes as they are sent.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a line of its body is longer than all hosts take.
    pub(super) fn has_long_lines(&self) -> bool {
        self.has_long_lines
    }

    /// From the beginning.
    pub(super) async fn pieces(&self) -> store::Result<Pieces> {
        let rest = match &self.body {
            Body::Held(whole) => Rest::Held(Arc::clone(whole), 0),
            Body::Stored(mail, store, findings) => {
                let (mail, store) = (Arc::clone(mail), store.clone());
                let findings = findings.clone();
                let source = blocking(
                    move || Source::open(&store, &mail, findings),
                    store::Error::Fault,
                )
                .await?;
                Rest::Stored(Some(Box::new(source)))
            }
        };
        let signature = self.signature.clone();
        Ok(Pieces { signature, rest })
    }
}

impl Lines {
    /// Takes the next bytes. CR is not counted: it stands at the end of lines alone.
    fn push(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'\n' => {
                    self.is_body |= self.bytes == 0;
                    self.bytes = 0;
                }
                b'\r' => {}
                _ => self.bytes = self.bytes.saturating_add(1),
            }
            self.is_any_long |= self.is_body && self.bytes > LINE_BYTES_MAX;
        }
    }
}

/// Signs what our users and the box itself wrote. What comes from outside and is forwarded may only claim to be of a
/// domain of ours.
fn sign(
    keyring: &Keyring,
    mail: &SpoolMail,
    pieces: &mut dyn Iterator<Item = store::Result<Vec<u8>>>,
    now: Now,
) -> store::Result<Vec<u8>> {
    if mail.new.account.is_some() || mail.new.priority == Priority::Notice {
        return keyring.sign(pieces, now);
    }
    Ok(Vec::new())
}

/// What has to be converted, if anything shall be.
fn survey(store: &Store, mail: &SpoolMail, form: Form) -> store::Result<Option<Findings>> {
    if form == Form::AsIs {
        return Ok(None);
    }
    let mut survey = Survey::new();
    for piece in Source::open(store, mail, None)? {
        survey.push(&piece?);
    }
    Ok(Some(survey.finish()))
}

fn sum(signature: &[u8], rest: usize) -> u64 {
    u64::try_from(signature.len().saturating_add(rest)).unwrap_or(u64::MAX)
}

impl Pieces {
    /// Of a message that is stored nowhere.
    pub(super) fn of(message: Vec<u8>) -> Self {
        Self {
            signature: Vec::new(),
            rest: Rest::Held(Arc::new(message), 0),
        }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> store::Result<Option<Vec<u8>>> {
        if !self.signature.is_empty() {
            return Ok(Some(std::mem::take(&mut self.signature)));
        }
        match &mut self.rest {
            Rest::Held(whole, at) => {
                let left = whole.get(*at..).unwrap_or_default();
                let piece = left.get(..PIECE_BYTES).unwrap_or(left);
                *at += piece.len();
                Ok((!piece.is_empty()).then(|| piece.to_vec()))
            }
            Rest::Stored(slot) => {
                let Some(mut source) = slot.take() else {
                    return Ok(None);
                };
                let read = spawn_blocking(move || (source.next(), source)).await;
                let (piece, source) =
                    read.map_err(|error| store::Error::Fault(error.to_string()))?;
                *slot = Some(source);
                piece.transpose()
            }
        }
    }
}

impl Source {
    fn open(store: &Store, mail: &SpoolMail, findings: Option<Findings>) -> store::Result<Self> {
        Ok(Self {
            stored: store.read_spooled(mail)?,
            at: 0,
            convert: findings.map(SevenBit::new),
        })
    }

    /// As it is stored; empty at the end.
    fn stored(&mut self) -> store::Result<Vec<u8>> {
        let mut piece = Vec::new();
        let read = self.stored.read_at(self.at, PIECE_BYTES, &mut piece)?;
        self.at += u64::try_from(read).unwrap_or(0);
        Ok(piece)
    }

    fn converted(&mut self) -> store::Result<Vec<u8>> {
        let mut out = Vec::new();
        while out.is_empty() {
            let piece = self.stored()?;
            match &mut self.convert {
                Some(convert) if !piece.is_empty() => convert.push(&piece, &mut out),
                convert => {
                    if let Some(convert) = convert.take() {
                        convert.finish(&mut out);
                    } else {
                        out = piece;
                    }
                    return Ok(out);
                }
            }
        }
        Ok(out)
    }
}

impl Iterator for Source {
    type Item = store::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.converted();
        piece
            .map(|piece| (!piece.is_empty()).then_some(piece))
            .transpose()
    }
}
