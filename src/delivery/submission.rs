//! What submission adds to a message that lacks it (RFC 6409 8): Date and Message-ID; and whose it says it is.
//!
//! The message streams through, so additions are header fields in front of it, and the summary is told of them. Bcc is
//! left out before (RFC 5322 3.6.3), nothing else is taken out or changed. From and Sender must name addresses of the
//! account, or Resent-From or Resent-Sender where somebody's mail is sent again.

use crate::clock::Now;
use crate::mail::address::{Address, Domain, Localpart};
use crate::mail::date::DateTime;
use crate::mail::mime::{Envelope, EnvelopeAddress};
use crate::mail::trace;

/// Gives the missing fields as header lines and enters them in `envelope`.
///
/// `unique` is the left side of a new Message-ID: random letters and digits, never used before. While the clock is
/// not set no Date is added: none at all does less harm than a wrong one.
pub fn complete(envelope: &mut Envelope, hostname: &Domain, unique: &str, now: Now) -> Vec<u8> {
    let mut fields = String::new();
    if let (None, Some(wall)) = (&envelope.date, now.wall) {
        let date = DateTime::utc(wall);
        fields.push_str(&trace::date(date));
        envelope.date = Some(date.to_rfc5322().into_bytes());
    }
    if envelope.message_id.is_none() {
        fields.push_str(&trace::message_id(unique, hostname.as_str()));
        envelope.message_id = Some(format!("<{unique}@{hostname}>").into_bytes());
    }
    fields.into_bytes()
}

/// The addresses in From; `None` for one that cannot be read.
pub fn authors(from: &[EnvelopeAddress]) -> impl Iterator<Item = Option<Address>> {
    // Begin and end of a group have no host.
    let named = from.iter().filter(|address| address.host.is_some());
    named.map(|address| {
        let part = |part: &Option<Vec<u8>>| String::from_utf8(part.clone()?).ok();
        let localpart = Localpart::new(&part(&address.mailbox)?).ok()?;
        let domain = Domain::parse(&part(&address.host)?).ok()?;
        Some(Address::new(localpart, domain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Wall};

    fn check(date: Option<&str>, id: Option<&str>, wall: Option<Wall>, expected: &str) {
        let mut envelope = Envelope {
            date: date.map(|date| date.as_bytes().to_vec()),
            message_id: id.map(|id| id.as_bytes().to_vec()),
            ..Envelope::default()
        };
        let mut now = Clock::virtual_at(Wall(0)).now();
        now.wall = wall;
        let hostname = Domain::parse("mail.home.test").unwrap();
        let fields = complete(&mut envelope, &hostname, "k7", now);
        assert_eq!(String::from_utf8(fields).unwrap(), expected);
        assert!(envelope.message_id.is_some());
        assert_eq!(envelope.date.is_some(), date.is_some() || wall.is_some());
    }

    #[test]
    fn adds_what_is_missing() {
        let wall = Some(Wall(1_800_000_000));
        let date = "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n";
        let id = "Message-ID: <k7@mail.home.test>\r\n";
        check(None, None, wall, &format!("{date}{id}"));
        check(Some("yesterday"), None, wall, id);
        check(None, Some("<a@b>"), wall, date);
        check(Some(""), Some("<a@b>"), wall, "");
        check(None, None, None, id);
    }
}
