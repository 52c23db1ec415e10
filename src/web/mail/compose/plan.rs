//! What a form means: header and envelope of its mail, and what is wrong with what was typed.

use std::collections::BTreeMap;

use crate::clock::Now;
use crate::config::Settings;
use crate::delivery::local::{self, Envelope, Recipient};
use crate::delivery::report;
use crate::delivery::route::{Route, Router};
use crate::mail::address::Address;
use crate::mail::compose::recipients::{self, party};
use crate::mail::compose::{Head, Line, MessageId, Party, Thread};
use crate::mail::date::DateTime;
use crate::mail::ids::AccountId;
use crate::store::types::Account;
use crate::store::{self, Snapshot, Store};
use crate::web::Sources;
use crate::web::mail::writing::Typed;
use crate::web::problem::Problem;
use crate::web::words::Lang;

/// Most messages in Sent that are looked at for addresses and the name of the author.
const SENT_LOOKED_AT_MAX: usize = 200;

/// Most addresses that are proposed.
const PROPOSED_MAX: usize = 100;

/// What is wrong, in words, by the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrong(BTreeMap<&'static str, String>);

impl Wrong {
    /// Something that is no field's matter.
    pub(super) fn at_page(text: &str) -> Self {
        Self(BTreeMap::from([("page", text.to_owned())]))
    }

    /// Something about the attachments.
    fn at_files(text: &str) -> Self {
        Self(BTreeMap::from([("files", text.to_owned())]))
    }

    /// What is wrong with a field; empty for nothing.
    pub(super) fn of(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, field: &'static str, text: String) {
        self.0.entry(field).or_insert(text);
    }
}

/// Why a message was not built or not filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    TooLarge,
    /// An attachment that should stay is not there any more.
    Gone,
    Problem(Problem),
}

impl Trouble {
    pub(super) fn of(problem: Problem) -> Self {
        Self::Problem(problem)
    }

    pub(super) fn in_words(&self, lang: Lang, limit: u64) -> Wrong {
        match self {
            Self::TooLarge => Wrong::at_files(
                &lang
                    .t(
                        "Zu groß: Mit Anhängen sind höchstens {} möglich, und als E-Mail werden Dateien um ein Drittel größer.",
                        "Too large: with attachments {} is the limit, and as mail files grow by a third.",
                    )
                    .replace("{}", &lang.amount(limit)),
            ),
            Self::Gone => Wrong::at_files(lang.t(
                "Ein Anhang ist nicht mehr da. Prüfen Sie die Liste.",
                "An attachment is not there any more. Check the list.",
            )),
            Self::Problem(problem) => Wrong::at_page(&problem.in_words(lang).1),
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        if problem == Problem::NotFound {
            return Self::Gone;
        }
        Self::Problem(problem)
    }
}

pub(super) fn stale(lang: Lang) -> &'static str {
    lang.t(
        "Diese Seite war abgelaufen. Es ist nichts verloren: Prüfen Sie den Text und drücken Sie noch einmal. Dateien wählen Sie bitte neu aus.",
        "This page had expired. Nothing is lost: check the text and press again. Please choose files again.",
    )
}

/// A mail that is about to be built.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) head: Head,
    pub(super) bcc: Vec<Party>,
    pub(super) envelope: Envelope,
    pub(super) wrong: Wrong,
    /// Letters and digits that no other mail has.
    pub(super) unique: String,
}

/// Knows which addresses are ours.
pub(super) fn router(settings: &Settings) -> Router {
    let primary = settings.domains.first().unwrap_or(&settings.hostname);
    Router::new(primary.clone(), settings.domains.iter().cloned())
}

/// The addresses that an account may write as: its own, and aliases that lead to it.
pub(super) fn own_addresses(
    snapshot: &Snapshot,
    router: &Router,
    account: &Account,
) -> store::Result<Vec<Address>> {
    let mut own = vec![account.address.clone()];
    for alias in snapshot.aliases()? {
        // A catch-all is no address.
        if let Ok(address) = Address::parse(&alias.from)
            && address != account.address
            && router.may_send_as(snapshot, account.id, &address)?
        {
            own.push(address);
        }
    }
    Ok(own)
}

