//! The policy that the box publishes for mail to it (MTA-STS, RFC 8461): only by TLS, only at this host.
//!
//! The text is served at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`; the TXT record at `_mta-sts.DOMAIN` says by its id
//! whether a sender's copy is still right. Pure; who serves it sees to it that the certificate is one that senders accept.

use ring::digest::{SHA256, digest};

use crate::mail::address::Domain;

/// Label of the policy host in front of a domain (RFC 8461 3.2).
pub const HOST_LABEL: &str = "mta-sts";

/// Where a policy host has its policy (RFC 8461 3.3).
pub const PATH: &str = "/.well-known/mta-sts.txt";

/// How long senders keep it, in seconds. A week: long enough to protect, short enough to change one's mind.
const MAX_AGE_SECONDS: u32 = 7 * 24 * 60 * 60;

/// Bytes of the digest that are the id; 32 letters and digits are allowed (RFC 8461 3.1).
const ID_BYTES: usize = 16;

/// A policy, ready to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What the policy host serves, lines ending in CRLF.
    pub text: String,
    /// Changes whenever the text does.
    pub id: String,
}

impl Policy {
    /// Of a domain whose only mail host is `mx`.
    pub fn enforce(mx: &Domain) -> Self {
        let text = format!(
            "version: STSv1\r\nmode: enforce\r\nmx: {}\r\nmax_age: {MAX_AGE_SECONDS}\r\n",
            mx.as_str()
        );
        let hash = digest(&SHA256, text.as_bytes());
        let mut id = String::with_capacity(2 * ID_BYTES);
        for byte in hash.as_ref().iter().take(ID_BYTES) {
            for digit in [byte >> 4, byte & 15] {
                id.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        Self { text, id }
    }

    /// The TXT record at `_mta-sts.DOMAIN` (RFC 8461 3.1).
    pub fn record(&self) -> String {
        format!("v=STSv1; id={};", self.id)
    }
}

/// The policy host of a domain.
pub fn host(domain: &Domain) -> String {
    format!("{HOST_LABEL}.{}", domain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_record_are_as_the_rfc_has_them() {
        let policy = Policy::enforce(&Domain::parse("Mail.Example.ORG").unwrap());
        assert_eq!(
            policy.text,
            "version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\nmax_age: 604800\r\n"
        );
        assert_eq!(policy.id.len(), 32);
        assert!(policy.id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(policy.record(), format!("v=STSv1; id={};", policy.id));
    }

    #[test]
    fn another_host_is_another_id() {
        let of = |name| Policy::enforce(&Domain::parse(name).unwrap()).id;
        assert_ne!(of("mail.example.org"), of("mx.example.org"));
        assert_eq!(of("mail.example.org"), of("mail.example.org"));
    }
}
