//! Slows down guessing: failed logins are counted per address and per account, and each further one waits longer.
//!
//! An address is one IPv4 address or one IPv6 /64, since a subscriber has that many. The count of an address decides
//! for everyone who comes from it; the count of an account is made of, and decides for, addresses outside the house
//! alone. So strangers cannot keep its owner out at home, a device at home with an old password cannot keep him out
//! elsewhere, and nobody is kept out for long: every delay has a limit and every count fades. An attempt counts as failed from its start until it proves good, so that many at once gain nothing.
//! The counts live in memory and are bounded: when a table is full, the least guilty entry goes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::clock::Mono;

/// Failures that cost nothing: mistyping, and a mail program that opens several connections with an old password.
pub(super) const FAILURES_FREE: u32 = 10;

/// Delay after the first failure that costs something; each further one doubles it.
pub(super) const DELAY_FIRST: Duration = Duration::from_secs(1);

/// Longest delay of an address outside the house.
pub(super) const DELAY_ADDRESS_MAX: Duration = Duration::from_mins(15);

/// Longest delay of an address inside the house (loopback, private and link-local addresses).
pub(super) const DELAY_LOCAL_MAX: Duration = Duration::from_secs(15);

/// Longest delay of an account, for addresses outside the house.
pub(super) const DELAY_ACCOUNT_MAX: Duration = Duration::from_mins(1);

/// Time without failures in which one is forgotten.
pub(super) const FORGET_ONE_AFTER: Duration = Duration::from_mins(10);

/// Most failures counted of one address or account: fading takes a night at most.
pub(super) const FAILURES_MAX: u32 = 48;

/// Most addresses, and most accounts, that are remembered.
pub(super) const ENTRIES_MAX: usize = 4096;

/// Failed logins of late.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: Table<Ipv6Addr>,
    accounts: Table<String>,
}

/// Who makes an attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    address: Ipv6Addr,
    place: Place,
    /// The account's lookup key, whether or not there is such an account; `None` from inside the house, or if the
    /// login is no address at all.
    account: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    House,
    Outside,
}

impl Attempt {
    pub(super) fn new(from: IpAddr, account: Option<String>) -> Self {
        let from = from.to_canonical();
        Self {
            address: network(from),
            place: place(from),
            account: account.filter(|_| place(from) == Place::Outside),
        }
    }
}

impl Throttle {
    /// How long `attempt` has to wait at `now`; zero if it may be made.
    pub(super) fn delay(&self, attempt: &Attempt, now: Mono) -> Duration {
        let address = self
            .addresses
            .delay(&attempt.address, address_max(attempt.place), now);
        let account = attempt.account.as_ref();
        let account = account.map(|key| self.accounts.delay(key, DELAY_ACCOUNT_MAX, now));
        address.max(account.unwrap_or_default())
    }

    /// Counts an attempt as failed until [`Throttle::succeeded`] or [`Throttle::undecided`] says otherwise; the delay
    /// if it may not be made yet.
    pub(super) fn begin(&mut self, attempt: &Attempt, now: Mono) -> Result<(), Duration> {
        let delay = self.delay(attempt, now);
        if delay > Duration::ZERO {
            return Err(delay);
        }
        self.addresses.charge(attempt.address, now);
        if let Some(account) = &attempt.account {
            self.accounts.charge(account.clone(), now);
        }
        Ok(())
    }

    /// The attempt was good: its address and its account start anew.
    pub(super) fn succeeded(&mut self, attempt: &Attempt) {
        self.addresses.0.remove(&attempt.address);
        if let Some(account) = &attempt.account {
            self.accounts.0.remove(account);
        }
    }

    /// The attempt could not be checked: it does not count.
    pub(super) fn undecided(&mut self, attempt: &Attempt) {
        self.addresses.refund(&attempt.address);
        if let Some(account) = &attempt.account {
            self.accounts.refund(account);
        }
    }
}

#[derive(Debug)]
struct Table<K>(BTreeMap<K, Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    last: Mono,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Table<K> {
    fn delay(&self, key: &K, delay_max: Duration, now: Mono) -> Duration {
        let Some(entry) = self.0.get(key) else {
            return Duration::ZERO;
        };
        let wait = delay_after(entry.failures_at(now)).min(delay_max);
        wait.saturating_sub(now.since(entry.last))
    }

    fn charge(&mut self, key: K, now: Mono) {
        if !self.0.contains_key(&key) && self.0.len() >= ENTRIES_MAX {
            self.make_room(now);
        }
        let entry = self.0.entry(key).or_insert(Entry {
            failures: 0,
            last: now,
        });
        entry.failures = (entry.failures_at(now) + 1).min(FAILURES_MAX);
        entry.last = now;
    }

    fn refund(&mut self, key: &K) {
        if let Some(entry) = self.0.get_mut(key) {
            entry.failures = entry.failures.saturating_sub(1);
        }
    }

    fn make_room(&mut self, now: Mono) {
        self.0.retain(|_, entry| entry.failures_at(now) > 0);
        if self.0.len() < ENTRIES_MAX {
            return;
        }
        let guilt = |entry: &Entry| (entry.failures_at(now), entry.last);
        let least = self.0.iter().min_by_key(|(_, entry)| guilt(entry));
        if let Some(key) = least.map(|(key, _)| key.clone()) {
            self.0.remove(&key);
        }
    }
}

impl Entry {
    fn failures_at(self, now: Mono) -> u32 {
        let forgotten = now.since(self.last).as_secs() / FORGET_ONE_AFTER.as_secs();
        self.failures
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(FAILURES_FREE) {
        None | Some(0) => Duration::ZERO,
        Some(costly) => {
            DELAY_FIRST.saturating_mul(1_u32.checked_shl(costly - 1).unwrap_or(u32::MAX))
        }
    }
}

fn address_max(place: Place) -> Duration {
    match place {
        Place::House => DELAY_LOCAL_MAX,
        Place::Outside => DELAY_ADDRESS_MAX,
    }
}

fn network(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)),
    }
}

