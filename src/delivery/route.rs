//! Where mail to an address goes: accounts of this box, addresses elsewhere that an alias names, nowhere, or another
//! host.
//!
//! Order of look-up, first match wins: the address itself, the address without its subaddress, `postmaster` and
//! `abuse` (RFC 5321 4.5.1, RFC 2142 5) to the owner, the domain's catch-all. Aliases may lead to aliases; each is
//! followed once.
//! An address is routed whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::mail::address::{Address, Domain, Localpart};
use crate::mail::ids::AccountId;
use crate::store::{self, Snapshot};

/// Deepest chain of aliases that is followed.
pub const ALIAS_DEPTH_MAX: usize = 10;

/// Most targets that the expansion of one address may look at.
pub const ALIAS_TARGETS_MAX: usize = 1000;

/// Names that reach the owner in each domain, unless an account or alias has them.
const ROLE_NAMES: [&str; 2] = ["postmaster", "abuse"];

/// Knows which domains are ours. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    primary: Domain,
    domains: Arc<BTreeSet<Domain>>,
    provisional: bool,
}

/// What an address of our domains stands for, at least one of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Accounts of this box.
    pub accounts: BTreeSet<AccountId>,
    /// Addresses of other hosts, which an alias (a catch-all too) names.
    pub remote: BTreeSet<Address>,
}

/// What [`Router::route`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is of our domains, and this is what it stands for.
    Local(Targets),
    /// Nobody of that name in a domain of ours.
    Unknown,
    /// Not a domain of ours.
    Remote,
    /// An alias that cannot be delivered to as a whole; says why.
    Undeliverable(&'static str),
}

impl Router {
    /// For a box that is responsible for `primary` (which `<Postmaster>` belongs to) and `others`.
    pub fn new(primary: Domain, others: impl IntoIterator<Item = Domain>) -> Self {
        let mut domains: BTreeSet<Domain> = others.into_iter().collect();
        domains.insert(primary.clone());
        Self {
            primary,
            domains: Arc::new(domains),
            provisional: false,
        }
    }

    /// One that may not know all of our domains; `provisional` says whether that is so.
    #[must_use]
    pub fn provisional(self, provisional: bool) -> Self {
        Self {
            provisional,
            ..self
        }
    }

    /// Whether a domain that is not known to be ours may be nevertheless.
    pub fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// Whether mail of that domain is stored here.
    pub fn is_ours(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// The address that `<Postmaster>` without a domain means (RFC 5321 4.1.1.3).
    pub fn postmaster(&self) -> Option<Address> {
        let localpart = Localpart::new("postmaster").ok()?;
        Some(Address::new(localpart, self.primary.clone()))
    }

    /// The domain whose postmaster writes to `address`: its own if it is ours, else the one that `<Postmaster>` belongs to.
    pub fn writes_as<'a>(&'a self, address: &'a Address) -> &'a Domain {
        if self.is_ours(address.domain()) {
            return address.domain();
        }
        &self.primary
    }

    /// Where mail to `address` goes.
    pub fn route(&self, snapshot: &Snapshot, address: &Address) -> store::Result<Route> {
        if !self.is_ours(address.domain()) {
            return Ok(Route::Remote);
        }
        let mut walk = Walk {
            router: self,
            snapshot,
            found: Targets::default(),
            expanded: BTreeSet::new(),
            targets: 0,
            trouble: None,
        };
        walk.visit(address, 0)?;
        Ok(walk.result())
    }

    /// Whether `account` may use `address` as sender: mail to it reaches that account.
    pub fn may_send_as(
        &self,
        snapshot: &Snapshot,
        account: AccountId,
        address: &Address,
    ) -> store::Result<bool> {
        match self.route(snapshot, address)? {
            Route::Local(targets) => Ok(targets.accounts.contains(&account)),
            Route::Unknown | Route::Remote | Route::Undeliverable(_) => Ok(false),
        }
    }
}

/// The expansion of one address.
struct Walk<'a> {
    router: &'a Router,
    snapshot: &'a Snapshot,
    found: Targets,
    expanded: BTreeSet<String>,
    targets: usize,
    trouble: Option<&'static str>,
}

