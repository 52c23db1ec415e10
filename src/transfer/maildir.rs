//! Maildir trees: which mailboxes and files there are, and what their names say.
//!
//! Both customs for mailboxes inside mailboxes are read: Maildir++ (`.Parent.Child` beside `cur`) and plain directories
//! (`Parent/Child`). Names are modified UTF-7 or UTF-8. Files in `tmp` are not delivered yet and passed over.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::export::KEYWORDS_FILE;
use super::mbox::push_line;
use super::{Error, Pieces};
use crate::clock::Wall;
use crate::mail::flags::{Flags, Keyword, SystemFlags};
use crate::mail::mailbox_name::MailboxName;

/// Deepest nesting of directories that is followed.
const DEPTH_MAX: usize = 32;
/// Longest piece of a line that is held, in bytes.
const LINE_PIECE_BYTES: u64 = 64 * 1024;

/// Letters behind `:2,` in a file's name.
const LETTERS: [(u8, SystemFlags); 5] = [
    (b'D', SystemFlags::DRAFT),
    (b'F', SystemFlags::FLAGGED),
    (b'R', SystemFlags::ANSWERED),
    (b'S', SystemFlags::SEEN),
    (b'T', SystemFlags::DELETED),
];

/// One message file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its flags.
    pub flags: Flags,
    /// Its time of last change, which is the message's internal date.
    pub date: Option<Wall>,
}

/// A mailbox of the tree with its messages, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name; the root is INBOX.
    pub name: MailboxName,
    /// Its messages.
    pub entries: Vec<Entry>,
}

/// Finds everything below `root`.
pub fn scan(root: &Path) -> Result<Vec<Folder>, Error> {
    let mut folders = Vec::new();
    visit(root, "", 0, &mut folders)?;
    if folders.is_empty() {
        return Err(Error::format(
            root,
            "holds no Maildir: no directory in it has cur and new",
        ));
    }
    Ok(folders)
}

fn visit(dir: &Path, name: &str, depth: usize, folders: &mut Vec<Folder>) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::format(
            dir,
            format!("is nested deeper than {DEPTH_MAX} levels"),
        ));
    }
    if dir.join("cur").is_dir() {
        folders.push(Folder {
            name: mailbox_name(dir, name)?,
            entries: entries(dir)?,
        });
    }
    for path in sorted(dir)? {
        let leaf = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        if !path.is_dir() || matches!(leaf, b"cur" | b"new" | b"tmp") {
            continue;
        }
        let Some(below) = child_name(name, leaf) else {
            continue;
        };
        visit(&path, &below, depth + 1, folders)?;
    }
    Ok(())
}

/// The raw name of the mailbox in directory `leaf` below mailbox `parent`.
fn child_name(parent: &str, leaf: &[u8]) -> Option<String> {
    let leaf = std::str::from_utf8(leaf).ok()?;
    let level = match leaf.strip_prefix('.') {
        Some(dotted) => dotted.replace('.', "/"),
        None => leaf.to_owned(),
    };
    let level = level.trim_matches('/');
    if level.is_empty() {
        return None;
    }
    Some(if parent.is_empty() {
        level.to_owned()
    } else {
        format!("{parent}/{level}")
    })
}

fn mailbox_name(dir: &Path, raw: &str) -> Result<MailboxName, Error> {
    if raw.is_empty() {
        return Ok(MailboxName::inbox());
    }
    let parsed = MailboxName::parse_utf7(raw.as_bytes()).or_else(|_| MailboxName::parse(raw));
    parsed.map_err(|e| Error::format(dir, format!("\"{raw}\" is no mailbox name: {e}")))
}

