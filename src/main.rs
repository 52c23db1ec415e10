//! Arguments to settings to app to exit code; the only place that prints.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use heimpost::app::{self, Address};
use heimpost::cli::args::{Arguments, Command, Task};
use heimpost::cli::{Failure, Output, Progress, backup, connect, panel, provision};
use heimpost::clock::Clock;
use heimpost::config::Settings;
use heimpost::config::stored::Written;
use heimpost::room::programs::helper;
use heimpost::room::programs::{Limits, Rules};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("heimpost: {failure}"));
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let clock = Clock::system();
    let task = arguments.command.unwrap_or(Command::Serve).into_task()?;
    if let Task::Provision(how) = &task {
        let given = (arguments.config.as_deref(), arguments.data.as_deref());
        return say_with(|terminal| provision::provision(how, given, &clock, terminal));
    }
    if matches!(task, Task::PanelRescue) {
        log();
        let shown = app::rescue(arguments.config.as_deref());
        return shown.map_err(|error| Failure::Failed(error.to_string()));
    }
    let written = Written::load(arguments.config.as_deref(), arguments.data.as_deref())
        .map_err(|e| Failure::Usage(e.to_string()))?;
    let settings = written.alone().map_err(|e| Failure::Usage(e.to_string()))?;
    match task {
        Task::Serve => serve(written),
        Task::Restore(dir, generation) => {
            say_with(|terminal| backup::restore((&dir, generation), &settings, &clock, terminal))
        }
        Task::PanelDark => panel::dark(&settings),
        Task::Provision(_) | Task::PanelRescue => Ok(()),
        Task::RunPrograms => run_programs(&settings, &clock),
        Task::Operation(operation) => {
            say_with(|terminal| connect::run_written(&operation, &written, &clock, terminal))
        }
    }
}

/// Runs the owner's programs for a daemon at the other end of standard input and output.
fn run_programs(settings: &Settings, clock: &Clock) -> Result<(), Failure> {
    log();
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (rules, limits) = (Rules::of_process(), Limits::default());
    helper::serve(&settings.room.hooks, input, output, (&rules, limits), clock)?;
    Ok(())
}

/// Runs the daemon until a signal stops it.
fn serve(written: Written) -> Result<(), Failure> {
    log();
    app::run(written, connect::handler, say_ready)
        .map(|_| ())
        .map_err(|e| Failure::Failed(e.to_string()))
}

/// Has the log go to standard error.
fn log() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var("HEIMPOST_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn say_ready(addresses: &[Address]) {
    let list: Vec<_> = addresses
        .iter()
        .map(|(name, at)| format!("{name} {at}"))
        .collect();
    say(&format!("ready: {}", list.join(", ")));
}

fn say_with(run: impl FnOnce(&mut Terminal) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut terminal = Terminal::new();
    let result = run(&mut terminal);
    terminal.bar.finish_and_clear();
    result
}

/// Writes lines to standard output and draws progress on standard error if a person watches.
struct Terminal {
    bar: ProgressBar,
    /// Whether the bar has anything to show yet; it would be drawn empty around the first line.
    is_drawn: bool,
}

impl Terminal {
    fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            is_drawn: false,
        }
    }
}

impl Output for Terminal {
    fn line(&mut self, text: &str) -> std::io::Result<()> {
        let write = || writeln!(std::io::stdout().lock(), "{text}");
        if self.is_drawn {
            self.bar.suspend(write)
        } else {
            write()
        }
    }

    fn progress(&mut self, progress: &Progress) -> std::io::Result<()> {
        self.is_drawn = true;
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_message(progress.what.clone());
        self.bar.set_position(progress.done);
        Ok(())
    }

    fn live(&mut self, text: &str) -> std::io::Result<()> {
        if self.bar.is_hidden() || !std::io::stdout().is_terminal() {
            return self.line(text);
        }
        if !self.is_drawn
            && let Ok(style) = ProgressStyle::with_template("{wide_msg}")
        {
            self.bar.set_style(style);
        }
        self.is_drawn = true;
        self.bar.set_message(text.to_owned());
        Ok(())
    }
}

/// Says something to the person at the terminal; a closed standard error is nobody to tell.
#[expect(
    clippy::let_underscore_must_use,
    reason = "there is no other place to report to"
)]
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
