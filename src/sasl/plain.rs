//! PLAIN (RFC 4616) and LOGIN: the password itself crosses the wire.

use super::{Context, Failure, Mechanism, Move, State, Turn, check_authorization, login_name};
use crate::auth::Request;
use crate::auth::password::PASSWORD_BYTES_MAX;
use crate::mail::secret::Secret;

/// Waits for the one message of PLAIN.
#[derive(Debug)]
pub(super) struct Plain {
    context: Context,
}

impl Plain {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// RFC 4616 2: `[authzid] NUL authcid NUL passwd`.
    pub(super) fn respond(self, response: &[u8]) -> Turn {
        let mut fields = response.split(|byte| *byte == 0);
        let (Some(authorization), Some(login), Some(password), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(Failure::Malformed);
        };
        let login = login_name(login)?;
        check_authorization(authorization, &login)?;
        authenticate(Mechanism::Plain, &self.context, login, password)
    }
}

/// LOGIN asks for the name, then for the password.
#[derive(Debug)]
pub(super) struct Login {
    context: Context,
    login: Option<String>,
}

impl Login {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            login: None,
        }
    }

    /// What to ask for next. Clients compare these texts.
    pub(super) fn prompt(&self) -> &'static [u8] {
        match self.login {
            None => b"Username:",
            Some(_) => b"Password:",
        }
    }

    pub(super) fn respond(mut self, response: &[u8]) -> Turn {
        if let Some(login) = self.login {
            return authenticate(Mechanism::Login, &self.context, login, response);
        }
        self.login = Some(login_name(response)?);
        let prompt = self.prompt().to_vec();
        Ok((State::Login(self), Move::Challenge(prompt)))
    }
}

fn authenticate(mechanism: Mechanism, context: &Context, login: String, password: &[u8]) -> Turn {
    let password = std::str::from_utf8(password).map_err(|_| Failure::Malformed)?;
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX || password.contains('\0') {
        return Err(Failure::Malformed);
    }
    let request = Request::Password {
        login,
        password: Secret::new(password.to_owned()),
        from: context.from,
    };
    Ok((State::Checking(mechanism), Move::Authenticate(request)))
}
