//! What the model knows of quota and level, put in other words than the store's.

use super::Run;
use crate::mail::flags::SpecialUse;
use crate::store::types::{Level, Mailbox, Subject};

/// Quotas that operations set; a message has about 23 bytes.
pub(super) const QUOTAS: [Option<u64>; 6] =
    [None, Some(0), Some(60), Some(150), Some(300), Some(900)];

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fullness {
    pub(super) quota: Option<u64>,
    pub(super) level: Level,
}

impl Fullness {
    /// The level once that many bytes are in use.
    pub(super) fn settle(&mut self, used: u64) {
        let before = self.level;
        self.level = Level::Ok;
        for (level, entry) in [
            (Level::Notice, 80),
            (Level::Warning, 95),
            (Level::Full, 100),
        ] {
            let at = if before < level { entry } else { entry - 3 };
            // Nobody comes near the store's own default.
            if self.quota.is_some_and(|quota| used * 100 >= quota * at) {
                self.level = level;
            }
        }
    }

    /// Whether messages of those sizes are all taken, one after the other.
    pub(super) fn takes(mut self, mut used: u64, sizes: &[u64], is_trash: bool) -> bool {
        sizes.iter().all(|bytes| {
            let room = self.quota.map_or(0, |quota| quota + quota / 10);
            let taken = self.level < Level::Full || is_trash && used < room;
            used += bytes;
            self.settle(used);
            taken
        })
    }
}

impl Run {
    pub(super) fn takes(&self, to: &Mailbox, sizes: &[u64]) -> bool {
        let is_trash = to.special_use == Some(SpecialUse::Trash);
        let used = self.model.used();
        self.model.fullness.takes(used, sizes, is_trash)
    }

    pub(super) fn compare_level(&mut self) {
        let used = self.model.used();
        self.model.fullness.settle(used);
        let account = Subject::Account(self.house.account);
        let fill = self.house.store.fill(account).unwrap();
        assert_eq!((fill.used, fill.level), (used, self.model.fullness.level));
    }
}
