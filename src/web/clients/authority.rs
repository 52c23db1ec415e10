//! The authority behind the box's own certificate: to load, and how to trust it on each system. Over a plain connection
//! too, since who does not trust it yet cannot come otherwise; the fingerprint is there to be compared.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use ring::digest::{SHA256, digest};

use super::super::layout::Frame;
use super::super::parts::{Tone, notice};
use super::super::problem::Problem;
use super::super::visitor::Visitor;
use super::super::{Sources, Web};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/authority/", get(page))
        .route(
            "/authority",
            get(async || Redirect::permanent("/authority/")),
        )
        .route("/authority/heimpost.pem", get(pem))
        .route("/authority/heimpost.crt", get(in_der))
        .route("/authority/heimpost.der", get(in_der))
}

/// The authority's certificate in DER; `None` if the box's certificate is somebody else's.
pub(super) fn der(sources: &Sources) -> Option<Vec<u8>> {
    let pem = sources.tls.authority_pem()?;
    crate::net::certificate::der_of_pem(pem.as_bytes())
}

async fn pem(State(web): State<Web>) -> Result<Response, Problem> {
    let pem = web.sources.tls.authority_pem().ok_or(Problem::NotFound)?;
    Ok(file(
        "application/x-pem-file",
        "heimpost.pem",
        pem.into_bytes(),
    ))
}

async fn in_der(State(web): State<Web>) -> Result<Response, Problem> {
    let der = der(&web.sources).ok_or(Problem::NotFound)?;
    Ok(file("application/x-x509-ca-cert", "heimpost.crt", der))
}

fn file(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let named = format!("attachment; filename=\"{name}\"");
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(named) = HeaderValue::from_str(&named) {
        headers.insert(CONTENT_DISPOSITION, named);
    }
    response
}

/// A digest as people compare it: pairs of digits.
fn fingerprint(der: &[u8]) -> String {
    let made = digest(&SHA256, der);
    let pairs: Vec<String> = made
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(" ")
}

async fn page(State(web): State<Web>, visitor: Visitor) -> Response {
    let frame = Frame::outside(&visitor);
    let title = frame.t(
        "Dem Zertifikat der Box vertrauen",
        "Trust the box's certificate",
    );
    let Some(der) = der(&web.sources) else {
        let text = frame.t(
            "Diese Box hat ein Zertifikat, dem alle Programme von selbst vertrauen. Hier ist nichts zu tun.",
            "This box has a certificate that all programs trust by themselves. There is nothing to do here.",
        );
        return frame.page(title, &notice(Tone::Good, text, None));
    };
    let body = html! {
        p.lead {
            (frame.t(
                "Die Box hat sich ihren Ausweis selbst ausgestellt. Sagen Sie Ihren Geräten einmal, dass sie ihm glauben dürfen, dann warnen sie nicht mehr.",
                "The box has made its own identity card. Tell your devices once that they may believe it, and they stop warning.",
            ))
        }
        section.card {
            p.row {
                a.button href="/authority/heimpost.crt" { (frame.t("Zertifikat laden", "Load the certificate")) }
                a.button.second href="/authority/heimpost.pem" { (frame.t("Als PEM", "As PEM")) }
            }
            p { (frame.t("Vergleichen Sie den Fingerabdruck mit dem, den Ihr Gerät zeigt (SHA-256):", "Compare the fingerprint with the one that your device shows (SHA-256):")) }
            p { code { (fingerprint(&der)) } }
        }
        (systems(&frame))
    };
    frame.page(title, &body)
}

fn systems(frame: &Frame) -> Markup {
    let table = [
        ("iPhone, iPad", frame.t(
            "Zertifikat laden, dann Einstellungen, „Profil geladen“, „Installieren“. Danach „Allgemein“, „Info“, „Zertifikatsvertrauen“ und Heimpost einschalten.",
            "Load the certificate, then Settings, \"Profile Downloaded\", \"Install\". Afterwards \"General\", \"About\", \"Certificate Trust Settings\" and switch Heimpost on.",
        )),
        ("Android", frame.t(
            "Zertifikat laden, dann Einstellungen, nach „CA-Zertifikat“ suchen, „Trotzdem installieren“ und die Datei wählen. Manche Mailprogramme fragen zusätzlich selbst; vergleichen Sie dann den Fingerabdruck.",
            "Load the certificate, then Settings, search for \"CA certificate\", \"Install anyway\" and choose the file. Some mail programs ask by themselves besides; compare the fingerprint then.",
        )),
        ("Windows", frame.t(
            "Datei öffnen, „Zertifikat installieren“, „Aktueller Benutzer“, „Alle Zertifikate in folgendem Speicher“ und „Vertrauenswürdige Stammzertifizierungsstellen“ wählen.",
            "Open the file, \"Install Certificate\", \"Current User\", \"Place all certificates in the following store\" and choose \"Trusted Root Certification Authorities\".",
        )),
        ("macOS", frame.t(
            "Datei öffnen; sie kommt in die Schlüsselbundverwaltung. Dort doppelklicken, „Vertrauen“ aufklappen und „Immer vertrauen“ wählen.",
            "Open the file; it goes to Keychain Access. Double-click it there, unfold \"Trust\" and choose \"Always Trust\".",
        )),
        ("Linux", frame.t(
            "PEM-Datei als /usr/local/share/ca-certificates/heimpost.crt ablegen und update-ca-certificates aufrufen (Debian, Ubuntu); bei Fedora /etc/pki/ca-trust/source/anchors und update-ca-trust.",
            "Put the PEM file at /usr/local/share/ca-certificates/heimpost.crt and run update-ca-certificates (Debian, Ubuntu); on Fedora /etc/pki/ca-trust/source/anchors and update-ca-trust.",
        )),
        ("Thunderbird, Firefox", frame.t(
            "Einstellungen, „Datenschutz & Sicherheit“, „Zertifikate verwalten“, „Zertifizierungsstellen“, „Importieren“, und das Häkchen für Websites setzen.",
            "Settings, \"Privacy & Security\", \"Manage Certificates\", \"Authorities\", \"Import\", and tick the box for websites.",
        )),
    ];
    html! {
        section.card {
            h2 { (frame.t("Je nach Gerät", "By device")) }
            @for (system, text) in table { details { summary { (system) } p { (text) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn fingerprints_are_pairs() {
        let text = fingerprint(b"");
        assert!(text.starts_with("E3 B0 C4 42 98"), "{text}");
        assert_eq!(text.split(' ').count(), 32);
    }
}
