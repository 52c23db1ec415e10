//! AUTHENTICATE (RFC 3501 6.2.2, RFC 4959): chooses the mechanism; the session runs the exchange.

use crate::imap::command::login::{channel, may_begin, privacy_required};
use crate::imap::command::{Ctx, Reply};
use crate::imap::syntax::command::Authenticate;
use crate::imap::syntax::response::{Code, Completion};
use crate::sasl::Mechanism;

/// Begins an exchange, if the mechanism may be used on this connection.
pub fn run(authenticate: Authenticate, ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = may_begin(ctx) {
        return completion.into();
    }
    let Some(mechanism) = Mechanism::parse(authenticate.mechanism.as_bytes()) else {
        return Completion::no("this mechanism is not known")
            .with(Code::Cannot)
            .into();
    };
    if channel(ctx).allows(mechanism) {
        return Reply::Exchange(mechanism, authenticate.initial);
    }
    match mechanism {
        Mechanism::Plain | Mechanism::Login => privacy_required().into(),
        Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
            Completion::no("this mechanism needs TLS")
                .with(Code::Cannot)
                .into()
        }
    }
}
