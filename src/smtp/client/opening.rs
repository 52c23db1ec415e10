//! The first replies of a connection: to the greeting, EHLO or HELO, and STARTTLS.

use super::extensions::Extensions;
use super::outcome::{Loss, Phase};
use super::reply::{Class, Reply};
use super::{Client, Event, State};
use crate::clock::Now;

impl Client {
    pub(super) fn say_hello(&mut self, now: Now) {
        let command = format!("EHLO {}\r\n", self.hostname);
        self.say(&command, State::Ehlo, now);
    }

    pub(super) fn take_greeting(&mut self, reply: Reply, now: Now) {
        match reply.class() {
            Class::Done => self.say_hello(now),
            Class::GoOn => self.unexpected(State::Greeting, reply),
            Class::Transient | Class::Permanent => self.refused(Phase::Greeting, reply),
        }
    }

    pub(super) fn take_ehlo(&mut self, reply: Reply, now: Now) {
        match reply.class() {
            Class::Done => {
                self.extensions = Extensions::parse(&reply);
                self.ready();
            }
            // RFC 5321 3.2: an old server, or one that wants less of us.
            Class::Permanent => {
                let command = format!("HELO {}\r\n", self.hostname);
                self.say(&command, State::Helo, now);
            }
            Class::Transient => self.refused(Phase::Hello, reply),
            Class::GoOn => self.unexpected(State::Ehlo, reply),
        }
    }

    pub(super) fn take_helo(&mut self, reply: Reply) {
        match reply.class() {
            Class::Done => self.ready(),
            Class::Transient | Class::Permanent => self.refused(Phase::Hello, reply),
            Class::GoOn => self.unexpected(State::Helo, reply),
        }
    }

    pub(super) fn take_tls(&mut self, reply: Reply) {
        match reply.class() {
            Class::Done if self.replies.is_empty() => {
                self.state = State::StartingTls;
                self.events.push_back(Event::StartTls);
            }
            // RFC 3207 4.2: what came in plaintext must not be taken for something that came under TLS.
            Class::Done => {
                self.state = State::AskingTls;
                self.lose(Loss::Injected);
            }
            Class::Transient | Class::Permanent => {
                self.events.push_back(Event::TlsRefused(reply));
                self.ready();
            }
            Class::GoOn => self.unexpected(State::AskingTls, reply),
        }
    }
}
