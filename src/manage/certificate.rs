//! Which certificate the box serves: read from the files, with or without a running daemon.

use std::path::PathBuf;

use crate::clock::Now;
use crate::config::{Settings, TlsSource};
use crate::net::acme::kept::Kept;
use crate::net::certificate::About;

/// The certificate for the box's name.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Whose it is.
    pub source: Source,
    /// What it says; `None` if it cannot be read.
    pub about: Option<About>,
    /// What went wrong with the last try by ACME.
    pub problem: Option<String>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The box's own authority.
    Own,
    /// An authority that everybody knows.
    Acme,
    /// The owner's files.
    Files,
}

impl Certificate {
    /// Reads it.
    pub fn gather(settings: &Settings, now: Now) -> Self {
        let directory = settings.data.join("tls");
        let of = |source, about| Self {
            source,
            about,
            problem: None,
        };
        if let TlsSource::Files { certificate, .. } = &settings.tls {
            return of(Source::Files, About::of_file(certificate));
        }
        let own = || of(Source::Own, About::of_file(&directory.join("leaf.pem")));
        if settings.acme.is_none() {
            return own();
        }
        let kept = Kept::new(&directory);
        let known = kept.certificate().filter(|about| !about.has_ended(now));
        Self {
            problem: kept.history().last_problem,
            ..known.map_or_else(own, |about| of(Source::Acme, Some(about)))
        }
    }
}

/// The file of the certificate in use.
pub fn file(settings: &Settings) -> (PathBuf, Source) {
    let directory = settings.data.join("tls");
    match &settings.tls {
        TlsSource::Files { certificate, .. } => (certificate.clone(), Source::Files),
        TlsSource::SelfMade => {
            let known = directory.join("acme.pem");
            if settings.acme.is_some() && known.exists() {
                (known, Source::Acme)
            } else {
                (directory.join("leaf.pem"), Source::Own)
            }
        }
    }
}
