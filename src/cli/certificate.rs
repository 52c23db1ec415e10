//! Which certificate the box serves, for `status`: read from the files, with or without a running daemon.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::{Now, Wall};
use crate::config::Settings;
use crate::manage::certificate::{Certificate, Source};

/// What `status` shows of it.
pub(super) struct Shown(Certificate);

impl Shown {
    pub(super) fn gather(settings: &Settings, now: Now) -> Self {
        Self(Certificate::gather(settings, now))
    }

    pub(super) fn json(&self) -> Value {
        let about = self.0.about.as_ref();
        json!({
            "source": match self.0.source {
                Source::Own => "own",
                Source::Acme => "acme",
                Source::Files => "files",
            },
            "issuer": about.map(|about| &about.issuer),
            "names": about.map(|about| &about.names),
            "not_after": about.map(|about| about.not_after.0),
            "problem": self.0.problem,
        })
    }

    pub(super) fn in_words(&self) -> String {
        let source = match self.0.source {
            Source::Own => "of the box's own authority",
            Source::Acme => "by ACME",
            Source::Files => "from your files",
        };
        let about = self.0.about.as_ref();
        let until = about.map_or_else(
            || ", which cannot be read".to_owned(),
            |about| {
                format!(
                    ", issued by {}, until {}",
                    about.issuer,
                    date(about.not_after)
                )
            },
        );
        let problem = self.0.problem.as_ref();
        let problem = problem.map_or_else(String::new, |why| format!(" (last try: {why})"));
        format!("{source}{until}{problem}")
    }
}

fn date(wall: Wall) -> String {
    let time = Timestamp::from_second(wall.0);
    time.map_or_else(
        |_| "?".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::Mono;
    use crate::config;
    use crate::net::ca::{Authority, Subject};

    const NOW: Now = Now {
        mono: Mono(std::time::Duration::ZERO),
        wall: Some(Wall(1_800_000_000)),
    };

    #[test]
    fn what_serves_is_told_and_what_went_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let tls = dir.path().join("tls");
        fs::create_dir(&tls).unwrap();
        let text = "hostname = \"mail.example.org\"\n[acme]\nterms_agreed = true\n";
        let mut settings = config::parse("test", text).unwrap();
        dir.path().clone_into(&mut settings.data);
        let subject = Subject {
            hostname: "mail.example.org".to_owned(),
            ..Subject::default()
        };
        let authority = Authority::open(&tls, "mail.example.org", NOW).unwrap();
        authority.leaf(&subject, NOW).unwrap();
        fs::write(
            tls.join("acme-history.json"),
            r#"{"last_problem":"nobody home"}"#,
        )
        .unwrap();
        let words = || Shown::gather(&settings, NOW).in_words();
        let own = "of the box's own authority, issued by Heimpost (made by the box itself), until 2028-01-17 \
                   (last try: nobody home)";
        assert_eq!(words(), own);
        fs::copy(tls.join("leaf.pem"), tls.join("acme.pem")).unwrap();
        assert!(words().starts_with("by ACME, issued by "), "{}", words());
        let json = Shown::gather(&settings, NOW).json();
        assert_eq!(json.get("source"), Some(&json!("acme")));
        assert_eq!(json.get("names"), Some(&json!(["mail.example.org"])));
        fs::write(tls.join("leaf.pem"), "nonsense").unwrap();
        settings.acme = None;
        let broken = Shown::gather(&settings, NOW).in_words();
        assert_eq!(broken, "of the box's own authority, which cannot be read");
    }
}
