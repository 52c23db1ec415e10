//! The certificate: whose it is, for which names and until when; getting one that everybody knows (ACME); MTA-STS.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, to_page};
use crate::config::TlsSource;
use crate::mail::address::Address;
use crate::manage::certificate::{Certificate, Source};
use crate::web::Web;
use crate::web::change::Edit;
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::owner::settings;
use crate::web::parts::{Field, Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;

const ACME_PATH: &str = "/box/domain/acme";

/// Where Let's Encrypt says what one agrees to.
const TERMS: &str = "https://letsencrypt.org/repository/";

const AGREED: &str = "acme.terms_agreed";
const CONTACT: &str = "acme.contact";
const DIRECTORY: &str = "acme.directory";

pub(super) fn routes() -> Router<Web> {
    Router::new().route(ACME_PATH, post(switch))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Form {
    deed: String,
    contact: String,
    terms: String,
}

pub(super) fn card(
    frame: &Frame,
    web: &Web,
    certificate: &Certificate,
    has_policy: bool,
) -> Markup {
    let t = |de, en| frame.t(de, en);
    let zone = &web.sources.settings.time_zone;
    html! {
        section.card #certificate {
            h2 { (t("Zertifikat", "Certificate")) }
            p { (whose(frame, certificate.source)) }
            @match &certificate.about {
                Some(about) => dl.facts {
                    dt { (t("Gilt für", "Valid for")) }
                    dd { (about.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")) }
                    dt { (t("Ausgestellt von", "Issued by")) }
                    dd { (about.issuer) }
                    dt { (t("Gültig bis", "Valid until")) }
                    dd { (frame.lang.day(about.not_after, zone)) span.soft { " " (t("(wird von selbst erneuert)", "(renewed by itself)")) } }
                    dt { "MTA-STS" }
                    dd { (policy(frame, has_policy)) }
                },
                None => (notice(Tone::Bad, t("Das Zertifikat lässt sich nicht lesen.", "The certificate cannot be read."), None)),
            }
            @if let Some(problem) = &certificate.problem {
                (notice(Tone::Warn, t(
                    "Der letzte Versuch, ein Zertifikat zu holen, ist nicht gelungen; die Box versucht es von selbst wieder.",
                    "The last try to get a certificate did not succeed; the box tries again by itself.",
                ), None))
                details {
                    summary { (t("Was die Zertifizierungsstelle sagte", "What the authority said")) }
                    pre { (problem) }
                }
            }
            (acme(frame, web, &Form::default(), ""))
        }
    }
}

fn whose(frame: &Frame, source: Source) -> &'static str {
    let (de, en) = match source {
        Source::Own => (
            "Die Box hat es selbst ausgestellt. Ihre Geräte vertrauen ihm, sobald sie die Zertifizierungsstelle der Box kennen; \
             Server draußen verschlüsseln damit, ohne es zu prüfen.",
            "The box made it itself. Your devices trust it once they know the box's authority; servers outside encrypt with it \
             without checking it.",
        ),
        Source::Acme => (
            "Es kommt von einer Zertifizierungsstelle, die alle kennen.",
            "It comes from an authority that everybody knows.",
        ),
        Source::Files => (
            "Es liegt in Dateien, die Sie in der Konfigurationsdatei genannt haben.",
            "It is in files that you named in the configuration file.",
        ),
    };
    match frame.lang.0 {
        crate::store::types::Language::De => de,
        crate::store::types::Language::En => en,
    }
}

fn policy(frame: &Frame, has_policy: bool) -> &str {
    if has_policy {
        frame.t(
            "Andere Server dürfen nur verschlüsselt an diese Box senden, sobald die Einträge dazu im DNS stehen.",
            "Other servers may send to this box by TLS only, once the records for it are in DNS.",
        )
    } else {
        frame.t(
            "ruht: Dafür braucht es ein Zertifikat, das alle kennen.",
            "at rest: it needs a certificate that everybody knows.",
        )
    }
}

/// Getting a certificate that everybody knows, or not any more.
fn acme(frame: &Frame, web: &Web, form: &Form, error: &str) -> Markup {
    let t = |de, en| frame.t(de, en);
    let current = &web.sources.settings;
    if matches!(current.tls, TlsSource::Files { .. }) {
        return html! {};
    }
    if [AGREED, CONTACT, DIRECTORY]
        .iter()
        .any(|key| web.sources.changer.is_locked(key))
    {
        return html! {
            p.locked { (t("[acme] steht in der Konfigurationsdatei", "[acme] is set by the configuration file")) }
        };
    }
    if let Some(acme) = &current.acme {
        return html! {
            p.soft {
                (t("Die Box holt ihr Zertifikat von", "The box gets its certificate from")) " " (acme.directory)
                @if let Some(contact) = &acme.contact { ", " (t("Kontakt", "contact")) " " (contact) }
            }
            form.row method="post" action=(ACME_PATH) {
                (frame.token())
                button.second name="deed" value="off"
                    data-ask=(t("Wieder das eigene Zertifikat der Box nehmen?", "Take the box's own certificate again?")) {
                    (t("Nicht mehr holen", "Stop getting it"))
                }
            }
        };
    }
    if !current.hostname.is_public() {
        return html! {};
    }
    html! {
        details open[!error.is_empty()] {
            summary { (t("Ein Zertifikat holen, das alle kennen", "Get a certificate that everybody knows")) }
            p { (t(
                "Let's Encrypt stellt es kostenlos aus. Dazu muss der Name der Box im DNS auf Ihren Anschluss zeigen, und Ihr Router \
                 muss Port 80 oder 443 an die Box weiterleiten.",
                "Let's Encrypt issues it free of charge. The box's name has to lead to your connection in DNS, and your router has to \
                 forward port 80 or 443 to the box.",
            )) }
            form method="post" action=(ACME_PATH) {
                (frame.token())
                (Field {
                    kind: "email",
                    hint: t("Dorthin schreibt die Zertifizierungsstelle, wenn etwas ist. Darf leer bleiben.", "The authority writes there if something is up. May be empty."),
                    error,
                    ..Field::text("contact", t("E-Mail-Adresse", "Email address"), &form.contact)
                }.render())
                label.check {
                    input type="checkbox" name="terms" value="yes" required;
                    span {
                        (t("Ich stimme den", "I agree to the")) " "
                        a href=(TERMS) rel="noreferrer" { (t("Nutzungsbedingungen von Let's Encrypt", "terms of Let's Encrypt")) }
                        (t(" zu.", "."))
                    }
                }
                button name="deed" value="on" { (t("Zertifikat holen", "Get the certificate")) }
            }
        }
    }
}

async fn switch(
    State(web): State<Web>,
    Posted(owner, form): Posted<Owner, Form>,
) -> Result<Response, Problem> {
    let contact = form.contact.trim();
    let edits = match form.deed.as_str() {
        "off" => vec![
            Edit::remove(AGREED),
            Edit::remove(CONTACT),
            Edit::remove(DIRECTORY),
        ],
        "on" if form.terms != "yes" => {
            let frame = frame(&owner);
            let text = frame.t(
                "Ohne Zustimmung zu den Bedingungen gibt es kein Zertifikat.",
                "There is no certificate without agreeing to the terms.",
            );
            return Ok(again(&frame, &web, &form, text));
        }
        "on" if !contact.is_empty() && Address::parse(contact).is_err() => {
            let frame = frame(&owner);
            let text = frame.t("Das ist keine E-Mail-Adresse.", "This is no email address.");
            return Ok(again(&frame, &web, &form, text));
        }
        "on" => {
            let contact = (!contact.is_empty()).then(|| toml::Value::from(contact));
            let contact = Edit {
                key: CONTACT.to_owned(),
                value: contact,
            };
            vec![Edit::set(AGREED, true), contact]
        }
        _ => return Err(Problem::NotFound),
    };
    settings::change(&web, edits).await?;
    Ok(to_page("certificate"))
}

fn again(frame: &Frame, web: &Web, form: &Form, error: &str) -> Response {
    let body = html! { section.card { (acme(frame, web, form, error)) } };
    let title = frame.t("Zertifikat", "Certificate");
    frame.page_with(StatusCode::UNPROCESSABLE_ENTITY, title, &body)
}
