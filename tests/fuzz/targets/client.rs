//! What servers say to our SMTP client.

use heimpost::clock::{Mono, Now};
use heimpost::mail::address::{Address, Domain};
use heimpost::mail::secret::Secret;
use heimpost::mail::transport::{BodyType, HeaderType};
use heimpost::sasl::client::Credentials;
use heimpost::smtp::client::envelope::{Envelope, Recipient};
use heimpost::smtp::client::reply::{LINES_MAX, Replies, Reply, ReplyError};
use heimpost::smtp::client::{Client, Event, Security};

use super::pieces;

/// Replies are read alike however the bytes come, and no text in them can break a line of a log.
pub(super) fn smtp_replies(data: &[u8]) {
    let whole = read(&[data]);
    assert_eq!(whole, read(&pieces(data)));
    assert_eq!(whole, read(&data.chunks(1).collect::<Vec<_>>()));
    for reply in whole.iter().flatten() {
        assert!((200..600).contains(&reply.code()));
        assert!((1..=LINES_MAX).contains(&reply.lines().len()));
        assert!(!reply.to_string().contains(char::is_control));
        let class = reply.enhanced().map(|enhanced| enhanced.class.digit());
        assert!(class.is_none_or(|class| class == reply.code() / 100));
    }
}

fn read(pieces: &[&[u8]]) -> Vec<Result<Reply, ReplyError>> {
    let mut replies = Replies::default();
    let mut read = Vec::new();
    for piece in pieces {
        replies.push(piece);
        while let Some(reply) = replies.next_reply() {
            let failed = reply.is_err();
            read.push(reply);
            if failed {
                return read;
            }
        }
    }
    read
}

/// A client that takes TLS and logs in where it can, then sends until the server has said all: each message has one
/// fate for each recipient, and after the end comes nothing.
pub(super) fn smtp_client(data: &[u8]) {
    let now = Now {
        mono: Mono::default(),
        wall: None,
    };
    let hostname = Domain::parse("box.test").unwrap();
    let mut driven = Driven {
        client: Client::new(hostname, Security::Plaintext, now),
        now,
        taken: 0,
        sent: 0,
        closed: false,
    };
    for piece in pieces(data) {
        driven.client.handle_input(piece, now);
        driven.settle();
    }
    driven.client.handle_eof();
    driven.settle();
    assert!(driven.closed);
    assert_eq!(driven.taken, driven.sent);
    assert_eq!(driven.client.poll_timeout(), None);
}

struct Driven {
    client: Client,
    now: Now,
    taken: usize,
    sent: usize,
    closed: bool,
}

impl Driven {
    fn settle(&mut self) {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            self.client.poll_output(&mut out, self.now);
            if out.len() > before {
                continue;
            }
            let Some(event) = self.client.poll_event() else {
                return;
            };
            assert!(!self.closed, "{event:?}");
            self.act(event);
        }
    }

    fn act(&mut self, event: Event) {
        match event {
            Event::Ready => self.request(),
            Event::StartTls => self.client.tls_started(self.now),
            Event::WantsBody => {
                self.client.body(b".\r\na\n.\n", self.now);
                self.client.body_end(self.now);
            }
            Event::Sent(fates) => {
                assert_eq!(fates.len(), 2);
                self.sent += 1;
            }
            Event::Closed(_) => self.closed = true,
            Event::TlsRefused(_) | Event::LoggedIn | Event::LoginFailed(_) => {}
        }
    }

    fn request(&mut self) {
        let credentials = Credentials {
            login: "tim".to_owned(),
            password: Secret::new("tanstaaf".to_owned()),
        };
        let address = |text: &str| Address::parse(text).unwrap();
        let envelope = Envelope {
            from: None,
            recipients: vec![
                Recipient::new(address("x@y.test")),
                Recipient::new(address("u@y.test")),
            ],
            size_bytes: 9,
            body: BodyType::SevenBit,
            header: HeaderType::Ascii,
            ret: None,
            envid: None,
        };
        if self.client.start_tls(self.now).is_ok()
            || self.client.login(&credentials, &[0; 18], self.now).is_ok()
        {
            return;
        }
        match self.client.send(envelope, self.now) {
            Ok(()) => self.taken += 1,
            Err(_) => self.client.quit(self.now),
        }
    }
}