fn entries(dir: &Path) -> Result<Vec<Entry>, Error> {
    let keywords = keywords(dir)?;
    let mut found = Vec::new();
    for place in ["new", "cur"] {
        let place = dir.join(place);
        if !place.is_dir() {
            continue;
        }
        for path in sorted(&place)? {
            let metadata = fs::metadata(&path).map_err(Error::io(&path))?;
            if metadata.is_file() {
                let date = metadata
                    .modified()
                    .ok()
                    .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let date = date
                    .and_then(|since| i64::try_from(since.as_secs()).ok())
                    .map(Wall);
                let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
                let flags = flags_of(name, &keywords);
                found.push(Entry {
                    path,
                    bytes: metadata.len(),
                    flags,
                    date,
                });
            }
        }
    }
    found.sort_by(|a, b| (a.date, &a.path).cmp(&(b.date, &b.path)));
    Ok(found)
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        paths.push(entry.map_err(Error::io(dir))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// What the letters a to z mean in this Maildir.
fn keywords(dir: &Path) -> Result<BTreeMap<u8, Keyword>, Error> {
    let path = dir.join(KEYWORDS_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io(&path)(error)),
    };
    let parse = |line: &str| {
        let (number, name) = line.split_once(' ')?;
        let letter = b'a'.checked_add(number.parse().ok()?)?;
        Some((letter, Keyword::new(name)?))
    };
    Ok(text.lines().filter_map(parse).collect())
}

/// The flags that a file's name tells.
fn flags_of(name: &[u8], keywords: &BTreeMap<u8, Keyword>) -> Flags {
    let info = name.windows(3).rposition(|window| window == b":2,");
    let letters = info.and_then(|at| name.get(at + 3..)).unwrap_or_default();
    let set = LETTERS
        .iter()
        .filter(|(letter, _)| letters.contains(letter));
    let system = set.fold(SystemFlags::empty(), |all, (_, flag)| all.union(*flag));
    let named = keywords
        .iter()
        .filter(|(letter, _)| letters.contains(letter));
    Flags {
        system,
        keywords: named.map(|(_, keyword)| keyword.clone()).collect(),
    }
}

/// The letters for `flags`, in the ascending order that the custom asks for.
pub(super) fn letters_of(flags: SystemFlags) -> String {
    let set = LETTERS.iter().filter(|(_, flag)| flags.contains(*flag));
    set.map(|(letter, _)| char::from(*letter)).collect()
}

/// Reads one message file.
#[derive(Debug)]
pub(super) struct File(BufReader<fs::File>);

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        fs::File::open(path)
            .map(|file| Self(BufReader::new(file)))
            .map_err(Error::io(path))
    }
}

impl Pieces for File {
    fn read(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.0, LINE_PIECE_BYTES).read_until(b'\n', &mut line)?;
        push_line(&line, out);
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_in_names() {
        let flags = flags_of(b"1.2.host,S=10:2,FS", &BTreeMap::new());
        assert_eq!(flags.system, SystemFlags::FLAGGED.union(SystemFlags::SEEN));
        assert_eq!(letters_of(flags.system), "FS");
        assert_eq!(flags_of(b"1.2.host", &BTreeMap::new()), Flags::default());
    }

    #[test]
    fn names_of_both_customs() {
        assert_eq!(child_name("", b".Sent.2024").as_deref(), Some("Sent/2024"));
        assert_eq!(child_name("Sent", b"2024").as_deref(), Some("Sent/2024"));
        assert_eq!(child_name("", b"."), None);
    }

    #[test]
    fn a_tree() {
        let root = tempfile::tempdir().unwrap();
        for dir in [
            "cur",
            "new",
            "tmp",
            ".Sent.2024/cur",
            ".Entw&APw-rfe/cur",
            "Plain/Sub/cur",
        ] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        fs::write(root.path().join("new/1.a"), "Subject: a\n\nb\n").unwrap();
        fs::write(root.path().join("cur/2.b:2,S"), "Subject: b\n\nb\n").unwrap();
        fs::write(root.path().join("tmp/3.c"), "x").unwrap();
        let folders = scan(root.path()).unwrap();
        let names: Vec<&str> = folders.iter().map(|folder| folder.name.as_str()).collect();
        assert_eq!(names, ["INBOX", "Entw\u{fc}rfe", "Sent/2024", "Plain/Sub"]);
        assert_eq!(folders[0].entries.len(), 2);
        let mut body = Vec::new();
        let mut file = File::open(&folders[0].entries[0].path).unwrap();
        while file.read(&mut body).unwrap() {}
        assert!(body.ends_with(b"\r\n\r\nb\r\n"));
    }

    #[test]
    fn a_directory_without_mail_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(scan(root.path()), Err(Error::Format { .. })));
    }
}
