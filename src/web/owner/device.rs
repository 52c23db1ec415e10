//! LED and button, settings, shutting down.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
