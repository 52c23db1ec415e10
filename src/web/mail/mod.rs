//! Mail in the browser: mailboxes, lists, reading, writing.

mod attachment;
mod compose;
mod deeds;
mod html;
mod list;
mod mailboxes;
mod places;
mod read;
mod search;
pub(in crate::web) mod told;

use axum::Router;

use super::Web;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .merge(list::routes())
        .merge(read::routes())
        .merge(search::routes())
        .merge(html::routes())
        .merge(attachment::routes())
        .merge(compose::routes())
        .merge(deeds::routes())
        .merge(mailboxes::routes())
}
