//! Commands that answer in pieces: each step does bounded work and adds bounded output.

use crate::imap::command::Ctx;
use crate::imap::command::fetch::FetchTask;
use crate::imap::command::search::SearchTask;
use crate::imap::command::store::StoreTask;
use crate::imap::syntax::response::Completion;

/// A command under way. A big one adds a variant; its steps live in its command's file.
#[derive(Debug)]
pub enum Task {
    /// FETCH and UID FETCH
    Fetch(FetchTask),
    /// SEARCH and UID SEARCH
    Search(SearchTask),
    /// STORE and UID STORE
    Store(StoreTask),
}

/// What one step of a task came to.
#[derive(Debug)]
pub enum Step {
    /// Call again when there is room for output.
    More,
    /// The command is complete.
    Done(Completion),
    /// What was sent is not what it should have been: answer with this, and end the connection.
    Broken(Completion),
}

impl Task {
    /// Does the next bounded piece of work.
    pub fn step(&mut self, ctx: &mut Ctx<'_>) -> Step {
        match self {
            Self::Fetch(task) => task.step(ctx),
            Self::Search(task) => task.step(ctx),
            Self::Store(task) => task.step(ctx),
        }
    }
}
