//! Commands that imap-codec writes are read as what they mean.

use std::num::NonZeroU32;

use imap_codec::CommandCodec;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command as theirs;
use imap_codec::imap_types::core::{AString, Atom, Vec1};
use imap_codec::imap_types::fetch::{
    MacroOrMessageDataItemNames, MessageDataItemName, Part, Section as TheirSection,
};
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::search::SearchKey as TheirKey;
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet as TheirSet};
use proptest::prelude::*;

use crate::imap::syntax::command::{CommandBody, Copy};
use crate::imap::syntax::command::{Fetch, Numbering, Rename, Search, Store, StoreAnswer};
use crate::imap::syntax::fetch::{
    FetchItem, FetchModifiers, Section, SectionAccess, SectionItem, SectionPiece,
};
use crate::imap::syntax::parse_command;
use crate::imap::syntax::search::{EnvelopeField, Needle, SearchKey};
use crate::imap::syntax::sequence::{SequenceNumber, SequenceRange, SequenceSet};
use crate::mail::flags::{Flags, Keyword, SystemFlags};
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::FlagAction;

/// What imap-codec writes, and what it has to be read as.
type Pair = (theirs::CommandBody<'static>, CommandBody);

fn check((theirs, ours): Pair) {
    let command = theirs::Command::new("a1", theirs).unwrap();
    let bytes = CommandCodec::default().encode(&command).dump();
    let shown = bytes.escape_ascii().to_string();
    let parsed = parse_command(&bytes).unwrap_or_else(|error| panic!("{shown}: {error:?}"));
    assert_eq!(format!("{:?}", parsed.body), format!("{ours:?}"), "{shown}");
}

fn numbering(uid: bool) -> Numbering {
    if uid {
        Numbering::Uid
    } else {
        Numbering::Sequence
    }
}

fn set() -> impl Strategy<Value = (TheirSet, SequenceSet)> {
    let number = (1..=u32::MAX).prop_map(|number| NonZeroU32::new(number).unwrap());
    (number.clone(), number, 0..3).prop_map(|(one, two, kind)| {
        let (low, high) = (one.min(two), one.max(two));
        let ours = |number| SequenceNumber::Number(number);
        let (theirs, from, to) = match kind {
            0 => (Sequence::Single(SeqOrUid::Value(low)), ours(low), ours(low)),
            1 => {
                let range = Sequence::Range(SeqOrUid::Value(low), SeqOrUid::Asterisk);
                (range, ours(low), SequenceNumber::Largest)
            }
            _ => {
                let range = Sequence::Range(SeqOrUid::Value(low), SeqOrUid::Value(high));
                (range, ours(low), ours(high))
            }
        };
        let theirs = TheirSet(Vec1::from(theirs));
        (
            theirs,
            SequenceSet::new(SequenceRange { from, to }, Vec::new()),
        )
    })
}

/// Any bytes but NUL, which no string can carry.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

fn astring(text: &str) -> AString<'static> {
    AString::try_from(text.to_owned().into_bytes()).unwrap()
}

fn mailbox() -> impl Strategy<Value = MailboxName> {
    "[A-Za-z\u{e4}\u{65e5}& \"\\\\~\\]{}(.-]{1,9}(/[a-z]{1,5})?"
        .prop_map(|name| MailboxName::parse(&name).unwrap())
}

fn their_mailbox(name: &MailboxName) -> imap_codec::imap_types::mailbox::Mailbox<'static> {
    astring(&name.to_utf7()).into()
}

fn flag() -> impl Strategy<Value = (Flag<'static>, Flags)> {
    let system = |flag| Flags {
        system: flag,
        keywords: Vec::new(),
    };
    prop_oneof![
        Just((Flag::Seen, system(SystemFlags::SEEN))),
        Just((Flag::Deleted, system(SystemFlags::DELETED))),
        Just((Flag::Draft, system(SystemFlags::DRAFT))),
        "[$a-z]{1,8}".prop_map(|name| {
            let keyword = Keyword::new(&name).unwrap();
            let theirs = Flag::Keyword(Atom::try_from(name).unwrap());
            let flags = Flags {
                system: SystemFlags::empty(),
                keywords: vec![keyword],
            };
            (theirs, flags)
        }),
    ]
}

