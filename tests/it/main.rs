//! The integration tests, one binary: each module enters at one boundary.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "clippy knows test functions, but not their helpers; a test fails by panicking"
)]

mod app;
mod config;
mod crash;
mod dialogs;
mod fuzz_corpus;
mod imap;
mod net;
mod panel;
mod pop3;
mod queue;
mod room;
mod sending;
mod storage;
mod tidy;
mod transfer;
mod web;
