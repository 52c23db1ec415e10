//! Which way mail leaves: to the hosts of the recipient's domain, or to a smarthost by its sender.
//!
//! Pure. The most exact rule wins: the sender's address, then its domain, then the default smarthost, then DNS. The null
//! sender goes by the default: what it reports about may have come by anyone.

use crate::mail::address::{Address, ReversePath};
use crate::queue::plan::Destination;
use crate::queue::relay::{Relay, Sender, Smarthost};

/// The owner's rules.
#[derive(Clone, Debug)]
pub struct Routes {
    relay: Relay,
}

impl Routes {
    /// By these settings.
    pub fn new(relay: Relay) -> Self {
        Self { relay }
    }

    /// Where mail of `sender` to `recipient` goes.
    pub fn destination(&self, sender: &ReversePath, recipient: &Address) -> Destination {
        let ruled = sender.as_ref().and_then(|sender| self.ruled(sender));
        match ruled.or(self.relay.default.as_ref()) {
            Some(smarthost) => Destination::Smarthost(smarthost.name.clone()),
            None => Destination::Domain(recipient.domain().clone()),
        }
    }

    /// The smarthost of that name in the settings.
    pub fn smarthost(&self, name: &str) -> Option<&Smarthost> {
        let of_senders = self.relay.senders.iter().map(|(_, smarthost)| smarthost);
        let mut all = self.relay.default.iter().chain(of_senders);
        all.find(|smarthost| smarthost.name == name)
    }

    /// By the first rule for the address as it is, else without its subaddress, else for its domain.
    fn ruled(&self, sender: &Address) -> Option<&Smarthost> {
        let of_key = |key: String| {
            self.first(move |rule| match rule {
                Sender::Address(address) => address.lookup_key() == key,
                Sender::Domain(_) => false,
            })
        };
        let base = || {
            let base = sender.without_subaddress()?;
            of_key(base.lookup_key())
        };
        of_key(sender.lookup_key()).or_else(base).or_else(|| {
            self.first(|rule| matches!(rule, Sender::Domain(domain) if domain == sender.domain()))
        })
    }

    fn first(&self, is_it: impl Fn(&Sender) -> bool) -> Option<&Smarthost> {
        let mut rules = self.relay.senders.iter();
        let found = rules.find(|(rule, _)| is_it(rule));
        found.map(|(_, smarthost)| smarthost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Domain;
    use crate::queue::relay::RelayTls;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn smarthost(name: &str) -> Smarthost {
        Smarthost {
            name: name.to_owned(),
            host: Domain::parse("relay.test").unwrap(),
            port: 587,
            tls: RelayTls::StartTls,
            login: None,
        }
    }

    /// Rules of an owner with three accounts at providers.
    fn rules() -> Vec<(Sender, Smarthost)> {
        let domain = Domain::parse("second.test").unwrap();
        vec![
            (Sender::Domain(domain), smarthost("second")),
            (
                Sender::Address(address("Anna@home.test")),
                smarthost("annas"),
            ),
            (
                Sender::Address(address("ben@second.test")),
                smarthost("bens"),
            ),
            (
                Sender::Address(address("anna+shop@home.test")),
                smarthost("shop"),
            ),
        ]
    }

    fn check(routes: &Routes, sender: &str, expected: &str) {
        let sender = (!sender.is_empty()).then(|| address(sender));
        let got = match routes.destination(&sender, &address("eve@far.test")) {
            Destination::Domain(domain) => domain.as_str().to_owned(),
            Destination::Smarthost(name) => {
                assert_eq!(routes.smarthost(&name).unwrap().name, name);
                format!("by {name}")
            }
        };
        assert_eq!(got, expected, "{sender:?}");
    }

    #[test]
    fn the_most_exact_rule_wins() {
        let routes = Routes::new(Relay {
            default: Some(smarthost("default")),
            senders: rules(),
        });
        for (sender, expected) in [
            ("anna@home.test", "by annas"),
            ("ANNA@Home.Test", "by annas"),
            ("anna+news@home.test", "by annas"),
            ("anna+shop@home.test", "by shop"),
            ("ben@second.test", "by bens"),
            ("ben+x@second.test", "by bens"),
            ("carl@second.test", "by second"),
            ("carl@home.test", "by default"),
            ("", "by default"),
        ] {
            check(&routes, sender, expected);
        }
        assert_eq!(routes.smarthost("gone"), None);
    }

    #[test]
    fn without_a_rule_dns_says() {
        let routes = Routes::new(Relay {
            default: None,
            senders: rules(),
        });
        check(&routes, "carl@home.test", "far.test");
        check(&routes, "", "far.test");
        check(&routes, "carl@second.test", "by second");
    }
}
