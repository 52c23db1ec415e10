//! `[relay]` and `[[relay.sender]]`: smarthosts, by preset or by host, and whose mail goes by which.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::sending::{address, port};
use super::{Problem, domain, path};
use crate::config::fragment::{Hidden, RelayFragment, RelaySenderFragment, Value};
use crate::mail::address::Domain;
use crate::queue::presets::{PRESETS, Preset};
use crate::queue::relay::{Login, Password, Relay, RelayTls, Sender, Smarthost};

const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;

/// The keys of one smarthost, wherever they stand.
struct Keys {
    /// What is in front of each key: `relay` or `relay.sender`.
    table: &'static str,
    preset: Value<String>,
    host: Value<String>,
    port: Value<u32>,
    tls: Value<String>,
    user: Value<String>,
    password_file: Value<String>,
    password: Value<Hidden>,
}

pub(super) fn relay(fragment: RelayFragment) -> Result<Relay, Problem> {
    let default = Keys {
        table: "relay",
        preset: fragment.preset,
        host: fragment.host,
        port: fragment.port,
        tls: fragment.tls,
        user: fragment.user,
        password_file: fragment.password_file,
        password: fragment.password,
    };
    let mut senders: Vec<(Sender, Smarthost)> = Vec::new();
    for one in fragment.sender {
        let (start, sender, smarthost) = sender(one)?;
        if senders.iter().any(|(known, _)| *known == sender) {
            let problem = "relay.sender names the same address or domain twice".to_owned();
            return Err((start, problem));
        }
        senders.push((sender, smarthost));
    }
    let default = default.smarthost()?;
    Ok(Relay { default, senders })
}

fn sender(fragment: RelaySenderFragment) -> Result<(usize, Sender, Smarthost), Problem> {
    let keys = Keys {
        table: "relay.sender",
        preset: fragment.preset,
        host: fragment.host,
        port: fragment.port,
        tls: fragment.tls,
        user: fragment.user,
        password_file: fragment.password_file,
        password: fragment.password,
    };
    let (start, sender) = match (fragment.address, fragment.domain) {
        (Some(text), None) => {
            let sender = Sender::Address(address("relay.sender.address", &text)?);
            (text.span().start, sender)
        }
        (None, Some(text)) => {
            let sender = Sender::Domain(domain("relay.sender.domain", &text)?);
            (text.span().start, sender)
        }
        (Some(_), Some(both)) => {
            let problem =
                "relay.sender.domain stands beside relay.sender.address; one of them is right";
            return Err((both.span().start, problem.to_owned()));
        }
        (None, None) => {
            let problem =
                "relay.sender says not whose mail it is about; it needs address or domain";
            return Err((keys.start(), problem.to_owned()));
        }
    };
    let missing = "relay.sender says not where to; it needs preset or host";
    let smarthost = keys
        .smarthost()?
        .ok_or_else(|| (start, missing.to_owned()))?;
    Ok((start, sender, smarthost))
}

impl Keys {
    /// Where the first key stands that is there.
    fn start(&self) -> usize {
        let texts = [
            &self.preset,
            &self.host,
            &self.tls,
            &self.user,
            &self.password_file,
        ];
        let spans = texts.into_iter().flatten().map(Spanned::span);
        let spans = spans.chain(self.port.as_ref().map(Spanned::span));
        let spans = spans.chain(self.password.as_ref().map(Spanned::span));
        spans.map(|span| span.start).min().unwrap_or(0)
    }

