//! The `Authentication-Results` field (RFC 8601), and words for a peer whose mail is refused.
//!
//! Everything in it that a peer chose is a value in quotes or made harmless first.

use super::{Dkim, Dmarc, Identity, Outcome, Policy, Spf, Verdict};
use crate::mail::address::Domain;
use crate::mail::trace;

/// Longest value of a property.
const VALUE_BYTES_MAX: usize = 255;

impl Verdict {
    /// The field of host `hostname`, with its line end.
    pub fn field(&self, hostname: &Domain) -> String {
        let mut methods = vec![self.spf.words()];
        if self.dkim.is_empty() {
            methods.push(vec!["dkim=none".to_owned()]);
        }
        methods.extend(self.dkim.iter().map(Dkim::words));
        methods.push(self.dmarc.words());
        let mut chunks = vec![hostname.to_string()];
        for method in methods {
            if let Some(last) = chunks.last_mut() {
                last.push(';');
            }
            chunks.extend(method);
        }
        trace::folded("Authentication-Results:", &chunks)
    }

    /// Why the mail is refused, for its sender, if [`Verdict::disposition`] says that.
    pub fn refusal(&self) -> String {
        let domain = value(&self.dmarc.domain);
        let spf = self.spf.outcome.name();
        let dkim = match self.dkim.as_slice() {
            [] => "none",
            [only] => only.outcome.name(),
            _ => "none that counts",
        };
        format!(
            "Refused as {domain} asks (DMARC): nothing proves that this mail is from there \
             (SPF: {spf}, DKIM: {dkim})"
        )
    }
}

impl Outcome {
    /// As in the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl Policy {
    /// As in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

impl Spf {
    fn words(&self) -> Vec<String> {
        let (property, domain) = match &self.identity {
            Identity::MailFrom(domain) => ("smtp.mailfrom", domain),
            Identity::Helo(name) => ("smtp.helo", name),
        };
        let mut words = vec![format!("spf={}", self.outcome.name())];
        words.extend(pair(property, domain));
        words
    }
}

impl Dkim {
    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("dkim={}", self.outcome.name())];
        if let Some(reason) = &self.reason {
            words.push(format!("reason=\"{}\"", inside_quotes(reason)));
        }
        words.extend(pair("header.d", &self.domain));
        words.extend(pair("header.s", &self.selector));
        words.extend(pair("header.b", &self.tag));
        words
    }
}

impl Dmarc {
    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("dmarc={}", self.outcome.name())];
        if !matches!(self.outcome, Outcome::None | Outcome::TempError) {
            words.push(format!("(p={})", self.policy.name()));
        }
        words.extend(pair("header.from", &self.domain));
        words
    }
}

fn pair(property: &str, text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("{property}={}", value(text)))
}

/// RFC 2045 5.1: a token, or a quoted string.
fn value(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._+!#$%&*^`{|}~".contains(c);
    let cut: String = text.chars().take(VALUE_BYTES_MAX).collect();
    if cut.chars().all(is_token) {
        return cut;
    }
    format!("\"{}\"", inside_quotes(&cut))
}

fn inside_quotes(text: &str) -> String {
    let harmless = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    let replaced = text.chars().map(|c| if harmless(c) { c } else { '?' });
    replaced.collect()
}
