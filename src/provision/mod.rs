//! What happens on the board before the daemon runs: what was put on the card's first partition takes effect.
//!
//! `rpi-preseed.toml` (what Raspberry Pi Imager was told) names the box, its time zone, its network and its first account;
//! `heimpost.toml` beside it holds settings. Everything is worked out first (`preseed`, `plan`, pure), then done in small
//! steps that can be repeated: whenever the power is cut, the next start does the rest. The file with the secrets goes
//! last. What was not done as asked is told in the log and in a file beside it, without values.

pub mod card;
pub mod house;
pub mod note;
pub mod plan;
pub mod preseed;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use card::Card;
use house::Furnished;
use note::{Note, Problem};
use plan::{Facts, Wishes};
use preseed::Preseed;

/// What Raspberry Pi Imager leaves.
const PRESEED: &str = "rpi-preseed.toml";
/// Says what of it did not work.
const PRESEED_PAGE: &str = "rpi-preseed.error.txt";
/// Settings, on the card.
const CONFIG: &str = "heimpost.toml";
/// Says what is wrong with them.
const CONFIG_PAGE: &str = "heimpost.toml.error.txt";
/// The one-time code, on the card.
const CODE: &str = "setup-code.txt";
/// Left by an Imager that does not know this system.
const FIRST_RUN: &str = "firstrun.sh";
/// What such an Imager writes into `cmdline.txt`.
const FIRST_RUN_ARGUMENT: &str = "systemd.run=";

/// Longest small file of the machine that is read, in bytes.
const FACT_BYTES_MAX: usize = 1 << 20;

/// How a file system is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mount {
    /// For reading only.
    ReadOnly,
    /// For writing too.
    Writable,
}

/// What acts on the machine beyond files.
pub trait Hands {
    /// Between any two changes. An error stops everything, as a power cut would.
    fn step(&mut self) -> io::Result<()>;

    /// Mounts the card's first partition anew.
    fn remount(&mut self, dir: &Path, how: Mount) -> io::Result<()>;

    /// Grants wishes to the store, as the user it belongs to.
    fn furnish(&mut self, wishes: &Wishes) -> Result<Furnished, house::Error>;

    /// Says something to whoever reads the log.
    fn say(&mut self, line: &str);
}

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The card's first partition.
    pub boot: &'a Path,
    /// The root of the file system; `data/etc` and what the machine tells of itself are below it.
    pub root: &'a Path,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a mount.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    House(#[from] house::Error),
}

/// Has everything on the card take effect. What cannot be used is told, and is no error.
pub fn run<H: Hands>(places: Places<'_>, hands: &mut H) -> Result<(), Error> {
    let mut card = Card::new(places.boot, hands);
    let done = apply(places, &mut card);
    let closed = card.close();
    done?;
    Ok(closed?)
}

