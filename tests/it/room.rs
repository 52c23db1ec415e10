//! `heimpost room` with a daemon and without one: what it lists, what it does, and back again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use heimpost::cli::account::Add;
use heimpost::cli::import::Source;
use heimpost::cli::operation::{Format, Operation};
use heimpost::cli::room::Task;
use heimpost::config::Settings;
use heimpost::net::shutdown::Stopped;

use crate::app::{command, settings, start, stop};

/// Settings by which all of Trash goes, with one program.
fn prepare(dir: &Path) -> Settings {
    let mut settings = settings(&dir.join("data"));
    settings.room.trash_days = 0;
    settings.room.hooks = dir.join("hooks");
    fs::create_dir(&settings.room.hooks).unwrap();
    fs::set_permissions(&settings.room.hooks, fs::Permissions::from_mode(0o755)).unwrap();
    let program = settings.room.hooks.join("10-look");
    fs::write(&program, "#!/bin/sh\necho looked\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    settings
}

async fn fill_trash(settings: &Settings, dir: &Path) {
    let mbox = dir.join("mbox");
    let mail =
        |n| format!("From bob@example.org Sun Nov 22 06:00:00 2026\nSubject: {n}\n\nOld.\n\n");
    fs::write(&mbox, [1, 2, 3].map(mail).concat()).unwrap();
    let add = Add {
        address: "anna@heimpost.local".to_owned(),
        owner: false,
        language: None,
        quota: None,
        password: None,
        password_hash: None,
    };
    command(settings, Operation::AccountAdd(add)).await;
    let import = Operation::Import {
        account: "anna@heimpost.local".to_owned(),
        source: Source::Mbox {
            path: mbox.to_str().unwrap().to_owned(),
            into: "Trash".to_owned(),
        },
    };
    command(settings, import).await;
}

async fn room(settings: &Settings, task: Task) -> Vec<String> {
    command(settings, Operation::Room(task)).await
}

/// The command's life, which must not depend on whether a daemon runs.
async fn make_room_and_undo(settings: &Settings) {
    let listed = room(settings, Task::DryRun(Format::Table)).await;
    let [line] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    assert!(
        line.starts_with("anna@heimpost.local: Trash: 3 mails, "),
        "{line}"
    );
    let json = room(settings, Task::DryRun(Format::Json)).await;
    let rows: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(
        (&rows[0]["mailbox"], &rows[0]["messages"]),
        (&"Trash".into(), &3.into())
    );
    let receipt = room(settings, Task::Press).await.join("\n");
    for part in [
        "Room was made: 3 mails",
        "- Trash: 3 mails",
        "heimpost room --undo",
        "- 10-look: ",
        "The receipt was mailed to anna@heimpost.local.",
    ] {
        assert!(receipt.contains(part), "{part:?} is missing in {receipt}");
    }
    let nothing = room(settings, Task::DryRun(Format::Table)).await;
    assert_eq!(nothing, ["nothing would go"]);
    let undone = room(settings, Task::Undo).await;
    assert!(
        undone[0].starts_with("anna@heimpost.local: 3 mails, "),
        "{undone:?}"
    );
    assert!(undone[0].ends_with(" put back"), "{undone:?}");
    let listed_again = room(settings, Task::DryRun(Format::Table)).await;
    assert_eq!(listed_again, listed);
}

#[tokio::test]
async fn room_works_with_and_without_a_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let settings = prepare(dir.path());
    fill_trash(&settings, dir.path()).await;
    make_room_and_undo(&settings).await;
    let app = start(&settings).await;
    make_room_and_undo(&settings).await;
    assert_eq!(stop(app).await, Stopped::Clean);
}
