//! The network side, driven by a toy protocol: one word per line, no mail in it.

mod control;
mod driver;
mod listener;
mod tls;
pub(crate) mod toy;
