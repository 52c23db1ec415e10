//! Mail in the browser: mailboxes, lists, reading, writing.

mod attachment;
mod compose;
mod deeds;
mod html;
mod list;
mod read;
mod search;

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
}
