//! LOGIN (RFC 3501 6.2.3).

use crate::auth::Request;
use crate::imap::command::{Ctx, Reply};
use crate::imap::session::state::State;
use crate::imap::syntax::command::Login;
use crate::imap::syntax::response::{Code, Completion};
use crate::mail::secret::Secret;
use crate::sasl::{Channel, LOGIN_BYTES_MAX};

/// Longest password that is checked, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Has name and password checked, if they may be used on this connection.
pub fn run(login: &Login, ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = may_begin(ctx) {
        return completion.into();
    }
    if !channel(ctx).allows_plaintext() {
        return privacy_required().into();
    }
    let Some((user, password)) = texts(login) else {
        let refused = Completion::no("wrong name or password");
        return refused.with(Code::AuthenticationFailed).into();
    };
    Reply::Verify(Request::Password {
        login: user,
        password: Secret::new(password),
        from: ctx.link.address,
    })
}

/// The answer to a password that would cross the network in clear (RFC 5530 3).
pub(super) fn privacy_required() -> Completion {
    Completion::no("please use TLS first").with(Code::PrivacyRequired)
}

/// Logging in is possible once, at the beginning.
pub(super) fn may_begin(ctx: &Ctx<'_>) -> Result<(), Completion> {
    match ctx.state {
        State::NotAuthenticated(_) => Ok(()),
        State::Authenticated(_) | State::Selected(_) | State::Logout => {
            Err(Completion::bad("logged in already"))
        }
    }
}

/// The connection as SASL sees it.
pub(super) fn channel<'a>(ctx: &'a Ctx<'_>) -> Channel<'a> {
    Channel {
        tls: ctx.link.tls.as_ref(),
        plaintext_without_tls: ctx.services.settings.plaintext_without_tls,
    }
}

/// No account and no password has other than these.
fn texts(login: &Login) -> Option<(String, String)> {
    let user = String::from_utf8(login.user.clone()).ok()?;
    let password = String::from_utf8(login.password.expose().clone()).ok()?;
    let fits = user.len() <= LOGIN_BYTES_MAX && password.len() <= PASSWORD_BYTES_MAX;
    fits.then_some((user, password))
}
