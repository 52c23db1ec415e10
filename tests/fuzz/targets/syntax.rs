//! The languages of SMTP, IMAP and SASL, without sessions.

use heimpost::auth::{Identity, Outcome, ScramParameters};
use heimpost::imap::connection::{Connection, Received};
use heimpost::imap::syntax::command::CommandBody;
use heimpost::imap::syntax::lexer::{Dialect, Lexer};
use heimpost::imap::syntax::parse;
use heimpost::imap::syntax::parse_command;
use heimpost::imap::syntax::render::string;
use heimpost::mail::ids::AccountId;
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::pop3::command as pop3;
use heimpost::sasl::{Context, Exchange, Mechanism, Step};
use heimpost::smtp::command::Command;
use heimpost::smtp::data::{Dots, LineCheck, Progress};

use super::pieces;

pub(super) fn smtp_command(data: &[u8]) {
    match Command::parse(data) {
        Ok(Command::Auth { .. }) => assert!(Command::is_auth(data)),
        Ok(Command::Mail(mail)) => {
            assert!(mail.smtputf8 || mail.from.is_none_or(|from| !from.smtputf8_needed()));
            assert!(mail.envid.is_none_or(|envid| is_line(&envid)));
        }
        Ok(Command::Rcpt(rcpt)) => {
            assert!(
                rcpt.original
                    .is_none_or(|(of, to)| is_line(&of) && is_line(&to))
            );
        }
        Ok(_) => assert!(!data.contains(&b'\n')),
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
}

/// Whether a decoded parameter cannot break out of the line that it is written to.
fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// A keyword's case does not matter, and no debug output shows a password.
pub(super) fn pop3_command(data: &[u8]) {
    let show = |line: &[u8]| format!("{:?}", pop3::parse(line));
    let keyword = data
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(data.len());
    let (keyword, rest) = data.split_at(keyword);
    let lower = [&keyword.to_ascii_lowercase(), rest].concat();
    assert_eq!(show(data), show(&lower));
    if keyword.eq_ignore_ascii_case(b"PASS") && pop3::parse(data).is_ok() {
        assert_eq!(show(data), "Ok(Pass(***))");
    }
}

/// Dots are found alike however the bytes come; and any message goes through DATA unharmed.
pub(super) fn smtp_data(data: &[u8]) {
    assert_eq!(undot(pieces(data)), undot(vec![data]));
    assert_eq!(undot(data.chunks(1).collect()), undot(vec![data]));

    let message = [data, b"\r\n"].concat();
    let mut sent = Vec::new();
    for (at, byte) in message.iter().enumerate() {
        let starts = at == 0 || message[..at].ends_with(b"\r\n");
        if starts && *byte == b'.' {
            sent.push(b'.');
        }
        sent.push(*byte);
    }
    sent.extend_from_slice(b".\r\n");
    let (got, end) = undot(vec![&sent]);
    assert_eq!((got, end), (message, Some(sent.len())));

    let (mut whole, mut split) = (LineCheck::default(), LineCheck::default());
    whole.push(data);
    for piece in pieces(data) {
        split.push(piece);
    }
    assert_eq!(whole.malformed(), split.malformed());
    assert_eq!(whole.ends_with_cr(), split.ends_with_cr());
}

/// The message and the place where it ended.
fn undot(pieces: Vec<&[u8]>) -> (Vec<u8>, Option<usize>) {
    let (mut dots, mut out, mut at) = (Dots::default(), Vec::new(), 0);
    for piece in pieces {
        if let Progress::Ended(bytes) = dots.push(piece, &mut out) {
            return (out, Some(at + bytes));
        }
        at += piece.len();
    }
    (out, None)
}

pub(super) fn imap_command(data: &[u8]) {
    if let Ok(command) = parse_command(data) {
        assert_eq!(parse::tag_of(data), Some(command.tag));
        assert!(!command.body.name().is_empty());
    }
    for dialect in [Dialect::Utf7, Dialect::Utf8] {
        let parsed = parse::command(data, dialect);
        drop(parsed);
        drop(parse::append::append_head(data, dialect));
        if let Ok(name) = MailboxName::parse(&String::from_utf8_lossy(data)) {
            let mut written = Vec::new();
            string::mailbox(&mut written, &name, dialect);
            let read = Lexer::new(&written, dialect).mailbox();
            assert_eq!(read.ok(), Some(name));
        }
    }
}

/// What is received does not depend on how the bytes come, and all of them are used up.
pub(super) fn imap_connection(data: &[u8]) {
    let whole = receive(vec![data]);
    assert_eq!(receive(pieces(data)), whole);
    assert_eq!(receive(data.chunks(1).collect()), whole);
}

/// All that was received, and what was answered.
fn receive(pieces: Vec<&[u8]>) -> (Vec<String>, String) {
    let (mut connection, mut out) = (Connection::default(), Vec::new());
    let mut all = Vec::new();
    let mut message = Vec::new();
    for piece in pieces {
        connection.push(piece);
        while let Some(received) = connection.receive(&mut out) {
            match received {
                Received::Literal(bytes) => {
                    message.extend_from_slice(&bytes);
                    continue;
                }
                Received::Hopeless => {
                    return (all, String::from_utf8_lossy(&out).into_owned());
                }
                Received::Append(ref append) if append.message.literal.bytes.is_multiple_of(2) => {
                    connection.accept_literal(&mut out);
                }
                Received::Append(_) => connection.refuse_literal(),
                Received::Command(ref command) => {
                    let more = matches!(
                        command.body,
                        CommandBody::Idle | CommandBody::Authenticate(_)
                    );
                    if more {
                        connection.expect_line();
                    }
                }
                Received::AppendEnd | Received::Line(_) | Received::Refused(..) => {}
            }
            all.push(format!("{message:?} {received:?}"));
            message.clear();
        }
        assert!(connection.wants_input(), "bytes are left unused");
    }
    (all, String::from_utf8_lossy(&out).into_owned())
}

/// The first line names the mechanism, the others are responses, the first of them given at once if the number of bytes
/// is even.
pub(super) fn sasl(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let name = lines.next().unwrap_or_default();
    let Some(mechanism) = Mechanism::parse(name) else {
        return;
    };
    let initial = data.len().is_multiple_of(2).then(|| lines.next()).flatten();
    let context = Context {
        lookup: Box::new(|login| {
            let salt = login.as_bytes().to_vec();
            let iterations = 4096;
            (login != "broken").then_some(ScramParameters { salt, iterations })
        }),
        from: [192, 0, 2, 1].into(),
        exporter: (mechanism == Mechanism::ScramSha256Plus).then_some([9; 32]),
        nonce: "server".to_owned(),
    };
    let (mut exchange, mut step) = Exchange::start(mechanism, initial, context);
    for _ in 0..8 {
        step = match step {
            Step::Challenge(text) => {
                assert!(!text.contains(['\r', '\n']), "{text:?}");
                match lines.next() {
                    Some(line) => exchange.respond(line),
                    None => return,
                }
            }
            Step::Authenticate(request) => {
                assert!(!request.login().is_empty());
                exchange.finish(&outcome(data.len()))
            }
            Step::Granted(_) | Step::Failed(_) => return,
        };
    }
    panic!("an exchange without end");
}

fn outcome(seed: usize) -> Outcome {
    if seed.is_multiple_of(3) {
        return Outcome::Denied;
    }
    Outcome::Granted(Identity {
        account: AccountId(1),
        device: None,
        server_signature: Some([5; 32]),
    })
}
