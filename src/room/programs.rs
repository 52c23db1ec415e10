//! The owner's programs that run after the policy: executable files in a directory, in the order of their names.
//!
//! Whoever could write such a file could do what the program's user can, so a file counts only if it and its directory
//! belong to root or to the daemon's own user and nobody else can write them. A daemon that runs as root starts them as
//! [`HOOK_USER`], never as root; one that does not has a helper do it (`helper`), if there is one. Each gets the state of the house as JSON on standard input, an environment of its own,
//! its own process group and a time limit; what it says goes to the log. No shell, and nothing of it outlives it.

pub mod helper;
mod run;

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::maillog;

/// Most seconds that a program may take.
pub const PROGRAM_SECONDS_MAX: u64 = 60;

/// Seconds between SIGTERM and SIGKILL for one that takes longer.
pub const GRACE_SECONDS: u64 = 5;

/// Most programs that are run.
pub const PROGRAMS_MAX: usize = 50;

/// Who programs run as when the daemon runs as root. It reads no mail.
pub const HOOK_USER: &str = "heimpost-hook";

const ROOT: u32 = 0;
const PASSWD: &str = "/etc/passwd";

/// Permission to write for the group or for others.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE: u32 = 0o111;

/// How long programs may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until SIGTERM.
    pub time: Duration,
    /// From there to SIGKILL.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(PROGRAM_SECONDS_MAX),
            grace: Duration::from_secs(GRACE_SECONDS),
        }
    }
}

/// Who programs run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// Who runs this process.
    Caller,
    /// Another user, by user and group number; without any other groups.
    User {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

/// Which files count, and who they run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Users that may own programs and their directory.
    pub owners: Vec<u32>,
    /// Who programs run as; if there is nobody, why.
    pub run_as: Result<RunAs, String>,
}

impl Rules {
    /// Those for this process.
    pub fn of_process() -> Self {
        let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
        Self::of(rustix::process::geteuid().as_raw(), &passwd)
    }

    /// Those for a process of `user` on a machine with these users. One that has [`HOOK_USER`] is an appliance.
    fn of(user: u32, passwd: &str) -> Self {
        let (owners, run_as) = match hook_user(passwd) {
            Some(hook) if user == ROOT => (vec![ROOT], Ok(hook)),
            Some(RunAs::User { uid, .. }) if user == uid => (vec![ROOT], Ok(RunAs::Caller)),
            Some(_) => {
                let why = format!("only root can start it as {HOOK_USER}");
                (vec![ROOT], Err(why))
            }
            None if user == ROOT => {
                let why = format!("there is no user {HOOK_USER} to run it as");
                (vec![ROOT], Err(why))
            }
            None => (vec![ROOT, user], Ok(RunAs::Caller)),
        };
        Self { owners, run_as }
    }
}

/// The hook user in the text of `/etc/passwd`.
fn hook_user(passwd: &str) -> Option<RunAs> {
    let mut fields = passwd.lines().map(|line| line.split(':'));
    let mut of_hook =
        fields.find_map(|mut line| (line.next() == Some(HOOK_USER)).then_some(line))?;
    let uid: u32 = of_hook.nth(1)?.parse().ok()?;
    let gid: u32 = of_hook.next()?.parse().ok()?;
    // Root by another name is still root.
    (uid != ROOT && gid != ROOT).then_some(RunAs::User { uid, gid })
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this exit status.
    Exited(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// It took longer than it may and was ended.
    TooLong,
    /// It could not be started; why.
    NotStarted(String),
}

/// A program that was to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Its file's name.
    pub name: String,
    /// How it ended.
    pub end: End,
    /// The first lines that it said.
    pub lines: Vec<String>,
}

/// What became of the programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Those that ran, in their order.
    pub ran: Vec<Ran>,
    /// Files that did not count, and why.
    pub skipped: Vec<(String, String)>,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// It was to run, and how that went.
    Ran {
        /// The program.
        #[serde(flatten)]
        ran: Ran,
        /// For how long.
        took: Duration,
    },
    /// It did not count.
    Skipped {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
}

impl Report {
    fn skip(&mut self, name: String, why: String) {
        maillog::program_skipped(&name, &why);
        self.skipped.push((name, why));
    }

