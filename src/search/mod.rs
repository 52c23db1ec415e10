//! Searching mail, whoever asks: what is looked for (`plan`), and looking for it in the bytes of one message (`reading`).
//!
//! Each message is decided by as little as possible: its row, then its record, and only if that leaves it open, its header
//! and body, which stream by in pieces. Who asks walks through the messages, in steps that suit him.

pub mod plan;
pub mod reading;
