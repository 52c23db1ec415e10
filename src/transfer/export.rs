//! Writing an account's mail to files: a Maildir tree, or one mbox file per mailbox.
//!
//! Mailboxes become directories by their names in UTF-8. A Maildir export run again writes only what is missing; an mbox
//! file is written beside its name and put in place whole, so an interruption leaves no half file under a good name.
//! Keywords of a Maildir go to `dovecot-keywords`, which other programs read too.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::maildir::letters_of;
use super::status_fields;
use super::{Error, Event, Listener, Report};
use crate::clock::Wall;
use crate::mail::date::DateTime;
use crate::mail::flags::{FlagBits, Flags, Keyword};
use crate::mail::ids::{AccountId, Uid};
use crate::store::Store;
use crate::store::types::{Mailbox, MessageRecord, MessageRow};

/// Bytes of a message read at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// Keywords that a Maildir can name.
const MAILDIR_KEYWORDS_MAX: usize = 26;
/// File that says which letter means which keyword.
pub(super) const KEYWORDS_FILE: &str = "dovecot-keywords";

/// An export of one account.
#[derive(Debug)]
pub struct Export<'a> {
    store: &'a Store,
    account: AccountId,
    report: Report,
    done: u64,
    total: u64,
}

impl<'a> Export<'a> {
    /// Of `account`.
    pub fn new(store: &'a Store, account: AccountId) -> Self {
        Self {
            store,
            account,
            report: Report::default(),
            done: 0,
            total: 0,
        }
    }

    /// As a Maildir tree in `root`.
    pub fn maildir(mut self, root: &Path, listener: Listener<'_>) -> Result<Report, Error> {
        for mailbox in self.mailboxes()? {
            let dir = self.place(root, &mailbox, "", listener)?;
            self.maildir_mailbox(&mailbox, &dir, listener)?;
            self.report.mailboxes += 1;
        }
        Ok(self.report)
    }

    /// As mbox files in `root`.
    pub fn mbox(mut self, root: &Path, listener: Listener<'_>) -> Result<Report, Error> {
        for mailbox in self.mailboxes()? {
            let path = self.place(root, &mailbox, ".mbox", listener)?;
            self.mbox_mailbox(&mailbox, &path, listener)?;
            self.report.mailboxes += 1;
        }
        Ok(self.report)
    }

    /// As one zip archive with an mbox file per mailbox, written to `out` as it comes. Mail is stored in it as it is, for it
    /// hardly gets smaller and a board has better things to do. `called` is its name in errors.
    pub fn zip(
        mut self,
        out: impl Write,
        called: &Path,
        listener: Listener<'_>,
    ) -> Result<Report, Error> {
        let failed = |error: ZipError| Error::io(called)(io::Error::from(error));
        let mut archive = ZipWriter::new_stream(out);
        for mailbox in self.mailboxes()? {
            let name = self.place(Path::new(""), &mailbox, ".mbox", listener)?;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .large_file(true);
            let name = name.display().to_string();
            archive.start_file(name, options).map_err(failed)?;
            self.mbox_into(&mut archive, &mailbox, called, listener)?;
            self.report.mailboxes += 1;
        }
        archive.finish().map_err(failed)?;
        Ok(self.report)
    }

    fn mailboxes(&mut self) -> Result<Vec<Mailbox>, Error> {
        let mailboxes = self.store.snapshot()?.mailboxes(self.account)?;
        self.total = mailboxes.iter().map(|mailbox| mailbox.bytes).sum();
        Ok(mailboxes)
    }

    /// Where a mailbox goes. Levels that would be mistaken for parts of a Maildir get a `_` in front.
    fn place(
        &mut self,
        root: &Path,
        mailbox: &Mailbox,
        suffix: &str,
        listener: Listener<'_>,
    ) -> Result<PathBuf, Error> {
        let mut place = root.to_owned();
        let mut renamed = false;
        for level in mailbox.name.as_str().split('/') {
            let taken = matches!(level, "cur" | "new" | "tmp") || level.starts_with('.');
            renamed |= taken;
            place.push(if taken {
                format!("_{level}")
            } else {
                level.to_owned()
            });
        }
        if renamed {
            let text = format!(
                "mailbox \"{}\" is written as {}",
                mailbox.name.as_str(),
                place.display()
            );
            self.problem(text, listener)?;
        }
        let mut name = place.into_os_string();
        name.push(suffix);
        Ok(PathBuf::from(name))
    }