/// Copies the one-time code onto the card, if another one is there.
pub fn copy_code<H: Hands>(from: &Path, boot: &Path, hands: &mut H) -> io::Result<()> {
    let code = match fs::read_to_string(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let mut card = Card::new(boot, hands);
    let written = card.write(CODE, &code);
    let closed = card.close();
    written.and(closed)
}

fn apply<H: Hands>(places: Places<'_>, card: &mut Card<'_, H>) -> Result<(), Error> {
    let (preseed, mut notes) = read_preseed(card);
    if is_by_old_imager(card) {
        notes.push(Note {
            key: FIRST_RUN.to_owned(),
            problem: Problem::OldImager,
        });
    }
    let plan = plan::plan(&facts(places.root, card), preseed.as_ref());
    for file in &plan.files {
        if write(places.root, file, card.hands)? {
            card.hands.say(&format!("wrote /{}", file.path));
        }
    }
    if let Some(wishes) = &plan.wishes {
        notes.extend(furnish(wishes, card.hands)?);
    }
    for note in notes.iter().chain(&plan.config_notes) {
        card.hands.say(&note.to_string());
    }
    match (note::page("Raspberry Pi Imager", &notes), &preseed) {
        (Some(page), _) => card.write(PRESEED_PAGE, &page)?,
        // What was wrong with a file that is gone may not have been read yet.
        (None, None) => {}
        (None, Some(_)) => card.remove(PRESEED_PAGE)?,
    }
    match &plan.config_page {
        Some(page) => card.write(CONFIG_PAGE, page)?,
        None => card.remove(CONFIG_PAGE)?,
    }
    if preseed.is_some() {
        card.burn(PRESEED)?;
        card.hands.say(&format!("{PRESEED} was used and removed"));
    } else if !card.has(PRESEED) {
        // What a power cut has left of it.
        card.burn(PRESEED)?;
    }
    Ok(())
}

/// What Imager was told; nothing if it cannot be read, which is told.
fn read_preseed<H: Hands>(card: &Card<'_, H>) -> (Option<Preseed>, Vec<Note>) {
    let Some(text) = card.read(PRESEED) else {
        return (None, Vec::new());
    };
    let parsed = text.and_then(|text| preseed::parse(&text).map_err(|error| error.to_string()));
    match parsed {
        Ok(mut preseed) => {
            let notes = std::mem::take(&mut preseed.notes);
            (Some(preseed), notes)
        }
        Err(problem) => {
            let note = Note {
                key: PRESEED.to_owned(),
                problem: Problem::Unreadable(problem),
            };
            (None, vec![note])
        }
    }
}

fn is_by_old_imager<H: Hands>(card: &Card<'_, H>) -> bool {
    let command_line = card.read("cmdline.txt").and_then(Result::ok);
    card.has(FIRST_RUN) || command_line.is_some_and(|text| text.contains(FIRST_RUN_ARGUMENT))
}

fn facts<H: Hands>(root: &Path, card: &Card<'_, H>) -> Facts {
    Facts {
        hostname: fact(&root.join(plan::HOSTNAME)),
        serial: fact(&root.join("proc/device-tree/serial-number")),
        mac: mac(&root.join("sys/class/net")),
        config: fs::read_to_string(root.join(plan::CONFIG)).ok(),
        card_config: card.read(CONFIG),
    }
}

/// A small file of the machine; what ends it does not count.
fn fact(path: &Path) -> Option<String> {
    let bytes = fs::read(path)
        .ok()
        .filter(|bytes| bytes.len() <= FACT_BYTES_MAX)?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}

/// Address of the first network interface, wired ones before wireless ones.
fn mac(interfaces: &Path) -> Option<String> {
    let entries = fs::read_dir(interfaces).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name != "lo").collect();
    names.sort_by_key(|name| (name.starts_with('w'), name.clone()));
    let addresses = names
        .iter()
        .filter_map(|name| fact(&interfaces.join(name).join("address")));
    let mut real = addresses.filter(|address| address.chars().any(|c| !matches!(c, '0' | ':')));
    real.next()
}

/// Puts a file in place whole, and says whether that changed anything.
fn write<H: Hands>(root: &Path, file: &plan::File, hands: &mut H) -> io::Result<bool> {
    let path = root.join(file.path);
    if fs::read(&path).is_ok_and(|kept| kept == file.text.as_bytes()) {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(root);
    fs::create_dir_all(dir)?;
    let beside = path.with_extension("new");
    let mut made = OpenOptions::new();
    made.write(true).create(true).truncate(true).mode(file.mode);
    let mut made = made.open(&beside)?;
    made.set_permissions(fs::Permissions::from_mode(file.mode))?;
    made.write_all(file.text.as_bytes())?;
    made.sync_all()?;
    hands.step()?;
    fs::rename(&beside, &path)?;
    File::open(dir)?.sync_all()?;
    hands.step()?;
    Ok(true)
}

fn furnish<H: Hands>(wishes: &Wishes, hands: &mut H) -> Result<Vec<Note>, Error> {
    let done = hands.furnish(wishes)?;
    if let Some(address) = done.account {
        hands.say(&format!("made the first account, {address}"));
    }
    hands.step()?;
    Ok(done.notes)
}