fn section() -> impl Strategy<Value = (TheirSection<'static>, Section)> {
    let numbers = prop::collection::vec(1..1000u32, 1..4);
    let names = prop::collection::vec("[A-Za-z-]{1,9}", 1..3);
    (numbers, names, 0..6).prop_map(|(numbers, names, kind)| {
        let numbers: Vec<NonZeroU32> = numbers.into_iter().filter_map(NonZeroU32::new).collect();
        let part = || Part(Vec1::try_from(numbers.clone()).unwrap());
        let fields = || Vec1::try_from(names.iter().map(|n| astring(n)).collect::<Vec<_>>());
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
        let (theirs, piece) = match kind {
            0 => (TheirSection::Part(part()), SectionPiece::Whole),
            1 => (TheirSection::Header(Some(part())), SectionPiece::Header),
            2 => (
                TheirSection::HeaderFields(Some(part()), fields().unwrap()),
                SectionPiece::HeaderFields(names),
            ),
            3 => (
                TheirSection::HeaderFieldsNot(Some(part()), fields().unwrap()),
                SectionPiece::HeaderFieldsNot(names),
            ),
            4 => (TheirSection::Text(Some(part())), SectionPiece::Text),
            _ => (TheirSection::Mime(part()), SectionPiece::Mime),
        };
        let section = Section {
            part: numbers,
            piece,
        };
        (theirs, section)
    })
}

fn fetch_item() -> impl Strategy<Value = (MessageDataItemName<'static>, FetchItem)> {
    prop_oneof![
        Just((MessageDataItemName::Flags, FetchItem::Flags)),
        Just((MessageDataItemName::Uid, FetchItem::Uid)),
        Just((MessageDataItemName::Rfc822Size, FetchItem::Size)),
        Just((MessageDataItemName::Envelope, FetchItem::Envelope)),
        Just((MessageDataItemName::Body, FetchItem::Body)),
        Just((MessageDataItemName::BodyStructure, FetchItem::BodyStructure)),
        Just((MessageDataItemName::Rfc822Text, FetchItem::Rfc822Text)),
        (section(), any::<bool>()).prop_map(|((theirs, section), peek)| {
            let item = MessageDataItemName::BodyExt {
                section: Some(theirs),
                partial: None,
                peek,
            };
            let access = if peek {
                SectionAccess::Peek
            } else {
                SectionAccess::Read
            };
            let ours = SectionItem {
                section,
                partial: None,
                access,
            };
            (item, FetchItem::Section(ours))
        }),
    ]
}

fn fetch() -> impl Strategy<Value = Pair> {
    let items = prop::collection::vec(fetch_item(), 1..4);
    (set(), items, any::<bool>()).prop_map(|((theirs, ours), items, uid)| {
        let (names, items) = items.into_iter().unzip();
        let theirs = theirs::CommandBody::Fetch {
            sequence_set: theirs,
            macro_or_item_names: MacroOrMessageDataItemNames::MessageDataItemNames(names),
            uid,
        };
        let ours = Fetch {
            numbering: numbering(uid),
            set: ours,
            items,
            modifiers: FetchModifiers::default(),
        };
        (theirs, CommandBody::Fetch(ours))
    })
}

fn store() -> impl Strategy<Value = Pair> {
    (set(), flag(), 0..3, any::<bool>(), any::<bool>()).prop_map(
        |((theirs, ours), (flag, flags), kind, silent, uid)| {
            let (kind, action) = match kind {
                0 => (StoreType::Add, FlagAction::Add),
                1 => (StoreType::Remove, FlagAction::Remove),
                _ => (StoreType::Replace, FlagAction::Replace),
            };
            let (response, answer) = if silent {
                (StoreResponse::Silent, StoreAnswer::Silent)
            } else {
                (StoreResponse::Answer, StoreAnswer::Told)
            };
            let theirs = theirs::CommandBody::Store {
                sequence_set: theirs,
                kind,
                response,
                flags: vec![flag],
                uid,
            };
            let ours = Store {
                numbering: numbering(uid),
                set: ours,
                unchanged_since: None,
                action,
                answer,
                flags,
            };
            (theirs, CommandBody::Store(ours))
        },
    )
}