    fn maildir_mailbox(
        &mut self,
        mailbox: &Mailbox,
        dir: &Path,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        for part in ["cur", "new", "tmp"] {
            let part = dir.join(part);
            fs::create_dir_all(&part).map_err(Error::io(&part))?;
        }
        write_keywords(mailbox, dir)?;
        let present = base_names(&dir.join("cur"))?;
        for row in self
            .store
            .snapshot()?
            .rows(mailbox.id, Uid::MIN, Uid::MAX)?
        {
            let Some(record) = self.store.snapshot()?.record(row.serial)? else {
                continue;
            };
            let base = base_name(mailbox, &record);
            self.done += record.bytes;
            if present.contains(&base) {
                self.report.present += 1;
            } else {
                self.maildir_message(dir, &base, &row, &record)?;
            }
            self.tell(mailbox, listener)?;
        }
        Ok(())
    }

    fn maildir_message(
        &mut self,
        dir: &Path,
        base: &str,
        row: &MessageRow,
        record: &MessageRecord,
    ) -> Result<(), Error> {
        let draft = dir.join("tmp").join(base);
        let mut file = BufWriter::new(File::create(&draft).map_err(Error::io(&draft))?);
        self.copy(record, &draft, &mut |piece| file.write_all(piece))?;
        let file = file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .map_err(Error::io(&draft))?;
        file.set_modified(system_time(record.internal_date))
            .map_err(Error::io(&draft))?;
        file.sync_all().map_err(Error::io(&draft))?;
        let name = format!(
            "{base}:2,{}{}",
            letters_of(row.flags.system),
            keyword_letters(row.flags)
        );
        let place = dir.join("cur").join(name);
        fs::rename(&draft, &place).map_err(Error::io(&place))?;
        self.count(record);
        Ok(())
    }

    fn mbox_mailbox(
        &mut self,
        mailbox: &Mailbox,
        path: &Path,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        let draft = path.with_extension("mbox.partial");
        let mut file = BufWriter::new(File::create(&draft).map_err(Error::io(&draft))?);
        self.mbox_into(&mut file, mailbox, &draft, listener)?;
        let file = file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .map_err(Error::io(&draft))?;
        file.sync_all().map_err(Error::io(&draft))?;
        fs::rename(&draft, path).map_err(Error::io(path))
    }

    /// Writes all messages of a mailbox to `out`, which is called `path` in errors.
    fn mbox_into(
        &mut self,
        out: &mut impl Write,
        mailbox: &Mailbox,
        path: &Path,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        let rows = self
            .store
            .snapshot()?
            .rows(mailbox.id, Uid::MIN, Uid::MAX)?;
        for row in rows {
            let Some(record) = self.store.snapshot()?.record(row.serial)? else {
                continue;
            };
            let mut message =
                MboxMessage::begin(out, mailbox, &row, &record).map_err(Error::io(path))?;
            self.copy(&record, path, &mut |piece| message.write(piece))?;
            message.end().map_err(Error::io(path))?;
            self.done += record.bytes;
            self.count(&record);
            self.tell(mailbox, listener)?;
        }
        Ok(())
    }

    /// Gives a message, with LF line ends, to `write` in pieces.
    fn copy(
        &self,
        record: &MessageRecord,
        path: &Path,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut lines = LineEnds::default();
        write(&lines.convert(&record.prefix)).map_err(Error::io(path))?;
        let mut blob = self.store.blob(record.blob)?;
        let mut piece = Vec::new();
        let mut offset = 0;
        loop {
            piece.clear();
            let read = blob.read_at(offset, PIECE_BYTES, &mut piece)?;
            if read == 0 {
                return write(lines.rest()).map_err(Error::io(path));
            }
            offset += read as u64;
            write(&lines.convert(&piece)).map_err(Error::io(path))?;
        }
    }

    fn count(&mut self, record: &MessageRecord) {
        self.report.messages += 1;
        self.report.bytes += record.bytes;
    }

    fn tell(&self, mailbox: &Mailbox, listener: Listener<'_>) -> Result<(), Error> {
        let event = Event::Progress {
            mailbox: mailbox.name.as_str().to_owned(),
            done: self.done,
            total: self.total.max(self.done),
        };
        listener(event).map_err(|_| Error::Interrupted)
    }

    fn problem(&mut self, text: String, listener: Listener<'_>) -> Result<(), Error> {
        self.report.problems += 1;
        listener(Event::Problem(text)).map_err(|_| Error::Interrupted)
    }
}