    /// Takes it in, and logs it.
    fn note(&mut self, told: Told) {
        match told {
            Told::Ran { ran, took } => {
                maillog::program_ended(&ran.name, &end_in_words(&ran.end), took);
                self.ran.push(ran);
            }
            Told::Skipped { name, why } => self.skip(name, why),
        }
    }
}

/// Has the programs in `dir` run with `state`: by the helper that listens at `socket`, or else by this process.
pub fn run_by_whom_may(dir: &Path, state: &str, socket: &Path, clock: &Clock) -> Report {
    let limits = Limits::default();
    match UnixStream::connect(socket) {
        Ok(stream) => helper::ask(&stream, dir, state, limits),
        // No helper, or another one's.
        Err(error) if is_not_for_us(&error) => {
            run_all(dir, state, &Rules::of_process(), limits, clock)
        }
        Err(error) => {
            let mut report = Report::default();
            let why = format!("the helper cannot be reached: {error}");
            report.skip(dir.display().to_string(), why);
            report
        }
    }
}

fn is_not_for_us(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied
    )
}

/// Runs the programs in `dir`, one after the other, each with `state` on its standard input. A directory that is not
/// there has none.
pub fn run_all(dir: &Path, state: &str, rules: &Rules, limits: Limits, clock: &Clock) -> Report {
    let mut report = Report::default();
    let mut note = |told| report.note(told);
    run_each(dir, state, rules, limits, clock, &mut note);
    report
}

/// As [`run_all`], telling of each as it ends.
fn run_each(
    dir: &Path,
    state: &str,
    rules: &Rules,
    limits: Limits,
    clock: &Clock,
    tell: &mut dyn FnMut(Told),
) {
    // Programs do not start where the daemon runs.
    let dir = &std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    let names = match check_dir(dir, rules).and_then(|there| list(dir, there)) {
        Ok(names) => names,
        Err(why) => {
            let name = dir.display().to_string();
            return tell(Told::Skipped { name, why });
        }
    };
    for (at, name) in names.into_iter().enumerate() {
        let path = dir.join(&name);
        let checked = if at < PROGRAMS_MAX {
            check_file(&path, rules)
        } else {
            Err(format!("there are more than {PROGRAMS_MAX}"))
        };
        let run_as = checked.and_then(|()| rules.run_as.clone());
        tell(match run_as {
            Ok(run_as) => {
                let begun = clock.now().mono;
                let (end, lines) = run::run(&path, &name, state, run_as, limits);
                let took = clock.now().mono.since(begun);
                let ran = Ran { name, end, lines };
                Told::Ran { ran, took }
            }
            Err(why) => Told::Skipped { name, why },
        });
    }
}

/// The end in words, for the log.
fn end_in_words(end: &End) -> String {
    match end {
        End::Exited(0) => "done".to_owned(),
        End::Exited(status) => format!("failed with exit status {status}"),
        End::Killed(signal) => format!("killed by signal {signal}"),
        End::TooLong => "took too long and was ended".to_owned(),
        End::NotStarted(why) => format!("not started: {why}"),
    }
}

/// Whether a directory is there.
struct IsThere(bool);

fn check_dir(dir: &Path, rules: &Rules) -> Result<IsThere, String> {
    let metadata = match fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(IsThere(false)),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.is_dir() {
        return Err("it is not a directory".to_owned());
    }
    check_owner(&metadata, rules)?;
    Ok(IsThere(true))
}

/// The names that programs can have, sorted by their bytes.
fn list(dir: &Path, IsThere(is_there): IsThere) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    if !is_there {
        return Ok(names);
    }
    for entry in fs::read_dir(dir).map_err(|e| e.to_string())? {
        let name = entry.map_err(|e| e.to_string())?.file_name();
        if let Ok(name) = name.into_string()
            && !name.starts_with('.')
            && !name.ends_with('~')
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn check_file(path: &Path, rules: &Rules) -> Result<(), String> {
    let metadata = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    check_owner(&metadata, rules)?;
    if metadata.permissions().mode() & EXECUTABLE == 0 {
        return Err("it is not executable".to_owned());
    }
    Ok(())
}

fn check_owner(metadata: &Metadata, rules: &Rules) -> Result<(), String> {
    if !rules.owners.contains(&metadata.uid()) {
        return Err(format!("it belongs to user {}", metadata.uid()));
    }
    if metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        return Err("others than its owner can write it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
