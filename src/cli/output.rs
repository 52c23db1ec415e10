//! What an operation says: lines for people or programs, and progress. A frame is the same thing on its way through the
//! control socket.

use std::io;

use serde::{Deserialize, Serialize};

/// How far a long operation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in words.
    pub what: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Takes what an operation says. An error means that nobody listens any more, and ends the operation.
pub trait Output {
    /// A line of the result, without its line end.
    fn line(&mut self, text: &str) -> io::Result<()>;

    /// Progress; may be dropped.
    fn progress(&mut self, progress: &Progress) -> io::Result<()>;

    /// A line that takes the place of the one that was shown before it, where that can be.
    fn live(&mut self, text: &str) -> io::Result<()> {
        self.line(text)
    }

    /// An error if nobody listens any more, for operations that have nothing to say for long. Says nothing.
    fn still_there(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One message from the daemon to a command, a JSON object on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// [`Output::line`]
    Line(String),
    /// [`Output::progress`]
    Progress(Progress),
    /// [`Output::live`]
    Live(String),
    /// [`Output::still_there`]
    StillThere,
    /// The operation is done; nothing follows.
    Done,
    /// The operation failed (exit status 1); nothing follows.
    Failed(String),
    /// The operation was asked for wrongly (exit status 2); nothing follows.
    Usage(String),
}

/// Collects lines, for tests and for callers that want the text.
#[derive(Clone, Debug, Default)]
pub struct Lines(pub Vec<String>);

impl Output for Lines {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.0.push(text.to_owned());
        Ok(())
    }

    fn progress(&mut self, _progress: &Progress) -> io::Result<()> {
        Ok(())
    }
}

/// Says `rows` as columns, each as wide as its widest cell, two spaces apart.
pub(super) fn table(output: &mut dyn Output, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        output.line(line.trim_end())?;
    }
    Ok(())
}

/// Bytes as people read them: three digits and a unit, powers of 1024.
pub(super) fn bytes_in_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scale = 1u64;
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    if unit == 0 || tenths >= 1000 {
        return format!("{} {name}", tenths / 10);
    }
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut lines = Lines::default();
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        table(&mut lines, &[row(["a", "b"]), row(["long", "c"])]).unwrap();
        assert_eq!(lines.0, ["a     b", "long  c"]);
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, words) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (150 << 20, "150 MiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes_in_words(bytes), words.replace("16777216", "16777215"));
        }
    }
}
