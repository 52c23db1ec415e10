//! Words of delivery status notifications (DSN): what a sender asks to be told (RFC 3461), what there is to tell
//! (RFC 3464), and enhanced status codes (RFC 3463).
//!
//! Vocabulary alone: `queue/plan` decides what is owed to whom, `delivery/dsn` writes it.

use std::fmt;

/// Whether a text is what a server said, which begins with a reply code (RFC 5321 4.2), and not words of ours.
pub fn is_reply(text: &str) -> bool {
    let (code, rest) = text.split_at_checked(3).unwrap_or_default();
    let is_code = code.starts_with(['2', '3', '4', '5']);
    is_code
        && code.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with([' ', '-']))
}

/// What the sender wants to hear of one recipient (RFC 3461 4.1). All false is `NOTIFY=NEVER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// `SUCCESS`
    pub success: bool,
    /// `FAILURE`
    pub failure: bool,
    /// `DELAY`
    pub delay: bool,
}

impl Notify {
    /// `NOTIFY=NEVER`
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
    };
}

impl Default for Notify {
    /// Without NOTIFY: failures and delays are told (RFC 3461 4.1).
    fn default() -> Self {
        Self {
            success: false,
            failure: true,
            delay: true,
        }
    }
}

/// How much of the message comes back with a report of failure (RFC 3461 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Return {
    /// `RET=HDRS`, and what is done without RET.
    #[default]
    Headers,
    /// `RET=FULL`
    Full,
}

/// What happened to a recipient that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Refused for good.
    Failed,
    /// Given up after the mail's lifetime.
    Expired,
    /// Not delivered yet, tried further.
    Delayed,
    /// In its mailbox.
    Delivered,
    /// Handed to a host that sends no DSN (RFC 3461 5.2.2).
    Relayed,
}

impl Event {
    /// The value of the `Action` field (RFC 3464 2.3.3).
    pub fn action(self) -> &'static str {
        match self {
            Self::Failed | Self::Expired => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }

    /// Whether it is the end without delivery.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Expired)
    }
}

/// The first number of an enhanced status code (RFC 3463 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 2
    Success,
    /// 4
    Transient,
    /// 5
    Permanent,
}

impl Class {
    /// As it is written, and as the first digit of a reply's code.
    pub fn digit(self) -> u16 {
        match self {
            Self::Success => 2,
            Self::Transient => 4,
            Self::Permanent => 5,
        }
    }
}

/// An enhanced status code (RFC 3463 2), such as `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status {
    /// Success, transient or permanent.
    pub class: Class,
    /// What it is about, 0 to 999.
    pub subject: u16,
    /// What exactly, 0 to 999.
    pub detail: u16,
}

impl Status {
    /// From its text; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (class, rest) = text.split_once('.')?;
        let (subject, detail) = rest.split_once('.')?;
        let class = match class {
            "2" => Class::Success,
            "4" => Class::Transient,
            "5" => Class::Permanent,
            _ => return None,
        };
        Some(Self {
            class,
            subject: number(subject)?,
            detail: number(detail)?,
        })
    }
}

/// One to three digits.
fn number(text: &str) -> Option<u16> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.class.digit();
        write!(f, "{class}.{}.{}", self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes() {
        for text in ["2.0.0", "4.4.7", "5.7.26", "5.999.1"] {
            assert_eq!(Status::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "", "5", "5.1", "3.1.1", "5.1.1 ", "5.+1.1", "5.1.1000", "5.1.", "5.1.1.1",
        ] {
            assert_eq!(Status::parse(text), None, "{text:?}");
        }
    }
}
