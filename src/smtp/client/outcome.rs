//! What comes of talking to a server: of each recipient, of a request that cannot even be made, of the connection.
//!
//! Delivery is three-valued. The fate of a recipient keeps the server's own words, which a DSN quotes, or what befell
//! the connection instead.

use std::time::Duration;

use crate::mail::report::Status;
use crate::sasl::client::ClientFailure;

use super::reply::{Class, Reply, ReplyError};

/// What the client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The server's first words.
    Greeting,
    /// The answer to EHLO or HELO.
    Hello,
    /// The answer to STARTTLS.
    StartTls,
    /// A challenge, or the end of a login.
    Login,
    /// Nothing: the connection is idle.
    Idle,
    /// The answer to MAIL.
    Mail,
    /// The answer to RCPT.
    Rcpt,
    /// The answer to DATA.
    Data,
    /// The server to take the message's bytes, or the answer to a chunk.
    Body,
    /// The answer to the whole message.
    End,
    /// The answer to RSET.
    Reset,
    /// The answer to QUIT.
    Quit,
}

impl Phase {
    /// How long the server may take (RFC 5321 4.5.3.2, where it names the phase); `None` where nothing is due.
    pub fn timeout(self) -> Option<Duration> {
        let minutes = match self {
            Self::Greeting
            | Self::Hello
            | Self::StartTls
            | Self::Login
            | Self::Mail
            | Self::Rcpt
            | Self::Reset => 5,
            Self::Data => 2,
            Self::Body => 3,
            Self::End => 10,
            // Nothing hangs on it any more.
            Self::Quit => 1,
            Self::Idle => return None,
        };
        Some(Duration::from_mins(minutes))
    }

    /// For logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Idle => "idle",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "message",
            Self::End => "end of message",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
        }
    }
}

/// Why a connection was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The server closed it, or the network did.
    #[error("the connection was cut")]
    Cut,
    /// No whole reply came for as long as [`Phase::timeout`] allows.
    #[error("the server was silent for too long")]
    Silent,
    /// Replies came, but all of them took longer than [`super::patience`] allows.
    #[error("the server took too long in all")]
    TooSlow,
    /// What came was no reply.
    #[error("{0}")]
    Broken(#[from] ReplyError),
    /// A reply that does not fit there.
    #[error("unexpected reply: {0}")]
    Unexpected(Reply),
    /// Plaintext behind the answer to STARTTLS (RFC 3207 4.2).
    #[error("plaintext follows the answer to STARTTLS")]
    Injected,
    /// We gave up, for example because the message could not be read.
    #[error("given up on our side")]
    Abandoned,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By our QUIT.
    Quit,
    /// The server does not want it: a bad greeting or answer to EHLO, or 421 at any time.
    Refused(Phase, Reply),
    /// Otherwise.
    Lost(Phase, Loss),
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server has taken the message for it.
    Delivered(Reply),
    /// Worth another attempt.
    Transient(Cause),
    /// Not worth one.
    Permanent(Cause),
}

/// Why a recipient has no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server said so.
    Refused(Phase, Reply),
    /// The connection ended before it was said. At [`Phase::End`] the server may have taken the message all the same:
    /// another attempt can make a second copy, none can lose the only one (RFC 5321 6.1).
    Lost(Phase, Loss),
    /// More recipients than this server takes at once (RFC 9422 4.2); these were not tried.
    RecipientsMax,
}

impl Fate {
    /// The fate that a reply decides, which is not a success.
    pub(super) fn refused(phase: Phase, reply: Reply) -> Self {
        // RFC 5321 4.5.3.1.10: 552 to RCPT once meant too many recipients. With an enhanced status code that says
        // otherwise it means what it says.
        let too_many = phase == Phase::Rcpt
            && reply.code() == 552
            && matches!(
                reply.enhanced(),
                None | Some(Status {
                    subject: 5,
                    detail: 3,
                    ..
                })
            );
        if reply.class() == Class::Permanent && !too_many {
            Self::Permanent(Cause::Refused(phase, reply))
        } else {
            Self::Transient(Cause::Refused(phase, reply))
        }
    }

    /// Whether the server may have taken the message although it is not known to have.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Transient(Cause::Lost(Phase::End, _)))
    }
}

/// What a message cannot do without and the server does not offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The body can be converted to 7 bits (RFC 6152 3).
    EightBitMime,
    /// The body can be converted to base64 (RFC 3030 3).
    BinaryMime,
    /// Nothing can be converted: addresses or header are in UTF-8 (RFC 6531 3.2).
    Smtputf8,
}

/// Why a message is not sent on this connection; nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Something else is under way.
    #[error("the connection is not ready")]
    NotReady,
    /// The server takes no more messages on this connection (RFC 9422 4.1); another one may.
    #[error("the server takes no more messages on this connection")]
    MailMax,
    /// There is nobody to send it to.
    #[error("the message has no recipients")]
    NoRecipients,
    /// Permanent: the server has told a smaller limit (RFC 1870 6.1).
    #[error("the server takes messages of up to {limit_bytes} bytes")]
    TooLarge {
        /// The server's limit in bytes.
        limit_bytes: u64,
    },
    /// To be converted, or permanent.
    #[error("the message needs {0:?}, which the server does not offer")]
    Needs(Need),
}

/// Why STARTTLS is not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Something else is under way.
    #[error("the connection is not ready")]
    NotReady,
    /// TLS runs, or the server has none.
    #[error("the server does not offer STARTTLS")]
    NotOffered,
}

/// Why a login is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Something else is under way, or a login was made.
    #[error("the connection is not ready")]
    NotReady,
    /// The server offers no mechanism that we run.
    #[error("the server offers no login that we know")]
    NotOffered,
    /// Those that it offers show the password, and TLS does not run.
    #[error("the server wants the password without TLS")]
    NeedsTls,
    /// Name and password cannot be used.
    #[error("{0}")]
    Client(#[from] ClientFailure),
}

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// The server said so; its code tells whether another attempt is worth it.
    Refused(Reply),
    /// The exchange could not go on.
    Client(ClientFailure),
}
