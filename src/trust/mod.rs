//! Who a mail is from, as far as that can be proved: SPF, DKIM and DMARC of what comes in, DKIM signatures of what leaves.
//!
//! mail-auth judges; what is done about it is the caller's matter. Only this module and `dns` name mail-auth.

mod message;
pub mod publish;
pub mod signing;
pub mod sts_policy;
pub mod verify;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
