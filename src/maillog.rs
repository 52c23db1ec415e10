//! What an owner asks about, one function per event: who wrote whom, what was refused and why, what the box did by itself.
//!
//! Goes to the log with its values as fields. Never passwords, never the text of mail.
