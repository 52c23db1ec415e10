//! Mail on its way out: a queue and its worker against hosts that follow scripts.

pub(crate) mod host;
pub(crate) mod hosts;
mod house;
mod required_tls;
mod smarthosts;
mod trial;
mod whole;

/// How most hosts begin.
const HELLO: &str = "S: 220 mx.test
C: EHLO home.test
S: 250-mx.test
S: 250 PIPELINING
";

/// How those begin that want one command after the other.
const BARE: &str = "S: 220 mx.test
C: EHLO home.test
S: 250 mx.test
";

/// How they take a mail to one recipient.
pub(crate) const TAKE: &str = "C: MAIL FROM:
S: 250 ok
C: RCPT TO:
S: 250 ok
C: DATA
S: 354 go
DATA
S: 250 2.0.0 queued
";

fn take(start: &str) -> String {
    format!("{start}{TAKE}")
}

fn bare(rest: &str) -> String {
    format!("{BARE}{rest}")
}
