//! Which sticks are plugged in, as the system lists them: everything with a file system that hangs on USB, but for the
//! disk that the box itself runs from. Reads links and small files only; needs no rights.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a sector in `/sys`, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;

/// What the box itself is on, wherever that is mounted.
const OWN_PLACES: [&str; 5] = ["/", "/boot", "/boot/firmware", "/data", "/var/lib/heimpost"];

/// A file system on a stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stick {
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Its UUID.
    pub uuid: String,
    /// Its size.
    pub bytes: u64,
}

impl Stick {
    /// Whether that is what it is named by.
    pub fn is_named(&self, name: &str) -> bool {
        self.uuid == name || self.label.as_deref() == Some(name)
    }
}

/// All sticks, by label and UUID. `system` is where `dev`, `sys` and `proc` are.
pub fn sticks(system: &Path) -> Vec<Stick> {
    let labels = devices(&system.join("dev/disk/by-label"));
    let labels: BTreeMap<_, _> = labels
        .into_iter()
        .map(|(label, device)| (device, label))
        .collect();
    let own = own_disks(system);
    let mut sticks = Vec::new();
    for (uuid, device) in devices(&system.join("dev/disk/by-uuid")) {
        let Some(place) = place(&system.join("sys/class/block").join(&device)) else {
            continue;
        };
        if is_on_usb(&place) && !own.contains(&disk(&place)) {
            sticks.push(Stick {
                label: labels.get(&device).cloned(),
                uuid,
                bytes: bytes(&place),
            });
        }
    }
    sticks.sort_by(|a, b| (&a.label, &a.uuid).cmp(&(&b.label, &b.uuid)));
    sticks
}

/// Names in a directory of links to devices, with the devices' names.
fn devices(dir: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let device = target.file_name()?.to_str()?.to_owned();
        Some((decoded(entry.file_name().to_str()?), device))
    });
    links.collect()
}

/// udev writes bytes that may not stand in a name as `\x20`.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.strip_prefix(b"x").and_then(|hex| hex.get(..2));
        let byte = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = more.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where a device is in the tree of all hardware.
fn place(link: &Path) -> Option<PathBuf> {
    link.canonicalize().ok()
}

fn is_on_usb(place: &Path) -> bool {
    let mut parts = place.components();
    parts.any(|part| {
        let part = part.as_os_str().to_str();
        let bus = part.and_then(|part| part.strip_prefix("usb"));
        bus.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The disk that a partition is on.
fn disk(place: &Path) -> PathBuf {
    match place.parent() {
        Some(disk) if place.join("partition").exists() => disk.to_owned(),
        _ => place.to_owned(),
    }
}

fn bytes(place: &Path) -> u64 {
    let text = fs::read_to_string(place.join("size")).unwrap_or_default();
    let sectors: u64 = text.trim().parse().unwrap_or(0);
    sectors.saturating_mul(SECTOR_BYTES)
}

fn own_disks(system: &Path) -> BTreeSet<PathBuf> {
    let mounts = fs::read_to_string(system.join("proc/self/mountinfo")).unwrap_or_default();
    let own = mounts.lines().filter_map(|line| {
        // proc(5): mount id, parent id, major:minor, root, mount point.
        let mut fields = line.split(' ').skip(2);
        let (device, point) = (fields.next()?, fields.nth(1)?);
        let place = place(&system.join("sys/dev/block").join(device));
        OWN_PLACES.contains(&point).then_some(place)?
    });
    own.map(|place| disk(&place)).collect()
}
