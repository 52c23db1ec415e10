//! `provision`: what was put on the card's first partition takes effect, before the daemon runs.
//!
//! It is for root, on the appliance. The store belongs to another user: the thread that opens it becomes that user.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use clap::Args;

use super::connect::open_waiting;
use super::{Failure, Output, Result};
use crate::clock::Clock;
use crate::config::stored::Written;
use crate::manage::owner::become_owner;
use crate::provision::house::{self, Furnished};
use crate::provision::plan::{CONFIG, Wishes};
use crate::provision::{self as provisions, Hands, Mount, Places};

/// Where it looks, and what for.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The card's first partition
    #[arg(long, value_name = "DIR", default_value = "/boot/firmware")]
    boot: PathBuf,
    /// The system; what is made lies below its data/etc
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The partition is mounted read-only: mount it for writing where that is needed
    #[arg(long)]
    remount: bool,
    /// Only copy the one-time code onto the partition
    #[arg(long)]
    code: bool,
}

/// Does it. `given` are the configuration file and the data directory of the command line.
pub fn provision(
    how: &Arguments,
    given: (Option<&Path>, Option<&Path>),
    clock: &Clock,
    output: &mut dyn Output,
) -> Result<()> {
    let mut machine = Machine {
        how,
        given,
        clock,
        output,
    };
    if how.code {
        let from = machine.written()?.alone();
        let from = from.map_err(|error| Failure::failed(error.to_string()))?;
        return Ok(provisions::copy_code(
            &from.code_file(),
            &how.boot,
            &mut machine,
        )?);
    }
    let places = Places {
        boot: &how.boot,
        root: &how.root,
    };
    provisions::run(places, &mut machine).map_err(|error| Failure::failed(error.to_string()))
}

struct Machine<'a> {
    how: &'a Arguments,
    given: (Option<&'a Path>, Option<&'a Path>),
    clock: &'a Clock,
    output: &'a mut dyn Output,
}

impl Machine<'_> {
    /// The settings of the system below the root.
    fn written(&self) -> Result<Written> {
        let (file, data) = self.given;
        let below = self.how.root.join(CONFIG);
        let file = file.or_else(|| below.exists().then_some(&below));
        let load = |data: Option<&Path>| {
            let written = Written::load(file, data);
            written.map_err(|error| Failure::failed(error.to_string()))
        };
        let written = load(data)?;
        if data.is_some() || self.how.root == Path::new("/") {
            return Ok(written);
        }
        let settings = written
            .alone()
            .map_err(|error| Failure::failed(error.to_string()))?;
        let moved = settings
            .data
            .strip_prefix("/")
            .map(|below| self.how.root.join(below));
        moved.map_or(Ok(written), |moved| load(Some(&moved)))
    }
}

impl Hands for Machine<'_> {
    fn step(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn remount(&mut self, dir: &Path, how: Mount) -> io::Result<()> {
        if !self.how.remount {
            return Ok(());
        }
        let options = match how {
            Mount::ReadOnly => "remount,ro",
            Mount::Writable => "remount,rw",
        };
        let status = Command::new("mount")
            .args(["-o", options])
            .arg(dir)
            .status()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "mount -o {options} {}: {status}",
            dir.display()
        )))
    }

    fn furnish(&mut self, wishes: &Wishes) -> std::result::Result<Furnished, house::Error> {
        let unavailable = |failure: Failure| house::Error::Unavailable(failure.to_string());
        let written = self.written().map_err(unavailable)?;
        if self.how.root == Path::new("/") {
            refuse_root(&written.alone()?.data)?;
        }
        let clock = self.clock;
        let work = || furnish(&written, wishes, clock);
        thread::scope(|scope| match scope.spawn(work).join() {
            Ok(done) => done,
            Err(_) => Err(house::Error::Unavailable(
                "making the account panicked".to_owned(),
            )),
        })
    }

    #[expect(
        clippy::let_underscore_must_use,
        reason = "there is no other place to report to"
    )]
    fn say(&mut self, line: &str) {
        let _ = self.output.line(line);
    }
}

/// A store that root makes would be closed to the daemon.
fn refuse_root(data: &Path) -> std::result::Result<(), house::Error> {
    let owner = std::fs::metadata(data).map(|metadata| metadata.uid());
    let problem = match owner {
        Ok(0) => "belongs to root".to_owned(),
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    let problem = format!("data directory {}: {problem}", data.display());
    Err(house::Error::Unavailable(problem))
}

/// In a thread of its own, which becomes the owner of the data directory; the others stay root.
fn furnish(
    written: &Written,
    wishes: &Wishes,
    clock: &Clock,
) -> std::result::Result<Furnished, house::Error> {
    let settings = written.alone()?;
    become_owner(&settings.data).map_err(|e| house::Error::Unavailable(e.to_string()))?;
    let store = open_waiting(&settings, clock);
    let store = store.map_err(|failure| house::Error::Unavailable(failure.to_string()))?;
    house::furnish(&store, written, wishes, clock.now())
}
