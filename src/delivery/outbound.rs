//! What of a message goes to other hosts: its spool entries, with who is told of their fate.
//!
//! Mail of our users leaves under their own reverse-path, whether they named the recipient or an alias of ours did. Mail
//! from outside leaves through aliases only: under the postmaster of the alias's domain, so that SPF passes and the owner
//! hears of a target that fails; the null sender stays null. If it claims to be ours it keeps the path by which it came: under
//! ours, SPF would vouch for what may be forged. What an alias forwards bears the alias as `Delivered-To`: if
//! that comes back to the same alias, it goes in circles ([`has_been_through`]). An alias beyond ASCII leaves no such mark,
//! since it would make the header one that needs SMTPUTF8; its loops end at the hop limit.
//!
//! What is filed in Junk is not forwarded: the next host would hold our address and domain to blame for it, and sort out
//! the good mail from here as well. An alias with accounts too has it in their Junk; where it stands for addresses elsewhere
//! alone ([`only_forwards`]) the mail is refused, so that nothing is lost in silence: whoever sent it in good faith is told
//! by his own server. The owner's Junk would be no place for it: it is not for him to read, and he may never look.

use std::collections::BTreeSet;

use super::local::{Envelope, Place, Recipient};
use crate::mail::address::{Address, Localpart, ReversePath};
use crate::mail::ids::AccountId;
use crate::mail::trace;
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::store::spool::{NewSpool, NewSpoolRecipient};

/// What a message that leaves has in front of it and tells the next host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Header fields in front of it, without what is no other host's matter.
    pub head: Vec<u8>,
    /// Who submitted it; `None` for mail from outside.
    pub account: Option<AccountId>,
    /// What its body has in it.
    pub body: BodyType,
    /// What its header has in it.
    pub header: HeaderType,
    /// Whose mail it says it is.
    pub claim: Claim,
}

/// Whose mail from outside says in From that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Of a domain of ours, perhaps among others.
    Ours,
    /// Somebody else's.
    Others,
}

/// The spool entries of a message: one for what its sender sends elsewhere himself, one for each alias that forwards it.
/// Each address elsewhere gets it once.
pub(super) fn spool(envelope: &Envelope, leaving: &Leaving, place: Place) -> Vec<NewSpool> {
    if place == Place::Junk {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let (direct, aliases): (Vec<&Recipient>, Vec<&Recipient>) =
        envelope.to.iter().partition(|to| to.is_elsewhere());
    let direct: Vec<NewSpoolRecipient> = direct
        .into_iter()
        .flat_map(|to| recipients(to, Wishes::Kept, &mut seen))
        .collect();
    let mut all = vec![entry(envelope, leaving, None, direct)];
    for alias in aliases {
        let wishes = leaving.account.map_or(Wishes::Dropped, |_| Wishes::Kept);
        let targets = recipients(alias, wishes, &mut seen);
        all.push(entry(envelope, leaving, Some(&alias.address), targets));
    }
    all.retain(|entry| !entry.recipients.is_empty());
    all
}

/// Whether a message with these `Delivered-To` fields was forwarded by one of the aliases in `to` already.
pub fn has_been_through(to: &[Recipient], delivered_to: &[Vec<u8>]) -> bool {
    let marks: BTreeSet<String> = delivered_to
        .iter()
        .filter_map(|mark| Address::parse(std::str::from_utf8(mark).ok()?).ok())
        .map(|mark| mark.lookup_key())
        .collect();
    let mut forwarding = to
        .iter()
        .filter(|to| !to.is_elsewhere() && !to.targets.remote.is_empty());
    forwarding.any(|to| marks.contains(&to.address.lookup_key()))
}

/// Whether one of them is an alias that stands for addresses elsewhere alone.
pub fn only_forwards(to: &[Recipient]) -> bool {
    to.iter()
        .any(|to| to.targets.accounts.is_empty() && !to.targets.remote.is_empty())
}

/// Whether the sender's wishes for reports go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wishes {
    Kept,
    /// The next host's reports do not go to the sender who had them (RFC 3461 5.2.7).
    Dropped,
}

fn recipients(
    to: &Recipient,
    wishes: Wishes,
    seen: &mut BTreeSet<String>,
) -> Vec<NewSpoolRecipient> {
    let new = to.targets.remote.iter();
    let new = new.filter(|address| seen.insert(address.to_string()));
    new.map(|address| NewSpoolRecipient {
        address: address.clone(),
        notify: to.notify.filter(|_| wishes == Wishes::Kept),
        original: to.original.clone().filter(|_| wishes == Wishes::Kept),
    })
    .collect()
}

