//! What submission adds to a message that lacks it (RFC 6409 8): From, Date and Message-ID; and whose it says it is.
//!
//! The message streams through, so additions are header fields in front of it, and the summary is told of them. Bcc is
//! left out before (RFC 5322 3.6.3), nothing else is taken out or changed. Scanners, printers and scripts leave From out,
//! which RFC 5322 3.6 wants and without which DMARC fails and many hosts refuse a mail: they get the address that they
//! send as. From and Sender must name addresses of the
//! account, or Resent-From or Resent-Sender where somebody's mail is sent again.

use crate::clock::Now;
use crate::mail::address::{Address, Domain, Localpart};
use crate::mail::date::DateTime;
use crate::mail::mime::{Envelope, EnvelopeAddress};
use crate::mail::trace;

/// Who a mail is from that does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// It says it, well or badly: a second From would be worse than a bad one.
    Named,
    /// Whoever has that address.
    Missing(Address),
}

/// Gives the missing fields as header lines and enters them in `envelope`.
///
/// `unique` is the left side of a new Message-ID: random letters and digits, never used before. While the clock is
/// not set no Date is added: none at all does less harm than a wrong one.
pub fn complete(
    envelope: &mut Envelope,
    author: &Author,
    (hostname, unique): (&Domain, &str),
    now: Now,
) -> Vec<u8> {
    let mut fields = String::new();
    if let Author::Missing(address) = author {
        fields.push_str(&trace::from(address));
        add_author(envelope, address);
    }
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

fn add_author(envelope: &mut Envelope, address: &Address) {
    let author = vec![EnvelopeAddress {
        mailbox: Some(address.localpart().as_str().as_bytes().to_vec()),
        host: Some(address.domain().as_str().as_bytes().to_vec()),
        ..EnvelopeAddress::default()
    }];
    // RFC 3501 7.4.2: where these are not there, the author is.
    for defaulted in [&mut envelope.sender, &mut envelope.reply_to] {
        if defaulted.is_empty() {
            defaulted.clone_from(&author);
        }
    }
    envelope.from = author;
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
    use crate::mail::mime::Scanner;

    fn check(date: Option<&str>, id: Option<&str>, wall: Option<Wall>, expected: &str) {
        let mut envelope = Envelope {
            date: date.map(|date| date.as_bytes().to_vec()),
            message_id: id.map(|id| id.as_bytes().to_vec()),
            ..Envelope::default()
        };
        let mut now = Clock::virtual_at(Wall(0)).now();
        now.wall = wall;
        let hostname = Domain::parse("mail.home.test").unwrap();
        let fields = complete(&mut envelope, &Author::Named, (&hostname, "k7"), now);
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

    /// What is in front, and what the summary knows: author, sender, addresses for answers.
    fn check_author(reply_to: &str, author: &str, field: &str, known: [&str; 3]) {
        let header = format!("Date: x\r\nMessage-ID: <a@b>\r\n{reply_to}\r\n");
        let mut scanner = Scanner::new();
        scanner.push(header.as_bytes());
        let mut envelope = scanner.finish().summary.envelope;
        let author = Author::Missing(Address::parse(author).unwrap());
        let hostname = Domain::parse("mail.home.test").unwrap();
        let now = Clock::virtual_at(Wall(0)).now();
        let fields = complete(&mut envelope, &author, (&hostname, "k7"), now);
        assert_eq!(String::from_utf8(fields).unwrap(), field);
        let all = [&envelope.from, &envelope.sender, &envelope.reply_to];
        let names: [String; 3] =
            all.map(|list| authors(list).flatten().map(|one| one.to_string()).collect());
        assert_eq!(names, known.map(str::to_owned));
    }

    #[test]
    fn an_author_is_added() {
        let anna = "anna@home.test";
        check_author("", anna, "From: anna@home.test\r\n", [anna; 3]);
        let quoted = "\"a b\"@home.test";
        check_author("", quoted, "From: \"a b\"@home.test\r\n", [quoted; 3]);
        let known = [anna, anna, "x@y.z"];
        check_author(
            "Reply-To: x@y.z\r\n",
            anna,
            "From: anna@home.test\r\n",
            known,
        );
        let umlaut = "j\u{f6}rg@home.test";
        check_author("", umlaut, "From: j\u{f6}rg@home.test\r\n", [umlaut; 3]);
    }
}
