//! Packing of rows into bytes and back: varints, lengths, nothing else. The layouts are listed in `schema`.
//!
//! Reading never panics: whatever a damaged card gives back is [`Error::Fault`] with the table's name.

use super::{Error, Result};

/// Puts values at the end of a row.
#[derive(Default)]
pub(super) struct Packer(Vec<u8>);

impl Packer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// LEB128: seven bits a byte, lowest first.
    pub(super) fn uint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
        self
    }

    /// Zigzag, so that small negative numbers stay short.
    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.uint((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned())
    }

    pub(super) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.uint(value.len() as u64).raw(value)
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub(super) fn option<T>(
        &mut self,
        value: Option<T>,
        put: impl FnOnce(&mut Self, T),
    ) -> &mut Self {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
        self
    }
}

/// Takes values from the front of a row.
pub(super) struct Unpacker<'a> {
    rest: &'a [u8],
    table: &'static str,
}

impl<'a> Unpacker<'a> {
    /// Reads `row`, which lies in `table` (for the error's text).
    pub(super) fn new(table: &'static str, row: &'a [u8]) -> Self {
        Self { rest: row, table }
    }

    /// What is wrong with this row.
    pub(super) fn damaged(&self) -> Error {
        damaged(self.table)
    }

    /// Fails unless the whole row was taken.
    pub(super) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.damaged())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn raw(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.raw(N)?;
        taken.try_into().map_err(|_| self.damaged())
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn uint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged())
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.uint()?).map_err(|_| self.damaged())
    }

    pub(super) fn len(&mut self) -> Result<usize> {
        usize::try_from(self.uint()?).map_err(|_| self.damaged())
    }

    pub(super) fn int(&mut self) -> Result<i64> {
        let value = self.uint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.len()?;
        self.raw(len)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged())
    }

    pub(super) fn option<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            1 => take(self).map(Some),
            _ => Err(self.damaged()),
        }
    }
}

/// The fault of a row that cannot be read.
pub(super) fn damaged(table: &str) -> Error {
    Error::Fault(format!("a row of {table} is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut packer = Packer::new();
            packer.uint(value).int(value.cast_signed());
            let row = packer.finish();
            let mut row = Unpacker::new("test", &row);
            assert_eq!(row.uint(), Ok(value));
            assert_eq!(row.int(), Ok(value.cast_signed()));
            assert_eq!(row.finish(), Ok(()));
        }
    }

    #[test]
    fn small_numbers_are_short() {
        let mut packer = Packer::new();
        packer.int(-64).uint(127);
        assert_eq!(packer.finish().len(), 2);
    }

    #[test]
    fn a_cut_row_is_a_fault() {
        let mut packer = Packer::new();
        packer.text("hello").option(Some(7), |p, v| {
            p.uint(v);
        });
        let row = packer.finish();
        for cut in 0..row.len() {
            let mut short = Unpacker::new("test", &row[..cut]);
            let read = short.text().and_then(|_| short.option(Unpacker::uint));
            assert_eq!(read, Err(damaged("test")));
        }
        let endless = [0xff; 12];
        assert_eq!(Unpacker::new("test", &endless).uint(), Err(damaged("test")));
    }
}
