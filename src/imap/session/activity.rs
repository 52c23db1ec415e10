//! What a session is in the middle of, and its next step.

use crate::clock::Now;
use crate::imap::command::append::Appending;
use crate::imap::command::{self, Reply, idle};
use crate::imap::connection::Received;
use crate::imap::session::ImapSession;
use crate::imap::session::login::{Exchanging, Verifying};
use crate::imap::session::task::{Step, Task};
use crate::imap::session::tell::{self, Look};
use crate::imap::syntax::command::{Append, Command, Tag};
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::{Completion, Condition};
use crate::imap::view::{Expunges, Pass};
use crate::machine::Event;

/// What is under way.
#[derive(Debug)]
pub(super) enum Activity {
    /// The next command may be read.
    Ready,
    /// A command answers in pieces.
    Task(Box<Running>),
    /// Changes are told; then it goes on.
    Telling(Box<Telling>),
    /// The client's next line belongs to a SASL exchange.
    Sasl(Box<Exchanging>),
    /// The driver checks credentials.
    Verifying(Box<Verifying>),
    /// The driver begins TLS.
    StartingTls,
    /// Changes are told as they come, until the client says DONE.
    Idle(Tag),
    /// A message is coming in.
    Appending(Box<Appending>),
    /// The connection ends.
    Closing,
}

/// A task with what its end needs.
#[derive(Debug)]
pub(super) struct Running {
    tag: Tag,
    task: Box<Task>,
    expunges: Expunges,
}

/// A pass over the selected mailbox, and what follows it.
#[derive(Debug)]
pub(super) struct Telling {
    pass: Pass,
    then: Then,
}

/// What follows after changes were told.
#[derive(Debug)]
enum Then {
    Complete(Tag, Completion),
    Idle(Tag),
}

impl Activity {
    /// Whether bytes from the client can be used now.
    pub(super) fn wants_input(&self) -> bool {
        match self {
            Self::Ready | Self::Sasl(_) | Self::Idle(_) | Self::Appending(_) => true,
            Self::Task(_)
            | Self::Telling(_)
            | Self::Verifying(_)
            | Self::StartingTls
            | Self::Closing => false,
        }
    }
}

impl ImapSession {
    /// Takes the next step; `false` when there is nothing to do.
    pub(super) fn advance(&mut self, out: &mut Vec<u8>, now: Now) -> bool {
        let activity = std::mem::replace(&mut self.activity, Activity::Ready);
        if matches!(activity, Activity::Ready | Activity::Idle(_)) {
            self.alert(out, now);
        }
        match activity {
            Activity::Ready => self.next_command(out, now),
            Activity::Task(running) => self.step_task(*running, out, now),
            Activity::Telling(telling) => self.step_telling(*telling, out),
            Activity::Sasl(exchanging) => self.step_sasl(exchanging, out),
            Activity::Idle(tag) => self.step_idle(tag, out),
            Activity::Appending(appending) => self.step_appending(appending, out, now),
            waiting @ (Activity::Verifying(_) | Activity::StartingTls | Activity::Closing) => {
                self.activity = waiting;
                false
            }
        }
    }

    fn next_command(&mut self, out: &mut Vec<u8>, now: Now) -> bool {
        match self.connection.receive(out) {
            None => return false,
            Some(Received::Command(command)) => self.run(command, out, now),
            Some(Received::Append(append)) => self.begin_append(append, out, now),
            Some(other) => self.refuse(other, out),
        }
        true
    }

    /// Answers what is no command; `other` things do not come here.
    pub(super) fn refuse(&mut self, other: Received, out: &mut Vec<u8>) {
        match other {
            Received::Refused(Some(tag), completion) => status::tagged(out, &tag, &completion),
            Received::Refused(None, completion) => status::untagged(out, &completion),
            Received::Hopeless => self.close(out, &Completion::bye("too many errors")),
            Received::Command(_)
            | Received::Append(_)
            | Received::Literal(_)
            | Received::AppendEnd
            | Received::Line(_) => {}
        }
    }

    fn run(&mut self, command: Command, out: &mut Vec<u8>, now: Now) {
        tracing::debug!(command = command.body.name(), "command");
        let expunges = command::expunges(&command.body);
        let tag = command.tag;
        let reply = command::run(command.body, &mut self.ctx(out, now));
        self.connection.set_dialect(command::dialect(&self.state));
        match reply {
            Reply::Done(completion) => self.finish(tag, completion, expunges, out),
            Reply::Task(task) => {
                self.activity = Activity::Task(Box::new(Running {
                    tag,
                    task,
                    expunges,
                }));
            }
            Reply::Verify(request) => self.verify(tag, request),
            Reply::Exchange(mechanism, initial) => self.begin_sasl(tag, mechanism, initial, out),
            Reply::StartTls(completion) => self.start_tls(&tag, &completion, out),
            Reply::Idle => self.begin_idle(tag, out),
            Reply::Logout(completion) => {
                status::untagged(out, &Completion::bye("until next time"));
                status::tagged(out, &tag, &completion);
                self.hang_up();
            }
        }
    }

