//! What is wrong with sending as a whole, judged by what came of recent attempts. Pure.
//!
//! Only destinations in trouble are kept, and forgotten when a host there answers. One host that does not answer is its
//! own matter; it becomes ours when it is the smarthost, or when it is so with all.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Tried;
use crate::mail::report::Class;
use crate::queue::plan::{Destination, Outcome};
use crate::queue::time::QueueTime;
use crate::store::types::Language;

/// So many domains have to be silent, and none to answer, before the way out is suspected.
const DOMAINS_MIN: usize = 3;

/// For so long a smarthost may be away without a word.
const SMARTHOST_AWAY: Duration = Duration::from_mins(15);

/// Most destinations in trouble that are kept.
const KEPT_MAX: usize = 256;

/// What an attempt saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A host took the mail, for one recipient at least.
    Taken,
    /// A host spoke.
    Answered,
    /// No connection to any host.
    NoConnection,
    /// No answer from DNS.
    NoNames,
    /// The host does not let us in.
    NoLogin,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// That smarthost refuses the login.
    Login(String),
    /// DNS does not answer.
    Names,
    /// No host on port 25 can be reached, though DNS answers.
    Port25,
    /// That smarthost cannot be reached.
    Smarthost(String),
    /// Mail has waited for long, and nothing gets out.
    Stuck,
}

/// What recent attempts saw.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    troubled: BTreeMap<Destination, Trouble>,
    /// When a host of a domain spoke last.
    domain_answered: Option<QueueTime>,
    /// When any host spoke last.
    answered: Option<QueueTime>,
    /// When any host took mail last.
    taken: Option<QueueTime>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    seen: Seen,
    since: QueueTime,
    last: QueueTime,
}

impl Seen {
    /// By the outcomes of an attempt's recipients.
    pub(super) fn of<'a>(tried: impl Iterator<Item = Option<&'a Tried>>) -> Self {
        let each: Vec<Self> = tried
            .map(|tried| tried.map_or(Self::Answered, Self::of_one))
            .collect();
        let first = each.first().copied().unwrap_or(Self::Answered);
        if each.contains(&Self::Taken) {
            Self::Taken
        } else if each.iter().all(|seen| *seen == first) {
            first
        } else {
            Self::Answered
        }
    }

    fn of_one(tried: &Tried) -> Self {
        match tried.outcome {
            Outcome::Delivered | Outcome::PassedOn | Outcome::Relayed => return Self::Taken,
            Outcome::Transient => {}
            Outcome::Permanent => return Self::Answered,
        }
        let status = tried.status;
        match (status.class, status.subject, status.detail) {
            (Class::Transient, 4, 1) if tried.host.is_none() => Self::NoConnection,
            (Class::Transient, 4, 3) if tried.host.is_none() => Self::NoNames,
            (Class::Transient, 7, 8) => Self::NoLogin,
            _ => Self::Answered,
        }
    }
}

impl Contacts {
    /// An attempt has ended.
    pub(super) fn note(&mut self, destination: &Destination, seen: Seen, time: QueueTime) {
        if matches!(seen, Seen::Taken | Seen::Answered) {
            self.troubled.remove(destination);
            self.answered = Some(time);
            if matches!(destination, Destination::Domain(_)) {
                self.domain_answered = Some(time);
            }
            if seen == Seen::Taken {
                self.taken = Some(time);
            }
            return;
        }
        let known = self.troubled.get(destination);
        let known = known.filter(|known| known.seen == seen);
        let trouble = Trouble {
            seen,
            since: known.map_or(time, |known| known.since),
            last: time,
        };
        if self.troubled.len() < KEPT_MAX || self.troubled.contains_key(destination) {
            self.troubled.insert(destination.clone(), trouble);
        }
    }

    /// What is wrong by them alone; the most certain first.
    pub(super) fn diagnosis(&self) -> Option<Diagnosis> {
        self.login()
            .or_else(|| self.names())
            .or_else(|| self.port_25())
            .or_else(|| self.smarthost())
    }

    /// Whether nothing was taken since `arrived`.
    pub(super) fn nothing_taken_since(&self, arrived: QueueTime) -> bool {
        self.taken.is_none_or(|taken| taken < arrived)
    }

    fn login(&self) -> Option<Diagnosis> {
        let mut smarthosts = self.smarthosts();
        let found = smarthosts.find(|(_, trouble)| trouble.seen == Seen::NoLogin);
        found.map(|(name, _)| Diagnosis::Login(name.to_owned()))
    }