/// The plan of what was typed. Only faults are errors; everything else is in [`Plan::wrong`].
pub(super) fn plan(
    sources: &Sources,
    account: AccountId,
    typed: &Typed,
    lang: Lang,
    now: Now,
) -> Result<Plan, Problem> {
    let snapshot = sources.store.snapshot()?;
    let router = router(&sources.settings);
    let account = snapshot.account(account)?.ok_or(Problem::NotFound)?;
    let mut wrong = Wrong::default();
    let from = author(&snapshot, &router, &account, typed)?;
    if from.is_none() {
        let text = lang.t(
            "Als diese Adresse dürfen Sie nicht schreiben.",
            "You may not write as this address.",
        );
        wrong.add("from", text.to_owned());
    }
    let from = from.unwrap_or_else(|| account.address.clone());
    let mut field = |name, text: &str| {
        let read = recipients::parse(text);
        read.unwrap_or_else(|error| {
            wrong.add(name, bad_addresses(lang, &error));
            Vec::new()
        })
    };
    let [to, cc, bcc] = [("to", &typed.to), ("cc", &typed.cc), ("bcc", &typed.bcc)]
        .map(|(name, text)| field(name, text));
    let max = usize::try_from(sources.settings.limits.recipients_max).unwrap_or(usize::MAX);
    let mut envelope = Envelope::new(Some(from.clone()), []);
    if to.len() + cc.len() + bcc.len() > max {
        wrong.add("to", too_many(lang, max));
    } else {
        for (name, parties) in [("to", &to), ("cc", &cc), ("bcc", &bcc)] {
            for party in parties {
                match find(&sources.store, &snapshot, &router, &party.address, lang)? {
                    Ok(found) => add(&mut envelope, found),
                    Err(text) => wrong.add(name, text),
                }
            }
        }
    }
    if envelope.to.is_empty() && wrong.is_empty() {
        let text = lang.t(
            "An wen soll die E-Mail gehen?",
            "To whom shall the mail go?",
        );
        wrong.add("to", text.to_owned());
    }
    let unique = report::unique()?;
    let head = Head {
        from: Party {
            name: Line::new(&typed.name),
            address: from,
        },
        to,
        cc,
        subject: Line::new(&typed.subject),
        date: now.wall.map(DateTime::utc),
        message_id: MessageId::new(&unique, sources.settings.hostname.as_str()),
        thread: Thread {
            in_reply_to: MessageId::all(typed.in_reply_to.as_bytes())
                .into_iter()
                .next(),
            references: MessageId::all(typed.references.as_bytes()),
        },
    };
    Ok(Plan {
        head,
        bcc,
        envelope,
        wrong,
        unique,
    })
}

/// RFC 6409 6.1
fn author(
    snapshot: &Snapshot,
    router: &Router,
    account: &Account,
    typed: &Typed,
) -> store::Result<Option<Address>> {
    if typed.from.is_empty() {
        return Ok(Some(account.address.clone()));
    }
    let Ok(address) = Address::parse(&typed.from) else {
        return Ok(None);
    };
    let is_own = router.may_send_as(snapshot, account.id, &address)?;
    Ok(is_own.then_some(address))
}

fn add(envelope: &mut Envelope, found: Recipient) {
    let is_there = envelope.to.iter().any(|to| to.address == found.address);
    if !is_there {
        envelope.to.push(found);
    }
}

/// Where mail to an address goes, and whether it can: the fault, or why not in words.
fn find(
    store: &Store,
    snapshot: &Snapshot,
    router: &Router,
    address: &Address,
    lang: Lang,
) -> store::Result<Result<Recipient, String>> {
    let mut recipient = Recipient::new(address.clone());
    let refused = |de: &str, en: &str| Ok(Err(lang.t(de, en).replace("{}", &address.to_string())));
    match router.route(snapshot, address)? {
        Route::Local(targets) => recipient.targets = targets,
        Route::Remote => {
            recipient.targets.remote.insert(address.clone());
        }
        Route::Unknown => {
            return refused(
                "{}: Diese Adresse gibt es hier nicht.",
                "{}: there is no such address here.",
            );
        }
        Route::Undeliverable(_) => {
            return refused(
                "{}: Dieser Alias führt zu keinem Postfach.",
                "{}: this alias leads to no mailbox.",
            );
        }
    }
    match local::admit(store, &recipient, 0) {
        Ok(()) => Ok(Ok(recipient)),
        Err(store::Error::OverQuota) => refused(
            "{}: Dieses Postfach ist voll.",
            "{}: this letterbox is full.",
        ),
        Err(error) => Err(error),
    }
}

fn bad_addresses(lang: Lang, error: &recipients::Wrong) -> String {
    match error {
        recipients::Wrong::Address(text) => lang
            .t(
                "„{}“ ist keine E-Mail-Adresse.",
                "“{}” is no email address.",
            )
            .replace("{}", text),
        recipients::Wrong::TooMany => lang
            .t(
                "Das sind zu viele Adressen.",
                "These are too many addresses.",
            )
            .to_owned(),
    }
}

fn too_many(lang: Lang, max: usize) -> String {
    lang.t(
        "Das sind zu viele Empfänger: Mehr als {} auf einmal gehen nicht.",
        "These are too many recipients: no more than {} at once.",
    )
    .replace("{}", &lang.number(max as u64))
}

/// Whom somebody wrote to lately, and the name under which.
pub(super) fn lately(
    snapshot: &Snapshot,
    account: AccountId,
) -> Result<(Vec<String>, String), Problem> {
    use crate::mail::flags::SpecialUse;
    use crate::mail::ids::Uid;
    use crate::web::mail::{access, places};

    let (mut proposed, mut name): (Vec<Party>, Option<Line>) = (Vec::new(), None);
    let Some(sent) = places::find(snapshot, account, SpecialUse::Sent)? else {
        return Ok((Vec::new(), String::new()));
    };
    for row in snapshot.rows_before(sent.id, Uid::MAX, SENT_LOOKED_AT_MAX)? {
        let Some(record) = snapshot.record(row.serial)? else {
            continue;
        };
        let envelope = access::summary(&record)?.envelope;
        if name.is_none() {
            name = envelope.from.first().and_then(party).map(|from| from.name);
        }
        for one in envelope.to.iter().chain(&envelope.cc).filter_map(party) {
            if proposed.len() < PROPOSED_MAX
                && proposed.iter().all(|known| known.address != one.address)
            {
                proposed.push(one);
            }
        }
    }
    let shown = proposed
        .iter()
        .map(|one| recipients::shown_in_field(std::slice::from_ref(one)));
    let name = name.unwrap_or_default();
    Ok((shown.collect(), name.as_str().to_owned()))
}
