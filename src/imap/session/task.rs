//! Commands that answer in pieces: each step does bounded work and adds bounded output.

use crate::imap::command::Ctx;
use crate::imap::syntax::response::Completion;

/// A command under way. A big one adds a variant; its steps live in its command's file.
#[derive(Debug)]
pub enum Task {}

/// What one step of a task came to.
#[derive(Debug)]
pub enum Step {
    /// Call again when there is room for output.
    More,
    /// The command is complete.
    Done(Completion),
}

impl Task {
    /// Does the next bounded piece of work.
    pub fn step(&mut self, _ctx: &mut Ctx<'_>) -> Step {
        match *self {}
    }
}
