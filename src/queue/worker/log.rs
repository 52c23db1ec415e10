//! What came of an attempt, for the log: a line for each answer, with all recipients that got it.

use std::collections::BTreeMap;

use crate::mail::address::Address;
use crate::maillog::{self, Log};
use crate::queue::desk::Tried;
use crate::queue::plan::Outcome;
use crate::store::spool::SpoolMail;

/// Logs it.
pub(super) fn tried(log: Log<'_>, mail: &SpoolMail, tried: &BTreeMap<usize, Tried>) {
    let mut groups: Vec<(&Tried, Vec<&Address>)> = Vec::new();
    for (index, one) in tried {
        let Some(recipient) = mail.new.recipients.get(*index) else {
            continue;
        };
        match groups.iter_mut().find(|(known, _)| *known == one) {
            Some((_, to)) => to.push(&recipient.address),
            None => groups.push((one, vec![&recipient.address])),
        }
    }
    for (one, to) in groups {
        let handed = maillog::Handed {
            id: mail.id,
            from: &mail.new.sender,
            to: &to,
            host: one.host.as_deref(),
            reply: &one.reply,
        };
        match one.outcome {
            Outcome::Delivered | Outcome::PassedOn | Outcome::Relayed => {
                maillog::accepted(log, &handed);
            }
            Outcome::Transient => maillog::put_off(log, &handed),
            Outcome::Permanent => maillog::turned_away(log, &handed),
        }
    }
}
