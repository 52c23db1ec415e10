//! The client against servers that are scripts: dialogs as text, each run with whole lines and byte by byte.
//!
//! `S:` is a line of the server, `C:` the next line of the client, `E:` its next event, `>` a request to it. What a
//! script does not name must not happen.

mod pair;
mod patience;
mod scripts;

use std::time::Duration;

use super::envelope::Recipient;
use super::outcome::Cause;
use super::*;
use crate::clock::{Clock, Wall};
use crate::mail::address::Address;
use crate::mail::secret::Secret;
use crate::mail::transport::{BodyType, HeaderType};

/// How a server's bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces {
    /// As many lines at once as the script has.
    Lines,
    Bytes,
}

struct Talk {
    client: Client,
    clock: Clock,
    said: Vec<u8>,
    heard: Vec<u8>,
    pieces: Pieces,
}

fn hostname() -> Domain {
    Domain::parse("box.test").unwrap()
}

fn credentials() -> Credentials {
    Credentials {
        login: "tim".to_owned(),
        password: Secret::new("tanstaaf".to_owned()),
    }
}

fn envelope(words: &[&str]) -> Envelope {
    let address = |text: &str| Address::parse(text).unwrap();
    let addresses: Vec<&&str> = words.iter().filter(|word| word.contains('@')).collect();
    Envelope {
        from: Some(address(addresses[0])),
        recipients: addresses[1..]
            .iter()
            .map(|text| Recipient::new(address(text)))
            .collect(),
        size_bytes: if words.contains(&"large") { 5000 } else { 9 },
        body: match () {
            () if words.contains(&"8bit") => BodyType::EightBitMime,
            () if words.contains(&"binary") => BodyType::Binary,
            () => BodyType::SevenBit,
        },
        header: if words.contains(&"utf8") {
            HeaderType::Utf8
        } else {
            HeaderType::Ascii
        },
        ret: None,
        envid: None,
    }
}

fn render_fate(fate: &Fate) -> String {
    let cause = |cause: &Cause| match cause {
        Cause::Refused(phase, reply) => format!("{} {reply}", phase.name()),
        Cause::Lost(phase, loss) => format!("{} {loss}", phase.name()),
        Cause::RecipientsMax => "too many".to_owned(),
    };
    match fate {
        Fate::Delivered(reply) => format!("delivered {reply}"),
        Fate::Transient(why) if fate.is_unknown() => format!("unknown {}", cause(why)),
        Fate::Transient(why) => format!("transient {}", cause(why)),
        Fate::Permanent(why) => format!("permanent {}", cause(why)),
    }
}

fn render(event: Event) -> String {
    match event {
        Event::Ready => "ready".to_owned(),
        Event::StartTls => "start TLS".to_owned(),
        Event::TlsRefused(reply) => format!("no TLS: {reply}"),
        Event::LoggedIn => "logged in".to_owned(),
        Event::LoginFailed(LoginFailure::Refused(reply)) => format!("no login: {reply}"),
        Event::LoginFailed(LoginFailure::Client(failure)) => format!("no login: {failure}"),
        Event::WantsBody => "wants body".to_owned(),
        Event::Sent(fates) => {
            let fates: Vec<String> = fates.iter().map(render_fate).collect();
            format!("sent {}", fates.join("; "))
        }
        Event::Closed(Ended::Quit) => "closed".to_owned(),
        Event::Closed(Ended::Refused(phase, reply)) => {
            format!("closed {} {reply}", phase.name())
        }
        Event::Closed(Ended::Lost(phase, loss)) => format!("closed {} {loss}", phase.name()),
    }
}

impl Talk {
    fn new(pieces: Pieces) -> Self {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        Self {
            client: Client::new(hostname(), Security::Plaintext, clock.now()),
            clock,
            said: Vec::new(),
            heard: Vec::new(),
            pieces,
        }
    }

