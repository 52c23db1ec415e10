//! Mail that waits to be sent, in the model.

use std::time::Duration;

use super::super::spool::mail;
use super::*;
use crate::mail::ids::SpoolId;
use crate::store::spool::{SpoolClock, SpoolStage, SpoolState, SpoolUpdate};

/// Most recipients of a mail.
const RECIPIENTS_MAX: usize = 3;

/// What happens to mail that waits, with numbers that are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum SpoolOp {
    /// To so many elsewhere, and perhaps into a mailbox here.
    Enter {
        recipients: usize,
        to: Option<usize>,
    },
    /// These recipients get that stage.
    Update {
        of: usize,
        which: Vec<usize>,
        stage: SpoolStage,
    },
    /// It is over, with a report that is filed or spooled, or none.
    End { of: usize, report: Option<bool> },
}

pub(super) fn op() -> impl Strategy<Value = SpoolOp> {
    let recipients = 1..=RECIPIENTS_MAX;
    let stage = prop_oneof![
        (0..100_u64).prop_map(|seconds| SpoolStage::Waiting(Duration::from_secs(seconds))),
        Just(SpoolStage::Held),
        Just(SpoolStage::Delivered),
    ];
    let which = prop::collection::vec(0..RECIPIENTS_MAX, 0..3);
    prop_oneof![
        (recipients, prop::option::of(0..9_usize))
            .prop_map(|(recipients, to)| SpoolOp::Enter { recipients, to }),
        (0..9_usize, which, stage).prop_map(|(of, which, stage)| SpoolOp::Update {
            of,
            which,
            stage
        }),
        (0..9_usize, prop::option::of(any::<bool>()))
            .prop_map(|(of, report)| SpoolOp::End { of, report }),
    ]
}

/// Body and stages of each mail, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Spooled {
    mails: Vec<(String, Vec<SpoolStage>)>,
    commits: u64,
}

impl Run {
    pub(super) fn spool(&mut self, op: &SpoolOp) {
        match op {
            SpoolOp::Enter { recipients, to } => self.enter(*recipients, *to),
            SpoolOp::Update { of, which, stage } => self.set_stages(*of, which, *stage),
            SpoolOp::End { of, report } => self.end(*of, *report),
        }
    }

    fn body(&mut self) -> String {
        self.model.appended += 1;
        format!("body {}", self.model.appended)
    }

    fn enter(&mut self, recipients: usize, to: Option<usize>) {
        let body = self.body();
        let to = to.map(|to| self.model.name(to));
        let mailbox = to.as_ref().map(|to| self.house.mailbox(to));
        let filings = mailbox.iter().map(|to| filing(to, Flags::default()));
        let append = Append {
            spool: vec![mail(&["b@x.example"; RECIPIENTS_MAX][..recipients])],
            ..self.house.prepare(body.as_bytes(), filings.collect())
        };
        let message = Message {
            body: body.clone(),
            system: 0,
            keywords: BTreeSet::new(),
        };
        let takes = mailbox.is_none_or(|to| self.takes(&to, &[message.bytes()]));
        let filed = self.house.store.append_all(vec![append], self.house.now());
        assert_eq!(filed.is_ok(), takes);
        if takes {
            let stages = vec![SpoolStage::Waiting(Duration::ZERO); recipients];
            self.model.spooled.mails.push((body, stages));
            to.map(|to| self.model.put(&to, message));
        }
    }

    fn id(&self, mail: usize) -> SpoolId {
        let mails = self.house.store.snapshot().unwrap();
        mails.spool(SpoolId(0), usize::MAX).unwrap()[mail].id
    }

    fn update_spool(&mut self, update: SpoolUpdate, reports: Vec<Append>) {
        self.model.spooled.commits += 1;
        let clock = SpoolClock {
            time: Duration::from_secs(self.model.spooled.commits),
            wall: None,
        };
        let store = &self.house.store;
        let updated = store.update_spool(clock, vec![update], reports, self.house.now());
        assert_eq!(updated, Ok(()));
    }

    fn set_stages(&mut self, of: usize, which: &[usize], stage: SpoolStage) {
        let Some(of) = of.checked_rem(self.model.spooled.mails.len()) else {
            return;
        };
        let stages = &mut self.model.spooled.mails[of].1;
        let (mut states, count) = (Vec::new(), stages.len());
        for which in which.iter().map(|which| which % count) {
            stages[which] = stage;
            let state = SpoolState {
                stage,
                attempts: 1,
                delay_told: false,
                last: None,
            };
            states.push((which, state));
        }
        let update = SpoolUpdate {
            mail: self.id(of),
            arrived: Duration::ZERO,
            states,
            is_over: false,
        };
        self.update_spool(update, Vec::new());
    }

    fn end(&mut self, of: usize, report: Option<bool>) {
        let Some(of) = of.checked_rem(self.model.spooled.mails.len()) else {
            return;
        };
        let update = SpoolUpdate {
            mail: self.id(of),
            arrived: Duration::ZERO,
            states: Vec::new(),
            is_over: true,
        };
        self.model.spooled.mails.remove(of);
        let reports = report.map(|is_filed| self.report(is_filed));
        self.update_spool(update, reports.into_iter().collect());
    }

    fn report(&mut self, is_filed: bool) -> Append {
        let body = self.body();
        let inbox = filing(&self.house.mailbox("INBOX"), Flags::default());
        let append = self.house.prepare(body.as_bytes(), vec![inbox]);
        if is_filed {
            let message = Message {
                body,
                system: 0,
                keywords: BTreeSet::new(),
            };
            self.model.put("INBOX", message);
            return append;
        }
        let stages = vec![SpoolStage::Waiting(Duration::ZERO)];
        self.model.spooled.mails.push((body, stages));
        Append {
            filings: Vec::new(),
            spool: vec![mail(&["b@x.example"])],
            ..append
        }
    }

    pub(super) fn compare_spool(&self) {
        let snapshot = self.house.store.snapshot().unwrap();
        let clock = snapshot.spool_clock().unwrap();
        assert_eq!(clock.time.as_secs(), self.model.spooled.commits);
        let mut found = Vec::new();
        for mail in snapshot.spool(SpoolId(0), usize::MAX).unwrap() {
            let mut reader = self.house.store.read_spooled(&mail).unwrap();
            let mut bytes = Vec::new();
            while reader
                .read_at(bytes.len() as u64, 1000, &mut bytes)
                .unwrap()
                > 0
            {}
            let text = String::from_utf8(bytes).unwrap();
            let body = text.strip_prefix("Received: there\r\n").unwrap();
            let stages = mail.states.iter().map(|state| state.stage);
            found.push((body.to_owned(), stages.collect()));
        }
        assert_eq!(found, self.model.spooled.mails);
    }
}
