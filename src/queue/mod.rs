//! The outbound queue: when which recipient of a spooled mail is tried, and what its sender is told.
//!
//! Only the planning is here, and nothing calls it yet: no mail leaves the box. [`time`] is the queue's own clock,
//! [`plan`] the schedule. Both are pure: readings of the clocks, chance and outcomes are arguments, what changes is for
//! the caller to save.

pub mod plan;
pub mod time;
