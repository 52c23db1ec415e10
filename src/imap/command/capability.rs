//! CAPABILITY (RFC 3501 6.1.1) and the one table of what this server can.
//!
//! A name stands here only when all of it works. What is told depends on whether TLS is there and who is logged in.

use super::{Ctx, Reply};
use crate::imap::session::state::State;
use crate::imap::session::{Link, Services};
use crate::imap::syntax::render::put;
use crate::imap::syntax::response::Completion;
use crate::sasl::Channel;

/// What is told in every state. IDLE too: some clients (Python's imaplib) ask for the list only before they log in.
const ALWAYS: &[&str] = &["IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE"];

/// What is told once somebody is logged in.
const LOGGED_IN: &[&str] = &[
    "NAMESPACE",
    "UNSELECT",
    "CHILDREN",
    "UIDPLUS",
    "MOVE",
    "SPECIAL-USE",
    "STATUS=SIZE",
    "WITHIN",
    "CONDSTORE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "UTF8=ACCEPT",
];

/// Answers with the list.
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    let names = names(ctx.services, ctx.link, ctx.state);
    put!(ctx.out, "* CAPABILITY {}\r\n", names.join(" "));
    Completion::ok("CAPABILITY done").into()
}

/// The capabilities as of now.
pub fn names(services: &Services, link: &Link, state: &State) -> Vec<String> {
    let mut names: Vec<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
    match state {
        State::NotAuthenticated(_) => names.extend(before_login(services, link)),
        State::Authenticated(_) | State::Selected(_) | State::Logout => {
            names.extend(LOGGED_IN.iter().map(|name| (*name).to_owned()));
            names.push(format!(
                "APPENDLIMIT={}",
                services.settings.append_bytes_max
            ));
        }
    }
    names
}

/// RFC 3501 6.2.1, 11.1: without TLS no password may cross, but SCRAM shows none.
fn before_login(services: &Services, link: &Link) -> Vec<String> {
    let channel = Channel {
        tls: link.tls.as_ref(),
        plaintext_without_tls: services.settings.plaintext_without_tls,
    };
    let mut names = Vec::new();
    if link.tls.is_none() && services.settings.starttls {
        names.push("STARTTLS".to_owned());
    }
    if !channel.allows_plaintext() {
        names.push("LOGINDISABLED".to_owned());
    }
    names.extend(
        channel
            .offers()
            .map(|mechanism| format!("AUTH={}", mechanism.name())),
    );
    names
}
