//! The box at a glance: LED, room, mail today, queue, backup, and what to do.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
