//! What a server says it can do, from its answer to EHLO (RFC 5321 4.1.1.1).
//!
//! Keywords are known in any case; unknown ones and parameters that make no sense count as not said.

use crate::sasl::Mechanism;

use super::reply::Reply;

/// The extensions of a connection. Empty after HELO and before EHLO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent keyword of the protocol"
)]
pub struct Extensions {
    /// RFC 2920
    pub pipelining: bool,
    /// RFC 1870
    pub size: Size,
    /// RFC 6152
    pub eight_bit_mime: bool,
    /// RFC 6531
    pub smtputf8: bool,
    /// RFC 3030
    pub chunking: bool,
    /// RFC 3030; counts only together with CHUNKING.
    pub binarymime: bool,
    /// RFC 3461
    pub dsn: bool,
    /// RFC 3207
    pub starttls: bool,
    /// RFC 2034
    pub enhanced_status_codes: bool,
    /// RFC 4954: the mechanisms that we know, in the server's order.
    pub auth: Vec<Mechanism>,
    /// RFC 9422
    pub limits: Limits,
}

/// `SIZE`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// Not said.
    #[default]
    Unknown,
    /// `SIZE` or `SIZE 0`: announcements are taken, no limit is told.
    Unlimited,
    /// Largest message in bytes.
    Max(u64),
}

/// `LIMITS` (RFC 9422 4)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most transactions of a connection.
    pub mail_max: Option<u32>,
    /// Most RCPT commands of a transaction.
    pub rcpt_max: Option<u32>,
    /// Most domains in the recipients of a connection.
    pub rcpt_domain_max: Option<u32>,
}

impl Extensions {
    /// Reads the reply to EHLO, whose first line is a greeting.
    pub fn parse(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines().iter().skip(1) {
            extensions.add(line);
        }
        extensions.binarymime &= extensions.chunking;
        extensions
    }

    fn add(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "PIPELINING" => self.pipelining = true,
            "SIZE" => self.size = size(words.next()),
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "CHUNKING" => self.chunking = true,
            "BINARYMIME" => self.binarymime = true,
            "DSN" => self.dsn = true,
            "STARTTLS" => self.starttls = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            "AUTH" => self.add_mechanisms(words),
            "LIMITS" => words.for_each(|word| self.limits.add(word)),
            // Old servers, for older clients: "AUTH=LOGIN PLAIN".
            _ => {
                if let Some(first) = keyword.strip_prefix("AUTH=") {
                    self.add_mechanisms(std::iter::once(first).chain(words));
                }
            }
        }
    }

    fn add_mechanisms<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for mechanism in names.filter_map(|name| Mechanism::parse(name.as_bytes())) {
            if !self.auth.contains(&mechanism) {
                self.auth.push(mechanism);
            }
        }
    }
}

impl Limits {
    fn add(&mut self, word: &str) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        // RFC 9422 3.2: a value that cannot be read counts as not said.
        let value = value.parse().ok().filter(|&value| value > 0);
        match name.to_ascii_uppercase().as_str() {
            "MAILMAX" => self.mail_max = value,
            "RCPTMAX" => self.rcpt_max = value,
            "RCPTDOMAINMAX" => self.rcpt_domain_max = value,
            _ => {}
        }
    }
}

/// RFC 1870 4: zero means that no fixed limit is in force.
fn size(parameter: Option<&str>) -> Size {
    match parameter.and_then(|text| text.parse().ok()) {
        None | Some(0) => Size::Unlimited,
        Some(bytes) => Size::Max(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::Replies;
    use super::*;

    fn parse(lines: &[&str]) -> Extensions {
        let mut replies = Replies::default();
        for line in ["mail.example greets"].iter().chain(lines) {
            replies.push(format!("250-{line}\r\n").as_bytes());
            assert_eq!(replies.next_reply(), None);
        }
        replies.push(b"250 HELP\r\n");
        Extensions::parse(&replies.next_reply().unwrap().unwrap())
    }

    #[test]
    fn all_keywords() {
        let extensions = parse(&[
            "PIPELINING",
            "size 5000",
            "8bitmime",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
            "STARTTLS",
            "ENHANCEDSTATUSCODES",
            "AUTH SCRAM-SHA-256 PLAIN CRAM-MD5 plain",
            "AUTH=LOGIN PLAIN",
            "LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1 NEW=3",
            "X-EXPS GSSAPI",
        ]);
        let expected = Extensions {
            pipelining: true,
            size: Size::Max(5000),
            eight_bit_mime: true,
            smtputf8: true,
            chunking: true,
            binarymime: true,
            dsn: true,
            starttls: true,
            enhanced_status_codes: true,
            auth: vec![Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login],
            limits: Limits {
                mail_max: Some(5),
                rcpt_max: Some(20),
                rcpt_domain_max: Some(1),
            },
        };
        assert_eq!(extensions, expected);
    }

    #[test]
    fn what_makes_no_sense_is_not_said() {
        assert_eq!(parse(&[]), Extensions::default());
        assert_eq!(
            parse(&["PIPELINING-X", "", "BINARYMIME"]),
            Extensions::default()
        );
        assert_eq!(
            parse(&["LIMITS RCPTMAX=0 MAILMAX=x"]).limits,
            Limits::default()
        );
        for text in ["SIZE", "SIZE 0", "SIZE lots"] {
            assert_eq!(parse(&[text]).size, Size::Unlimited, "{text}");
        }
    }

    #[test]
    fn the_first_line_is_no_keyword() {
        let mut replies = Replies::default();
        replies.push(b"250 PIPELINING\r\n");
        let reply = replies.next_reply().unwrap().unwrap();
        assert_eq!(Extensions::parse(&reply), Extensions::default());
    }
}
