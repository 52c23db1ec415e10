//! What people type to find mail: words, phrases in quotes, and `from:` `to:` `subject:` `before:` `after:`
//! `has:attachment` `is:unread`; `-` in front of anything means without it. German names are understood too.
//!
//! Whatever is typed is a question; what is no key is a word.

use crate::mail::date::Date;
use crate::mail::flags::SystemFlags;
use crate::mail::mime::text::fold_case;
use crate::search::plan::{EnvelopeField, Plan, Planner, RecordTest, Test};

/// Most words and keys.
const TERMS_MAX: usize = 20;

/// Longest question that is looked at, in bytes.
pub(super) const QUERY_BYTES_MAX: usize = 500;

/// A word or a key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    is_without: bool,
    key: String,
    text: String,
}

/// The question as a plan; `None` if it asks for nothing.
pub(super) fn plan(query: &str) -> Option<Plan> {
    let end = query.floor_char_boundary(QUERY_BYTES_MAX);
    let terms = terms(query.get(..end).unwrap_or_default());
    if terms.is_empty() {
        return None;
    }
    let mut planner = Planner::default();
    let tests = terms.iter().map(|term| {
        let test = test(term, &mut planner);
        if term.is_without {
            Test::Not(Box::new(test))
        } else {
            test
        }
    });
    let all = Test::And(tests.collect());
    Some(planner.plan(all))
}

fn terms(query: &str) -> Vec<Term> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() && found.len() < TERMS_MAX {
        let (is_without, from) = match rest.strip_prefix('-') {
            Some(from) => (true, from),
            None => (false, rest),
        };
        let (key, from) = split_key(from);
        let (text, after) = split_text(from);
        if !text.is_empty() {
            found.push(Term {
                is_without,
                key,
                text: text.to_owned(),
            });
        }
        rest = after.trim_start();
    }
    found
}

/// `from:` and what follows; no key if it is none of ours.
fn split_key(text: &str) -> (String, &str) {
    let known = [
        ("from", "from"),
        ("von", "from"),
        ("to", "to"),
        ("an", "to"),
        ("subject", "subject"),
        ("betreff", "subject"),
        ("before", "before"),
        ("vor", "before"),
        ("after", "after"),
        ("since", "after"),
        ("nach", "after"),
        ("seit", "after"),
        ("has", "has"),
        ("mit", "has"),
        ("is", "is"),
        ("ist", "is"),
    ];
    if let Some((name, rest)) = text.split_once(':') {
        let name = name.to_lowercase();
        let found = known.iter().find(|(word, _)| *word == name);
        if let Some((_, key)) = found {
            return ((*key).to_owned(), rest.trim_start());
        }
    }
    (String::new(), text)
}

fn split_text(text: &str) -> (&str, &str) {
    for (open, close) in [('"', '"'), ('„', '“'), ('“', '”')] {
        if let Some(quoted) = text.strip_prefix(open) {
            return quoted.split_once(close).unwrap_or((quoted, ""));
        }
    }
    let end = text.find(char::is_whitespace);
    text.split_at(end.unwrap_or(text.len()))
}

fn test(term: &Term, planner: &mut Planner) -> Test {
    let in_field = |field| Test::Record(RecordTest::Envelope(field, fold_case(&term.text)));
    let word = term.text.to_lowercase();
    match (term.key.as_str(), word.as_str()) {
        ("from", _) => in_field(EnvelopeField::From),
        ("to", _) => or(in_field(EnvelopeField::To), in_field(EnvelopeField::Cc)),
        ("subject", _) => in_field(EnvelopeField::Subject),
        ("has", "attachment" | "attachments" | "anhang" | "anhänge") => {
            Test::Record(RecordTest::Files)
        }
        ("is", "unread" | "ungelesen") => Test::Not(Box::new(Test::Flag(SystemFlags::SEEN))),
        ("is", "read" | "gelesen") => Test::Flag(SystemFlags::SEEN),
        ("is", "flagged" | "starred" | "markiert") => Test::Flag(SystemFlags::FLAGGED),
        ("is", "answered" | "beantwortet") => Test::Flag(SystemFlags::ANSWERED),
        ("before", _) if Date::parse_usual(&word).is_some() => dated(&word, RecordTest::Before),
        ("after", _) if Date::parse_usual(&word).is_some() => dated(&word, RecordTest::Since),
        _ => anywhere(&term.text, planner),
    }
}

fn dated(text: &str, test: fn(Date) -> RecordTest) -> Test {
    Date::parse_usual(text).map_or(Test::Constant(false), |date| Test::Record(test(date)))
}

/// The record is looked at first, so that the bytes need not be read where it decides.
fn anywhere(text: &str, planner: &mut Planner) -> Test {
    let fields = [
        EnvelopeField::From,
        EnvelopeField::To,
        EnvelopeField::Cc,
        EnvelopeField::Subject,
    ];
    let folded = fold_case(text);
    fields.into_iter().fold(planner.body(text), |test, field| {
        or(
            Test::Record(RecordTest::Envelope(field, folded.clone())),
            test,
        )
    })
}

fn or(left: Test, right: Test) -> Test {
    Test::Or(Box::new(left), Box::new(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &[(bool, &str, &str)]) {
        let terms = terms(query);
        let found: Vec<_> = terms
            .iter()
            .map(|term| (term.is_without, term.key.as_str(), term.text.as_str()))
            .collect();
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn words_phrases_and_keys() {
        check(
            "  garden  fence ",
            &[(false, "", "garden"), (false, "", "fence")],
        );
        check(
            "\"green fence\" x",
            &[(false, "", "green fence"), (false, "", "x")],
        );
        check("„grüner Zaun“", &[(false, "", "grüner Zaun")]);
        check(
            "from:anna -Betreff:\"a b\"",
            &[(false, "from", "anna"), (true, "subject", "a b")],
        );
        check("from: anna", &[(false, "from", "anna")]);
        check(
            "http://x re:y",
            &[(false, "", "http://x"), (false, "", "re:y")],
        );
        check("\"open", &[(false, "", "open")]);
        check("- \"\" from:", &[]);
        assert!(plan("  ").is_none() && plan("x").is_some());
        assert_eq!(terms(&"a ".repeat(100)).len(), TERMS_MAX);
    }
}