    /// `None` if nothing is said at all.
    fn smarthost(self) -> Result<Option<Smarthost>, Problem> {
        let (table, start) = (self.table, self.start());
        let (host, given_port, tls) = match (&self.preset, &self.host) {
            (Some(_), Some(host)) => {
                let problem = format!(
                    "{table}.host stands beside {table}.preset, which has it; one of them is right"
                );
                return Err((host.span().start, problem));
            }
            (Some(name), None) => self.by_preset(name)?,
            (None, Some(text)) => self.by_host(text)?,
            (None, None) if self.is_empty() => return Ok(None),
            (None, None) => {
                let problem =
                    format!("{table}.host is missing; a host or a preset goes with the rest");
                return Err((start, problem));
            }
        };
        let login = self.login(&host, tls)?;
        // Two accounts at one provider are two smarthosts.
        let of = login.as_ref().map(|login| format!(" ({})", login.user));
        Ok(Some(Smarthost {
            name: format!("{host}:{given_port}{}", of.unwrap_or_default()),
            host,
            port: given_port,
            tls,
            login,
        }))
    }

    fn is_empty(&self) -> bool {
        let texts = [&self.tls, &self.user, &self.password_file];
        self.port.is_none() && self.password.is_none() && texts.into_iter().all(Option::is_none)
    }

    fn by_preset(&self, name: &Spanned<String>) -> Result<(Domain, u16, RelayTls), Problem> {
        let table = self.table;
        let Some(preset) = Preset::named(name.get_ref()) else {
            let names: Vec<_> = PRESETS
                .iter()
                .map(|one| format!("\"{}\"", one.name))
                .collect();
            let problem = format!(
                "{table}.preset = \"{}\": {} are known; any other provider goes by {table}.host",
                name.get_ref(),
                names.join(", ")
            );
            return Err((name.span().start, problem));
        };
        let beside = [
            (self.port.as_ref().map(Spanned::span), "port"),
            (self.tls.as_ref().map(Spanned::span), "tls"),
        ];
        for (span, key) in beside {
            if let Some(span) = span {
                let problem = format!("{table}.{key} stands beside {table}.preset, which has it");
                return Err((span.start, problem));
            }
        }
        let host =
            Domain::parse(preset.host).map_err(|why| (name.span().start, why.to_string()))?;
        Ok((host, preset.port, preset.tls))
    }

    fn by_host(&self, text: &Spanned<String>) -> Result<(Domain, u16, RelayTls), Problem> {
        let table = self.table;
        let host = host(&format!("{table}.host"), text)?;
        let given = port(&format!("{table}.port"), self.port.clone())?;
        let tls = match &self.tls {
            Some(text) => self.security(text)?,
            None if given == Some(SUBMISSIONS_PORT) => RelayTls::Implicit,
            None => RelayTls::StartTls,
        };
        let standard = match tls {
            RelayTls::Implicit => SUBMISSIONS_PORT,
            RelayTls::StartTls | RelayTls::None => SUBMISSION_PORT,
        };
        Ok((host, given.unwrap_or(standard), tls))
    }

    fn security(&self, text: &Spanned<String>) -> Result<RelayTls, Problem> {
        match text.get_ref().as_str() {
            "tls" => Ok(RelayTls::Implicit),
            "starttls" => Ok(RelayTls::StartTls),
            "none" => Ok(RelayTls::None),
            other => {
                let problem = format!(
                    "{}.tls = \"{other}\": \"tls\", \"starttls\" or \"none\" is right",
                    self.table
                );
                Err((text.span().start, problem))
            }
        }
    }

