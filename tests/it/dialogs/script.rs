//! Dialog files as steps.

use std::collections::BTreeMap;

/// A dialog.
#[derive(Debug)]
pub(super) struct Script {
    /// Options from the `!` lines; a repeated one keeps all its values.
    pub(super) options: Options,
    /// What happens, with line numbers.
    pub(super) steps: Vec<(usize, Step)>,
}

/// Options by name.
#[derive(Debug, Default)]
pub(super) struct Options(BTreeMap<String, Vec<String>>);

impl Options {
    /// Whether the option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Its values in order.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// One step; the number names the connection.
#[derive(Debug)]
pub(super) enum Step {
    /// The client sends text (names not yet put in).
    Send(usize, String),
    /// The server must send this line.
    Line(usize, String),
    /// Lines are passed over up to the next that is named.
    Skip(usize),
    /// The session asks its driver for something.
    Event(usize, Asked),
    /// Seconds pass.
    Time(u64),
}

/// What a session can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Close the connection.
    Close,
    /// Start TLS.
    Tls,
}

/// Reads a dialog file. Mistakes in it are panics that name the line.
pub(super) fn parse(text: &str) -> Script {
    let mut script = Script {
        options: Options::default(),
        steps: Vec::new(),
    };
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(option) = line.strip_prefix("! ") {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let values = script.options.0.entry(name.to_owned()).or_default();
            values.push(value.to_owned());
            continue;
        }
        let step = step(line).unwrap_or_else(|| panic!("line {number} is no step: {line}"));
        script.steps.push((number, step));
    }
    script
}

fn step(line: &str) -> Option<Step> {
    let mut chars = line.chars();
    let kind = chars.next()?;
    let connection = chars.clone().next().and_then(|c| c.to_digit(10));
    if connection.is_some() {
        chars.next();
    }
    let connection = usize::try_from(connection.unwrap_or(1)).ok()?;
    let rest = chars.as_str();
    if kind == 'S' && rest == ".." {
        return Some(Step::Skip(connection));
    }
    if let ('C', Some(text)) = (kind, rest.strip_prefix("~: ")) {
        return Some(Step::Send(connection, unescape(text)?));
    }
    let text = rest.strip_prefix(':')?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    Some(match (kind, text) {
        ('C', text) => Step::Send(connection, format!("{text}\r\n")),
        ('S', text) => Step::Line(connection, text.to_owned()),
        ('E', "close") => Step::Event(connection, Asked::Close),
        ('E', "tls") => Step::Event(connection, Asked::Tls),
        ('T', seconds) => Step::Time(seconds.parse().ok()?),
        _ => return None,
    })
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (c, taken) = match after.get(..1)? {
            "r" => ('\r', 1),
            "n" => ('\n', 1),
            "\\" => ('\\', 1),
            "x" => (raw(u8::from_str_radix(after.get(1..3)?, 16).ok()?)?, 3),
            "{" => {
                let (count, text) = after.get(1..)?.split_once('}')?;
                out.push_str(&"x".repeat(count.parse().ok()?));
                rest = text;
                continue;
            }
            _ => return None,
        };
        out.push(c);
        rest = after.get(taken..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// Where `\xNN` beyond ASCII is kept in a string: a private area of Unicode.
const RAW: u32 = 0xF700;

fn raw(byte: u8) -> Option<char> {
    if byte.is_ascii() {
        return Some(char::from(byte));
    }
    char::from_u32(RAW + u32::from(byte))
}

/// The bytes to send for a text.
pub(super) fn raw_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        let raw = u32::from(c).checked_sub(RAW);
        match raw.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}
