//! The outbound queue: mail that was accepted for other hosts leaves, is tried again, or comes back.
//!
//! [`time`] is the queue's own clock and [`plan`] its schedule: pure, readings of clocks, chance and outcomes are arguments.
//! [`desk`] keeps the plan and its spool in step and writes what senders are owed; it knows no network. [`routes`] says
//! which way mail leaves ([`relay`] has the smarthosts, [`presets`] those of
//! well-known providers), [`hosts`] who takes it there ([`sts`] knows what their
//! domains demand), [`worker`] carries it there.

pub mod desk;
pub mod hosts;
pub mod plan;
pub mod presets;
pub mod relay;
pub mod routes;
pub mod sts;
pub mod time;
pub mod worker;
