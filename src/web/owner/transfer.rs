//! Moving mail in and out, and backups.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
