//! The helper that runs the owner's programs for a daemon that may not: what goes over its socket.
//!
//! The service manager starts the helper as [`HOOK_USER`](super::HOOK_USER) for each connection, and only the daemon can
//! connect. The daemon sends a line with the directory and a line with the state; the helper answers with a line of JSON for
//! each program as it ends, and a last one. Which directory's programs it runs is the helper's own knowledge: a daemon
//! that was taken over could start nothing else by it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Limits, Report, Rules, Told, run_each};
use crate::clock::Clock;

/// Where the service manager listens for the helper.
pub const SOCKET: &str = "/run/heimpost-hook.sock";

/// What comes behind the last program.
const LAST: &str = "done";

/// Longest directory and state that are read, in bytes.
const REQUEST_BYTES_MAX: u64 = 4 << 20;

/// Most that is read of all answers, in bytes: fifty programs with five lines of a thousand bytes are a tenth of it.
const ANSWERS_BYTES_MAX: u64 = 4 << 20;

/// How much longer than a program may take its answer may: the helper has to start, too.
const SLACK: Duration = Duration::from_secs(30);

/// The helper's side: reads what is asked and answers, until all programs of `dir` have run.
pub fn serve(
    dir: &Path,
    input: impl Read,
    mut output: impl Write,
    (rules, limits): (&Rules, Limits),
    clock: &Clock,
) -> io::Result<()> {
    let mut input = BufReader::new(input.take(REQUEST_BYTES_MAX));
    let (wanted, state) = (line(&mut input)?, line(&mut input)?);
    let mut written = Ok(());
    let mut tell = |told: &Told| {
        // Who asked may be gone; the programs run all the same.
        if written.is_ok() {
            written = write_line(&mut output, &serde_json::json!(told).to_string());
        }
    };
    if Path::new(&wanted) == dir {
        run_each(dir, &state, rules, limits, clock, &mut |told| tell(&told));
    } else {
        let why = format!("only those in {} are run", dir.display());
        tell(&Told::Skipped { name: wanted, why });
    }
    written?;
    write_line(&mut output, LAST)
}

/// The daemon's side: has the helper at the other end of `stream` run the programs of `dir`.
pub(super) fn ask(stream: &UnixStream, dir: &Path, state: &str, limits: Limits) -> Report {
    let mut report = Report::default();
    let asked = try_ask(stream, dir, state, limits, &mut report);
    if let Err(error) = asked {
        let why = format!("the helper broke off: {error}");
        report.skip(dir.display().to_string(), why);
    }
    report
}

fn try_ask(
    mut stream: &UnixStream,
    dir: &Path,
    state: &str,
    limits: Limits,
    report: &mut Report,
) -> io::Result<()> {
    let patience = limits.time + limits.grace + SLACK;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(SLACK))?;
    write_line(&mut stream, &dir.display().to_string())?;
    write_line(&mut stream, state)?;
    let mut answers = BufReader::new(stream.take(ANSWERS_BYTES_MAX));
    loop {
        let answer = line(&mut answers)?;
        if answer == LAST {
            return Ok(());
        }
        report.note(serde_json::from_str(&answer)?);
    }
}

/// The next line, without its end.
fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    match line.pop() {
        Some('\n') => Ok(line),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn write_line(output: &mut impl Write, text: &str) -> io::Result<()> {
    output.write_all(text.as_bytes())?;
    output.write_all(b"\n")?;
    output.flush()
}