    fn names(&self) -> Option<Diagnosis> {
        let is_concerned = |trouble: &Trouble| {
            trouble.seen == Seen::NoNames && self.answered.is_none_or(|time| time < trouble.since)
        };
        let mut smarthosts = self.smarthosts();
        let is_silent = smarthosts.any(|(_, trouble)| is_concerned(&trouble))
            || self.domains(is_concerned) >= DOMAINS_MIN;
        is_silent.then_some(Diagnosis::Names)
    }

    fn port_25(&self) -> Option<Diagnosis> {
        let is_concerned = |trouble: &Trouble| {
            let answered = self.domain_answered;
            trouble.seen == Seen::NoConnection && answered.is_none_or(|time| time < trouble.last)
        };
        (self.domains(is_concerned) >= DOMAINS_MIN).then_some(Diagnosis::Port25)
    }

    fn smarthost(&self) -> Option<Diagnosis> {
        let mut smarthosts = self.smarthosts();
        let found = smarthosts.find(|(_, trouble)| {
            trouble.seen == Seen::NoConnection
                && trouble.last.since(trouble.since) >= SMARTHOST_AWAY
        });
        found.map(|(name, _)| Diagnosis::Smarthost(name.to_owned()))
    }

    fn smarthosts(&self) -> impl Iterator<Item = (&str, Trouble)> {
        let troubled = self.troubled.iter();
        troubled.filter_map(|(destination, trouble)| match destination {
            Destination::Smarthost(name) => Some((name.as_str(), *trouble)),
            Destination::Domain(_) => None,
        })
    }

    fn domains(&self, is_concerned: impl Fn(&Trouble) -> bool) -> usize {
        let troubled = self.troubled.iter();
        troubled
            .filter(|(destination, trouble)| {
                matches!(destination, Destination::Domain(_)) && is_concerned(trouble)
            })
            .count()
    }
}

impl Diagnosis {
    /// For pages: what is wrong, and what to do there.
    pub fn on_page(&self, language: Language) -> String {
        match language {
            Language::De => self.in_german(),
            Language::En => self.in_english(),
        }
    }

    fn in_german(&self) -> String {
        match self {
            Self::Login(name) => format!(
                "Der Smarthost {name} lehnt die Anmeldung ab. Prüfen Sie Benutzer und Passwort; bis dahin wartet die Post."
            ),
            Self::Names => "Die Namensserver (DNS) antworten nicht. Prüfen Sie die Internetverbindung.".to_owned(),
            Self::Port25 => "Ihr Internetanbieter scheint den Port 25 zu sperren: Kein Mailserver ist zu erreichen. Senden \
                             Sie über einen Smarthost, also über Ihren Mailanbieter; dann geht auch die wartende Post hinaus."
                .to_owned(),
            Self::Smarthost(name) => {
                format!("Der Smarthost {name} ist nicht zu erreichen. Die Post wartet und geht von selbst hinaus.")
            }
            Self::Stuck => "Post wartet seit Stunden, und nichts geht hinaus. Unten steht bei jeder Mail, warum.".to_owned(),
        }
    }

    fn in_english(&self) -> String {
        match self {
            Self::Login(name) => format!(
                "The smarthost {name} refuses the login. Check user and password; mail waits until then."
            ),
            Self::Names => {
                "The name servers (DNS) do not answer. Check the internet connection.".to_owned()
            }
            Self::Port25 => "Your internet provider seems to block port 25: no mail server can be reached. Send through a \
                             smarthost, that is through your mail provider; what waits leaves that way too."
                .to_owned(),
            Self::Smarthost(name) => {
                format!("The smarthost {name} cannot be reached. Mail waits and leaves by itself.")
            }
            Self::Stuck => {
                "Mail has waited for hours and none gets out. Below, each mail says why.".to_owned()
            }
        }
    }

