//! The owner's pages: the box at a glance, and everything that is managed.

mod accounts;
mod device;
pub(super) mod domain;
mod log;
mod overview;
mod sending;
mod settings;
mod storage;
mod transfer;

use axum::Router;

use super::Web;
pub(in crate::web) use overview::Years;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .merge(overview::routes())
        .merge(accounts::routes())
        .merge(storage::routes())
        .merge(sending::routes())
        .merge(domain::routes())
        .merge(log::routes())
        .merge(device::routes())
        .merge(transfer::routes())
}
