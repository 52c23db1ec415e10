//! The test's hand inside the emulated board, built by `tests/image/gpio` with the compiler of the daemon.
//!
//! `agent serve PORT` runs a shell for each connection, with the connection as its input and output. `agent watch FILE`
//! reads a line's level (`0` or `1` in FILE) every 10 ms and says each change, and at least every 200 ms where it stands:
//! `MILLISECONDS LEVEL GAP`, where GAP is the longest time between two looks since the line before, so that the reader
//! knows what may have been missed. LEVEL is `-` while the file is not there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_INTERVAL: Duration = Duration::from_millis(10);
const SAY_INTERVAL: Duration = Duration::from_millis(200);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match (arguments.get(1).map(String::as_str), arguments.get(2)) {
        (Some("serve"), Some(port)) => serve(port),
        (Some("watch"), Some(file)) => watch(file),
        _ => Err(io::Error::other("agent serve PORT | watch FILE")),
    }
}

fn serve(port: &str) -> io::Result<()> {
    let port = port.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("board ready");
    for connection in listener.incoming() {
        let (input, errors) = (connection?, Stdio::null());
        input.set_nodelay(true)?;
        let output = Stdio::from(OwnedFd::from(input.try_clone()?));
        let mut shell = Command::new("/bin/sh")
            .stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(output)
            .stderr(errors)
            .spawn()?;
        thread::spawn(move || shell.wait());
    }
    Ok(())
}

fn watch(path: &str) -> io::Result<()> {
    let began = Instant::now();
    let (mut level, mut said, mut looked, mut gap) = ('?', began, began, Duration::ZERO);
    loop {
        let now = Instant::now();
        gap = gap.max(now - looked);
        looked = now;
        let seen = look(path);
        if seen != level || now - said >= SAY_INTERVAL {
            let line = format!("{} {seen} {}\n", (now - began).as_millis(), gap.as_millis());
            io::stdout().write_all(line.as_bytes())?;
            io::stdout().flush()?;
            (level, said, gap) = (seen, now, Duration::ZERO);
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn look(path: &str) -> char {
    let mut byte = [0];
    match File::open(path).and_then(|mut file| file.read_exact(&mut byte)) {
        Ok(()) => char::from(byte[0]),
        Err(_) => '-',
    }
}
