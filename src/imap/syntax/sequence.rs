//! Sequence sets (RFC 3501 9, `sequence-set`): sequence numbers or UIDs as clients write them.
//!
//! A set is kept as written, since `*` has a meaning only once the largest number is known; [`SequenceSet::ranges`]
//! then gives ascending ranges that do not overlap, whatever the client wrote.

use std::fmt;
use std::num::NonZeroU32;

/// A set of sequence numbers or UIDs; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSet {
    first: SequenceRange,
    rest: Vec<SequenceRange>,
}

/// One element of a set; a single number is a range of one. Its ends may stand in either order (RFC 3501 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRange {
    /// End written first.
    pub from: SequenceNumber,
    /// End written second.
    pub to: SequenceNumber,
}

/// A number, or `*` for the largest in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceNumber {
    /// A number.
    Number(NonZeroU32),
    /// `*`
    Largest,
}

/// An ascending range of numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// First number.
    pub from: u32,
    /// Last number, not below `from`.
    pub to: u32,
}

impl NumberRange {
    /// Whether `number` lies in it.
    pub fn contains(self, number: u32) -> bool {
        self.from <= number && number <= self.to
    }
}

impl SequenceSet {
    /// A set from its first element and the others.
    pub fn new(first: SequenceRange, rest: Vec<SequenceRange>) -> Self {
        Self { first, rest }
    }

    /// The set of exactly these numbers, in runs; `None` for none.
    pub fn from_numbers(numbers: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut runs: Vec<NumberRange> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some(run) if run.to.checked_add(1) == Some(number) => run.to = number,
                _ => runs.push(NumberRange {
                    from: number,
                    to: number,
                }),
            }
        }
        let mut elements = runs.into_iter().filter_map(SequenceRange::from_numbers);
        let first = elements.next()?;
        Some(Self::new(first, elements.collect()))
    }

    /// Its elements as written.
    pub fn elements(&self) -> impl Iterator<Item = SequenceRange> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// Ascending ranges without overlap, `*` being `largest`. With `largest` 0 (nothing there) `*` means nothing.
    pub fn ranges(&self, largest: u32) -> Vec<NumberRange> {
        let mut all: Vec<NumberRange> = self
            .elements()
            .filter_map(|element| element.resolve(largest))
            .collect();
        all.sort_unstable_by_key(|range| range.from);
        all.into_iter().fold(Vec::new(), merge)
    }

    /// Whether `number` is in the set, `*` being `largest`.
    pub fn contains(&self, number: u32, largest: u32) -> bool {
        self.elements()
            .filter_map(|element| element.resolve(largest))
            .any(|range| range.contains(number))
    }
}

fn merge(mut merged: Vec<NumberRange>, next: NumberRange) -> Vec<NumberRange> {
    match merged.last_mut() {
        Some(last) if next.from <= last.to.saturating_add(1) => last.to = last.to.max(next.to),
        _ => merged.push(next),
    }
    merged
}

impl SequenceRange {
    fn from_numbers(run: NumberRange) -> Option<Self> {
        Some(Self {
            from: SequenceNumber::Number(NonZeroU32::new(run.from)?),
            to: SequenceNumber::Number(NonZeroU32::new(run.to)?),
        })
    }

    fn resolve(self, largest: u32) -> Option<NumberRange> {
        let from = self.from.resolve(largest);
        let to = self.to.resolve(largest);
        match (from, to) {
            (0, 0) => None,
            (0, number) | (number, 0) => Some(NumberRange {
                from: number,
                to: number,
            }),
            (from, to) => Some(NumberRange {
                from: from.min(to),
                to: from.max(to),
            }),
        }
    }
}

impl SequenceNumber {
    fn resolve(self, largest: u32) -> u32 {
        match self {
            Self::Number(number) => number.get(),
            Self::Largest => largest,
        }
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.rest
            .iter()
            .try_for_each(|element| write!(f, ",{element}"))
    }
}

impl fmt::Display for SequenceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return self.from.fmt(f);
        }
        write!(f, "{}:{}", self.from, self.to)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Largest => f.write_str("*"),
        }
    }
}
