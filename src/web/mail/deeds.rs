//! What is done with messages: moving, flagging, deleting, and undoing that.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