    fn run(&mut self, script: &str) {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            if mark == "S:" {
                self.heard.extend_from_slice(unescape(rest).as_bytes());
                self.heard.extend_from_slice(b"\r\n");
                continue;
            }
            self.hear();
            match mark {
                "C:" => self.expect_line(rest, line),
                "E:" => {
                    let event = self.client.poll_event().map(render);
                    assert_eq!(event.as_deref(), Some(rest), "in {script}");
                }
                ">" => self.act(rest),
                _ => panic!("{line}"),
            }
        }
        self.hear();
        let left = String::from_utf8_lossy(&self.said).into_owned();
        assert_eq!(left, "", "unexpected output in {script}");
        let event = self.client.poll_event().map(render);
        assert_eq!(event, None, "unexpected event in {script}");
    }

    /// The client gets what the server has said since.
    fn hear(&mut self) {
        let heard = std::mem::take(&mut self.heard);
        let size = match self.pieces {
            Pieces::Lines => heard.len().max(1),
            Pieces::Bytes => 1,
        };
        for piece in heard.chunks(size) {
            self.client.handle_input(piece, self.clock.now());
            self.drain();
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            let before = self.said.len();
            self.client.poll_output(&mut self.said, self.clock.now());
            if self.said.len() == before {
                return;
            }
        }
    }

    fn expect_line(&mut self, expected: &str, line: &str) {
        let end = self.said.iter().position(|&byte| byte == b'\n');
        let end = end.unwrap_or_else(|| panic!("nothing said at {line}"));
        let said: Vec<u8> = self.said.drain(..=end).collect();
        assert_eq!(String::from_utf8_lossy(&said), format!("{expected}\r\n"));
    }

    /// `request = error`; without the error it must succeed.
    fn act(&mut self, request: &str) {
        let (request, expected) = request.split_once(" = ").unwrap_or((request, ""));
        let words: Vec<&str> = request.split(' ').collect();
        let now = self.clock.now();
        let error = match words[0] {
            "send" => self
                .client
                .send(envelope(&words[1..]), now)
                .err()
                .map(|e| e.to_string()),
            "login" => {
                let login = self.client.login(&credentials(), &[0; 18], now);
                login.err().map(|e| e.to_string())
            }
            "starttls" => self.client.start_tls(now).err().map(|e| e.to_string()),
            other => {
                self.act_always(other, &words);
                None
            }
        };
        assert_eq!(error.unwrap_or_default(), expected, "{request}");
        self.drain();
    }

    fn act_always(&mut self, request: &str, words: &[&str]) {
        let now = self.clock.now();
        match request {
            "body" => {
                assert!(self.client.takes_body());
                self.client.body(unescape(words[1]).as_bytes(), now);
            }
            "late-body" => {
                assert!(!self.client.takes_body());
                self.client.body(unescape(words[1]).as_bytes(), now);
            }
            "end" => self.client.body_end(now),
            "quit" => self.client.quit(now),
            "abandon" => self.client.abandon(),
            "eof" => self.client.handle_eof(),
            "tls" => self.client.tls_started(now),
            "wait" => self.wait(words[1].parse().unwrap(), words[2]),
            _ => panic!("{request}"),
        }
    }

    /// The timeout must be due after just that many minutes, and be called so.
    fn wait(&mut self, minutes: u64, name: &str) {
        let (deadline, why) = self.client.poll_timeout().unwrap();
        assert_eq!(why, name);
        let span = deadline.since(self.clock.now().mono);
        assert_eq!(span, Duration::from_mins(minutes), "{name}");
        let moment = Duration::from_millis(1);
        self.clock.advance(span.saturating_sub(moment));
        self.client.handle_timeout(self.clock.now());
        assert!(self.client.poll_timeout().is_some(), "{name} too early");
        self.clock.advance(moment);
        self.client.handle_timeout(self.clock.now());
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\0", "\0")
}

fn check(script: &str) {
    for pieces in [Pieces::Lines, Pieces::Bytes] {
        Talk::new(pieces).run(script);
    }
}
