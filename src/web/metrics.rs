//! All figures in the text format of Prometheus, version 0.0.4.
//!
//! Names begin with `heimpost_`; accounts appear as numbers only. Pure: figures in, text out.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use crate::maillog::Tallied;
use crate::net::Counted;
use crate::queue;
use crate::space::{House, State};
use crate::store::types::Level;

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const LEVELS: [Level; 5] = [
    Level::Ok,
    Level::Notice,
    Level::Warning,
    Level::Full,
    Level::Fault,
];

/// What is told.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How full everything is; `None` if the store did not answer.
    pub house: Option<House>,
    /// Store faults since the start.
    pub faults: u64,
    /// What became of mail since the start.
    pub mail: Tallied,
    /// What waits to be sent.
    pub queue: queue::desk::Figures,
    /// Backups on the stick that is named for them, if one is.
    pub backup: Option<BackupFigures>,
    /// What the network has counted since the start.
    pub net: Counted,
    /// Sessions since the start, by service.
    pub sessions: BTreeMap<&'static str, u64>,
    /// Connections now.
    pub connections: usize,
    /// Time since the start.
    pub uptime: Duration,
}

/// Backups on the stick.
#[derive(Clone, Copy, Debug)]
pub struct BackupFigures {
    /// Age of the last good one, if it is known.
    pub age: Option<Duration>,
    /// How old it may be.
    pub limit: Duration,
    /// Whether it is older, or there should be one by now.
    pub trouble: bool,
}

impl Figures {
    /// As text.
    pub fn render(&self) -> String {
        let mut page = Page(String::with_capacity(4096));
        page.gauge("build_info", "Which version runs.").with(
            "version",
            env!("CARGO_PKG_VERSION"),
            1,
        );
        page.gauge("uptime_seconds", "Time since the start.")
            .is(self.uptime.as_secs());
        page.gauge("store_up", "Whether the store answers.")
            .is(u8::from(self.house.is_some()));
        page.counter("store_faults_total", "Faults of the store.")
            .is(self.faults);
        if let Some(house) = &self.house {
            storage(&mut page, house);
        }
        self.mails(&mut page);
        self.queue(&mut page);
        if let Some(backup) = &self.backup {
            backups(&mut page, backup);
        }
        self.network(&mut page);
        page.0
    }

    fn mails(&self, page: &mut Page) {
        let mail = &self.mail;
        page.counter("mail_received_total", "Mails taken from other servers.")
            .is(mail.received);
        page.counter("mail_submitted_total", "Mails taken from our users.")
            .is(mail.submitted);
        let help = "Mails and recipients refused for good.";
        page.counter("mail_refused_total", help).is(mail.refused);
        let help = "Mails and recipients put off, by cause.";
        page.counter("mail_deferred_total", help)
            .with("cause", "account_full", mail.deferred_account_full)
            .with("cause", "card_full", mail.deferred_card_full)
            .with("cause", "other", mail.deferred_other);
    }

    fn queue(&self, page: &mut Page) {
        let (queue, mail) = (&self.queue, &self.mail);
        page.gauge("queue_mails", "Mails in the queue, by state.")
            .with("state", "waiting", queue.waiting)
            .with("state", "held", queue.held);
        page.gauge("queue_recipients", "Recipients whose mail waits.")
            .is(queue.recipients);
        let age = queue.oldest.map_or(0, |(age, _)| age.as_secs());
        let help = "Age of the oldest mail that waits.";
        page.gauge("queue_oldest_seconds", help).is(age);
        let help = "Whether something is wrong with sending as a whole.";
        let trouble = u8::from(queue.diagnosis.is_some());
        page.gauge("queue_trouble", help).is(trouble);
        let help = "Attempts to send, by recipient and outcome.";
        page.counter("queue_attempts_total", help)
            .with("outcome", "taken", mail.sent)
            .with("outcome", "put_off", mail.put_off)
            .with("outcome", "refused", mail.turned_away);
    }

    fn network(&self, page: &mut Page) {
        let net = &self.net;
        let mut sessions = page.counter("sessions_total", "Sessions begun, by service.");
        for (service, count) in &self.sessions {
            sessions = sessions.with("service", service, count);
        }
        page.gauge("connections", "Connections now.")
            .is(self.connections);
        page.counter(
            "connections_refused_total",
            "Connections refused for a limit.",
        )
        .is(net.refused);
        page.counter("tls_handshakes_failed_total", "TLS handshakes that failed.")
            .is(net.handshakes_failed);
        page.counter("logins_failed_total", "Logins refused.")
            .is(net.logins_failed);
        page.counter("panics_total", "Bugs that ended a session.")
            .is(net.panics);
    }
}

fn backups(page: &mut Page, backup: &BackupFigures) {
    if let Some(age) = backup.age {
        let help = "Age of the last good backup on the USB stick.";
        page.gauge("backup_age_seconds", help).is(age.as_secs());
    }
    let help = "How old the last good backup on the USB stick may be.";
    page.gauge("backup_age_limit_seconds", help)
        .is(backup.limit.as_secs());
    let help = "Whether there is no good backup on the USB stick that is new enough.";
    page.gauge("backup_trouble", help)
        .is(u8::from(backup.trouble));
}

fn storage(page: &mut Page, house: &House) {
    let help =
        "Worst storage level of card and accounts: 0 ok, 1 notice, 2 warning, 3 full, 4 fault.";
    page.gauge("storage_level", help).is(number(house.level()));
    let card = &house.card;
    page.gauge("card_level", "Storage level of the card.")
        .is(number(card.fill.level));
    page.gauge("card_used_bytes", "Bytes in use on the card.")
        .is(card.fill.used);
    if let Some(limit) = card.fill.limit {
        page.gauge("card_limit_bytes", "Bytes at which the card is full.")
            .is(limit);
    }
    if let Some(days) = card.days_left {
        page.gauge(
            "card_days_left",
            "Days until the card is full at this pace.",
        )
        .is(days);
    }
    accounts(page, house.accounts.iter().map(|(_, state)| state));
}

fn accounts<'a>(page: &mut Page, states: impl Iterator<Item = &'a State> + Clone) {
    let mut family = page.gauge("accounts", "Accounts by storage level.");
    for level in LEVELS {
        let count = states.clone().filter(|state| state.fill.level == level);
        family = family.with("level", level.name(), count.count());
    }
    if let Some(worst) = states.filter_map(|state| state.fill.percent()).max() {
        let help = "Use of the fullest account, in hundredths of its quota.";
        page.gauge("account_worst_percent", help).is(worst);
    }
}

/// Levels as numbers, worse ones higher.
fn number(level: Level) -> usize {
    LEVELS.iter().take_while(|other| **other < level).count()
}

/// The text so far.
struct Page(String);

/// One name, whose samples follow each other.
struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Page {
    fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        self.line(format_args!("# HELP heimpost_{name} {help}"));
        self.line(format_args!("# TYPE heimpost_{name} {kind}"));
        Family { page: self, name }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        if self.0.write_fmt(line).is_ok() {
            self.0.push('\n');
        }
    }
}

impl Family<'_> {
    fn is(self, value: impl Display) {
        self.page
            .line(format_args!("heimpost_{} {value}", self.name));
    }

    /// `value` of a label must need no escaping.
    fn with(self, label: &str, value: &str, sample: impl Display) -> Self {
        let name = self.name;
        self.page.line(format_args!(
            "heimpost_{name}{{{label}=\"{value}\"}} {sample}"
        ));
        self
    }
}