/// Turns CRLF into LF across pieces; a CR elsewhere stays.
#[derive(Debug, Default)]
struct LineEnds {
    cr_held: bool,
}

impl LineEnds {
    fn convert(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + 1);
        for byte in piece {
            if std::mem::take(&mut self.cr_held) && *byte != b'\n' {
                out.push(b'\r');
            }
            if *byte == b'\r' {
                self.cr_held = true;
            } else {
                out.push(*byte);
            }
        }
        out
    }

    /// What was held back when no more pieces come.
    fn rest(&mut self) -> &'static [u8] {
        if std::mem::take(&mut self.cr_held) {
            b"\r"
        } else {
            b""
        }
    }
}

/// Writes one message of an mbox file: `From ` line, status fields, quoted lines, an empty line.
struct MboxMessage<'a, W: Write> {
    out: &'a mut W,
    line: Vec<u8>,
}

/// Bytes at the beginning of a line that must be seen to know whether it needs quoting.
const QUOTE_LOOK_BYTES: usize = 256;

impl<'a, W: Write> MboxMessage<'a, W> {
    fn begin(
        out: &'a mut W,
        mailbox: &Mailbox,
        row: &MessageRow,
        record: &MessageRecord,
    ) -> io::Result<Self> {
        let date = DateTime::utc(record.internal_date).to_asctime();
        writeln!(out, "From MAILER-DAEMON {date}")?;
        let flags = Flags {
            system: row.flags.system,
            keywords: names(mailbox, row.flags),
        };
        out.write_all(status_fields::render(&flags).as_bytes())?;
        Ok(Self {
            out,
            line: Vec::new(),
        })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > QUOTE_LOOK_BYTES {
                self.flush_line()?;
            }
        }
        Ok(())
    }

    fn flush_line(&mut self) -> io::Result<()> {
        let quotes = self.line.iter().take_while(|byte| **byte == b'>').count();
        if self
            .line
            .get(quotes..)
            .is_some_and(|rest| rest.starts_with(b"From "))
        {
            self.out.write_all(b">")?;
        }
        self.out.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.flush_line()?;
            self.out.write_all(b"\n")?;
        }
        self.out.write_all(b"\n")
    }
}

fn base_name(mailbox: &Mailbox, record: &MessageRecord) -> String {
    let (date, uid, validity) = (record.internal_date.0, record.uid, mailbox.uid_validity);
    format!("{date}.U{uid}V{validity}.heimpost,S={}", record.bytes)
}

/// Names in `cur` up to their flags.
fn base_names(cur: &Path) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(cur).map_err(Error::io(cur))? {
        let name = entry
            .map_err(Error::io(cur))?
            .file_name()
            .to_string_lossy()
            .into_owned();
        let base = name.split_once(":2,").map(|(base, _)| base.to_owned());
        names.insert(base.unwrap_or(name));
    }
    Ok(names)
}

fn write_keywords(mailbox: &Mailbox, dir: &Path) -> Result<(), Error> {
    if mailbox.keywords.is_empty() {
        return Ok(());
    }
    let lines = mailbox
        .keywords
        .iter()
        .take(MAILDIR_KEYWORDS_MAX)
        .enumerate();
    let mut text = String::new();
    for (n, keyword) in lines {
        text.extend([&n.to_string(), " ", keyword.as_str(), "\n"]);
    }
    let path = dir.join(KEYWORDS_FILE);
    fs::write(&path, text).map_err(Error::io(&path))
}

/// The letters a to z of a message's keywords.
fn keyword_letters(flags: FlagBits) -> String {
    let set = ('a'..='z')
        .enumerate()
        .filter(|(n, _)| flags.keywords & (1 << n) != 0);
    set.map(|(_, letter)| letter).collect()
}

fn names(mailbox: &Mailbox, flags: FlagBits) -> Vec<Keyword> {
    let set = mailbox
        .keywords
        .iter()
        .enumerate()
        .filter(|(n, _)| flags.keywords & (1 << n) != 0);
    set.map(|(_, keyword)| keyword.clone()).collect()
}

fn system_time(wall: Wall) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(wall.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_across_pieces() {
        let mut lines = LineEnds::default();
        let mut out = Vec::new();
        for piece in [&b"a\r"[..], b"\nb\r", b"c\r\r\n\r"] {
            out.extend(lines.convert(piece));
        }
        out.extend(lines.rest());
        assert_eq!(out, b"a\nb\rc\r\n\r");
    }
}
