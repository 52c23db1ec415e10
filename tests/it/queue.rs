//! `heimpost queue` with a daemon and without one: what waits and why, and what the owner does about it.

use std::path::Path;

use heimpost::cli::account::Add;
use heimpost::cli::connect::store_options;
use heimpost::cli::operation::{Format, Operation};
use heimpost::cli::output::Lines;
use heimpost::cli::queue::{Deed, Which};
use heimpost::cli::{Failure, connect};
use heimpost::clock::Clock;
use heimpost::config::{self, Settings};
use heimpost::delivery::intake::Intake;
use heimpost::mail::address::Address;
use heimpost::mail::transport::{BodyType, HeaderType, Priority};
use heimpost::net::shutdown::Stopped;
use heimpost::store::spool::{NewSpool, NewSpoolRecipient};
use heimpost::store::{Append, Store};
use tokio::task::spawn_blocking;

use crate::app::{command, settings, start, stop};

/// A store with an account and three mails from it that wait for a smarthost which nothing answers for.
async fn prepare(dir: &Path) -> Settings {
    let mut settings = settings(&dir.join("data"));
    let relay = "[relay]\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n";
    settings.relay = config::parse("test", relay).unwrap().relay;
    let add = Add {
        address: "anna@heimpost.local".to_owned(),
        owner: false,
        language: None,
        quota: None,
        password: None,
        password_hash: None,
    };
    command(&settings, Operation::AccountAdd(add)).await;
    spool(&settings, 3).await;
    settings
}

/// Spools so many mails while no daemon runs.
pub(crate) async fn spool(settings: &Settings, mails: usize) {
    let settings = settings.clone();
    let spooled = spawn_blocking(move || {
        let now = Clock::system().now();
        let store = Store::open(&settings.data, &store_options(&settings), now).unwrap();
        let mails = (1..=mails).map(|n| mail(&store, n)).collect();
        store.append(mails, now).unwrap();
    });
    spooled.await.unwrap();
}

fn mail(store: &Store, n: usize) -> Append {
    let mut intake = Intake::begin(store, None).unwrap();
    let text = format!("Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_{n}?=\r\n\r\nHallo\r\n");
    intake.write(text.as_bytes()).unwrap();
    let received = intake.finish().unwrap();
    Append {
        blob: received.blob,
        summary: received.summary,
        filings: Vec::new(),
        spool: vec![NewSpool {
            prefix: Vec::new(),
            sender: Address::parse("anna@heimpost.local").ok(),
            account: None,
            priority: Priority::Mail,
            body: BodyType::SevenBit,
            header: HeaderType::Ascii,
            ret: None,
            envid: None,
            recipients: vec![NewSpoolRecipient {
                address: Address::parse(&format!("eve{n}@far.test")).unwrap(),
                notify: None,
                original: None,
            }],
        }],
    }
}

async fn listed(settings: &Settings) -> Vec<serde_json::Value> {
    let lines = command(settings, Operation::QueueList(Format::Json)).await;
    serde_json::from_str(&lines.concat()).unwrap()
}

async fn act(settings: &Settings, deed: Deed, which: Which) -> Vec<String> {
    command(settings, Operation::Queue { deed, which }).await
}

async fn states(settings: &Settings) -> Vec<String> {
    let listed = listed(settings).await;
    let state = |mail: &serde_json::Value| mail["recipients"][0]["state"].to_string();
    listed.iter().map(state).collect()
}

async fn status(settings: &Settings) -> serde_json::Value {
    let lines = command(settings, Operation::Status(Format::Json)).await;
    serde_json::from_str(&lines.concat()).unwrap()
}

/// Holds all, lists, and lets go of the first mail again. What is shown must not depend on whether a daemon runs.
async fn hold_and_list(settings: &Settings) {
    let said = act(settings, Deed::Hold, Which::All).await;
    assert!(said[0].contains("is kept back until"), "{said:?}");
    // What is being tried right now is held once that was in vain.
    while !states(settings)
        .await
        .iter()
        .all(|state| state == "\"held\"")
    {
        tokio::task::yield_now().await;
    }
    let mails = listed(settings).await;
    let first = &mails[0];
    assert_eq!(first["from"], "anna@heimpost.local");
    assert!(
        first["subject"].as_str().unwrap().starts_with("Grüße "),
        "{first}"
    );
    assert_eq!(first["recipients"][0]["destination"], "[127.0.0.1]:9");
    let table = command(settings, Operation::QueueList(Format::Table)).await;
    let id = first["id"].as_u64().unwrap();
    assert!(
        table[0].starts_with(&format!("{id}: <anna@heimpost.local>, ")),
        "{table:?}"
    );
    assert!(
        table[1].contains("@far.test> by [127.0.0.1]:9: held"),
        "{table:?}"
    );
    let queue = &status(settings).await["queue"];
    assert_eq!(
        (&queue["waiting"], &queue["held"]),
        (&0.into(), &mails.len().into())
    );
}

#[tokio::test]
async fn the_queue_is_shown_and_changed_with_and_without_a_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let settings = prepare(dir.path()).await;
    assert_eq!(states(&settings).await, ["\"waiting\""; 3]);
    let words = command(&settings, Operation::Status(Format::Table))
        .await
        .join("\n");
    assert!(
        words.contains("3 wait to be sent, the oldest for "),
        "{words}"
    );
    hold_and_list(&settings).await;

    let app = start(&settings).await;
    hold_and_list(&settings).await;
    let ids: Vec<u64> = listed(&settings)
        .await
        .iter()
        .map(|mail| mail["id"].as_u64().unwrap())
        .collect();
    act(&settings, Deed::Remove, Which::These(vec![ids[1]])).await;
    assert_eq!(listed(&settings).await.len(), 2);
    // The worker hears of it, and says why it was in vain.
    act(&settings, Deed::Retry, Which::These(vec![ids[0]])).await;
    let last = loop {
        let mails = listed(&settings).await;
        let last = &mails[0]["recipients"][0]["last"];
        if !last.is_null() {
            break last.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(last["status"], "4.4.1", "{last}");
    assert_eq!(stop(app).await, Stopped::Clean);

    let table = command(&settings, Operation::QueueList(Format::Table))
        .await
        .join("\n");
    assert!(
        table.contains("tries: 1; 127.0.0.1:9 refuses connections"),
        "{table}"
    );
    assert!(
        table.contains("next try in ") && table.contains(", until 20"),
        "{table}"
    );
    act(&settings, Deed::Remove, Which::All).await;
    let empty = command(&settings, Operation::QueueList(Format::Table)).await;
    assert_eq!(empty, ["no mail waits to be sent"]);
    assert_eq!(listed(&settings).await.len(), 0);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let settings = prepare(dir.path()).await;
    let operation = Operation::Queue {
        deed: Deed::Retry,
        which: Which::These(vec![1, 77, 78]),
    };
    let run = move || {
        let mut lines = Lines::default();
        let done = connect::run(&operation, &settings, &Clock::system(), &mut lines);
        (lines.0, done)
    };
    let (said, done) = spawn_blocking(run).await.unwrap();
    assert_eq!(said, ["1: is tried now"]);
    let problem = "there is no mail 77, 78 in the queue".to_owned();
    assert_eq!(done, Err(Failure::Failed(problem)));
}
