//! The commands on a store in memory, DNS being a zone.

use std::path::PathBuf;

use super::*;
use crate::auth::Auth;
use crate::cli::output::Lines;
use crate::clock::{Clock, Wall};
use crate::manage::domain::ways;
use crate::queue::relay::{RelayTls, Sender, Smarthost};
use crate::store::{Options, Store};
use crate::trust::publish::Ways;

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn context(domains: &[&str], language: Language) -> Context {
    let store = Store::in_memory(&Options::default()).unwrap();
    let mut settings = Settings::desk();
    settings.domains = domains.iter().map(|text| domain(text)).collect();
    settings.hostname = settings.domains[0].clone();
    settings.data = PathBuf::from("/nowhere");
    settings.language = language;
    Context {
        auth: Auth::new(store.clone()),
        store,
        settings,
        clock: Clock::virtual_at(Wall(1_795_305_600)),
        panel: None,
        desk: None,
        recovery: None,
    }
}

fn said(work: impl FnOnce(&mut dyn Output) -> Result<()>) -> (String, Result<()>) {
    let mut lines = Lines::default();
    let result = work(&mut lines);
    (lines.0.join("\n"), result)
}

#[test]
fn a_home_network_has_nothing_to_publish() {
    let context = context(&["heimpost.local"], Language::De);
    let resolver = Resolver::zone("").unwrap();
    let expected =
        "; heimpost.local gilt nur in Ihrem Heimnetz; dafür ist nichts zu veröffentlichen.";
    let (text, result) = said(|output| check(Format::Table, &resolver, &context, output));
    assert_eq!((text.as_str(), result), (expected, Ok(())));
    let (text, _) = said(|output| dns(&Task::Records(Format::Table), &context, output));
    assert_eq!(text, expected);
    let (text, _) = said(|output| dns(&Task::Records(Format::Json), &context, output));
    assert_eq!(text, "[]");
}

#[test]
fn a_host_known_at_home_alone_is_said_first() {
    let mut context = context(&["example.org"], Language::En);
    context.settings.hostname = domain("heimpost.local");
    let (_, result) = said(|output| dns(&Task::Records(Format::Table), &context, output));
    let problem = result.unwrap_err().to_string();
    assert!(problem.contains("such as mail.example.org"), "{problem}");
}

/// From first records to new keys, in one test since making keys takes long.
#[test]
fn records_check_and_rotation() {
    let context = context(&["example.org", "heimpost.local"], Language::En);
    let (text, _) = said(|output| dns(&Task::Records(Format::Table), &context, output));
    assert!(
        text.contains("\nexample.org. IN MX 10 example.org.\n"),
        "{text}"
    );
    assert!(
        text.contains("\n; example.org. IN A <public address of your connection>\n"),
        "{text}"
    );
    assert!(
        text.contains("\nh20261122r._domainkey.example.org. IN TXT \"v=DKIM1; k=rsa; p="),
        "{text}"
    );
    assert!(
        text.contains("; heimpost.local is for your home network alone"),
        "{text}"
    );

    let zone = || {
        let (text, _) = said(|output| dns(&Task::Records(Format::Json), &context, output));
        let list: Vec<Value> = serde_json::from_str(&text).unwrap();
        let line = |record: &Value| {
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            (text("type") == "TXT").then(|| format!("{} TXT {}\n", text("name"), text("value")))
        };
        let texts: String = list.iter().filter_map(line).collect();
        format!(
            "{texts}example.org MX 10 example.org\nexample.org A 203.0.113.7\n203.0.113.7 PTR example.org\n"
        )
    };
    let before = zone();
    let ask = |zone: &str, format| {
        let resolver = Resolver::zone(zone).unwrap();
        said(|output| check(format, &resolver, &context, output))
    };
    let (text, result) = ask(&before, Format::Table);
    assert_eq!(result, Ok(()), "{text}");
    assert!(text.contains("ok  MX   example.org\n"), "{text}");
    let (text, result) = ask("example.org MX 10 example.org\n", Format::Json);
    let problem = "5 of the needed records are missing, wrong, or could not be asked for";
    assert_eq!(result, Err(Failure::failed(problem)), "{text}");
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(list[1]["state"], "missing");

    // New keys: shown, not signing before DNS has them.
    let task = Task::Rotate {
        domain: Some("example.org".to_owned()),
    };
    let (text, result) = said(|output| dns(&task, &context, output));
    assert_eq!(result, Ok(()));
    assert!(
        text.contains("h20261122be._domainkey.example.org. IN TXT"),
        "{text}"
    );
    let (text, result) = ask(&before, Format::Table);
    assert!(
        result.is_err() && !text.contains("sign from now on"),
        "{text}"
    );
    let (text, result) = ask(&zone(), Format::Table);
    assert_eq!(result, Ok(()), "{text}");
    assert!(text.contains("The new keys sign from now on."), "{text}");
    let (text, _) = ask(&zone(), Format::Table);
    assert!(!text.contains("sign from now on"), "{text}");

    let task = Task::Rotate {
        domain: Some("example.net".to_owned()),
    };
    let (_, result) = said(|output| dns(&task, &context, output));
    assert_eq!(result.unwrap_err().exit_status(), 1);
}

#[test]
fn smarthosts_by_rule() {
    let host = |name: &str| Smarthost {
        name: name.to_owned(),
        host: domain(name),
        port: 465,
        tls: RelayTls::Implicit,
        login: None,
    };
    let mut settings = Settings::desk();
    let ways_of = |settings: &Settings| ways(&domain("example.org"), settings);
    assert_eq!(
        ways_of(&settings),
        Ways {
            direct: true,
            ..Ways::default()
        }
    );
    let other = Sender::Domain(domain("example.net"));
    settings.relay.senders.push((other, host("a.example")));
    assert!(ways_of(&settings).direct);
    settings.relay.default = Some(host("smtp.mailbox.org"));
    let expected = Ways {
        includes: vec!["mailbox.org".to_owned()],
        ..Ways::default()
    };
    assert_eq!(ways_of(&settings), expected);
    let ours = Sender::Domain(domain("example.org"));
    settings.relay.senders.push((ours, host("b.example")));
    let expected = Ways {
        unknown: vec!["b.example".to_owned()],
        ..Ways::default()
    };
    assert_eq!(ways_of(&settings), expected);
}
