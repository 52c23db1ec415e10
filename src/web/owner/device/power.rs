//! Restarting and shutting down: the services by themselves, the machine where the service manager lets us.
//!
//! The daemon runs without privileges. So the machine is asked for through `systemctl`, which may say no; then the page
//! says how to do it by hand. Pulling the plug loses no mail.

use std::path::Path;
use std::process::{Command, Stdio};

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::{PATH, frame};
use crate::web::Web;
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::parts::{Tone, deed, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;

const POWER_PATH: &str = "/box/device/power";

/// Where systemd says that it runs (`sd_booted(3)`).
const SYSTEMD: &str = "/run/systemd/system";

/// What systemd gives each service that it starts (systemd.exec(5)).
const INVOCATION: &str = "INVOCATION_ID";

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    what: String,
    #[serde(default)]
    sure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Services,
    Reboot,
    PowerOff,
}

impl What {
    fn named(name: &str) -> Option<Self> {
        match name {
            "services" => Some(Self::Services),
            "reboot" => Some(Self::Reboot),
            "poweroff" => Some(Self::PowerOff),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Reboot => "reboot",
            Self::PowerOff => "poweroff",
        }
    }
}

pub(super) fn card(frame: &Frame) -> Markup {
    let t = |de, en| frame.t(de, en);
    html! {
        section.card {
            h2 { (t("Neu starten und ausschalten", "Restart and shut down")) }
            div.row {
                (deed(frame, POWER_PATH, &[("what", "services")], t("Dienste neu starten", "Restart the services"), "second"))
                @if has_machine() {
                    (deed(frame, POWER_PATH, &[("what", "reboot")], t("Box neu starten …", "Restart the box …"), "second"))
                    (deed(frame, POWER_PATH, &[("what", "poweroff")], t("Ausschalten …", "Shut down …"), "danger"))
                }
            }
            p.hint { (t(
                "Die Dienste brauchen dafür einen Augenblick; Mailprogramme verbinden sich von selbst neu. Auch wer die Box einfach \
                 aussteckt, verliert keine Post.",
                "The services take a moment; mail programs connect again by themselves. Pulling the plug loses no mail either.",
            )) }
        }
    }
}

/// Whether this is a machine of ours: started by the service manager.
fn has_machine() -> bool {
    std::env::var_os(INVOCATION).is_some() && Path::new(SYSTEMD).is_dir()
}

pub(super) async fn act(
    State(web): State<Web>,
    Posted(owner, wanted): Posted<Owner, Wanted>,
) -> Result<Response, Problem> {
    let what = What::named(&wanted.what).ok_or(Problem::NotFound)?;
    if what != What::Services && !has_machine() {
        return Err(Problem::NotFound);
    }
    let frame = frame(&owner);
    if wanted.sure != "1" {
        return Ok(ask(&frame, what));
    }
    tracing::info!(what = what.name(), "asked for by the owner's page");
    let is_done = match what {
        What::Services => {
            web.sources.changer.restart();
            true
        }
        What::Reboot | What::PowerOff => ask_system(what).await?,
    };
    Ok(told(&frame, what, is_done))
}

/// Asks systemd, without waiting for a password that nobody can type.
async fn ask_system(what: What) -> Result<bool, Problem> {
    let asked = spawn_blocking(move || {
        let mut command = Command::new("systemctl");
        command.args(["--no-ask-password", "--no-wall", what.name()]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status()
    });
    let status = asked.await.map_err(|_| Problem::Broken)?;
    Ok(status.is_ok_and(|status| status.success()))
}

fn ask(frame: &Frame, what: What) -> Response {
    let t = |de, en| frame.t(de, en);
    let (title, text) = match what {
        What::Services => (
            t("Dienste neu starten?", "Restart the services?"),
            t(
                "Das dauert einen Augenblick. Post geht keine verloren.",
                "That takes a moment. No mail is lost.",
            ),
        ),
        What::Reboot => (
            t("Box neu starten?", "Restart the box?"),
            t(
                "Sie ist nach etwa einer Minute wieder da.",
                "It is back after about a minute.",
            ),
        ),
        What::PowerOff => (
            t("Box ausschalten?", "Shut the box down?"),
            t(
                "Solange sie aus ist, wartet Post von draußen beim Absender. Zum Einschalten stecken Sie sie neu ein.",
                "While it is off, mail from outside waits at its senders. To switch it on, plug it in again.",
            ),
        ),
    };
    let body = html! {
        form.card method="post" action=(POWER_PATH) {
            (frame.token())
            input type="hidden" name="what" value=(what.name());
            input type="hidden" name="sure" value="1";
            p { (text) }
            div.row {
                button { (t("Ja", "Yes")) }
                a.button.second href=(PATH) { (t("Zurück", "Back")) }
            }
        }
    };
    frame.page(title, &body)
}

fn told(frame: &Frame, what: What, is_done: bool) -> Response {
    let t = |de, en| frame.t(de, en);
    let body = if is_done {
        let text = match what {
            What::Services => t(
                "Die Dienste starten gerade neu.",
                "The services are restarting.",
            ),
            What::Reboot => t(
                "Die Box startet neu und ist in etwa einer Minute wieder da.",
                "The box restarts and is back in about a minute.",
            ),
            What::PowerOff => t(
                "Die Box schaltet sich aus. Wenn die LED dunkel ist, dürfen Sie sie ausstecken.",
                "The box shuts down. Once the LED is dark you may unplug it.",
            ),
        };
        html! { (notice(Tone::Good, text, None)) p { a.button.second href=(PATH) { (t("Zurück", "Back")) } } }
    } else {
        html! {
            (notice(Tone::Warn, t("Das System lässt die Box das nicht selbst tun.", "The system does not let the box do that itself."), None))
            p { (t("Tun Sie es am Gerät, als Administrator:", "Do it at the machine, as its administrator:")) }
            pre { "sudo systemctl " (what.name()) }
            p { (t("Oder stecken Sie die Box aus und wieder ein; Post geht dabei keine verloren.", "Or unplug the box and plug it in again; no mail is lost by that.")) }
        }
    };
    frame.page(
        t("Neu starten und ausschalten", "Restart and shut down"),
        &body,
    )
}
