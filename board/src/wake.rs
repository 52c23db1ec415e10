//! A bell between threads that `poll` hears: rung by any number, answered once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// Clones are the same bell.
#[derive(Clone, Debug)]
pub(crate) struct Wake {
    counter: Arc<OwnedFd>,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            counter: Arc::new(counter),
        })
    }

    /// Makes it readable. A counter that is full is readable already.
    pub(crate) fn ring(&self) {
        rustix::io::write(&*self.counter, &[1; 8]).ok();
    }

    /// Makes it unreadable until it is rung again.
    pub(crate) fn answer(&self) {
        rustix::io::read(&*self.counter, &mut [0; 8]).ok();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}
