//! A new box that begins with the backup on a stick. The tests stand in for root, who mounts it.

use std::fs;
use std::path::{Path, PathBuf};

use heimpost::cli;
use heimpost::cli::connect;
use heimpost::cli::operation::Operation;
use heimpost::cli::output::Lines;
use heimpost::cli::stick::Task;
use heimpost::clock::Clock;
use heimpost::panel::Condition;
use tokio::task::spawn_blocking;

use super::client::{Browser, House};
use super::setup::Rig;
use super::stick::plug;
use crate::app;

const UUID: &str = "12AB-34CD";
const PAGE: &str = "/setup/restore";

/// A stick with the backup of a box with two accounts, and that box's authority.
async fn backed_up(dir: &Path) -> (PathBuf, String) {
    let stick = dir.join("heimpost-backup");
    fs::create_dir(&stick).unwrap();
    let old = House::with(|settings| settings.backup.stick = Some("BACKUP".to_owned())).await;
    old.add("anna@heimpost.local").await;
    old.add("bob@heimpost.local").await;
    let mounted = stick.to_str().unwrap().to_owned();
    app::command(&old.settings, Operation::Stick(Task::BackUp { mounted })).await;
    let authority = fs::read_to_string(old.settings.data.join("tls/ca.pem")).unwrap();
    old.stop().await;
    (stick, authority)
}

/// A box whose root looks for what is wanted, with the stick plugged in, and the browser that sets it up.
async fn new_box() -> (Rig, Browser) {
    let rig = Rig::new("sim", "").await;
    let (system, data) = (rig.dir.path().join("system"), rig.dir.path().join("data"));
    let unit = "usr/lib/systemd/system/heimpost-restore.path";
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("systemd")
            .join(unit),
    );
    let text = text
        .unwrap()
        .replace("/var/lib/heimpost", data.to_str().unwrap());
    let mut browser = rig.browser();
    browser.get("/setup").await.expect(200);
    let page = browser.post("/setup/start", &[]).await.expect(200);
    // Without root there is no way to a stick.
    assert!(!page.has("I have a backup"), "{}", page.text());
    assert!(!browser.get(PAGE).await.has("Which stick?"));
    fs::create_dir_all(system.join(unit).parent().unwrap()).unwrap();
    fs::write(system.join(unit), text).unwrap();
    let page = browser.get("/setup/language").await.expect(200);
    assert!(page.has("I have a backup"), "{}", page.text());
    let page = browser.get(PAGE).await.expect(200);
    assert!(
        page.has("No stick is plugged into the box now."),
        "{}",
        page.text()
    );
    plug(&system);
    (rig, browser)
}

/// What the helper asks of the daemon.
async fn helper(rig: &Rig, task: Task) -> Result<Vec<String>, cli::Failure> {
    let settings = rig.daemon.settings().clone();
    let run = move || {
        let mut lines = Lines::default();
        let asked = Operation::Recover(task);
        connect::run(&asked, &settings, &Clock::system(), &mut lines).map(|()| lines.0)
    };
    spawn_blocking(run).await.unwrap()
}

/// Root comes because of the file, and hands the stick over.
async fn hand_over(rig: &Rig, stick: &Path) -> Result<Vec<String>, cli::Failure> {
    fs::remove_file(rig.dir.path().join("data/restore-wanted")).unwrap();
    assert_eq!(helper(rig, Task::Name).await.unwrap(), [UUID]);
    let mounted = stick.to_str().unwrap().to_owned();
    helper(rig, Task::BackUp { mounted }).await
}

