//! What the last check of the domains' records in DNS found, remembered so that pages can say so without asking again.

use crate::store::{self, Snapshot, Store};

/// Name of the store's setting.
const SETTING: &str = "dns.checked";

/// Remembers how many needed records were missing or wrong.
pub fn note_dns(store: &Store, serious: usize) -> store::Result<()> {
    let text = serious.to_string();
    if store.snapshot()?.setting(SETTING)?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    store.set_setting(SETTING, text.as_bytes())
}

/// How many were; `None` if nobody has looked.
pub fn dns(snapshot: &Snapshot) -> store::Result<Option<usize>> {
    let bytes = snapshot.setting(SETTING)?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.and_then(|text| text.parse().ok()))
}
