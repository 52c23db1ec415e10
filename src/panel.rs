//! The policy of LED and button: what the state of the house looks like, and what a press means.
//!
//! Pure: takes the state and the time, gives patterns and actions. The hardware is `board`'s matter.
