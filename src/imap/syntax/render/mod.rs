//! Writing responses: types in, bytes out.
//!
//! Every function appends to a buffer and cannot fail. Text that does not fit a quoted string goes out as a literal, so
//! that nothing a message or a mailbox name contains can break the framing.

pub mod body;
pub mod envelope;
pub mod flags;
pub mod section;
pub mod status;
pub mod string;

/// Appends formatted text to a byte buffer; `write!` on a `Vec<u8>` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        let out: &mut Vec<u8> = $out;
        out.extend_from_slice(format!($($arg)*).as_bytes());
    }};
}
pub(crate) use put;
