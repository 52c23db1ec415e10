//! The TRANSACTION state (RFC 1939 5), and the UPDATE state (RFC 1939 6) that QUIT goes through.

use std::ops::ControlFlow;

use super::{Command, Common, Phase, Text};
use crate::clock::Now;
use crate::pop3::command::Number;
use crate::pop3::maildrop::{Maildrop, SLICE_RECORDS};
use crate::pop3::reply::{self, Code};
use crate::pop3::retrieval::{Extent, Retrieval};
use crate::pop3::shown;
use crate::store::{self, Error};

/// A session that is logged in.
#[derive(Debug)]
pub(super) struct Transaction {
    maildrop: Maildrop,
    sending: Option<Sending>,
}

/// A multi-line response under way.
#[derive(Debug)]
enum Sending {
    Listing {
        list: List,
        /// Position of the next message.
        next: usize,
    },
    Message {
        retrieval: Box<Retrieval>,
        position: usize,
        extent: Extent,
    },
}

/// What a listing tells of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Sizes,
    UniqueIds,
}

impl Transaction {
    pub(super) fn new(maildrop: Maildrop) -> Self {
        Self {
            maildrop,
            sending: None,
        }
    }

    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Appends the next piece of the response under way. After an error it cannot be ended.
    pub(super) fn send_piece(&mut self, common: &mut Common) -> store::Result<()> {
        match self.sending.take() {
            None => Ok(()),
            Some(Sending::Listing { list, next }) => self.send_listing(list, next, common),
            Some(Sending::Message {
                retrieval,
                position,
                extent,
            }) => self.send_message(retrieval, position, extent, common),
        }
        .inspect_err(|error| tracing::error!(%error, "response broken off"))
    }

    /// Carries out a command.
    pub(super) fn command(mut self, command: &Command, common: &mut Common, now: Now) -> Phase {
        let done = match *command {
            Command::Stat => self.stat(common),
            Command::List(None) => self.listing(List::Sizes, common),
            Command::List(Some(number)) => self.list_one(List::Sizes, number, common),
            Command::Uidl(None) => self.listing(List::UniqueIds, common),
            Command::Uidl(Some(number)) => self.list_one(List::UniqueIds, number, common),
            Command::Retr(number) => self.retrieve(number, Extent::Whole, common),
            Command::Top { number, lines } => self.retrieve(number, Extent::Top { lines }, common),
            Command::Dele(number) => self.delete(number, common),
            Command::Rset => {
                self.maildrop.reset();
                common.ok(Text::Undeleted);
                Ok(())
            }
            Command::Noop => {
                common.ok(Text::Done);
                Ok(())
            }
            Command::Quit => return self.update(common, now),
            Command::User(_)
            | Command::Pass(_)
            | Command::Auth { .. }
            | Command::Stls
            | Command::Utf8
            | Command::Capa
            | Command::Lang(_) => return common.refuse(Phase::Transaction(self), Text::NotNow),
        };
        if let Err(error) = done {
            tracing::error!(%error, "command not carried out");
            common.err_code(Code::SysTemp, Text::TemporaryFault);
        }
        Phase::Transaction(self)
    }

    fn stat(&mut self, common: &mut Common) -> store::Result<()> {
        let (messages, bytes) = self.maildrop.stat(&common.store)?;
        reply::line(&mut common.output, &format!("+OK {messages} {bytes}"));
        Ok(())
    }

    fn listing(&mut self, list: List, common: &mut Common) -> store::Result<()> {
        // Read ahead of the answer, so that a fault can still be told.
        self.maildrop.load(&common.store, 0)?;
        common.ok(Text::Listing);
        self.sending = Some(Sending::Listing { list, next: 0 });
        Ok(())
    }

    fn list_one(&mut self, list: List, number: Number, common: &mut Common) -> store::Result<()> {
        let position = self.maildrop.find(&common.store, number)?;
        match position.and_then(|position| self.maildrop.get(position)) {
            Some(message) => {
                let line = format!("+OK {} {}", number.0, list.of(message));
                reply::line(&mut common.output, &line);
            }
            None => common.err(Text::NoSuchMessage),
        }
        Ok(())
    }

    fn retrieve(
        &mut self,
        number: Number,
        extent: Extent,
        common: &mut Common,
    ) -> store::Result<()> {
        let Some(position) = self.maildrop.find(&common.store, number)? else {
            common.err(Text::NoSuchMessage);
            return Ok(());
        };
        let Some(record) = self.maildrop.record(&common.store, position)? else {
            common.err(Text::MessageGone);
            return Ok(());
        };
        let message = match shown::open(&common.store, &record, common.utf8) {
            Err(Error::NotFound(_)) => {
                common.err(Text::MessageGone);
                return Ok(());
            }
            opened => opened?,
        };
        common.ok(Text::Octets(message.bytes()));
        self.sending = Some(Sending::Message {
            retrieval: Box::new(Retrieval::new(message, extent)),
            position,
            extent,
        });
        Ok(())
    }

    fn delete(&mut self, number: Number, common: &mut Common) -> store::Result<()> {
        match self.maildrop.find(&common.store, number)? {
            Some(position) => {
                self.maildrop.delete(position);
                common.ok(Text::Deleted);
            }
            None => common.err(Text::NoSuchMessage),
        }
        Ok(())
    }

    fn send_listing(&mut self, list: List, next: usize, common: &mut Common) -> store::Result<()> {
        for (number, message) in self.maildrop.slice(&common.store, next)? {
            reply::line(
                &mut common.output,
                &format!("{number} {}", list.of(message)),
            );
        }
        let next = next + SLICE_RECORDS;
        if next < self.maildrop.len() {
            self.sending = Some(Sending::Listing { list, next });
        } else {
            reply::line(&mut common.output, ".");
        }
        Ok(())
    }

    fn send_message(
        &mut self,
        mut retrieval: Box<Retrieval>,
        position: usize,
        extent: Extent,
        common: &mut Common,
    ) -> store::Result<()> {
        match (retrieval.piece(&mut common.output)?, extent) {
            (ControlFlow::Continue(()), extent) => {
                self.sending = Some(Sending::Message {
                    retrieval,
                    position,
                    extent,
                });
            }
            (ControlFlow::Break(()), Extent::Whole) => self.maildrop.fetched(position),
            (ControlFlow::Break(()), Extent::Top { .. }) => {}
        }
        Ok(())
    }

    /// RFC 1939 6: commit, then answer.
    fn update(self, common: &mut Common, now: Now) -> Phase {
        match common.store.pop3_update(&self.maildrop.update(), now) {
            Ok(()) => common.ok(Text::Bye),
            Err(error) => {
                tracing::error!(%error, "maildrop not updated");
                common.err_code(Code::SysTemp, Text::NotDeleted);
            }
        }
        common.over()
    }
}

impl List {
    fn of(self, message: &crate::pop3::maildrop::Message) -> String {
        match self {
            Self::Sizes => message.bytes().to_string(),
            Self::UniqueIds => message.unique_id(),
        }
    }
}
