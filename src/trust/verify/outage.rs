//! Remembers for a little while that DNS is away, so that only one mail in a minute waits for it as long as it may.
//!
//! It is away when nothing at all was answered about a mail. That may be the fault of that mail's domains alone, so the
//! others are asked about all the same, with less patience; the first answer ends it.

use std::time::Duration;

use crate::clock::Mono;

/// How long less patience is had after nothing was answered.
pub const AWAY: Duration = Duration::from_mins(1);

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as DNS may need.
    Usual,
    /// As long as it needs when all is well.
    Short,
}

/// Whether there was an answer of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// To one question at least.
    Something,
    /// To none.
    Nothing,
}

/// What is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outage {
    until: Option<Mono>,
}

impl Outage {
    /// With how much patience to ask now.
    pub(super) fn patience(self, now: Mono) -> Patience {
        match self.until {
            Some(until) if now < until => Patience::Short,
            Some(_) | None => Patience::Usual,
        }
    }

    /// What came of asking with that much patience. Less of it proves nothing new, so it makes nothing last longer.
    pub(super) fn note(&mut self, patience: Patience, heard: Heard, now: Mono) {
        match (heard, patience) {
            (Heard::Something, _) => self.until = None,
            (Heard::Nothing, Patience::Usual) => self.until = Some(now + AWAY),
            (Heard::Nothing, Patience::Short) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mail_in_a_minute_waits_long_until_there_is_an_answer() {
        let mut outage = Outage::default();
        let after = |seconds| Mono(Duration::from_secs(seconds));
        for (second, expected, heard) in [
            (0, Patience::Usual, Heard::Something),
            (1, Patience::Usual, Heard::Nothing),
            (2, Patience::Short, Heard::Nothing),
            (60, Patience::Short, Heard::Nothing),
            (61, Patience::Usual, Heard::Nothing),
            (62, Patience::Short, Heard::Something),
            (63, Patience::Usual, Heard::Something),
        ] {
            let now = after(second);
            let patience = outage.patience(now);
            assert_eq!(patience, expected, "at {second}");
            outage.note(patience, heard, now);
        }
    }
}