    /// For the log and for commands: what is wrong, and what to do.
    pub fn in_words(&self) -> String {
        match self {
            Self::Login(name) => format!(
                "the smarthost {name} refuses the login; look at user and password_file in the settings"
            ),
            Self::Names => "the name servers (DNS) do not answer; look at the internet connection, \
                            or at servers under [dns] in the settings"
                .to_owned(),
            Self::Port25 => "outbound port 25 seems blocked by the internet provider: no mail server can be \
                             reached; name a smarthost under [relay] in the settings, or ask the provider to open the port"
                .to_owned(),
            Self::Smarthost(name) => format!("the smarthost {name} cannot be reached"),
            Self::Stuck => {
                "mail waits for hours and none gets out; `heimpost queue list` says why".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Domain;
    use crate::mail::report::Status;

    fn tried(outcome: Outcome, status: &str, host: Option<&str>) -> Tried {
        Tried {
            outcome,
            host: host.map(str::to_owned),
            status: Status::parse(status).unwrap(),
            reply: String::new(),
        }
    }

    #[test]
    fn attempts_are_seen_for_what_they_are() {
        use Outcome::{Permanent, Relayed, Transient};
        let silent = tried(Transient, "4.4.1", None);
        let taken = tried(Relayed, "2.0.0", Some("mx"));
        let refused = tried(Permanent, "5.1.1", Some("mx"));
        let said = tried(Transient, "4.4.1", Some("mx"));
        let login = tried(Transient, "4.7.8", Some("mx"));
        let names = tried(Transient, "4.4.3", None);
        for (tried, expected) in [
            (vec![Some(&silent), Some(&silent)], Seen::NoConnection),
            (vec![Some(&names)], Seen::NoNames),
            (vec![Some(&login), Some(&login)], Seen::NoLogin),
            (vec![Some(&refused), Some(&taken)], Seen::Taken),
            (vec![Some(&refused)], Seen::Answered),
            (vec![Some(&said)], Seen::Answered),
            (vec![Some(&silent), None], Seen::Answered),
            (vec![], Seen::Answered),
        ] {
            assert_eq!(Seen::of(tried.clone().into_iter()), expected, "{tried:?}");
        }
    }

    /// Attempts as `minute destination seen`, and what is wrong after the last.
    fn check(attempts: &[&str], expected: Option<Diagnosis>) {
        let mut contacts = Contacts::default();
        for attempt in attempts {
            let words: Vec<&str> = attempt.split(' ').collect();
            let time = QueueTime(Duration::from_mins(words[0].parse().unwrap()));
            let destination = match words[1].strip_prefix("by:") {
                Some(name) => Destination::Smarthost(name.to_owned()),
                None => Destination::Domain(Domain::parse(words[1]).unwrap()),
            };
            let seen = match words[2] {
                "taken" => Seen::Taken,
                "answered" => Seen::Answered,
                "silent" => Seen::NoConnection,
                "names" => Seen::NoNames,
                "login" => Seen::NoLogin,
                other => panic!("{other}"),
            };
            contacts.note(&destination, seen, time);
        }
        assert_eq!((attempts, contacts.diagnosis()), (attempts, expected));
    }

    #[test]
    fn a_closed_port_is_told_from_dead_hosts() {
        let blocked = ["0 a.test silent", "0 b.test silent", "1 c.test silent"];
        check(&blocked, Some(Diagnosis::Port25));
        check(
            &["0 a.test silent", "0 b.test silent", "9 b.test silent"],
            None,
        );
        let open = [
            "0 a.test silent",
            "0 b.test silent",
            "1 c.test silent",
            "2 d.test answered",
        ];
        check(&open, None);
        let closed_again = [
            "0 d.test taken",
            "1 a.test silent",
            "1 b.test silent",
            "1 c.test silent",
        ];
        check(&closed_again, Some(Diagnosis::Port25));
        // A smarthost that answers on another port says nothing about port 25.
        let others = [
            "0 a.test silent",
            "0 b.test silent",
            "1 c.test silent",
            "2 by:gmx taken",
        ];
        check(&others, Some(Diagnosis::Port25));
    }

    #[test]
    fn smarthosts_have_troubles_of_their_own() {
        check(
            &["0 by:gmx login"],
            Some(Diagnosis::Login("gmx".to_owned())),
        );
        check(&["0 by:gmx login", "5 by:gmx taken"], None);
        check(&["0 by:gmx silent", "14 by:gmx silent"], None);
        let away = Diagnosis::Smarthost("gmx".to_owned());
        check(&["0 by:gmx silent", "15 by:gmx silent"], Some(away));
        check(
            &["0 by:gmx silent", "1 by:gmx answered", "16 by:gmx silent"],
            None,
        );
        check(&["0 a.test login"], None);
    }

    #[test]
    fn silence_of_dns_is_told_from_broken_domains() {
        check(&["0 by:gmx names"], Some(Diagnosis::Names));
        check(&["0 a.test names", "0 b.test names"], None);
        let all = ["0 a.test names", "0 b.test names", "0 c.test names"];
        check(&all, Some(Diagnosis::Names));
        let others = [
            "0 a.test names",
            "0 b.test names",
            "0 c.test names",
            "1 d.test answered",
        ];
        check(&others, None);
    }

    #[test]
    fn words_say_what_to_do() {
        assert!(
            Diagnosis::Port25
                .in_words()
                .contains("port 25 seems blocked")
        );
        assert!(Diagnosis::Port25.in_words().contains("smarthost"));
    }
}
