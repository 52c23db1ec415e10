//! A QR code as a picture in the page.

use std::fmt::Write;

use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around it (ISO/IEC 18004 wants four).
const QUIET: usize = 4;

/// The code of a text, dark on white in light and dark pages alike; nothing if the text is too long for one.
pub(in crate::web) fn qr(text: &str, label: &str) -> Markup {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else {
        return html! {};
    };
    let side = code.width() + 2 * QUIET;
    let path = path(&code.to_colors(), code.width());
    html! {
        svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(label) shape-rendering="crispEdges" {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    }
}

/// One rectangle for each run of dark modules.
fn path(colors: &[Color], width: usize) -> String {
    let mut path = String::new();
    for (y, line) in colors.chunks(width.max(1)).enumerate() {
        let mut x = 0;
        for run in line.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (left, top, length) = (x + QUIET, y + QUIET, run.len());
                let written = write!(path, "M{left} {top}h{length}v1h-{length}z");
                debug_assert!(written.is_ok(), "a String takes everything");
            }
            x += run.len();
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_rectangles() {
        use Color::{Dark, Light};
        let drawn = path(
            &[Dark, Dark, Light, Light, Dark, Dark, Light, Light, Light],
            3,
        );
        assert_eq!(drawn, "M4 4h2v1h-2zM5 5h2v1h-2z");
        assert!(qr(&"x".repeat(5000), "").into_string().is_empty());
        let code = qr("https://heimpost.local/hand/x", "QR").into_string();
        assert!(code.len() < 20_000 && code.contains("role=\"img\""));
    }
}