impl Walk<'_> {
    fn visit(&mut self, address: &Address, depth: usize) -> store::Result<()> {
        self.targets += 1;
        if depth > ALIAS_DEPTH_MAX || self.targets > ALIAS_TARGETS_MAX {
            self.trouble = Some("the alias has too many targets or levels");
            return Ok(());
        }
        if !self.router.is_ours(address.domain()) {
            self.found.remote.insert(address.clone());
            return Ok(());
        }
        let base = address.without_subaddress();
        if self.visit_key(&address.lookup_key(), depth)? {
            return Ok(());
        }
        if let Some(base) = &base
            && self.visit_key(&base.lookup_key(), depth)?
        {
            return Ok(());
        }
        if is_role(base.as_ref().unwrap_or(address)) && self.visit_owners()? {
            return Ok(());
        }
        let catch_all = format!("@{}", address.domain());
        self.visit_key(&catch_all, depth).map(drop)
    }

    /// Follows the alias or takes the account of that key; whether there is one.
    fn visit_key(&mut self, key: &str, depth: usize) -> store::Result<bool> {
        let alias = self.snapshot.alias(key)?;
        let has_alias = alias.is_some();
        if let Some(alias) = alias
            && self.expanded.insert(key.to_owned())
        {
            for target in &alias.to {
                self.visit(target, depth + 1)?;
            }
            return Ok(true);
        }
        if let Some(account) = self.snapshot.account_by_key(key)? {
            self.found.accounts.insert(account.id);
            return Ok(true);
        }
        Ok(has_alias)
    }

    fn visit_owners(&mut self) -> store::Result<bool> {
        let accounts = self.snapshot.accounts()?;
        let owners = accounts.iter().filter(|account| account.owner);
        let owners: BTreeSet<AccountId> = owners.map(|account| account.id).collect();
        self.found.accounts.extend(&owners);
        Ok(!owners.is_empty())
    }

    /// A target that does not exist any more is passed over while another does: nobody is left who would miss it.
    fn result(self) -> Route {
        match self.trouble {
            Some(trouble) => Route::Undeliverable(trouble),
            None if !self.found.is_empty() => Route::Local(self.found),
            None if self.expanded.is_empty() => Route::Unknown,
            None => Route::Undeliverable("the alias leads to no mailbox"),
        }
    }
}

impl Targets {
    fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.remote.is_empty()
    }
}

