//! Between rows of the spool and the plan.

use std::sync::Arc;

use crate::queue::plan::{Mail, Next, Reader, Recipient, State};
use crate::queue::routes::Routes;
use crate::queue::time::QueueTime;
use crate::store::spool::{SpoolMail, SpoolStage, SpoolState};

/// A row as the plan has it. One that the queue has not seen yet arrives at `time`, and is due at once.
pub(super) fn mail(row: &SpoolMail, routes: &Routes, time: QueueTime) -> Mail {
    let arrived = row.arrived.map_or(time, QueueTime);
    let recipients = row.new.recipients.iter().zip(&row.states);
    let recipients = recipients.map(|(new, state)| Recipient {
        destination: Arc::new(routes.destination(&row.new.sender, &new.address)),
        notify: new.notify.unwrap_or_default(),
        state: match (state.stage, row.arrived) {
            (SpoolStage::Waiting(_), None) => State::Waiting { due: time },
            (stage, _) => in_plan(stage),
        },
        attempts: state.attempts,
        delay_told: state.delay_told,
    });
    let reader = match row.new.sender {
        Some(_) => Reader::Sender,
        None => Reader::Nobody,
    };
    Mail {
        reader,
        priority: row.new.priority,
        arrived,
        recipients: recipients.collect(),
    }
}

fn in_plan(stage: SpoolStage) -> State {
    match stage {
        SpoolStage::Waiting(due) => State::Waiting {
            due: QueueTime(due),
        },
        SpoolStage::Held => State::Held,
        SpoolStage::Delivered => State::Delivered,
        SpoolStage::Failed => State::Failed,
        SpoolStage::Expired => State::Expired,
        SpoolStage::Removed => State::Removed,
    }
}

/// A recipient as its row has it, with nothing said of its last attempt. What is under way is due again after a crash,
/// unless the owner wants something else.
pub(super) fn state(recipient: &Recipient) -> SpoolState {
    let stage = match recipient.state {
        State::Waiting { due } => SpoolStage::Waiting(due.0),
        State::UnderWay { began, next } => match next {
            Next::Retry => SpoolStage::Waiting(began.0),
            Next::Hold => SpoolStage::Held,
            Next::Remove => SpoolStage::Removed,
        },
        State::Held => SpoolStage::Held,
        State::Delivered => SpoolStage::Delivered,
        State::Failed => SpoolStage::Failed,
        State::Expired => SpoolStage::Expired,
        State::Removed => SpoolStage::Removed,
    };
    SpoolState {
        stage,
        attempts: recipient.attempts,
        delay_told: recipient.delay_told,
        last: None,
    }
}
