//! Mail in HTML, made safe for a sandboxed frame.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
