//! Setting the box up: the first account, its mode, its name; and what to do about a forgotten password.

use axum::Router;

use super::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
}
