//! Mail in the browser: mailboxes, lists, reading, writing.

mod access;
mod attachment;
mod body;
mod compose;
mod deeds;
mod folders;
mod html;
mod keys;
mod list;
mod mailboxes;
mod outbox;
pub(in crate::web) mod people;
pub(in crate::web) mod places;
mod query;
mod read;
mod search;
mod shell;
mod text;
mod thread;
pub(in crate::web) mod told;
mod verdict;
pub(in crate::web) mod writing;

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
        .merge(keys::routes())
        .merge(deeds::routes())
        .merge(mailboxes::routes())
        .merge(outbox::routes())
}
