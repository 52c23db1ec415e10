//! Runs a dialog.

use std::collections::{BTreeMap, VecDeque};

use super::connection::{Connection, Feed};
use super::protocols::Open;
use super::script::{Asked, Script, Step, raw_bytes};
use super::world::World;

/// A dialog under way.
struct Run<'a> {
    world: World,
    script: &'a Script,
    feed: Feed,
    open: Open,
    connections: BTreeMap<usize, Connection>,
    /// Connections whose next line may be preceded by others.
    skipping: BTreeMap<usize, bool>,
    words: BTreeMap<String, String>,
}

/// Runs `script`; the error says in which line what came instead.
pub(super) fn run(script: &Script, feed: Feed, open: Open) -> Result<(), String> {
    let mut run = Run {
        world: World::new(&script.options),
        script,
        feed,
        open,
        connections: BTreeMap::new(),
        skipping: BTreeMap::new(),
        words: BTreeMap::new(),
    };
    let mut steps: VecDeque<&(usize, Step)> = script.steps.iter().collect();
    while let Some((line, step)) = steps.pop_front() {
        let done = match step {
            Step::Send(number, text) => {
                let text = run.sent_together(*number, text, &mut steps);
                run.send(*number, &text)
            }
            Step::Line(number, pattern) => run.line(*number, pattern),
            Step::Skip(number) => {
                run.skipping.insert(*number, true);
                Ok(())
            }
            Step::Event(number, asked) => run.event(*number, *asked),
            Step::Time(seconds) => {
                run.pass_time(*seconds);
                Ok(())
            }
        };
        done.map_err(|failure| format!("line {line}: {failure}"))?;
    }
    let numbers: Vec<usize> = run.connections.keys().copied().collect();
    numbers
        .into_iter()
        .try_for_each(|number| run.nothing_left(number))
}

impl Run<'_> {
    /// What one client sends in a row is sent at once.
    fn sent_together(
        &self,
        number: usize,
        text: &str,
        steps: &mut VecDeque<&(usize, Step)>,
    ) -> String {
        let mut all = self.with_words(text);
        while let Some((_, Step::Send(next, text))) = steps.front()
            && *next == number
        {
            all.push_str(&self.with_words(text));
            steps.pop_front();
        }
        all
    }

    fn send(&mut self, number: usize, text: &str) -> Result<(), String> {
        self.connection(number);
        self.nothing_left(number)?;
        let bytes = raw_bytes(text);
        self.connection(number).send(&bytes);
        self.settle();
        Ok(())
    }

    fn event(&mut self, number: usize, asked: Asked) -> Result<(), String> {
        let got = self.connection(number).asked.pop_front();
        if got == Some(asked) {
            return Ok(());
        }
        Err(format!("expected {asked:?}, got {got:?}"))
    }

    fn pass_time(&mut self, seconds: u64) {
        self.world.advance(seconds);
        for connection in self.connections.values_mut() {
            connection.pass_time(&self.world);
        }
    }

    fn connection(&mut self, number: usize) -> &mut Connection {
        let (world, options) = (&self.world, &self.script.options);
        let (feed, open) = (self.feed, self.open);
        self.connections
            .entry(number)
            .or_insert_with(|| Connection::open(world, options, feed, open))
    }

    /// What one connection does may wake another.
    fn settle(&mut self) {
        for _ in 0..2 {
            for connection in self.connections.values_mut() {
                connection.settle(&self.world);
            }
        }
    }

    fn nothing_left(&mut self, number: usize) -> Result<(), String> {
        let connection = self.connection(number);
        if !connection.received.is_empty() {
            let text = String::from_utf8_lossy(&connection.received);
            return Err(format!("connection {number} was sent more:\n{text}"));
        }
        match connection.asked.front() {
            Some(asked) => Err(format!("connection {number} asked for {asked:?}")),
            None => Ok(()),
        }
    }

    fn line(&mut self, number: usize, pattern: &str) -> Result<(), String> {
        let pattern = self.with_words(pattern);
        let skipping = self.skipping.remove(&number).is_some();
        loop {
            let connection = self.connection(number);
            let rest = String::from_utf8_lossy(&connection.received).into_owned();
            let Some(line) = take_line(&mut connection.received) else {
                return Err(format!("expected: {pattern}\nnothing more came: {rest:?}"));
            };
            if let Some(words) = matched(&pattern, &line) {
                self.words.extend(words);
                return Ok(());
            }
            if !skipping {
                return Err(format!(
                    "expected: {pattern}\n     got: {line}\nin:\n{rest}"
                ));
            }
        }
    }

    fn with_words(&self, text: &str) -> String {
        let known = self.words.iter();
        known.fold(text.to_owned(), |text, (name, word)| {
            text.replace(&format!("{{{{{name}}}}}"), word)
        })
    }
}

fn take_line(received: &mut Vec<u8>) -> Option<String> {
    let end = received.windows(2).position(|pair| pair == b"\r\n")?;
    let line: Vec<u8> = received.drain(..end + 2).take(end).collect();
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// The words that `{{name}}`s stand for, if `line` matches.
fn matched(pattern: &str, line: &str) -> Option<Vec<(String, String)>> {
    if let Some(rest) = pattern.strip_prefix("...") {
        let ends = line
            .char_indices()
            .map(|(index, _)| index)
            .chain([line.len()]);
        return ends
            .filter_map(|end| line.get(end..))
            .find_map(|tail| matched(rest, tail));
    }
    if let Some((name, rest)) = pattern.strip_prefix("{{").and_then(|p| p.split_once("}}")) {
        let end = line.find([' ', ')', ']']).unwrap_or(line.len());
        let (word, tail) = line.split_at(end);
        let mut words = matched(rest, tail)?;
        words.push((name.to_owned(), word.to_owned()));
        return Some(words);
    }
    let mut pattern = pattern.chars();
    let mut line = line.chars();
    match (pattern.next(), line.next()) {
        (None, None) => Some(Vec::new()),
        (Some(wanted), Some(got)) if wanted == got => matched(pattern.as_str(), line.as_str()),
        _ => None,
    }
}

#[test]
fn patterns() {
    let word = vec![("v".to_owned(), "17".to_owned())];
    assert_eq!(
        matched("* OK [X {{v}}] ...", "* OK [X 17] done"),
        Some(word)
    );
    assert_eq!(matched("a ... c", "a b c"), Some(Vec::new()));
    assert_eq!(matched("a ... c", "a b d"), None);
    assert_eq!(matched("a", "ab"), None);
}
