//! What came of an attempt, as a status code and words: the host's own where it said something, else ours.
//!
//! Pure. Ours are short and plain, since they end up in reports to senders and in the owner's list.

use std::io;
use std::net::SocketAddr;

use crate::mail::report::{Class, Status};
use crate::net::outbound::TlsFailure;
use crate::queue::desk::Tried;
use crate::queue::plan::Outcome;
use crate::smtp::client::outcome::{Cause, Ended, Fate, Loss, Phase};
use crate::smtp::client::reply;

/// Said when every host of a domain was silent on port 25: most often the provider blocks it. The rest of the words follow.
pub const PORT_BLOCKED: &str = "no host answers on port 25";

/// RFC 4954 6: a login is required, or is not good enough.
const LOGIN_CODES: [u16; 4] = [530, 534, 535, 538];

/// Most bytes of words that are kept: a host may say much, to each of many recipients.
const WORDS_BYTES_MAX: usize = 1024;

/// Why a connection could not be used for any message.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is none.
    Connect(io::Error),
    /// TLS is required, and there is none that proves what it has to.
    Tls(TlsFailure),
    /// TLS is required and not offered.
    TlsNotOffered,
    /// TLS is required and was refused.
    TlsRefused(reply::Reply),
    /// The server or the network ended it.
    Ended(Ended),
    /// The login failed; in words. More logins with the same password would fail too.
    Login(String),
    /// There was no login for a reason that may pass by itself; in words.
    NoLogin(String),
}

/// An outcome with its reasons, but for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) status: Status,
    pub(super) reply: String,
}

impl Verdict {
    pub(super) fn transient((subject, detail): (u16, u16), reply: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Transient,
            status: status(Class::Transient, subject, detail),
            reply: reply.into(),
        }
    }

    pub(super) fn permanent((subject, detail): (u16, u16), reply: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Permanent,
            status: status(Class::Permanent, subject, detail),
            reply: reply.into(),
        }
    }

    /// As the queue takes it.
    pub(super) fn of_host(self, host: Option<&str>) -> Tried {
        Tried {
            outcome: self.outcome,
            host: host.map(str::to_owned),
            status: self.status,
            reply: short(self.reply),
        }
    }

    /// By the fate of a recipient. `reports` is whether the host was asked to report by itself.
    pub(super) fn of_fate(fate: &Fate, reports: bool) -> Self {
        match fate {
            Fate::Delivered(reply) => Self {
                outcome: if reports {
                    Outcome::PassedOn
                } else {
                    Outcome::Relayed
                },
                status: status_of(reply, Class::Success),
                reply: reply.to_string(),
            },
            Fate::Transient(Cause::Refused(_, reply)) => Self::said(reply, Class::Transient),
            Fate::Permanent(Cause::Refused(_, reply)) => Self::said(reply, Class::Permanent),
            Fate::Transient(Cause::Lost(phase, loss))
            | Fate::Permanent(Cause::Lost(phase, loss)) => Self::lost(*phase, loss),
            Fate::Transient(Cause::RecipientsMax) | Fate::Permanent(Cause::RecipientsMax) => {
                Self::transient((5, 3), "the host takes no more recipients at once")
            }
        }
    }

    /// The same of a smarthost that wants a login: the settings are to be mended, and no mail comes back over them.
    pub(super) fn of_smarthost(self, fate: &Fate) -> Self {
        match fate {
            Fate::Permanent(Cause::Refused(_, reply)) if LOGIN_CODES.contains(&reply.code()) => {
                Self::transient((7, 8), self.reply)
            }
            Fate::Delivered(_) | Fate::Transient(_) | Fate::Permanent(_) => self,
        }
    }

    /// A smarthost that does not even let us in says nothing of this mail: there may be something wrong with the account
    /// or the address of the box.
    pub(super) fn for_now(self) -> Self {
        if self.outcome != Outcome::Permanent {
            return self;
        }
        Self {
            outcome: Outcome::Transient,
            status: Status {
                class: Class::Transient,
                ..self.status
            },
            reply: self.reply,
        }
    }

    fn said(reply: &reply::Reply, class: Class) -> Self {
        let outcome = match class {
            Class::Permanent => Outcome::Permanent,
            Class::Success | Class::Transient => Outcome::Transient,
        };
        Self {
            outcome,
            status: status_of(reply, class),
            reply: reply.to_string(),
        }
    }

    fn lost(phase: Phase, loss: &Loss) -> Self {
        let detail = match loss {
            Loss::Cut | Loss::Silent | Loss::TooSlow | Loss::Abandoned => (4, 2),
            Loss::Broken(_) | Loss::Unexpected(_) => (5, 0),
            Loss::Injected => (7, 0),
        };
        let unknown = if phase == Phase::End {
            "; the host may have taken the mail all the same"
        } else {
            ""
        };
        Self::transient(detail, format!("{loss} ({}){unknown}", phase.name()))
    }

    /// By why a connection could not be used.
    pub(super) fn of_fault(fault: &Fault, address: SocketAddr) -> Self {
        match fault {
            Fault::Connect(error) => Self::transient((4, 1), connect(error, address)),
            Fault::Tls(failure) => Self::transient((7, 5), failure.to_string()),
            Fault::TlsNotOffered => {
                Self::transient((7, 4), "the host offers no TLS, which is required for it")
            }
            Fault::TlsRefused(reply) => Self::transient(
                (7, 4),
                format!("the host refuses TLS, which is required for it: {reply}"),
            ),
            // RFC 5321 3.1: 554 is a host that takes no mail.
            Fault::Ended(Ended::Refused(_, reply)) if reply.class() == reply::Class::Permanent => {
                Self::said(reply, Class::Permanent)
            }
            Fault::Ended(Ended::Refused(_, reply)) => Self::said(reply, Class::Transient),
            Fault::Ended(Ended::Lost(phase, loss)) => Self::lost(*phase, loss),
            Fault::Ended(Ended::Quit) => Self::lost(Phase::Quit, &Loss::Cut),
            Fault::Login(words) | Fault::NoLogin(words) => Self::transient((7, 8), words.clone()),
        }
    }
}

