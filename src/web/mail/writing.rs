//! What is remembered of mails that are being written, in memory and bounded.
//!
//! Each form has a key of its own. By it a second press of "send" finds that the mail is sent, and a second saving finds
//! the draft that the first one made. And what somebody typed whose session had ended waits here, under a key that only
//! this browser is told, until he has logged in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::told::Elsewhere;
use crate::clock::Mono;
use crate::mail::ids::{AccountId, Serial};
use crate::web::session::Token;

/// Most forms remembered; the one that was used least lately goes first.
const FORMS_MAX: usize = 256;

/// Most texts that wait for a login, and for how long.
const TEXTS_MAX: usize = 16;
const TEXT_TIME: Duration = Duration::from_hours(1);

/// Longest text that waits, in bytes of all fields.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// What somebody typed into the form, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::web) struct Typed {
    /// Token of the session's forms.
    pub(super) form: String,
    /// Key of this form.
    pub(super) key: String,
    pub(super) from: String,
    pub(super) name: String,
    pub(super) to: String,
    pub(super) cc: String,
    pub(super) bcc: String,
    pub(super) subject: String,
    pub(super) text: String,
    /// What it answers or forwards: `reply:12` or `forward:12`.
    pub(super) answers: String,
    pub(super) in_reply_to: String,
    pub(super) references: String,
    /// Serial of its draft.
    pub(super) draft: String,
    /// Attachments that stay: a message's serial, or serial and part as `12/2.1`.
    pub(super) keep: Vec<String>,
    /// The button that was pressed.
    pub(super) deed: String,
}

impl Typed {
    /// Takes a field of the form.
    pub(super) fn take(&mut self, name: &str, value: String) {
        let slot = match name {
            "form" => &mut self.form,
            "key" => &mut self.key,
            "from" => &mut self.from,
            "name" => &mut self.name,
            "to" => &mut self.to,
            "cc" => &mut self.cc,
            "bcc" => &mut self.bcc,
            "subject" => &mut self.subject,
            "text" => &mut self.text,
            "answers" => &mut self.answers,
            "in_reply_to" => &mut self.in_reply_to,
            "references" => &mut self.references,
            "draft" => &mut self.draft,
            "deed" => &mut self.deed,
            "keep" => {
                self.keep.push(value);
                return;
            }
            _ => return,
        };
        *slot = value;
    }

    fn bytes(&self) -> usize {
        let texts = [&self.to, &self.cc, &self.bcc, &self.subject, &self.text];
        let others = [&self.from, &self.name, &self.in_reply_to, &self.references];
        let all = texts.into_iter().chain(others).chain(&self.keep);
        all.map(String::len).sum()
    }
}

/// One form at a time: whoever holds it saves or sends.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// How far a mail is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) draft: Option<Serial>,
    pub(super) sent: Option<Elsewhere>,
    turn: Turn,
}

#[derive(Debug)]
struct Form {
    account: AccountId,
    key: String,
    progress: Progress,
}

#[derive(Debug)]
struct Text {
    key: Token,
    typed: Typed,
    at: Mono,
}

#[derive(Debug, Default)]
struct Table {
    forms: VecDeque<Form>,
    texts: VecDeque<Text>,
}

/// All that is remembered. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Writing(Arc<Mutex<Table>>);

impl Writing {
    /// The turn of a form.
    pub(super) fn turn(&self, account: AccountId, key: &str) -> Turn {
        Arc::clone(&with_form(&mut self.table(), account, key).turn)
    }

    /// How far a form's mail is.
    pub(super) fn progress(&self, account: AccountId, key: &str) -> Progress {
        with_form(&mut self.table(), account, key).clone()
    }

    /// Its draft is there now.
    pub(super) fn saved(&self, account: AccountId, key: &str, draft: Serial) {
        with_form(&mut self.table(), account, key).draft = Some(draft);
    }

    /// It is sent.
    pub(super) fn sent(&self, account: AccountId, key: &str, elsewhere: Elsewhere) {
        with_form(&mut self.table(), account, key).sent = Some(elsewhere);
    }

    /// Keeps what somebody typed; the key to it. `None` if it is too long.
    pub(super) fn keep(&self, typed: Typed, now: Mono) -> Option<Token> {
        if typed.bytes() > TEXT_BYTES_MAX {
            return None;
        }
        let key = Token::new()?;
        let mut table = self.table();
        table.texts.retain(|text| now.since(text.at) <= TEXT_TIME);
        while table.texts.len() >= TEXTS_MAX {
            table.texts.pop_front();
        }
        table.texts.push_back(Text {
            key: key.clone(),
            typed,
            at: now,
        });
        Some(key)
    }

    /// What was kept under that key.
    pub(super) fn kept(&self, key: &str, now: Mono) -> Option<Typed> {
        let table = self.table();
        let mut texts = table.texts.iter();
        let found = texts.find(|text| text.key.is(key) && now.since(text.at) <= TEXT_TIME);
        found.map(|text| text.typed.clone())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form of that key, which is the last to be forgotten then.
fn with_form<'a>(table: &'a mut Table, account: AccountId, key: &str) -> &'a mut Progress {
    let forms = &mut table.forms;
    let place = forms
        .iter()
        .position(|form| form.account == account && form.key == key);
    let form = place.and_then(|place| forms.remove(place));
    let form = form.unwrap_or_else(|| Form {
        account,
        key: key.to_owned(),
        progress: Progress::default(),
    });
    while forms.len() >= FORMS_MAX {
        forms.pop_front();
    }
    forms.push_back(form);
    let last = forms.len() - 1;
    &mut forms[last].progress
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: AccountId = AccountId(1);

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn forms_are_an_accounts_own_and_bounded() {
        let writing = Writing::default();
        writing.sent(ANNA, "k", Elsewhere::No);
        assert_eq!(writing.progress(ANNA, "k").sent, Some(Elsewhere::No));
        assert_eq!(writing.progress(AccountId(2), "k").sent, None);
        for n in 0..FORMS_MAX {
            writing.saved(ANNA, &n.to_string(), Serial(1));
        }
        assert_eq!(writing.table().forms.len(), FORMS_MAX);
        assert_eq!(writing.progress(ANNA, "k").sent, None);
    }

    #[test]
    fn texts_wait_an_hour() {
        let writing = Writing::default();
        let mut typed = Typed::default();
        typed.take("text", "Hello".to_owned());
        let key = writing.keep(typed.clone(), at(0)).unwrap();
        assert_eq!(writing.kept(key.expose(), at(3600)), Some(typed.clone()));
        assert_eq!(writing.kept(key.expose(), at(3601)), None);
        assert_eq!(writing.kept("", at(0)), None);
        for _ in 0..TEXTS_MAX {
            writing.keep(typed.clone(), at(1)).unwrap();
        }
        assert_eq!(writing.kept(key.expose(), at(1)), None);
        typed.text = "x".repeat(TEXT_BYTES_MAX + 1);
        assert!(writing.keep(typed, at(1)).is_none());
    }
}
