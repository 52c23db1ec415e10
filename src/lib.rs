//! Heimpost: the firmware of a mail appliance, as a library.
//!
//! Modules in reading order; arrows of dependency only point down this list:
//! `main` → `app` → `web`, `net`, `cli` → `smtp`, `imap`, `pop3` → `delivery`, `sasl` → `machine`, `auth` → `store` →
//! `mail`, `clock`. Protocols never name each other, the store names no protocol, and only `store` names redb.
//! `tests/it/tidy.rs` enforces these rules.

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod dns;
pub mod imap;
pub mod machine;
pub mod mail;
pub mod maillog;
pub mod manage;
pub mod net;
pub mod panel;
pub mod pop3;
pub mod provision;
pub mod queue;
pub mod room;
pub mod sasl;
pub mod search;
pub mod smtp;
pub mod space;
pub mod stick;
pub mod store;
pub mod transfer;
pub mod trust;
pub mod wake;
pub mod web;
