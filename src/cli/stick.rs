//! `backup --stick`, `--stick-name` and `--stick-failed`: what root's helper asks, which mounts the stick that the owner
//! has named.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::output::bytes_in_words;
use super::{Context, Failure, Output, Result};
use crate::stick::{self, Reason, make, words};
use crate::store::types::Language;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Which stick is named; nothing is said if there is none.
    Name,
    /// A backup on the stick, a directory of which this is.
    BackUp {
        /// An absolute path.
        mounted: String,
    },
    /// Remembers that there is none, and why.
    Failed {
        /// [`Reason::name`].
        reason: String,
    },
}

pub(super) fn stick(task: &Task, context: &Context, output: &mut dyn Output) -> Result<()> {
    let name = context.settings.backup.stick.as_deref();
    match (task, name) {
        (Task::Name, None) => Ok(()),
        (Task::Name, Some(name)) => Ok(output.line(name)?),
        (Task::BackUp { .. } | Task::Failed { .. }, None) => Err(Failure::failed(
            "no stick is named for backups; the page or [backup] in the configuration names one",
        )),
        (Task::BackUp { mounted }, Some(name)) => {
            back_up((name, Path::new(mounted)), context, output)
        }
        (Task::Failed { reason }, Some(name)) => {
            let reason = Reason::named(reason)
                .ok_or_else(|| Failure::Usage(format!("\"{reason}\" is no reason")))?;
            let failure = stick::Failure::new(reason, "");
            stick::note_failure(&context.store, name, &failure, context.clock.now())?;
            Ok(output.line(&words::problem(&failure, name, Language::En))?)
        }
    }
}

fn back_up(stick: (&str, &Path), context: &Context, output: &mut dyn Output) -> Result<()> {
    let now = context.clock.now();
    let made = make::back_up(&context.store, &context.settings, stick, now)?;
    let made = made.map_err(|failure| {
        let problem = words::problem(&failure, stick.0, Language::En);
        Failure::failed(match failure.cause.as_str() {
            "" => problem,
            cause => format!("{problem} ({cause})"),
        })
    })?;
    output.line(&format!(
        "backed up {} to {}: {} files copied, {} unchanged, all read back",
        bytes_in_words(made.report.bytes),
        made.dir.display(),
        made.report.copied,
        made.report.unchanged,
    ))?;
    if let Some(messages) = made.messages {
        output.line(&format!(
            "tried out: {messages} messages were there again, and all is sound"
        ))?;
    }
    Ok(())
}
