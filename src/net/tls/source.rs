//! Where certificates come from: the box's own authority, the owner's files, files that ACME renews.
//!
//! A refresh gives what is to be served from now on, or nothing if that is what is served already.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::serving::Serving;
use super::{Certificate, Error};
use crate::clock::Now;
use crate::net::ca::{self, Authority, Leaf, Subject};
use crate::net::certificate::{self, About, Loaded};

#[derive(Debug)]
pub(super) enum Source {
    Made(Made),
    Given(Files),
    Known { made: Made, files: Files },
}

/// The box's own.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) authority: Box<Authority>,
    pub(super) subject: Subject,
    in_use: Option<(CertificateDer<'static>, Loaded)>,
}

/// A pair of files that somebody else writes.
#[derive(Debug)]
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: Stamps,
    loaded: Option<Loaded>,
}

/// What tells that a file has changed: time of change and length, of certificate and key.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Source {
    pub(super) fn open(
        certificate: Certificate,
        provider: &CryptoProvider,
        now: Now,
    ) -> Result<(Self, Serving), Error> {
        match certificate {
            Certificate::Made { directory, subject } => {
                let mut made = Made::open(&directory, subject, now)?;
                let first = made.current(provider, now)?.0;
                Ok((Self::Made(made), Serving::Made(first)))
            }
            Certificate::Given { certificate, key } => {
                let mut files = Files::new(certificate, key);
                let first = files.load(provider)?;
                Ok((Self::Given(files), Serving::Given(first)))
            }
            Certificate::Known {
                directory,
                subject,
                certificate,
                key,
            } => {
                let mut made = Made::open(&directory, subject, now)?;
                let own = made.current(provider, now)?.0;
                let mut files = Files::new(certificate, key);
                let has_any = files.certificate.exists();
                let known = files.load(provider).inspect_err(|error| {
                    if has_any {
                        tracing::warn!(%error, "the certificate by ACME cannot be used");
                    }
                });
                let serving = both(known.ok(), own, now);
                Ok((Self::Known { made, files }, serving))
            }
        }
    }

    pub(super) fn refresh(
        &mut self,
        provider: &CryptoProvider,
        now: Now,
    ) -> Result<Option<Serving>, Error> {
        match self {
            Self::Made(made) => {
                let (own, is_new) = made.current(provider, now)?;
                Ok(is_new.then_some(Serving::Made(own)))
            }
            Self::Given(files) => Ok(files.changed(provider)?.map(Serving::Given)),
            Self::Known { made, files } => {
                let (own, is_new) = made.current(provider, now)?;
                let had = files.loaded.is_some();
                let changed = match files.appeared(provider) {
                    Ok(changed) => changed,
                    Err(error) if is_new => {
                        tracing::warn!(%error, "the certificate by ACME cannot be used");
                        false
                    }
                    Err(error) => return Err(error),
                };
                let known = files.loaded.clone();
                let ended = known.as_ref().is_some_and(|one| one.about.has_ended(now));
                if ended {
                    files.loaded = None;
                }
                let news = is_new || changed || (had && ended);
                Ok(news.then(|| both(known, own, now)))
            }
        }
    }

    /// The box's own, if it has a part in it.
    pub(super) fn made(&self) -> Option<&Made> {
        match self {
            Self::Made(made) | Self::Known { made, .. } => Some(made),
            Self::Given(_) => None,
        }
    }

    pub(super) fn made_mut(&mut self) -> Option<&mut Made> {
        match self {
            Self::Made(made) | Self::Known { made, .. } => Some(made),
            Self::Given(_) => None,
        }
    }
}

/// Everybody's serves until its end, and what is not its matter is left to the box's own.
fn both(known: Option<Loaded>, made: Loaded, now: Now) -> Serving {
    match known {
        Some(known) if !known.about.has_ended(now) => Serving::Both { known, made },
        Some(_) | None => Serving::Made(made),
    }
}

impl Made {
    fn open(directory: &Path, subject: Subject, now: Now) -> Result<Self, Error> {
        let authority = Authority::open(directory, &subject.hostname, now)?;
        Ok(Self {
            authority: Box::new(authority),
            subject,
            in_use: None,
        })
    }

    /// The leaf of this time, and whether it is another one than before.
    fn current(&mut self, provider: &CryptoProvider, now: Now) -> Result<(Loaded, bool), Error> {
        let leaf = self.authority.leaf(&self.subject, now)?;
        if let Some((_, loaded)) = self
            .in_use
            .as_ref()
            .filter(|(der, _)| *der == leaf.certificate)
        {
            return Ok((loaded.clone(), false));
        }
        let der = leaf.certificate.clone();
        let loaded = load_leaf(leaf, &self.subject.hostname, provider)?;
        self.in_use = Some((der, loaded.clone()));
        Ok((loaded, true))
    }
}

fn load_leaf(leaf: Leaf, hostname: &str, provider: &CryptoProvider) -> Result<Loaded, Error> {
    let about = About::read(&leaf.certificate).ok_or_else(|| ca::Error::Make {
        subject: hostname.to_owned(),
        why: "the certificate made cannot be read back".to_owned(),
    })?;
    let key = CertifiedKey::from_der(vec![leaf.certificate], leaf.key, provider)?;
    Ok(Loaded {
        key: Arc::new(key),
        about,
    })
}

impl Files {
    fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self {
            certificate,
            key,
            seen: [None; 2],
            loaded: None,
        }
    }

    fn load(&mut self, provider: &CryptoProvider) -> Result<Loaded, Error> {
        self.seen = self.stamps();
        let loaded = certificate::load(&self.certificate, &self.key, provider)?;
        self.loaded = Some(loaded.clone());
        Ok(loaded)
    }

    /// What they hold, if they have changed. What is no good is remembered too: one warning for each change is enough.
    fn changed(&mut self, provider: &CryptoProvider) -> Result<Option<Loaded>, Error> {
        if self.stamps() == self.seen {
            return Ok(None);
        }
        self.load(provider).map(Some)
    }

    /// As [`Self::changed`], for files that may not be there yet.
    fn appeared(&mut self, provider: &CryptoProvider) -> Result<bool, Error> {
        let is_there = self.certificate.exists();
        Ok(is_there && self.changed(provider)?.is_some())
    }

    fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }
}