async fn look(rig: &Rig, browser: &mut Browser, stick: &Path) {
    let page = browser.get(PAGE).await.expect(200);
    assert!(page.has("BACKUP") && page.has(UUID), "{}", page.text());
    let page = browser
        .post("/setup/restore/look", &[("stick", UUID)])
        .await;
    assert!(page.has("looking what is on the stick"), "{}", page.text());
    assert_eq!(page.header("refresh"), "2");
    hand_over(rig, stick).await.unwrap();
    assert!(helper(rig, Task::Name).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_box_becomes_the_one_that_was() {
    let dir = tempfile::tempdir().unwrap();
    let (stick, authority) = backed_up(dir.path()).await;
    let (rig, mut browser) = new_box().await;
    look(&rig, &mut browser, &stick).await;
    let page = browser.get(PAGE).await.expect(200);
    assert!(
        page.has("Restore this one") && page.has("<dd>2</dd>"),
        "{}",
        page.text()
    );
    // Somebody else can neither look nor begin.
    let mut stranger = rig.browser();
    assert!(!stranger.get(PAGE).await.has("Restore this one"));
    stranger.token.clone_from(&browser.token);
    stranger
        .post("/setup/restore/begin", &[("number", "0")])
        .await;
    assert!(!rig.dir.path().join("data/restore-wanted").exists());
    let page = browser
        .post("/setup/restore/begin", &[("number", "0")])
        .await
        .expect(200);
    assert!(page.has("is being restored"), "{}", page.text());
    // Nothing else is made in the meantime.
    let page = browser.get("/setup").await.expect(200);
    assert!(page.has("is being restored"), "{}", page.text());
    let said = hand_over(&rig, &stick).await.unwrap();
    assert_eq!(
        said,
        ["restored 2 accounts and 0 messages; checked and sound"]
    );
    let page = browser.get(PAGE).await.expect(200);
    assert!(page.has("The box restarts with it"), "{}", page.text());
    let rig = rig.restarted().await;
    let page = browser.get(PAGE).await.expect(200);
    assert!(page.has("Your box is back."), "{}", page.text());
    let kept = fs::read_to_string(rig.dir.path().join("data/tls/ca.pem")).unwrap();
    assert_eq!(kept, authority);
    let mut anna = rig.browser();
    anna.log_in("/box/login", "anna@heimpost.local").await;
    assert!(anna.get("/box/accounts").await.has("bob@heimpost.local"));
    // The door is shut, and stays so for whoever opened it.
    assert!(
        rig.browser()
            .get("/setup")
            .await
            .has("Setup is closed right now")
    );
    assert!(browser.get("/setup").await.has("Setup is closed right now"));
    rig.stop().await;
}

#[tokio::test]
async fn what_does_not_work_leaves_an_empty_box() {
    let dir = tempfile::tempdir().unwrap();
    let (stick, _) = backed_up(dir.path()).await;
    let (rig, mut browser) = new_box().await;
    // What is no stick is not asked for.
    browser
        .post("/setup/restore/look", &[("stick", "sda1")])
        .await
        .expect(200);
    assert!(!rig.dir.path().join("data/restore-wanted").exists());
    browser
        .post("/setup/restore/look", &[("stick", UUID)])
        .await
        .expect(200);
    let reason = "not-there".to_owned();
    helper(&rig, Task::Failed { reason }).await.unwrap();
    let page = browser.get(PAGE).await.expect(200);
    assert!(
        page.has("The stick is not plugged in any more."),
        "{}",
        page.text()
    );
    // Another stick is in its place.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    look(&rig, &mut browser, &empty).await;
    let page = browser.get(PAGE).await.expect(200);
    assert!(
        page.has("There is no backup of Heimpost on this stick."),
        "{}",
        page.text()
    );
    browser.post("/setup/restore/again", &[]).await.expect(200);
    // A byte is not as it was written.
    look(&rig, &mut browser, &stick).await;
    let backup = fs::read_dir(&stick)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let index = fs::read_dir(&backup).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.file_name()?
            .to_str()?
            .starts_with("index-")
            .then_some(path)
    });
    let index = index.unwrap();
    let mut bytes = fs::read(&index).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&index, bytes).unwrap();
    browser.get(PAGE).await.expect(200);
    browser
        .post("/setup/restore/begin", &[("number", "0")])
        .await
        .expect(200);
    let failed = hand_over(&rig, &stick).await.unwrap_err();
    assert!(failed.to_string().contains("is damaged"), "{failed}");
    browser.language = "de".to_owned();
    let page = browser.get(PAGE).await.expect(200);
    assert!(
        page.has("Die Box ist so leer wie zuvor."),
        "{}",
        page.text()
    );
    assert!(!rig.dir.path().join("data/restored.new").exists());
    assert_eq!(rig.daemon.app().panel().view().condition, Condition::Setup);
    let page = browser.get("/setup/mode").await.expect(200);
    assert!(page.has("Wie soll die Box arbeiten?"), "{}", page.text());
    rig.stop().await;
}
