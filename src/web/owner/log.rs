//! The mail log, with search.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
