//! Trace fields (RFC 5321 4.4) and the other header fields that the server itself writes.
//!
//! Each function gives whole fields with CRLF, folded at [`LINE_BYTES_MAX`] where there is a space to fold at. Text from
//! a peer cannot break out of its place: what does not belong there is replaced.

use std::net::IpAddr;

use super::address::{Address, ReversePath};
use super::date::DateTime;
use super::mime::header::fields;

/// Lines are not longer than this where they can be folded (RFC 5322 2.1.1).
pub const LINE_BYTES_MAX: usize = 78;

/// A message with more `Received` fields is in a loop (RFC 5321 6.3).
pub const HOPS_MAX: u32 = 100;

/// How a client greeted, for the protocol keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// HELO
    Helo,
    /// EHLO
    Ehlo,
    /// EHLO, and the transaction asked for SMTPUTF8.
    EhloUtf8,
    /// It did not: the mail was written on our own pages, for which no keyword is registered.
    Page,
}

/// Who a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The name that it gave itself.
    pub helo: &'a str,
    /// Its address.
    pub address: IpAddr,
}

/// What a `Received` field tells (RFC 5321 4.4).
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// Who it came from; `None` where that is nobody's matter, as with mail of our users that leaves.
    pub from: Option<Client<'a>>,
    /// This host's name.
    pub by: &'a str,
    /// How it greeted.
    pub greeting: Greeting,
    /// Version (`TLS1.3`) and cipher suite, if the connection had TLS.
    pub tls: Option<(&'a str, &'a str)>,
    /// Whether it authenticated.
    pub authenticated: bool,
    /// Our identifier of the transaction.
    pub id: &'a str,
    /// The recipient, if there is just one: others must not learn of each other.
    pub recipient: Option<&'a Address>,
    /// When.
    pub date: DateTime,
}

/// `Received:`
pub fn received(facts: &Received<'_>) -> String {
    let mut chunks = Vec::new();
    if let Some(from) = facts.from {
        chunks.push("from".to_owned());
        chunks.push(clean(from.helo));
        chunks.push(format!("({})", literal(from.address)));
    }
    chunks.push(format!("by {}", clean(facts.by)));
    if let Some(protocol) = protocol(facts) {
        chunks.push(format!("with {protocol}"));
    }
    chunks.push(format!("id {}", clean(facts.id)));
    if let Some(recipient) = facts.recipient {
        chunks.push(format!("for <{recipient}>"));
    }
    if let Some((version, cipher)) = facts.tls {
        // RFC 8314 4.3, an additional clause at the end.
        chunks.push(format!("tls {}", clean(cipher)));
        chunks.push(format!("({})", clean(version)));
    }
    if let Some(last) = chunks.last_mut() {
        last.push(';');
    }
    chunks.push(facts.date.to_rfc5322());
    folded("Received:", &chunks)
}

/// The keyword of RFC 3848 and RFC 6531 3.7.3.
fn protocol(facts: &Received<'_>) -> Option<String> {
    let base = match facts.greeting {
        Greeting::Page => return None,
        Greeting::Helo => return Some("SMTP".to_owned()),
        Greeting::Ehlo => "ESMTP",
        Greeting::EhloUtf8 => "UTF8SMTP",
    };
    let tls = if facts.tls.is_some() { "S" } else { "" };
    let auth = if facts.authenticated { "A" } else { "" };
    Some(format!("{base}{tls}{auth}"))
}

/// An address literal (RFC 5321 4.1.3). A mapped IPv4 address is shown as what it is.
fn literal(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    }
}

/// A word as it may stand in a trace field.
fn clean(word: &str) -> String {
    let fits = |c: char| c.is_ascii_graphic() && !"()<>;\"\\,".contains(c);
    let word: String = word
        .chars()
        .map(|c| if fits(c) { c } else { '?' })
        .collect();
    if word.is_empty() {
        "?".to_owned()
    } else {
        word
    }
}

/// `Return-Path:`, written at final delivery only.
pub fn return_path(reverse_path: &ReversePath) -> String {
    match reverse_path {
        Some(address) => format!("Return-Path: <{address}>\r\n"),
        None => "Return-Path: <>\r\n".to_owned(),
    }
}

/// `Delivered-To:`, by which loops through aliases are found.
pub fn delivered_to(recipient: &Address) -> String {
    format!("Delivered-To: {recipient}\r\n")
}

/// `From:`, for a submission that lacks it (RFC 6409 8).
pub fn from(address: &Address) -> String {
    format!("From: {address}\r\n")
}

/// `Date:`, for a submission that lacks it (RFC 6409 8.1).
pub fn date(date: DateTime) -> String {
    format!("Date: {}\r\n", date.to_rfc5322())
}

