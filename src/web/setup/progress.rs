//! How far the setup has come: kept in the store after each step, so that a power cut costs one page at most.

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::store::{self, Snapshot, Store};
use crate::web::words::Lang;

/// The store's setting that holds it.
const SETTING: &str = "setup.json";

/// How the box is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Own domain; sends by itself.
    Mx,
    /// Own domain; sends through a provider.
    Smarthost,
    /// At home only.
    Lan,
}

/// What has been done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// How the box is used, once that is chosen.
    pub(super) mode: Option<Mode>,
    /// Whether name and domain were said.
    pub(super) named: bool,
    /// Whether the last page was reached.
    pub(super) done: bool,
    /// Name of the smarthost that took a test mail.
    pub(super) tested: Option<String>,
    /// Items of the checklist that are not needed.
    pub(super) dismissed: Vec<String>,
}

impl Progress {
    /// As the store has it; what cannot be read counts as nothing.
    pub(super) fn load(snapshot: &Snapshot) -> store::Result<Self> {
        let bytes = snapshot.setting(SETTING)?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Changes what the store has.
    pub(super) fn change(store: &Store, change: impl FnOnce(&mut Self)) -> store::Result<()> {
        let mut progress = Self::load(&store.snapshot()?)?;
        change(&mut progress);
        let bytes = serde_json::to_vec(&progress);
        let bytes = bytes.map_err(|error| store::Error::Fault(error.to_string()))?;
        store.set_setting(SETTING, &bytes)
    }
}

/// A page of the setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Language,
    Mode,
    Name,
    Account,
    Smarthost,
    Test,
    Programs,
}

impl Step {
    /// All pages for a mode, in their order.
    pub(super) fn all(mode: Option<Mode>) -> &'static [Self] {
        match mode {
            Some(Mode::Smarthost) => &[
                Self::Language,
                Self::Mode,
                Self::Name,
                Self::Account,
                Self::Smarthost,
                Self::Test,
                Self::Programs,
            ],
            Some(Mode::Mx | Mode::Lan) | None => &[
                Self::Language,
                Self::Mode,
                Self::Name,
                Self::Account,
                Self::Programs,
            ],
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Language => "/setup/language",
            Self::Mode => "/setup/mode",
            Self::Name => "/setup/name",
            Self::Account => "/setup/account",
            Self::Smarthost => "/setup/smarthost",
            Self::Test => "/setup/test",
            Self::Programs => "/setup/programs",
        }
    }

    pub(super) fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Language => lang.t("Sprache", "Language"),
            Self::Mode => lang.t("Wie soll die Box arbeiten?", "How shall the box work?"),
            Self::Name => lang.t("Wie heißt Ihre Domain?", "What is your domain?"),
            Self::Account => lang.t("Ihr Postfach", "Your account"),
            Self::Smarthost => lang.t("Senden über einen Anbieter", "Sending through a provider"),
            Self::Test => lang.t("Probemail", "Test mail"),
            Self::Programs => lang.t("Ihre E-Mail-Programme", "Your mail programs"),
        }
    }

    /// The one after it.
    pub(super) fn next(self, mode: Option<Mode>) -> Self {
        self.beside(mode, 1).unwrap_or(Self::Programs)
    }

    /// The one before it.
    pub(super) fn back(self, mode: Option<Mode>) -> Option<Self> {
        self.beside(mode, -1)
    }

    /// Its number from 1, and how many there are.
    pub(super) fn number(self, mode: Option<Mode>) -> (usize, usize) {
        let all = Self::all(mode);
        let at = all.iter().position(|step| *step == self).unwrap_or(0);
        (at + 1, all.len())
    }

    fn beside(self, mode: Option<Mode>, by: isize) -> Option<Self> {
        let all = Self::all(mode);
        let at = all.iter().position(|step| *step == self)?;
        all.get(at.checked_add_signed(by)?).copied()
    }
}

/// What the box is now.
#[derive(Clone, Debug)]
pub(super) struct Situation {
    pub(super) progress: Progress,
    pub(super) has_account: bool,
}

impl Situation {
    pub(super) fn load(snapshot: &Snapshot) -> store::Result<Self> {
        Ok(Self {
            progress: Progress::load(snapshot)?,
            has_account: !snapshot.accounts()?.is_empty(),
        })
    }

    /// Where to go on; `None` if everything was said.
    pub(super) fn next(&self, settings: &Settings) -> Option<Step> {
        let progress = &self.progress;
        if progress.done {
            return None;
        }
        Some(match progress.mode {
            None => Step::Mode,
            Some(_) if !progress.named => Step::Name,
            Some(_) if !self.has_account => Step::Account,
            Some(Mode::Smarthost) if settings.relay.default.is_none() => Step::Smarthost,
            Some(Mode::Smarthost) if progress.tested.is_none() => Step::Test,
            Some(_) => Step::Programs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_neighbours() {
        for mode in [None, Some(Mode::Lan), Some(Mode::Smarthost)] {
            let all = Step::all(mode);
            for pair in all.windows(2) {
                assert_eq!(pair[0].next(mode), pair[1]);
                assert_eq!(pair[1].back(mode), Some(pair[0]));
            }
            assert_eq!(all[0].back(mode), None);
            assert_eq!(Step::Programs.number(mode), (all.len(), all.len()));
        }
    }

    #[test]
    fn it_goes_on_where_it_stopped() {
        let mut at = Situation {
            progress: Progress::default(),
            has_account: false,
        };
        let settings = Settings::desk();
        assert_eq!(at.next(&settings), Some(Step::Mode));
        at.progress.mode = Some(Mode::Smarthost);
        assert_eq!(at.next(&settings), Some(Step::Name));
        at.progress.named = true;
        assert_eq!(at.next(&settings), Some(Step::Account));
        at.has_account = true;
        assert_eq!(at.next(&settings), Some(Step::Smarthost));
        at.progress.mode = Some(Mode::Lan);
        assert_eq!(at.next(&settings), Some(Step::Programs));
        at.progress.done = true;
        assert_eq!(at.next(&settings), None);
    }
}
