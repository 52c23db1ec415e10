//! How mail programs are set up: by hand, by themselves, by a profile or a QR code.

use axum::Router;

use crate::web::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