fn is_role(address: &Address) -> bool {
    let name = address.localpart().as_str();
    ROLE_NAMES
        .iter()
        .any(|role| role.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Wall};
    use crate::store::types::{Alias, Language};
    use crate::store::{NewAccount, Options, Store};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// A box of home.test and second.test with accounts anna (the owner) and ben, and some aliases.
    fn house() -> (Store, Router) {
        let store = Store::in_memory(&Options::default()).unwrap();
        let now = Clock::virtual_at(Wall(1_800_000_000)).now();
        for name in ["anna@home.test", "ben@home.test"] {
            let new = NewAccount {
                address: address(name),
                owner: false,
                language: Language::En,
                quota_bytes: None,
            };
            store.add_account(&new, now).unwrap();
        }
        for (from, to) in [
            ("info@home.test", "anna@home.test"),
            ("all@home.test", "info@home.test ben@home.test"),
            ("loop@home.test", "pool@home.test"),
            ("pool@home.test", "loop@home.test"),
            ("away@home.test", "anna@home.test x@else.test"),
            ("half@home.test", "gone@home.test anna@home.test"),
            ("out@home.test", "y@else.test"),
            ("@third.test", "out@home.test"),
            ("none@home.test", "gone@home.test"),
            ("@second.test", "info@home.test"),
            ("abuse@second.test", "ben@home.test"),
        ] {
            let to = to.split(' ').map(address).collect();
            let from = from.to_owned();
            store.set_alias(&Alias { from, to }).unwrap();
        }
        let domain = |text| Domain::parse(text).unwrap();
        let router = Router::new(
            domain("home.test"),
            [domain("second.test"), domain("third.test")],
        );
        (store, router)
    }

    #[test]
    fn routes() {
        let (store, router) = house();
        let snapshot = store.snapshot().unwrap();
        for (to, expected) in [
            ("anna@home.test", "anna"),
            ("ANNA@Home.Test", "anna"),
            ("anna+shop@home.test", "anna"),
            ("ben+x@home.test", "ben"),
            ("info+x@home.test", "anna"),
            ("all@home.test", "anna ben"),
            ("postmaster@home.test", "anna"),
            ("Abuse@home.test", "anna"),
            ("postmaster@second.test", "anna"),
            ("abuse@second.test", "ben"),
            ("whoever@second.test", "anna"),
            ("half@home.test", "anna"),
            ("none@home.test", "undeliverable"),
            ("loop@home.test", "undeliverable"),
            ("away@home.test", "anna x@else.test"),
            ("out@home.test", "y@else.test"),
            ("any@third.test", "y@else.test"),
            ("nobody@home.test", "unknown"),
            ("anna@else.test", "remote"),
            ("anna@[192.0.2.1]", "remote"),
        ] {
            let got = match router.route(&snapshot, &address(to)).unwrap() {
                Route::Local(Targets { accounts, remote }) => {
                    let name = |id: &AccountId| {
                        let account = snapshot.account(*id).unwrap().unwrap();
                        account.address.localpart().as_str().to_owned()
                    };
                    let remote = remote.iter().map(ToString::to_string);
                    let all = accounts.iter().map(name).chain(remote);
                    all.collect::<Vec<_>>().join(" ")
                }
                Route::Unknown => "unknown".to_owned(),
                Route::Remote => "remote".to_owned(),
                Route::Undeliverable(_) => "undeliverable".to_owned(),
            };
            assert_eq!(got, expected, "{to}");
        }
    }

    #[test]
    fn chains_of_aliases_end_somewhere() {
        let (store, router) = house();
        for step in 0..=ALIAS_DEPTH_MAX {
            let to = match step {
                0 => address("ben@home.test"),
                _ => address(&format!("a{}@home.test", step - 1)),
            };
            let from = format!("a{step}@home.test");
            store.set_alias(&Alias { from, to: vec![to] }).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        let route = |name: String| router.route(&snapshot, &address(&name)).unwrap();
        let near = route(format!("a{}@home.test", ALIAS_DEPTH_MAX - 2));
        assert!(matches!(near, Route::Local(_)), "{near:?}");
        let far = route(format!("a{ALIAS_DEPTH_MAX}@home.test"));
        assert!(matches!(far, Route::Undeliverable(_)), "{far:?}");
    }

    #[test]
    fn postmasters_write_from_near() {
        let (_, router) = house();
        for (to, expected) in [
            ("ben@second.test", "second.test"),
            ("x@else.test", "home.test"),
        ] {
            assert_eq!(router.writes_as(&address(to)).as_str(), expected);
        }
    }

    #[test]
    fn senders_belong_to_accounts() {
        let (store, router) = house();
        let snapshot = store.snapshot().unwrap();
        let key = |key| snapshot.account_by_key(key).unwrap().unwrap().id;
        let (anna, ben) = (key("anna@home.test"), key("ben@home.test"));
        for (account, sender, expected) in [
            (anna, "anna@home.test", true),
            (anna, "anna+tag@home.test", true),
            (anna, "info@home.test", true),
            (anna, "any@second.test", true),
            (ben, "ben+tag@home.test", true),
            (ben, "anna@home.test", false),
            (ben, "info@home.test", false),
            (ben, "all@home.test", true),
            (anna, "away@home.test", true),
            (ben, "ben@else.test", false),
            (ben, "nobody@home.test", false),
        ] {
            let got = router
                .may_send_as(&snapshot, account, &address(sender))
                .unwrap();
            assert_eq!(got, expected, "{sender}");
        }
    }
}
