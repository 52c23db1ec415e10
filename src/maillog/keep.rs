//! Each event as what the store keeps of it for the owner's page.

use super::{Handed, Log, NotTaken, Plain, Taken};
use crate::mail::address::{Address, ReversePath};
use crate::mail::ids::AccountId;
use crate::store::events::{Facts, Kind};

impl Log<'_> {
    pub(super) fn keep(self, kind: Kind, facts: Facts) {
        self.0.note(kind, facts, self.1);
    }

    pub(super) fn keep_taken(self, kind: Kind, mail: &Taken<'_>) {
        let facts = Facts {
            peer: mail.peer.to_string(),
            bytes: Some(mail.bytes),
            mail: mail.id.to_owned(),
            ..people(mail.from, mail.to)
        };
        self.keep(kind, facts);
    }

    pub(super) fn keep_not_taken(self, kind: Kind, mail: &NotTaken<'_>) {
        let (code, text) = split(mail.reply);
        let facts = Facts {
            peer: mail.peer.to_string(),
            bytes: mail.bytes,
            code,
            text,
            ..people(mail.from, mail.to)
        };
        self.keep(kind, facts);
    }

    pub(super) fn keep_handed(self, kind: Kind, mail: &Handed<'_>) {
        let (code, text) = split(mail.reply);
        let facts = Facts {
            peer: mail.host.unwrap_or_default().to_owned(),
            code,
            text,
            mail: mail.id.to_string(),
            ..people(mail.from, mail.to)
        };
        self.keep(kind, facts);
    }

    /// Something about an account, with its reason.
    pub(super) fn keep_about(self, kind: Kind, account: AccountId, text: &str) {
        let snapshot = self.0.snapshot();
        let found = snapshot.and_then(|snapshot| snapshot.account(account));
        let found = found.ok().flatten();
        let from = found.map_or_else(|| account.to_string(), |found| found.address.to_string());
        let text = text.to_owned();
        self.keep(
            kind,
            Facts {
                from,
                text,
                ..Facts::default()
            },
        );
    }

    pub(super) fn keep_device(self, kind: Kind, account: &Address, name: &str) {
        let facts = Facts {
            from: account.to_string(),
            text: name.to_owned(),
            ..Facts::default()
        };
        self.keep(kind, facts);
    }

    /// A text, and nothing else.
    pub(super) fn keep_text(self, kind: Kind, text: &str) {
        let text = text.to_owned();
        self.keep(
            kind,
            Facts {
                text,
                ..Facts::default()
            },
        );
    }
}

fn people(from: &ReversePath, to: &[&Address]) -> Facts {
    Facts {
        from: from.as_ref().map(ToString::to_string).unwrap_or_default(),
        to: to.iter().map(ToString::to_string).collect(),
        ..Facts::default()
    }
}

/// A reply's codes (RFC 5321 4.2.1, RFC 3463 2), and its text.
pub(super) fn split(reply: &str) -> (String, String) {
    let line = Plain(reply).to_string();
    let mut rest = line.as_str();
    let mut codes: Vec<&str> = Vec::new();
    while codes.len() < 2 {
        let (word, after) = rest.split_once([' ', '-']).unwrap_or((rest, ""));
        let is_code = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !is_code {
            break;
        }
        codes.push(word);
        rest = after.trim_start();
    }
    (codes.join(" "), rest.to_owned())
}