fn search_leaf() -> impl Strategy<Value = (TheirKey<'static>, SearchKey)> {
    prop_oneof![
        Just((TheirKey::All, SearchKey::All)),
        Just((TheirKey::Seen, SearchKey::Flag(SystemFlags::SEEN))),
        Just((TheirKey::Recent, SearchKey::Recent)),
        set().prop_map(|(theirs, ours)| (TheirKey::Uid(theirs), SearchKey::Uid(ours))),
        set().prop_map(|(theirs, ours)| (TheirKey::SequenceSet(theirs), SearchKey::Sequence(ours))),
        any::<u32>().prop_map(|size| (TheirKey::Larger(size), SearchKey::Larger(size.into()))),
        text().prop_map(|text| {
            let theirs = TheirKey::Body(astring(&text));
            (theirs, SearchKey::Body(Needle(text)))
        }),
        text().prop_map(|text| {
            let theirs = TheirKey::To(astring(&text));
            (theirs, SearchKey::Envelope(EnvelopeField::To, Needle(text)))
        }),
        (text(), text()).prop_map(|(name, text)| {
            let theirs = TheirKey::Header(astring(&name), astring(&text));
            (theirs, SearchKey::Header(name, Needle(text)))
        }),
    ]
}

fn search_key() -> impl Strategy<Value = (TheirKey<'static>, SearchKey)> {
    search_leaf().prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(theirs, ours)| {
                (
                    TheirKey::Not(Box::new(theirs)),
                    SearchKey::Not(Box::new(ours)),
                )
            }),
            (inner.clone(), inner.clone()).prop_map(|((t1, o1), (t2, o2))| {
                let theirs = TheirKey::Or(Box::new(t1), Box::new(t2));
                (theirs, SearchKey::Or(Box::new(o1), Box::new(o2)))
            }),
            prop::collection::vec(inner, 2..4).prop_map(|keys| {
                let (theirs, ours): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
                let theirs = TheirKey::And(Vec1::try_from(theirs).unwrap());
                (theirs, SearchKey::And(ours))
            }),
        ]
    })
}

fn search() -> impl Strategy<Value = Pair> {
    (prop::collection::vec(search_key(), 1..3), any::<bool>()).prop_map(|(keys, uid)| {
        let (theirs, ours): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let theirs = theirs::CommandBody::Search {
            charset: None,
            criteria: Vec1::try_from(theirs).unwrap(),
            uid,
        };
        let ours = Search {
            numbering: numbering(uid),
            key: SearchKey::And(ours),
        };
        (theirs, CommandBody::Search(ours))
    })
}

fn on_mailboxes() -> impl Strategy<Value = Pair> {
    (mailbox(), mailbox(), set(), any::<bool>(), 0..4).prop_map(
        |(one, two, (theirs, ours), uid, kind)| match kind {
            0 => {
                let theirs = theirs::CommandBody::Rename {
                    from: their_mailbox(&one),
                    to: their_mailbox(&two),
                };
                (theirs, CommandBody::Rename(Rename { from: one, to: two }))
            }
            1 => {
                let theirs = theirs::CommandBody::Delete {
                    mailbox: their_mailbox(&one),
                };
                (theirs, CommandBody::Delete(one))
            }
            kind => {
                let copy = Copy {
                    numbering: numbering(uid),
                    set: ours,
                    mailbox: one.clone(),
                };
                let (sequence_set, mailbox) = (theirs, their_mailbox(&one));
                if kind == 2 {
                    let theirs = theirs::CommandBody::Copy {
                        sequence_set,
                        mailbox,
                        uid,
                    };
                    return (theirs, CommandBody::Copy(copy));
                }
                let theirs = theirs::CommandBody::Move {
                    sequence_set,
                    mailbox,
                    uid,
                };
                (theirs, CommandBody::Move(copy))
            }
        },
    )
}

proptest! {
    #[test]
    fn fetch_is_read(pair in fetch()) {
        check(pair);
    }

    #[test]
    fn store_is_read(pair in store()) {
        check(pair);
    }

    #[test]
    fn search_is_read(pair in search()) {
        check(pair);
    }

    #[test]
    fn commands_on_mailboxes_are_read(pair in on_mailboxes()) {
        check(pair);
    }

    /// Whatever comes: an answer, no panic.
    #[test]
    fn noise_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(parse_command(&bytes));
    }

    /// As above, closer to the language.
    #[test]
    fn near_misses_are_answered(
        line in "a (UID )?(FETCH|STORE|SEARCH|LIST|STATUS|ID|LOGIN) [A-Z0-9*:,()\\[\\]\\\\\"{}<>. %]{0,40}\r\n"
    ) {
        drop(parse_command(line.as_bytes()));
    }
}
