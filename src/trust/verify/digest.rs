//! What must be known of a message to check its signatures, taken in while it streams by.
//!
//! The header is kept up to [`HEADER_BYTES_MAX`]. At its end the signatures say which hashes of the body they need (four
//! different ones at most), and the body is hashed as it comes. So a signature holds whatever the size of the mail.

use std::fmt;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{HashAlgorithm, HashContext, HashImpl, Sha1, Sha256};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::canonicalize::BodyHasher;

use crate::trust::message::{self, Head};

/// Bytes of a header that are kept. No signature of a larger one is checked.
pub const HEADER_BYTES_MAX: usize = message::HEADER_BYTES_MAX;

/// Which hash of a body.
type Kind = (Canonicalization, HashAlgorithm);

/// Takes a message's bytes, lines ending with CRLF.
#[derive(Debug, Default)]
pub struct Digest {
    head: Head,
    /// Once the header is complete.
    hashes: Option<Vec<Hash>>,
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

impl Digest {
    /// Takes the next piece, of any size.
    pub fn push(&mut self, piece: &[u8]) {
        let Some(body) = self.head.push(piece) else {
            return;
        };
        let head = &self.head;
        for hash in self.hashes.get_or_insert_with(|| wanted(head)) {
            hash.hasher.write(body);
        }
    }

    /// No more pieces.
    pub fn finish(self) -> Digested {
        let hashes = self.hashes.unwrap_or_else(|| wanted(&self.head));
        let finished = hashes.into_iter().map(|hash| {
            let (context, _) = hash.hasher.finish();
            (hash.kind, context.complete().as_ref().to_vec())
        });
        Digested {
            hashes: finished.collect(),
            header: self.head.bytes,
            is_cut: self.head.is_cut,
        }
    }
}

/// The hashes that the signatures in this header are about.
fn wanted(head: &Head) -> Vec<Hash> {
    let mut hashes: Vec<Hash> = Vec::new();
    let message = AuthenticatedMessage::parse_with_opts(&head.bytes, None, true);
    for (canonicalization, algorithm, ..) in message.iter().flat_map(|m| &m.body_hashes) {
        let kind = (*canonicalization, *algorithm);
        if !head.is_cut && hashes.iter().all(|hash| hash.kind != kind) {
            hashes.push(Hash::new(kind));
        }
    }
    hashes
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
