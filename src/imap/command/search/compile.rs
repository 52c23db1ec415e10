//! Search keys made ready for one mailbox.

use std::ops::RangeInclusive;

use crate::clock::{Now, Wall};
use crate::imap::session::state::Selected;
use crate::imap::syntax::search::{Needle, SearchKey};
use crate::imap::syntax::sequence::NumberRange;
use crate::mail::ids::Uid;
use crate::mail::mime::text::fold_case;
use crate::search::plan::{Plan, Planner, RecordTest, Test};

/// Makes `key` ready for the selected mailbox.
pub(super) fn compile(key: &SearchKey, selected: &Selected, now: Now) -> Plan {
    let mut compiler = Compiler {
        selected,
        now: now.stamp(),
        planner: Planner::default(),
    };
    let test = compiler.test(key);
    compiler.planner.plan(test)
}

fn numbers(ranges: Vec<NumberRange>) -> Vec<RangeInclusive<u32>> {
    let ranges = ranges.into_iter();
    ranges.map(|range| range.from..=range.to).collect()
}

struct Compiler<'a> {
    selected: &'a Selected,
    now: Wall,
    planner: Planner,
}

impl Compiler<'_> {
    fn test(&mut self, key: &SearchKey) -> Test {
        match key {
            SearchKey::And(keys) => Test::And(keys.iter().map(|key| self.test(key)).collect()),
            SearchKey::Or(left, right) => {
                Test::Or(Box::new(self.test(left)), Box::new(self.test(right)))
            }
            SearchKey::Not(key) => Test::Not(Box::new(self.test(key))),
            SearchKey::All => Test::Constant(true),
            // `\Recent` is not kept (see `imap::view`).
            SearchKey::Recent => Test::Constant(false),
            SearchKey::Sequence(set) => {
                Test::Sequence(numbers(set.ranges(self.selected.view.exists())))
            }
            SearchKey::Uid(set) => {
                let last = self.selected.view.last_uid();
                Test::Uid(numbers(set.ranges(last.map_or(0, Uid::get))))
            }
            SearchKey::Flag(flag) => Test::Flag(*flag),
            SearchKey::Keyword(keyword) => {
                let mut known = self.selected.keywords.iter();
                let bit = known.position(|known| known == keyword);
                Test::Keyword(bit.map_or(0, |bit| 1 << bit))
            }
            SearchKey::ModSeq(since) => Test::ModSeq(*since),
            SearchKey::Before(date) => Test::Record(RecordTest::Before(*date)),
            SearchKey::On(date) => Test::Record(RecordTest::On(*date)),
            SearchKey::Since(date) => Test::Record(RecordTest::Since(*date)),
            SearchKey::SentBefore(date) => Test::Record(RecordTest::SentBefore(*date)),
            SearchKey::SentOn(date) => Test::Record(RecordTest::SentOn(*date)),
            SearchKey::SentSince(date) => Test::Record(RecordTest::SentSince(*date)),
            SearchKey::Larger(bytes) => Test::Record(RecordTest::Larger(*bytes)),
            SearchKey::Smaller(bytes) => Test::Record(RecordTest::Smaller(*bytes)),
            SearchKey::Older(seconds) => Test::Record(RecordTest::Until(self.before(*seconds))),
            SearchKey::Younger(seconds) => Test::Record(RecordTest::From(self.before(*seconds))),
            SearchKey::Envelope(field, Needle(text)) => {
                Test::Record(RecordTest::Envelope(*field, fold_case(text)))
            }
            // Clients look for their own drafts so: the ENVELOPE has it, no header need be read.
            SearchKey::Header(name, Needle(text)) if name.eq_ignore_ascii_case("Message-ID") => {
                Test::Record(RecordTest::MessageId(fold_case(text)))
            }
            SearchKey::Header(name, Needle(text)) => Test::Header(fold_case(name), fold_case(text)),
            SearchKey::Body(Needle(text)) => self.planner.body(text),
            SearchKey::Text(Needle(text)) => self.planner.text(text),
        }
    }

    fn before(&self, seconds: u32) -> Wall {
        Wall(self.now.0.saturating_sub(i64::from(seconds)))
    }
}
