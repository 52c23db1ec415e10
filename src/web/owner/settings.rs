//! Changing settings from the owner's pages, with what is said when that is not possible.

use crate::web::change::{Edit, Error};
use crate::web::problem::Problem;
use crate::web::{Sources, Web};

/// Changes settings; the services restart in a moment.
pub(super) async fn change(web: &Web, edits: Vec<Edit>) -> Result<(), Problem> {
    try_change(web, edits).await?.map_err(of_error)
}

/// As [`change`], for who can say at which field it fails.
pub(super) async fn try_change(web: &Web, edits: Vec<Edit>) -> Result<Result<(), Error>, Problem> {
    let work = move |sources: &Sources, _| Ok(sources.changer.change(&edits));
    web.run_unhurried(work).await
}

/// Why settings were not changed, as a page.
pub(super) fn of_error(error: Error) -> Problem {
    match error {
        Error::Locked(_) => Problem::wrong(
            "Das steht in der Konfigurationsdatei und lässt sich hier nicht ändern.",
            "That is set by the configuration file and cannot be changed here.",
        ),
        Error::Wrong(why) => Problem::wrong(
            format!("So passen die Einstellungen nicht zusammen: {why}"),
            format!("The settings do not go together like this: {why}"),
        ),
        Error::Store(error) => error.into(),
    }
}
