//! Running one program: what goes in, what comes out, and its end.
//!
//! The caller waits; threads of its own write to the program, read from it and wait for its end, for any of these may
//! take for ever. Before the program is reaped its whole group is killed, so that nothing that it started goes on and
//! its number cannot be another's by then.

use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{End, Limits, RunAs};
use crate::maillog;

/// All that programs find in their environment.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("LANG", "C.UTF-8"),
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
];

/// Most lines of a program's output that are logged.
const LINES_MAX: usize = 200;

/// Most lines of it that are kept for the receipt.
const LINES_KEPT_MAX: usize = 5;

/// Longest line, in bytes; what is longer becomes several.
const LINE_BYTES_MAX: u64 = 1000;

/// How long the last words of a program may take that has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The lines kept.
type Kept = Arc<Mutex<Vec<String>>>;

/// Runs the program and returns how it ended and what it said first.
pub(super) fn run(
    path: &Path,
    name: &str,
    state: &str,
    run_as: RunAs,
    limits: Limits,
) -> (End, Vec<String>) {
    let kept = Kept::default();
    let end = match try_run(path, name, state, (run_as, limits), &kept) {
        Ok(end) => end,
        Err(error) => End::NotStarted(error.to_string()),
    };
    let lines = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (end, lines)
}

fn try_run(
    path: &Path,
    name: &str,
    state: &str,
    (run_as, limits): (RunAs, Limits),
    kept: &Kept,
) -> io::Result<End> {
    let (mut child, output) = start(path, run_as)?;
    if let Some(input) = child.stdin.take() {
        write_state(input, state.to_owned());
    }
    let silence = listen(output, name.to_owned(), Arc::clone(kept));
    let pid = Pid::from_child(&child);
    let ended = await_end(pid);
    let in_time = end_in_time(pid, &ended, limits);
    let end = reap(&mut child, pid, in_time)?;
    // Somebody who left the group may hold the pipe for ever; the thread ends with it.
    silence.recv_timeout(LAST_WORDS).ok();
    Ok(end)
}

fn start(path: &Path, run_as: RunAs) -> io::Result<(Child, PipeReader)> {
    let (output, words) = io::pipe()?;
    let mut command = Command::new(path);
    command
        .current_dir("/")
        .env_clear()
        .envs(ENVIRONMENT)
        .stdin(Stdio::piped())
        .stdout(words.try_clone()?)
        .stderr(words)
        .process_group(0);
    if let RunAs::User { uid, gid } = run_as {
        // With a user and no groups given, std drops all supplementary groups too.
        command.uid(uid).gid(gid);
    }
    Ok((command.spawn()?, output))
}

/// A program need not read; then the rest is dropped.
fn write_state(mut input: ChildStdin, state: String) {
    thread::spawn(move || input.write_all(state.as_bytes()).ok());
}

/// Logs what is said, and keeps the first lines. The receiver hears when all is said.
fn listen(output: PipeReader, name: String, kept: Kept) -> Receiver<()> {
    let (said_all, silence) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut count = 0_usize;
        while let Some(line) = next_line(&mut output) {
            count += 1;
            if count <= LINES_MAX {
                maillog::program_said(&name, &line);
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < LINES_KEPT_MAX {
                kept.push(line);
            }
        }
        if let Some(more @ 1..) = count.checked_sub(LINES_MAX) {
            maillog::program_said(&name, &format!("({more} more lines)"));
        }
        said_all.send(()).ok();
    });
    silence
}

fn next_line(output: &mut BufReader<PipeReader>) -> Option<String> {
    let mut line = Vec::new();
    let read = output
        .by_ref()
        .take(LINE_BYTES_MAX)
        .read_until(b'\n', &mut line);
    match read {
        Ok(1..) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
        Ok(0) | Err(_) => None,
    }
}

/// Tells of the program's end without reaping it.
fn await_end(pid: Pid) -> Receiver<()> {
    let (tell, ended) = channel();
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        tell.send(()).ok();
    });
    ended
}

/// Waits for the end, or brings it about; whether it came in time.
fn end_in_time(pid: Pid, ended: &Receiver<()>, limits: Limits) -> bool {
    if ended.recv_timeout(limits.time).is_ok() {
        return true;
    }
    signal(pid, Signal::TERM);
    if ended.recv_timeout(limits.grace).is_err() {
        signal(pid, Signal::KILL);
        ended.recv().ok();
    }
    false
}

/// Ends what is left of the group and takes the program's exit status.
fn reap(child: &mut Child, pid: Pid, in_time: bool) -> io::Result<End> {
    signal(pid, Signal::KILL);
    let status = child.wait()?;
    Ok(match (in_time, status.code(), status.signal()) {
        (false, _, _) => End::TooLong,
        (true, Some(code), _) => End::Exited(code),
        (true, None, signal) => End::Killed(signal.unwrap_or_default()),
    })
}

fn signal(group: Pid, signal: Signal) {
    // One that is gone already needs none.
    kill_process_group(group, signal).ok();
}