/// `Message-ID:`, for a submission that lacks it (RFC 6409 8.2). `unique` is hexadecimal or the like.
pub fn message_id(unique: &str, host: &str) -> String {
    format!("Message-ID: <{}@{}>\r\n", clean(unique), clean(host))
}

/// Number of `Received` fields in a header block.
pub fn hops(block: &[u8]) -> u32 {
    let count = fields(block).filter(|field| field.is("Received")).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A field of chunks that are kept whole where they fit; `name` has its colon. What is in the chunks is not looked at.
pub fn folded(name: &str, chunks: &[String]) -> String {
    let mut out = name.to_owned();
    let mut column = name.len();
    for chunk in chunks {
        if column + 1 + chunk.len() > LINE_BYTES_MAX {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(chunk);
        column += 1 + chunk.len();
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    fn facts<'a>() -> Received<'a> {
        Received {
            from: Some(Client {
                helo: "client.example.org",
                address: IpAddr::from([192, 0, 2, 1]),
            }),
            by: "mx.heimpost.example",
            greeting: Greeting::Ehlo,
            tls: None,
            authenticated: false,
            id: "18f3a2",
            recipient: None,
            date: DateTime::utc(Wall(1_795_319_615)),
        }
    }

    #[test]
    fn received_is_folded() {
        let address = Address::parse("anna@heimpost.example").unwrap();
        let field = received(&Received {
            tls: Some(("TLS1.3", "TLS_AES_256_GCM_SHA384")),
            authenticated: true,
            recipient: Some(&address),
            ..facts()
        });
        assert_eq!(
            field,
            "Received: from client.example.org ([192.0.2.1]) by mx.heimpost.example\r\n \
             with ESMTPSA id 18f3a2 for <anna@heimpost.example> tls TLS_AES_256_GCM_SHA384\r\n \
             (TLS1.3); Sun, 22 Nov 2026 03:53:35 +0000\r\n"
        );
        assert!(field.lines().all(|line| line.len() <= LINE_BYTES_MAX));
    }

    #[test]
    fn a_client_may_stay_unnamed() {
        let field = received(&Received {
            from: None,
            ..facts()
        });
        assert_eq!(
            field,
            "Received: by mx.heimpost.example with ESMTP id 18f3a2;\r\n Sun, 22 Nov 2026 03:53:35 +0000\r\n"
        );
    }

    #[test]
    fn keywords() {
        let keyword = |greeting, tls, authenticated| {
            protocol(&Received {
                greeting,
                tls,
                authenticated,
                ..facts()
            })
        };
        let tls = Some(("TLS1.2", "X"));
        assert_eq!(keyword(Greeting::Helo, tls, false).as_deref(), Some("SMTP"));
        assert_eq!(
            keyword(Greeting::Ehlo, None, false).as_deref(),
            Some("ESMTP")
        );
        assert_eq!(
            keyword(Greeting::Ehlo, tls, false).as_deref(),
            Some("ESMTPS")
        );
        assert_eq!(
            keyword(Greeting::Ehlo, None, true).as_deref(),
            Some("ESMTPA")
        );
        assert_eq!(
            keyword(Greeting::EhloUtf8, tls, true).as_deref(),
            Some("UTF8SMTPSA")
        );
        assert_eq!(keyword(Greeting::Page, tls, true), None);
    }

    #[test]
    fn a_peer_cannot_break_out() {
        let field = received(&Received {
            from: Some(Client {
                helo: "a\r\nX: (y); <z>\u{fc}",
                address: "::ffff:192.0.2.1".parse().unwrap(),
            }),
            ..facts()
        });
        assert!(
            field.starts_with("Received: from a??X:??y????z?? ([192.0.2.1]) by"),
            "{field}"
        );
        assert_eq!(fields(field.as_bytes()).count(), 1);
        let field = received(&Received {
            from: Some(Client {
                helo: "",
                address: "2001:db8::1".parse().unwrap(),
            }),
            ..facts()
        });
        assert!(field.contains("from ? ([IPv6:2001:db8::1])"), "{field}");
    }

    #[test]
    fn other_fields() {
        let address = Address::parse("a b@x.org").ok();
        assert_eq!(address, None);
        let address = Address::parse("\"a b\"@x.org").ok();
        assert_eq!(return_path(&address), "Return-Path: <\"a b\"@x.org>\r\n");
        assert_eq!(return_path(&None), "Return-Path: <>\r\n");
        assert_eq!(
            delivered_to(&address.unwrap()),
            "Delivered-To: \"a b\"@x.org\r\n"
        );
        assert_eq!(
            date(facts().date),
            "Date: Sun, 22 Nov 2026 03:53:35 +0000\r\n"
        );
        assert_eq!(message_id("1f", "x.org"), "Message-ID: <1f@x.org>\r\n");
        assert_eq!(
            hops(b"Received: a\r\n b\r\nX: y\r\nreceived: c\r\n\r\nReceived: d\r\n"),
            2
        );
    }
}