impl Fault {
    /// Whether nothing at all came back.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() == io::ErrorKind::TimedOut)
    }

    /// How much it tells: the most telling one is what people read.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Connect(_) => 0,
            Self::Ended(Ended::Lost(..) | Ended::Quit) => 1,
            Self::Tls(_) | Self::TlsNotOffered | Self::TlsRefused(_) => 2,
            Self::Ended(Ended::Refused(..)) => 3,
            Self::Login(_) | Self::NoLogin(_) => 4,
        }
    }
}

fn short(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
    words
}

/// Refused, silent and unreachable are told apart.
fn connect(error: &io::Error, address: SocketAddr) -> String {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    let kind = error.kind();
    if kind == ConnectionRefused {
        format!("{address} refuses connections")
    } else if kind == TimedOut {
        format!("{address} does not answer")
    } else if kind == NetworkUnreachable || kind == HostUnreachable {
        format!("there is no way to {address}: {error}")
    } else {
        format!("no connection to {address}: {error}")
    }
}

/// The words for silence of all hosts.
pub(super) fn silence(port: u16) -> Verdict {
    let words = if port == 25 {
        format!(
            "{PORT_BLOCKED}; many internet providers block that port, a smarthost ([relay] in the settings) helps"
        )
    } else {
        format!("no host answers on port {port}")
    };
    Verdict::transient((4, 1), words)
}

/// The host's own code, or what its reply code says (RFC 3463 3.1).
fn status_of(reply: &reply::Reply, class: Class) -> Status {
    let said = reply.enhanced().unwrap_or_else(|| status(class, 0, 0));
    // 552 to RCPT may mean "later" (RFC 5321 4.5.3.1.10).
    Status { class, ..said }
}