    fn step_task(&mut self, mut running: Running, out: &mut Vec<u8>, now: Now) -> bool {
        match running.task.step(&mut self.ctx(out, now)) {
            Step::More => self.activity = Activity::Task(Box::new(running)),
            Step::Done(completion) => {
                self.finish(running.tag, completion, running.expunges, out);
            }
            Step::Broken(completion) => {
                status::tagged(out, &running.tag, &completion);
                self.close(out, &Completion::bye("a message cannot be read"));
            }
        }
        true
    }

    /// Tells what changed, then completes the command.
    pub(super) fn finish(
        &mut self,
        tag: Tag,
        completion: Completion,
        expunges: Expunges,
        out: &mut Vec<u8>,
    ) {
        if completion.condition == Condition::Bad {
            status::tagged(out, &tag, &completion);
        } else {
            self.tell(Then::Complete(tag, completion), expunges, out);
        }
    }

    fn tell(&mut self, then: Then, expunges: Expunges, out: &mut Vec<u8>) {
        self.heard = false;
        let Some(selected) = self.state.selected_mut() else {
            return self.go_on(then, out);
        };
        match tell::look(selected, &self.services.store, expunges, out) {
            Ok(Look::Same) => self.go_on(then, out),
            Ok(Look::Changed(pass)) => {
                self.activity = Activity::Telling(Box::new(Telling { pass, then }));
            }
            Ok(Look::Gone) => self.close(out, &Completion::bye("the open mailbox was deleted")),
            Err(error) => {
                tracing::warn!(%error, "changes of the selected mailbox cannot be read");
                self.go_on(then, out);
            }
        }
    }

    fn step_telling(&mut self, mut telling: Telling, out: &mut Vec<u8>) -> bool {
        let store = &self.services.store;
        let more = match self.state.selected_mut() {
            Some(selected) => tell::step(selected, &mut telling.pass, store, out),
            None => Ok(false),
        };
        let more = more.unwrap_or_else(|error| {
            tracing::warn!(%error, "changes of the selected mailbox cannot be read");
            false
        });
        if more {
            self.activity = Activity::Telling(Box::new(telling));
        } else {
            self.go_on(telling.then, out);
        }
        true
    }

    fn go_on(&mut self, then: Then, out: &mut Vec<u8>) {
        match then {
            Then::Complete(tag, completion) => status::tagged(out, &tag, &completion),
            Then::Idle(tag) => self.activity = Activity::Idle(tag),
        }
    }

    fn begin_idle(&mut self, tag: Tag, out: &mut Vec<u8>) {
        status::continuation(out, "idling");
        self.connection.expect_line();
        self.tell(Then::Idle(tag), Expunges::Tell, out);
    }

    fn step_idle(&mut self, tag: Tag, out: &mut Vec<u8>) -> bool {
        match self.connection.receive(out) {
            None if self.heard => self.tell(Then::Idle(tag), Expunges::Tell, out),
            None => {
                self.activity = Activity::Idle(tag);
                return false;
            }
            Some(Received::Line(line)) => {
                self.finish(tag, idle::ended(&line), Expunges::Tell, out);
            }
            Some(other) => self.refuse(other, out),
        }
        true
    }

    fn begin_append(&mut self, append: Append, out: &mut Vec<u8>, now: Now) {
        let tag = append.tag.clone();
        match command::append::begin(append, &mut self.ctx(out, now)) {
            Ok(appending) => {
                self.connection.accept_literal(out);
                self.activity = Activity::Appending(Box::new(appending));
            }
            Err(completion) => {
                self.connection.refuse_literal();
                self.finish(tag, completion, Expunges::Tell, out);
            }
        }
    }

    fn step_appending(
        &mut self,
        mut appending: Box<Appending>,
        out: &mut Vec<u8>,
        now: Now,
    ) -> bool {
        match self.connection.receive(out) {
            None => {
                self.activity = Activity::Appending(appending);
                return false;
            }
            Some(Received::Literal(bytes)) => {
                appending.take(&bytes);
                self.activity = Activity::Appending(appending);
            }
            Some(Received::AppendEnd) => {
                let tag = appending.tag().clone();
                let completion = appending.finish(&mut self.ctx(out, now));
                self.finish(tag, completion, Expunges::Tell, out);
            }
            Some(other) => self.refuse(other, out),
        }
        true
    }

    fn start_tls(&mut self, tag: &Tag, completion: &Completion, out: &mut Vec<u8>) {
        status::tagged(out, tag, completion);
        if !self.connection.clear() {
            tracing::warn!("plaintext behind STARTTLS was dropped");
        }
        self.activity = Activity::StartingTls;
        self.events.push_back(Event::StartTls);
    }

    /// Takes note of what happened in the account; the goodbye if its owner may not stay.
    pub(super) fn listen(&mut self) -> Result<(), Completion> {
        let Some(user) = self.state.user_mut() else {
            return Ok(());
        };
        let heard = super::login::listen(user, &self.services.store)?;
        self.heard |= heard;
        Ok(())
    }
}
