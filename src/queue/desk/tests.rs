//! The desk through days of virtual time.
