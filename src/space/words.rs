//! The state in words, German and English: the same reason and the same advice at every outlet.

use super::State;
use crate::store::types::Language;

/// One sentence for protocols (ALERT, POP3 greeting), ASCII only: what is the matter and what to do. `None` if all is
/// well.
pub fn alert(state: &State, language: Language) -> Option<String> {
    todo!("{state:?} {language:?}")
}
