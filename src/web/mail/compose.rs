//! Writing: new mail, replies, forwards, drafts, sending.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
