//! The integration tests, one binary: each module enters at one boundary.

mod config;
mod dialogs;
mod net;
mod tidy;
mod transfer;
