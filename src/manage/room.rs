//! Making room as the settings have it.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::config::Settings;
use crate::room::programs::helper::SOCKET;
use crate::room::{Hook, Policy};
use crate::store::Store;

/// The hook that settings mean.
pub fn hook(store: &Store, settings: &Settings, clock: &Clock) -> Hook {
    let domain = settings.domains.first();
    Hook {
        store: store.clone(),
        policy: Policy {
            trash_days: settings.room.trash_days,
            junk_days: settings.room.junk_days,
            fetched_days: settings.room.fetched_days,
            archive_months: settings.room.archive_months,
            time_zone: settings.time_zone.clone(),
        },
        programs: settings.room.hooks.clone(),
        helper: PathBuf::from(SOCKET),
        domain: domain.unwrap_or(&settings.hostname).clone(),
        clock: clock.clone(),
    }
}
