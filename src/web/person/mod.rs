//! A person's own account: password, devices, language, how to set up mail programs.

mod account;
mod clients;
mod devices;
pub mod storage;

use axum::Router;

use super::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .merge(account::routes())
        .merge(storage::routes())
        .merge(devices::routes())
        .merge(clients::routes())
}
