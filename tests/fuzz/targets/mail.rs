//! Addresses, mailbox names, dates, trace fields.

use heimpost::mail::address::{Address, Path};
use heimpost::mail::date::{Date, DateTime};
use heimpost::mail::mailbox_name::{self, MailboxName};
use heimpost::mail::trace;

/// What is written is read as the same address, and is one line.
fn check_address(address: &Address) {
    let text = address.to_string();
    assert!(!text.contains(['\r', '\n']), "{text:?}");
    assert_eq!(Address::parse(&text).as_ref(), Ok(address));
    if let Some(plain) = address.without_subaddress() {
        assert_eq!(plain.domain(), address.domain());
    }
    assert!(!address.lookup_key().is_empty());
}

pub(super) fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(address) = Address::parse(&text) {
        check_address(&address);
    }
}

pub(super) fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok((path, rest)) = Path::parse_prefix(&text) {
        assert!(text.ends_with(rest) && rest.len() < text.len());
        if let Path::Address(address) = path {
            check_address(&address);
        }
    }
}

/// A name reads back from both of its forms, and its parents are names too.
fn check_name(name: &MailboxName) {
    assert_eq!(MailboxName::parse(name.as_str()).as_ref(), Ok(name));
    let utf7 = name.to_utf7();
    assert!(utf7.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    assert_eq!(MailboxName::parse_utf7(utf7.as_bytes()).as_ref(), Ok(name));
    if let Some(parent) = name.parent() {
        assert!(name.is_below(&parent));
        check_name(&parent);
    }
}

pub(super) fn mailbox_name(data: &[u8]) {
    if let Ok(name) = MailboxName::parse(&String::from_utf8_lossy(data)) {
        check_name(&name);
    }
    if let Ok(name) = MailboxName::parse_utf7(data) {
        check_name(&name);
    }
    let pattern = mailbox_name::decoded_pattern(data);
    if let (Ok(pattern), true) = (pattern, data.is_ascii()) {
        assert!(pattern.len() <= data.len() * 3);
    }
    mailbox_name::without_trailing_separator(data);
}

pub(super) fn date(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(date) = DateTime::parse_imap(&text) {
        assert_eq!(DateTime::parse_imap(&date.to_imap()), Some(date));
    }
    if let Some(date) = DateTime::parse_lenient(data) {
        let written = date.to_rfc5322();
        assert_eq!(DateTime::parse_lenient(written.as_bytes()), Some(date));
        assert_eq!(DateTime::parse_imap(&date.to_imap()), Some(date));
        assert!(DateTime::parse_lenient(date.to_asctime().as_bytes()).is_some());
    }
    if let Some(date) = Date::parse_imap(&text) {
        assert_eq!(Date::parse_imap(&text), Some(date));
    }
}

pub(super) fn trace(data: &[u8]) {
    let hops = trace::hops(data) as usize;
    assert!(hops * "Received:".len() <= data.len());
    let text = String::from_utf8_lossy(data);
    let id = trace::message_id(&text, &text);
    assert!(id.ends_with("\r\n"));
    assert_eq!(id.matches(['\r', '\n']).count(), 2, "{id:?}");
}
