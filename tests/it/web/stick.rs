//! The USB stick for backups: named on the page, backed up to, told at every outlet.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use heimpost::app::App;
use heimpost::cli::connect;
use heimpost::cli::operation::{Format, Operation};
use heimpost::cli::stick::Task;
use heimpost::clock::{Clock, Wall};
use heimpost::panel::{Condition, Trouble};

use super::client::House;
use crate::app;

/// A system with one stick, BACKUP, and what has no label.
pub(super) fn plug(system: &Path) {
    let place = system.join("sys/devices/usb1/1-1/block/sda");
    let links = ["dev/disk/by-label", "dev/disk/by-uuid", "sys/class/block"];
    for dir in links.map(|dir| system.join(dir)).iter().chain([&place]) {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(place.join("size"), "31260672\n").unwrap();
    symlink("../../sda", system.join("dev/disk/by-label/BACKUP")).unwrap();
    symlink("../../sda", system.join("dev/disk/by-uuid/12AB-34CD")).unwrap();
    symlink(&place, system.join("sys/class/block/sda")).unwrap();
}

#[tokio::test]
async fn the_owner_names_a_stick() {
    let dir = tempfile::tempdir().unwrap();
    let system = dir.path().to_owned();
    let house = House::with(|settings| settings.backup.system = system).await;
    house.add("anna@heimpost.local").await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/transfer").await.expect(200);
    assert!(page.has("No stick is plugged into the box now."));
    plug(dir.path());
    let page = owner.get("/box/transfer").await.expect(200);
    assert!(
        page.has("BACKUP") && page.has("14 GB · 12AB-34CD"),
        "{}",
        page.text()
    );
    owner
        .post("/box/transfer/stick", &[("name", "a/b")])
        .await
        .expect(422);
    let named = owner.post("/box/transfer/stick", &[("name", "BACKUP")]);
    let page = named.await.expect(200);
    assert!(
        page.has("From now on") && page.has("no backup on the stick BACKUP yet"),
        "{}",
        page.text()
    );
    owner
        .post("/box/transfer/stick/days", &[("days", "0")])
        .await
        .expect(422);
    let page = owner
        .post("/box/transfer/stick/days", &[("days", "7")])
        .await;
    assert!(page.has("value=\"7\""), "{}", page.text());
    owner.language = "de".to_owned();
    let page = owner.post("/box/transfer/stick/now", &[]).await.expect(200);
    assert!(page.has("Die Sicherung beginnt gleich."), "{}", page.text());
    let wanted = house.settings.data.join("backup-wanted");
    fs::remove_file(&wanted).unwrap();
    let page = owner.post("/box/transfer/stick", &[("name", "")]).await;
    assert!(page.has("Diesen Stick benutzen"), "{}", page.text());
    // Nobody else may.
    let mut stranger = house.browser();
    stranger
        .ask("POST", "/box/transfer/stick/now", &[], b"")
        .await;
    assert!(!wanted.exists());
    house.stop().await;
}

#[tokio::test]
async fn how_old_the_last_good_one_is_stands_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let stick = dir.path().join("stick");
    fs::create_dir(&stick).unwrap();
    let house = House::with(|settings| {
        settings.backup.stick = Some("BACKUP".to_owned());
        settings.backup.system = stick.join("none");
    });
    let house = house.await;
    house.add("anna@heimpost.local").await;
    let mut owner = house.owner().await;
    let task = |task| app::command(&house.settings, Operation::Stick(task));
    assert_eq!(task(Task::Name).await, ["BACKUP"]);
    let reason = "not-there".to_owned();
    task(Task::Failed { reason }).await;
    for path in ["/box/transfer", "/box"] {
        let page = owner.get(path).await.expect(200);
        assert!(
            page.has("The stick BACKUP is not plugged in"),
            "{}",
            page.text()
        );
    }
    let status = app::command(&house.settings, Operation::Status(Format::Table)).await;
    let told =
        "  the last attempt: The stick BACKUP is not plugged into the box. Please plug it in.";
    assert!(status.contains(&told.to_owned()), "{status:#?}");
    let mounted = stick.to_str().unwrap().to_owned();
    let said = task(Task::BackUp { mounted }).await;
    assert!(said[1].contains("all is sound"), "{said:?}");
    let page = owner.get("/box/transfer").await.expect(200);
    assert!(
        page.has("on the stick BACKUP is 0 minutes old.") && page.has("Restored for a trial"),
        "{}",
        page.text()
    );
    let page = owner.get("/box").await.expect(200);
    assert!(
        page.has("All is well.") && page.has("0 minutes old"),
        "{}",
        page.text()
    );
    let page = owner.get("/metrics").await.expect(200);
    assert!(page.has("\nheimpost_backup_trouble 0\n"), "{}", page.text());
    assert!(page.has("\nheimpost_backup_age_limit_seconds 259200\n"));
    house.stop().await;
}

#[tokio::test]
async fn the_led_tells_when_it_is_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = app::settings(&dir.path().join("data"));
    settings.backup.stick = Some("BACKUP".to_owned());
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let mounted = dir.path().join("stick");
    fs::create_dir(&mounted).unwrap();
    for (days, expected) in [
        (0, Condition::Fine),
        (3, Condition::Fine),
        (1, Condition::Trouble(Trouble::Backup)),
    ] {
        clock.advance(Duration::from_hours(24) * days);
        let app = App::start(&settings, clock.clone(), connect::handler);
        let app = app.await.unwrap();
        // The box is busy until it has looked.
        let seen = loop {
            let seen = app.panel().view().condition;
            if seen != Condition::Busy {
                break seen;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(seen, expected, "{days}");
        if days == 0 {
            let mounted = mounted.to_str().unwrap().to_owned();
            app::command(&settings, Operation::Stick(Task::BackUp { mounted })).await;
        }
        let status = app::command(&settings, Operation::Status(Format::Json)).await;
        let trouble = format!("\"trouble\":{}", expected != Condition::Fine);
        let (_, backup) = status[0].split_once("\"backup\":{").unwrap();
        let (backup, _) = backup.split_once('}').unwrap();
        assert!(backup.contains(&trouble), "{backup}");
        app::stop(app).await;
    }
}
