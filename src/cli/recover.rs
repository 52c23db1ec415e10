//! `restore --stick`, `--stick-name` and `--stick-failed`: what root's helper asks, which mounts the stick that a box shall
//! begin with.

use std::path::Path;

use super::connect::store_options;
use super::stick::Task;
use super::{Context, Failure, Output, Result};
use crate::panel::{Policy, Remote};
use crate::stick::Reason;
use crate::stick::recover::{Phase, Place};

pub(super) fn recover(task: &Task, context: &Context, output: &mut dyn Output) -> Result<()> {
    let running = context.recovery.as_ref();
    let (recovery, restart) =
        running.ok_or_else(|| Failure::failed("only a daemon asks for a stick"))?;
    match task {
        Task::Name => match recovery.wanted() {
            Some(name) => Ok(output.line(&name)?),
            None => Ok(()),
        },
        Task::Failed { reason } => {
            let reason = Reason::named(reason)
                .ok_or_else(|| Failure::Usage(format!("\"{reason}\" is no reason")))?;
            recovery.refused(reason);
            Ok(output.line(&format!("the stick cannot be used: {}", reason.name()))?)
        }
        Task::BackUp { mounted } => {
            // The LED says that it takes its time.
            let busy = context.panel.as_ref().map(Remote::making_room);
            let options = store_options(&context.settings);
            let place = Place {
                store: &context.store,
                settings: &context.settings,
                options: &options,
            };
            let now = context.clock.now();
            let done = recovery.work(Path::new(mounted), place, now, restart);
            drop(busy);
            let phase = done.map_err(|trouble| {
                tracing::warn!(%trouble, "nothing was restored from the stick");
                Failure::Failed(trouble.to_string())
            })?;
            if let (Phase::Restored(_), Some(panel)) = (&phase, &context.panel) {
                panel.change(Policy::close_setup);
            }
            Ok(output.line(&in_words(&phase))?)
        }
    }
}

fn in_words(phase: &Phase) -> String {
    match phase {
        Phase::Found(found) => format!("{} backups are on the stick", found.len()),
        Phase::Restored(restored) => format!(
            "restored {} accounts and {} messages; checked and sound",
            restored.accounts, restored.messages
        ),
        Phase::Idle | Phase::Looking | Phase::Waiting(_) | Phase::Copying(_) | Phase::Failed(_) => {
            "nothing is asked for".to_owned()
        }
    }
}
