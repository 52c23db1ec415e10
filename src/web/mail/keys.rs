//! Which keys do what on mail pages, and a switch for them (WCAG 2.1.4). The script acts on them and remembers the
//! switch in the browser; without it there are none.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::html;

use crate::web::Web;
use crate::web::layout::{Frame, Tab};
use crate::web::visitor::Person;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/mail/keys", get(show))
}

/// Key, and what it does in both languages.
const KEYS: [(&str, &str, &str); 13] = [
    ("j", "nächste E-Mail", "next mail"),
    ("k", "vorige E-Mail", "previous mail"),
    ("Enter", "öffnen", "open"),
    ("x", "auswählen", "pick"),
    ("e", "archivieren", "archive"),
    ("#", "löschen", "delete"),
    ("s", "Stern", "star"),
    ("r", "antworten", "reply"),
    ("a", "allen antworten", "reply to all"),
    ("f", "weiterleiten", "forward"),
    ("c", "neue E-Mail", "new mail"),
    ("/", "suchen", "search"),
    ("u", "zurück zur Liste", "back to the list"),
];

async fn show(person: Person) -> Response {
    let frame = Frame::of_person(&person, Tab::Mail);
    let body = html! {
        div.card hidden {
            label.check {
                input type="checkbox" data-keys;
                (frame.t("Tasten verwenden", "Use keys"))
            }
            p.hint { (frame.t(
                "Gilt für diesen Browser. Beim Schreiben tun die Tasten nichts.",
                "Holds for this browser. The keys do nothing while you type.",
            )) }
        }
        noscript { p.notice { (frame.t("Tasten gibt es nur mit JavaScript.", "Keys need JavaScript.")) } }
        table {
            thead { tr { th { (frame.t("Taste", "Key")) } th { (frame.t("Wirkung", "What it does")) } } }
            tbody {
                @for (key, de, en) in KEYS { tr { td { kbd { (key) } } td { (frame.t(de, en)) } } }
                tr { td { kbd { "?" } } td { (frame.t("diese Seite", "this page")) } }
            }
        }
        p { a href="/mail" { (frame.t("Zurück zur Post", "Back to mail")) } }
    };
    frame.page(frame.t("Tasten", "Keys"), &body)
}