    fn login(self, host: &Domain, tls: RelayTls) -> Result<Option<Login>, Problem> {
        let table = self.table;
        let missing = |there: Range<usize>, named: &str, missing: &str| {
            let problem =
                format!("{table}.{named} stands alone; it needs {table}.{missing} beside it");
            (there.start, problem)
        };
        let (user, password) = match (self.user, self.password_file, self.password) {
            (None, None, None) => return Ok(None),
            (Some(user), None, None) => return Err(missing(user.span(), "user", "password_file")),
            (None, Some(file), _) => return Err(missing(file.span(), "password_file", "user")),
            (None, None, Some(password)) => {
                return Err(missing(password.span(), "password", "user"));
            }
            (Some(_), Some(file), Some(_)) => {
                let problem = format!(
                    "{table}.password_file stands beside {table}.password; one of them is right"
                );
                return Err((file.span().start, problem));
            }
            (Some(user), Some(file), None) => {
                let Some(file) = path(&format!("{table}.password_file"), Some(file))? else {
                    return Ok(None);
                };
                (user, Password::File(file))
            }
            (Some(user), None, Some(password)) => (user, Password::Given(password.into_inner().0)),
        };
        let start = user.span().start;
        if user.get_ref().is_empty() {
            return Err((
                start,
                format!("{table}.user = \"\" is empty; name the login"),
            ));
        }
        if tls == RelayTls::None && !is_loopback(host) {
            let problem = format!(
                "{table}.user with {table}.tls = \"none\" shows the password to everybody on the way; \
                 \"tls\" or \"starttls\" is right, \"none\" for this machine only"
            );
            return Err((start, problem));
        }
        let user = user.into_inner();
        Ok(Some(Login { user, password }))
    }
}

/// A name, or an address that becomes a literal.
fn host(key: &str, text: &Spanned<String>) -> Result<Domain, Problem> {
    let literal = match text.get_ref().parse() {
        Ok(IpAddr::V4(ip)) => Domain::parse(&format!("[{ip}]")),
        Ok(IpAddr::V6(ip)) => Domain::parse(&format!("[IPv6:{ip}]")),
        Err(_) => return domain(key, text),
    };
    literal.map_err(|why| (text.span().start, format!("{key}: {why}")))
}

fn is_loopback(host: &Domain) -> bool {
    host.as_str() == "localhost" || host.address().is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Relay {
        crate::config::parse("t", text).unwrap().relay
    }

    fn check(text: &str, name: &str, tls: RelayTls) {
        let smarthost = parse(text).default.unwrap();
        assert_eq!(
            (smarthost.name.as_str(), smarthost.tls),
            (name, tls),
            "{text}"
        );
    }

    #[test]
    fn ports_and_security_follow_each_other() {
        use RelayTls::{Implicit, None, StartTls};
        check("[relay]\npreset = \"gmx\"\n", "mail.gmx.net:587", StartTls);
        check(
            "[relay]\npreset = \"t-online\"\n",
            "securesmtp.t-online.de:465",
            Implicit,
        );
        check("[relay]\nhost = \"a.test\"\n", "a.test:587", StartTls);
        check(
            "[relay]\nhost = \"a.test\"\nport = 465\n",
            "a.test:465",
            Implicit,
        );
        check(
            "[relay]\nhost = \"a.test\"\nport = 25\n",
            "a.test:25",
            StartTls,
        );
        check(
            "[relay]\nhost = \"a.test\"\ntls = \"tls\"\n",
            "a.test:465",
            Implicit,
        );
        check(
            "[relay]\nhost = \"127.0.0.1\"\ntls = \"none\"\n",
            "[127.0.0.1]:587",
            None,
        );
        check(
            "[relay]\nhost = \"::1\"\nport = 26\ntls = \"none\"\n",
            "[IPv6:::1]:26",
            None,
        );
    }

    #[test]
    fn passwords_in_the_clear_stay_on_this_machine() {
        let login = "tls = \"none\"\nuser = \"a\"\npassword_file = \"b\"\n";
        for host in ["localhost", "127.0.0.1", "::1"] {
            let relay = parse(&format!("[relay]\nhost = \"{host}\"\n{login}"));
            let smarthost = relay.default.unwrap();
            assert_eq!(smarthost.login.unwrap().user, "a");
            assert!(smarthost.name.ends_with(":587 (a)"), "{}", smarthost.name);
        }
    }

    #[test]
    fn nothing_said_is_no_smarthost() {
        assert_eq!(parse(""), Relay::default());
        let one = "[[relay.sender]]\naddress = \"anna@a.test\"\npreset = \"gmail\"\n";
        let relay = parse(one);
        assert_eq!((relay.default, relay.senders.len()), (None, 1));
    }
}
