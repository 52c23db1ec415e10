//! `panel watch` shows the LED live, `panel press` is the button, `panel dark` is for the time after a daemon that died.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use heimpost_board::{Press, Shown};

use super::{Context, Failure, Output, Result};
use crate::config::Settings;
use crate::mail::address::Address;
use crate::net::control;
use crate::panel::Remote;
use crate::panel::remote::Happening;
use crate::space::words::{Whose, advice, outlook, reason};
use crate::space::{self, State};
use crate::store::types::{Language, Level};

/// A press without `--hold`.
const SHORT: Duration = Duration::from_millis(200);

/// How long a press may take to be felt, beyond the time that it is held.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often `watch` looks whether anybody still does.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Makes the LED dark that a daemon left lit when it was killed.
pub fn dark(settings: &Settings) -> Result<()> {
    let daemon = control::connect(&settings.data);
    if daemon.is_ok_and(|connection| connection.is_some()) {
        return Err(Failure::failed("the daemon is running; the LED is its own"));
    }
    heimpost_board::darken(&settings.panel.board)
        .map_err(|error| Failure::failed(error.to_string()))
}

/// Shows the LED until the client leaves or the daemon stops.
pub(super) fn watch(context: &Context, output: &mut dyn Output) -> Result<()> {
    let remote = remote(context)?;
    let changes = remote.watch();
    output.line(&format!("panel: {}", remote.how()))?;
    let (mut shown, mut told) = (None, String::new());
    loop {
        match changes.recv_timeout(LOOK_INTERVAL) {
            Ok(next) => shown = Some(next),
            Err(RecvTimeoutError::Timeout) => output.still_there()?,
            Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
        }
        if remote.is_closed() {
            return Err(stopped());
        }
        let state = state_in_words(remote, context)?;
        if state != told {
            output.line(&state)?;
            told = state;
        }
        if let Some(shown) = shown.take() {
            output.live(&drawn(shown))?;
        }
    }
}

/// Presses the button and says what came of it.
pub(super) fn press(
    hold_seconds: Option<u32>,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let hold = hold_seconds.map_or(SHORT, |seconds| Duration::from_secs(seconds.into()));
    let happenings = remote(context)?.press(hold);
    loop {
        match happenings.recv_timeout(hold + PATIENCE) {
            Ok(Happening::Pressed(press)) => {
                output.line(pressed_in_words(press))?;
                break;
            }
            Ok(Happening::Stuck) => return Err(Failure::failed(STUCK)),
            // What came of a press before.
            Ok(Happening::Done(_) | Happening::Failed(_)) => {}
            Err(RecvTimeoutError::Timeout) => {
                return Err(Failure::failed("the panel did not feel the press"));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
        }
    }
    // Making room takes as long as it takes.
    loop {
        match happenings.recv() {
            Ok(Happening::Done(what)) => {
                let said = what.en.lines().try_for_each(|line| output.line(line));
                return Ok(said?);
            }
            Ok(Happening::Failed(why)) => return Err(Failure::Failed(why.en)),
            Ok(Happening::Pressed(_) | Happening::Stuck) => {}
            Err(_) => return Err(stopped()),
        }
    }
}

const STUCK: &str =
    "no press: the button was down from the start, or for 20 seconds or longer; that is a fault";

fn remote(context: &Context) -> Result<&Remote> {
    let panel = context.panel.as_ref();
    panel.ok_or_else(|| Failure::failed("the panel belongs to a running daemon; there is none"))
}

fn stopped() -> Failure {
    Failure::failed("the daemon has stopped")
}

fn pressed_in_words(press: Press) -> &'static str {
    match press {
        Press::Short => "short press",
        Press::Hold => "held for 3 seconds",
        Press::Long => "held for 10 seconds",
    }
}

/// The LED itself, and its pattern in words.
fn drawn(shown: Shown) -> String {
    let led = if shown.lit { "(*)" } else { "( )" };
    format!("{led} {}", shown.pattern)
}

/// The state that the LED tells of, and what to do about it.
fn state_in_words(remote: &Remote, context: &Context) -> Result<String> {
    let view = remote.view();
    let mut text = view.condition.in_words().to_owned();
    if view.acknowledged {
        text.push_str(" (acknowledged)");
    }
    let house = space::house(&context.store, context.clock.now())?;
    let worst = house.level();
    if worst == Level::Ok {
        return Ok(text);
    }
    text.push(':');
    if house.card.fill.level == worst {
        tell(&mut text, &house.card, Whose::Yours);
    }
    for (account, state) in &house.accounts {
        if state.fill.level == worst {
            let address: &Address = &account.address;
            tell(&mut text, state, Whose::Of(address));
        }
    }
    Ok(text)
}

fn tell(text: &mut String, state: &State, whose: Whose<'_>) {
    let language = Language::En;
    let sentences = [
        Some(reason(state, whose, language)),
        outlook(state, language),
        advice(state, whose, language),
    ];
    for sentence in sentences.into_iter().flatten() {
        text.push(' ');
        text.push_str(&sentence);
    }
}