fn status(class: Class, subject: u16, detail: u16) -> Status {
    Status {
        class,
        subject,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::client::reply::Replies;

    fn reply(line: &str) -> reply::Reply {
        let mut replies = Replies::default();
        replies.push(format!("{line}\r\n").as_bytes());
        replies.next_reply().unwrap().unwrap()
    }

    fn check(verdict: &Verdict, outcome: Outcome, text: &str) {
        let said = format!("{} {}", verdict.status, verdict.reply);
        assert_eq!((verdict.outcome, said.as_str()), (outcome, text));
    }

    #[test]
    fn fates() {
        use Outcome::{PassedOn, Permanent, Relayed, Transient};
        let done = Fate::Delivered(reply("250 2.6.0 queued as 7"));
        check(
            &Verdict::of_fate(&done, false),
            Relayed,
            "2.6.0 250 2.6.0 queued as 7",
        );
        check(
            &Verdict::of_fate(&done, true),
            PassedOn,
            "2.6.0 250 2.6.0 queued as 7",
        );
        let refused = |line| Cause::Refused(Phase::Rcpt, reply(line));
        let fate = Fate::Permanent(refused("550 no such user"));
        check(
            &Verdict::of_fate(&fate, true),
            Permanent,
            "5.0.0 550 no such user",
        );
        let fate = Fate::Transient(refused("552 5.5.3 too many"));
        check(
            &Verdict::of_fate(&fate, true),
            Transient,
            "4.5.3 552 5.5.3 too many",
        );
        let fate = Fate::Transient(Cause::Lost(Phase::Rcpt, Loss::Cut));
        check(
            &Verdict::of_fate(&fate, true),
            Transient,
            "4.4.2 the connection was cut (RCPT)",
        );
        let fate = Fate::Transient(Cause::Lost(Phase::End, Loss::Silent));
        let words = "4.4.2 the server was silent for too long (end of message); the host may have taken the mail all the same";
        check(&Verdict::of_fate(&fate, true), Transient, words);
    }

    #[test]
    fn long_words_are_cut() {
        let line = format!("550-{}", "\u{fc}".repeat(1000));
        let mut replies = Replies::default();
        replies.push(format!("{line}\r\n").repeat(100).as_bytes());
        replies.push(b"550 end\r\n");
        let reply = replies.next_reply().unwrap().unwrap();
        let fate = Fate::Permanent(Cause::Refused(Phase::Rcpt, reply));
        let tried = Verdict::of_fate(&fate, false).of_host(Some("mx.test"));
        assert_eq!(tried.reply, format!("550 {}", "\u{fc}".repeat(510)));
    }

    #[test]
    fn faults_are_told_apart() {
        let address = "192.0.2.1:25".parse().unwrap();
        let connect = |kind: io::ErrorKind| Fault::Connect(kind.into());
        for (fault, text) in [
            (
                connect(io::ErrorKind::ConnectionRefused),
                "4.4.1 192.0.2.1:25 refuses connections",
            ),
            (
                connect(io::ErrorKind::TimedOut),
                "4.4.1 192.0.2.1:25 does not answer",
            ),
            (
                connect(io::ErrorKind::HostUnreachable),
                "4.4.1 there is no way to 192.0.2.1:25: host unreachable",
            ),
            (
                Fault::TlsNotOffered,
                "4.7.4 the host offers no TLS, which is required for it",
            ),
            (
                Fault::Ended(Ended::Refused(Phase::Greeting, reply("421 busy"))),
                "4.0.0 421 busy",
            ),
        ] {
            check(
                &Verdict::of_fault(&fault, address),
                Outcome::Transient,
                text,
            );
        }
        let fault = Fault::Ended(Ended::Refused(Phase::Greeting, reply("554 5.7.1 go away")));
        let verdict = Verdict::of_fault(&fault, address);
        check(&verdict, Outcome::Permanent, "5.7.1 554 5.7.1 go away");
        assert!(silence(25).reply.contains("smarthost"));
        assert!(!silence(2525).reply.contains("smarthost"));
    }
}
