//! What must be known of a message to check its signatures, taken in while it streams by.
//!
//! The header is kept up to [`HEADER_BYTES_MAX`]. At its end the signatures say which hashes of the body they need (four
//! different ones at most), and the body is hashed as it comes. So a signature holds whatever the size of the mail.

use std::fmt;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{HashAlgorithm, HashContext, HashImpl, Sha1, Sha256};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::canonicalize::BodyHasher;

/// Bytes of a header that are kept. No signature of a larger one is checked.
pub const HEADER_BYTES_MAX: usize = crate::mail::mime::HEADER_BYTES_MAX;

/// Which hash of a body.
type Kind = (Canonicalization, HashAlgorithm);

/// Takes a message's bytes, lines ending with CRLF.
#[derive(Debug, Default)]
pub struct Digest {
    header: Vec<u8>,
    is_cut: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Header(Line),
    Body(Vec<Hash>),
}

/// What came of the line under way in the header.
#[derive(Clone, Copy, Debug)]
enum Line {
    Nothing,
    Cr,
    Something,
}

struct Hash {
    kind: Kind,
    hasher: BodyHasher<<Sha256 as HashImpl>::Context>,
}

/// All that checking signatures and From needs of a message.
#[derive(Clone, Debug, Default)]
pub struct Digested {
    /// Header with the empty line at its end, or the first bytes of a larger one.
    pub(super) header: Vec<u8>,
    pub(super) is_cut: bool,
    pub(super) hashes: Vec<(Kind, Vec<u8>)>,
}

impl Default for State {
    fn default() -> Self {
        Self::Header(Line::Nothing)
    }
}

impl Digest {
    /// Takes the next piece, of any size.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if let State::Header(line) = &mut self.state {
            let end = line.header_end(piece);
            let (head, body) = piece.split_at(end.unwrap_or(piece.len()));
            let room = HEADER_BYTES_MAX.saturating_sub(self.header.len());
            self.is_cut |= head.len() > room;
            self.header
                .extend_from_slice(head.get(..room).unwrap_or(head));
            rest = body;
            if end.is_some() {
                self.begin_body();
            }
        }
        if let State::Body(hashes) = &mut self.state {
            for hash in hashes {
                hash.hasher.write(rest);
            }
        }
    }

    /// No more pieces.
    pub fn finish(mut self) -> Digested {
        if matches!(self.state, State::Header(_)) {
            self.begin_body();
        }
        let hashes = match self.state {
            State::Body(hashes) => hashes,
            State::Header(_) => Vec::new(),
        };
        let finished = hashes.into_iter().map(|hash| {
            let (context, _) = hash.hasher.finish();
            (hash.kind, context.complete().as_ref().to_vec())
        });
        Digested {
            header: self.header,
            is_cut: self.is_cut,
            hashes: finished.collect(),
        }
    }

    fn begin_body(&mut self) {
        let mut hashes: Vec<Hash> = Vec::new();
        let message = AuthenticatedMessage::parse_with_opts(&self.header, None, true);
        for (canonicalization, algorithm, ..) in message.iter().flat_map(|m| &m.body_hashes) {
            let kind = (*canonicalization, *algorithm);
            if !self.is_cut && hashes.iter().all(|hash| hash.kind != kind) {
                hashes.push(Hash::new(kind));
            }
        }
        self.state = State::Body(hashes);
    }
}

impl Line {
    /// Where the body begins, if that is in `piece`.
    fn header_end(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, byte) in piece.iter().enumerate() {
            *self = match (*self, byte) {
                (Self::Nothing, b'\r') => Self::Cr,
                (Self::Nothing | Self::Cr, b'\n') => return Some(at + 1),
                (_, b'\n') => Self::Nothing,
                _ => Self::Something,
            };
        }
        None
    }
}

impl Hash {
    fn new(kind: Kind) -> Self {
        let context = match kind.1 {
            HashAlgorithm::Sha1 => Sha1::hasher(),
            HashAlgorithm::Sha256 => Sha256::hasher(),
        };
        Self {
            kind,
            hasher: BodyHasher::new(context, kind.0, 0),
        }
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