fn place(address: IpAddr) -> Place {
    let in_house = match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    };
    if in_house {
        Place::House
    } else {
        Place::Outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(from: &str, account: &str) -> Attempt {
        Attempt::new(from.parse().unwrap(), Some(account.to_owned()))
    }

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn fail(throttle: &mut Throttle, attempt: &Attempt, times: u32, now: Mono) {
        for _ in 0..times {
            throttle.begin(attempt, now).unwrap();
        }
    }

    #[test]
    fn delay_doubles_up_to_its_limit_and_fades() {
        let (mut throttle, guess) = (Throttle::default(), attempt("192.0.2.1", "a@example.com"));
        fail(&mut throttle, &guess, FAILURES_FREE, at(0));
        let mut delays = Vec::new();
        let mut now = at(0);
        for _ in 0..12 {
            assert_eq!(throttle.begin(&guess, now), Ok(()));
            let delay = throttle.delay(&guess, now);
            assert_eq!(throttle.begin(&guess, now), Err(delay));
            delays.push(delay.as_secs());
            now = now + delay;
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        let later = now + FORGET_ONE_AFTER * FAILURES_MAX;
        fail(&mut throttle, &guess, FAILURES_FREE, later);
        assert_eq!(throttle.delay(&guess, later), Duration::ZERO);
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_addresses_are_ipv4() {
        let mut throttle = Throttle::default();
        fail(
            &mut throttle,
            &attempt("2001:db8:0:1::1", "a@x"),
            FAILURES_FREE + 1,
            at(0),
        );
        assert!(throttle.delay(&attempt("2001:db8:0:1:ffff::9", "b@x"), at(0)) > Duration::ZERO);
        assert_eq!(
            throttle.delay(&attempt("2001:db8:0:2::1", "b@x"), at(0)),
            Duration::ZERO
        );
        fail(
            &mut throttle,
            &attempt("::ffff:192.0.2.1", "a@y"),
            FAILURES_FREE + 1,
            at(0),
        );
        assert!(throttle.delay(&attempt("192.0.2.1", "b@x"), at(0)) > Duration::ZERO);
        assert_eq!(
            throttle.delay(&attempt("192.0.2.2", "b@x"), at(0)),
            Duration::ZERO
        );
    }

    #[test]
    fn strangers_guesses_do_not_reach_into_the_house() {
        let mut throttle = Throttle::default();
        for host in 0..=FAILURES_FREE + 10 {
            let stranger = attempt(&format!("198.51.100.{host}"), "owner@example.com");
            throttle.begin(&stranger, at(u64::from(host) * 70)).unwrap();
        }
        let now = at(u64::from(FAILURES_FREE + 10) * 70);
        let delay = |from| throttle.delay(&attempt(from, "owner@example.com"), now);
        assert_eq!(delay("203.0.113.5"), DELAY_ACCOUNT_MAX);
        assert_eq!(delay("192.168.1.20"), Duration::ZERO);
        assert_eq!(delay("fe80::1"), Duration::ZERO);
    }

    #[test]
    fn a_device_at_home_with_an_old_password_waits_seconds() {
        let (mut throttle, device) = (Throttle::default(), attempt("192.168.1.20", "a@x"));
        let mut now = at(0);
        for _ in 0..100 {
            now = now + throttle.delay(&device, now);
            throttle.begin(&device, now).unwrap();
        }
        assert_eq!(throttle.delay(&device, now), DELAY_LOCAL_MAX);
        throttle.succeeded(&device);
        assert_eq!(throttle.delay(&device, now), Duration::ZERO);
    }

    #[test]
    fn what_could_not_be_checked_does_not_count() {
        let (mut throttle, guess) = (Throttle::default(), attempt("192.0.2.1", "a@x"));
        for _ in 0..100 {
            throttle.begin(&guess, at(0)).unwrap();
            throttle.undecided(&guess);
        }
        assert_eq!(throttle.delay(&guess, at(0)), Duration::ZERO);
    }

    #[test]
    fn table_is_bounded_and_keeps_the_guilty() {
        let mut throttle = Throttle::default();
        let guilty = attempt("192.0.2.1", "a@x");
        fail(&mut throttle, &guilty, FAILURES_FREE + 1, at(0));
        for n in 0..2 * u32::try_from(ENTRIES_MAX).unwrap() {
            let from = IpAddr::V4(std::net::Ipv4Addr::from_bits(0xc633_0000 + n));
            throttle.begin(&Attempt::new(from, None), at(0)).unwrap();
        }
        assert_eq!(throttle.addresses.0.len(), ENTRIES_MAX);
        assert!(throttle.delay(&guilty, at(0)) > Duration::ZERO);
    }
}
