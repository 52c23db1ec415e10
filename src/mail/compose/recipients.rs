//! Addresses as people type them into one field: with commas, semicolons or line ends between, with names or without.

use super::{Line, Party};
use crate::mail::address::{Address, Domain, Localpart};
use crate::mail::mime::text::decode_words;
use crate::mail::mime::{ADDRESSES_MAX, EnvelopeAddress, address_list};

/// What is wrong with a field of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// This is no address.
    #[error("{0} is no address")]
    Address(String),
    /// There are more than can be looked at.
    #[error("more than {ADDRESSES_MAX} addresses")]
    TooMany,
}

/// The addresses of a typed field, each once; the first thing that is wrong if any is.
pub fn parse(typed: &str) -> Result<Vec<Party>, Wrong> {
    let typed: String = typed
        .chars()
        .map(|c| match c {
            '\r' | '\n' | '\u{2028}' | '\u{2029}' => ',',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let found = address_list::parse(typed.as_bytes());
    if found.len() >= ADDRESSES_MAX {
        return Err(Wrong::TooMany);
    }
    let mut parties: Vec<Party> = Vec::new();
    for one in found.iter().filter(|one| one.host.is_some()) {
        let party = party(one).ok_or_else(|| Wrong::Address(shown(one)))?;
        let key = party.address.lookup_key();
        if parties
            .iter()
            .all(|known| known.address.lookup_key() != key)
        {
            parties.push(party);
        }
    }
    Ok(parties)
}

/// Somebody whom a message names; `None` if the address is none.
pub fn party(address: &EnvelopeAddress) -> Option<Party> {
    let text = |part: &Option<Vec<u8>>| String::from_utf8(part.clone()?).ok();
    let localpart = Localpart::new(&text(&address.mailbox)?).ok()?;
    let domain = Domain::parse(&text(&address.host)?).ok()?;
    let written = Address::new(localpart, domain).to_string();
    Some(Party {
        name: Line::new(&decode_words(address.name.as_deref().unwrap_or_default())),
        // Its length as a whole is checked there.
        address: Address::parse(&written).ok()?,
    })
}

fn shown(address: &EnvelopeAddress) -> String {
    let part = |part: &Option<Vec<u8>>| {
        String::from_utf8_lossy(part.as_deref().unwrap_or_default()).into_owned()
    };
    let (mailbox, host) = (part(&address.mailbox), part(&address.host));
    let text = if host.is_empty() {
        mailbox
    } else {
        format!("{mailbox}@{host}")
    };
    Line::new(&text).as_str().chars().take(80).collect()
}

/// The addresses as a field shows them, so that [`parse`] finds the same.
pub fn shown_in_field(parties: &[Party]) -> String {
    let one = |party: &Party| {
        let name = party.name.as_str();
        if name.is_empty() {
            return party.address.to_string();
        }
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'');
        if name.chars().all(is_word) {
            return format!("{name} <{}>", party.address);
        }
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{name}\" <{}>", party.address)
    };
    parties.iter().map(one).collect::<Vec<_>>().join(", ")
}
