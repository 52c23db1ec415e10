//! What this box found out about a sender when the mail came, from its own `Authentication-Results` (RFC 8601).
//!
//! Only the field in the server's own prefix counts: whatever stands in the mail itself was written by others.

use maud::{Markup, html};

use crate::mail::mime::header::find;
use crate::web::parts::{Tone, badge, notice};
use crate::web::words::Lang;

/// What DMARC says of the sender's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Proved to be from there.
    Proved(String),
    /// The domain says how its mail is proved, and this is not.
    Forged(String),
    /// Nothing can be said.
    Open,
    /// It was not judged: mail of this house, or older than the judging.
    Unjudged,
}

/// From the header fields that the server put in front.
pub(super) fn of(prefix: &[u8]) -> Verdict {
    let Some(field) = find(prefix, "Authentication-Results") else {
        return Verdict::Unjudged;
    };
    let field = String::from_utf8_lossy(&field).into_owned();
    let mut methods = field.split(';').map(str::trim);
    let Some(dmarc) = methods.find_map(|method| method.strip_prefix("dmarc=")) else {
        return Verdict::Open;
    };
    let outcome = dmarc.split_whitespace().next().unwrap_or_default();
    let mut words = dmarc.split_whitespace();
    let domain = words.find_map(|word| word.strip_prefix("header.from="));
    let domain = domain.unwrap_or_default().trim_matches('"').to_owned();
    match outcome {
        "pass" => Verdict::Proved(domain),
        "fail" => Verdict::Forged(domain),
        _ => Verdict::Open,
    }
}

impl Verdict {
    /// A small word beside the sender, if there is something to say.
    pub(super) fn badge(&self, lang: Lang) -> Markup {
        match self {
            Self::Proved(_) => badge(Tone::Good, lang.t("Absender bestätigt", "Sender confirmed")),
            Self::Forged(_) => badge(
                Tone::Bad,
                lang.t("Absender nicht bestätigt", "Sender not confirmed"),
            ),
            Self::Open | Self::Unjudged => html! {},
        }
    }

    /// What to know before believing it, if anything.
    pub(super) fn warning(&self, lang: Lang) -> Markup {
        let Self::Forged(domain) = self else {
            return html! {};
        };
        let text = format!(
            "{} {domain} {}",
            lang.t("Diese E-Mail behauptet, von", "This mail claims to be from"),
            lang.t(
                "zu kommen, aber das ist nicht bewiesen. Öffnen Sie keine Links und Anhänge, wenn Sie sie nicht erwarten.",
                "but that is not proved. Open no links or attachments that you do not expect.",
            ),
        );
        notice(Tone::Bad, &text, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(results: &str, expected: &Verdict) {
        let prefix = format!("Return-Path: <a@x.org>\r\nAuthentication-Results: {results}\r\n");
        assert_eq!(&of(prefix.as_bytes()), expected, "{results}");
    }

    #[test]
    fn verdicts() {
        check(
            "box; spf=pass smtp.mailfrom=x.org;\r\n dkim=none; dmarc=pass (p=none) header.from=x.org",
            &Verdict::Proved("x.org".to_owned()),
        );
        check(
            "box; dmarc=fail header.from=\"x.org\"",
            &Verdict::Forged("x.org".to_owned()),
        );
        check(
            "box; spf=pass; dkim=none; dmarc=none header.from=x.org",
            &Verdict::Open,
        );
        check("box; dmarc=temperror", &Verdict::Open);
        check("box; spf=pass", &Verdict::Open);
        assert_eq!(of(b"Received: x\r\n"), Verdict::Unjudged);
    }
}