fn entry(
    envelope: &Envelope,
    leaving: &Leaving,
    alias: Option<&Address>,
    recipients: Vec<NewSpoolRecipient>,
) -> NewSpool {
    let is_own = leaving.account.is_some();
    let mut prefix = alias.map(mark).unwrap_or_default().into_bytes();
    prefix.extend_from_slice(&leaving.head);
    NewSpool {
        prefix,
        sender: match alias {
            Some(alias) if !is_own && leaving.claim == Claim::Others => {
                postmaster(&envelope.from, alias)
            }
            _ => envelope.from.clone(),
        },
        account: leaving.account,
        priority: Priority::Mail,
        body: leaving.body,
        header: leaving.header,
        ret: envelope.ret.filter(|_| is_own),
        envid: envelope.envid.clone().filter(|_| is_own),
        recipients,
    }
}

fn mark(alias: &Address) -> String {
    if alias.smtputf8_needed() {
        return String::new();
    }
    trace::delivered_to(alias)
}

fn postmaster(from: &ReversePath, alias: &Address) -> ReversePath {
    from.as_ref()?;
    let localpart = Localpart::new("postmaster").ok()?;
    Some(Address::new(localpart, alias.domain().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::route::Targets;
    use crate::mail::report::{Notify, Return};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn recipient(name: &str, remote: &str) -> Recipient {
        Recipient {
            notify: Some(Notify::NEVER),
            original: Some(("rfc822".to_owned(), "o@x".to_owned())),
            targets: Targets {
                remote: remote.split_whitespace().map(address).collect(),
                ..Targets::default()
            },
            ..Recipient::new(address(name))
        }
    }

    fn check(from: &str, account: Option<AccountId>, to: &[(&str, &str)], expected: &[&str]) {
        check_claimed(Claim::Others, from, account, to, expected);
    }

    fn check_claimed(
        claim: Claim,
        from: &str,
        account: Option<AccountId>,
        to: &[(&str, &str)],
        expected: &[&str],
    ) {
        let mut envelope = Envelope::new(
            Address::parse(from).ok(),
            to.iter().map(|(name, remote)| recipient(name, remote)),
        );
        envelope.ret = Some(Return::Full);
        envelope.envid = Some("e".to_owned());
        let leaving = Leaving {
            head: b"R: r\r\n".to_vec(),
            account,
            body: BodyType::EightBitMime,
            header: HeaderType::Ascii,
            claim,
        };
        assert_eq!(spool(&envelope, &leaving, Place::Junk), []);
        let entries = spool(&envelope, &leaving, Place::Inbox);
        let got: Vec<String> = entries.iter().map(render).collect();
        assert_eq!(got, expected);
    }

    fn render(entry: &NewSpool) -> String {
        let sender = entry.sender.as_ref();
        let to = entry.recipients.iter().map(|to| {
            let wishes = (to.notify.is_some(), to.original.is_some());
            let wishes = if wishes == (true, true) { "!" } else { "" };
            format!("{}{wishes}", to.address)
        });
        let dsn = (entry.ret.is_some(), entry.envid.is_some());
        let dsn = if dsn == (true, true) { "!" } else { "" };
        let prefix = String::from_utf8(entry.prefix.clone()).unwrap();
        format!(
            "<{}>{dsn} {} {}",
            sender.map(ToString::to_string).unwrap_or_default(),
            to.collect::<Vec<_>>().join(","),
            prefix.trim_end().replace("\r\n", "|")
        )
    }

    #[test]
    fn what_users_send_keeps_its_sender() {
        let to = [
            ("x@else.test", "x@else.test"),
            ("info@home.test", "x@else.test y@else.test"),
            ("anna@home.test", ""),
            ("z@else.test", "z@else.test"),
        ];
        let expected = [
            "<a@home.test>! x@else.test!,z@else.test! R: r",
            "<a@home.test>! y@else.test! Delivered-To: info@home.test|R: r",
        ];
        check("a@home.test", Some(AccountId(1)), &to, &expected);
    }

    #[test]
    fn forwards_are_the_postmasters() {
        let to = [
            ("info@home.test", "x@else.test"),
            ("f\u{fc}r@second.test", "y@else.test"),
        ];
        let expected = [
            "<postmaster@home.test> x@else.test Delivered-To: info@home.test|R: r",
            "<postmaster@second.test> y@else.test R: r",
        ];
        check("w@far.test", None, &to, &expected);
        let expected = ["<> x@else.test Delivered-To: info@home.test|R: r"];
        check("", None, &to[..1], &expected);
    }

    #[test]
    fn what_claims_to_be_ours_keeps_its_path() {
        let to = [("info@home.test", "x@else.test")];
        let expected = ["<w@far.test> x@else.test Delivered-To: info@home.test|R: r"];
        check_claimed(Claim::Ours, "w@far.test", None, &to, &expected);
    }

    #[test]
    fn circles_are_seen() {
        let to = [
            recipient("info@home.test", "x@else.test"),
            recipient("anna@home.test", ""),
        ];
        for (marks, expected) in [
            (vec!["x@else.test", "INFO@home.test"], true),
            (vec!["anna@home.test", "x@else.test", "info"], false),
            (vec![], false),
        ] {
            let marks: Vec<Vec<u8>> = marks.iter().map(|mark| mark.as_bytes().to_vec()).collect();
            assert_eq!(has_been_through(&to, &marks), expected, "{marks:?}");
        }
    }
}
