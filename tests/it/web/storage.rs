//! Storage, backups, and moving mail in and out.

use std::io::{Cursor, Read};

use super::client::{Browser, House, Page};

const MBOX: &str = "From a@else.example Sun Nov 22 10:00:00 2026\nFrom: Ada <ada@else.example>\nTo: anna@heimpost.local\n\
    Subject: First\nDate: Sun, 22 Nov 2026 10:00:00 +0000\n\nOne.\n\nFrom b@else.example Fri Nov 21 10:00:00 2025\n\
    From: Bea <bea@else.example>\nSubject: Second\nDate: Fri, 21 Nov 2025 10:00:00 +0000\n\n>From here on: two.\n";

/// Gives a file to an upload form.
async fn upload(browser: &mut Browser, path: &str, token: &str, mailbox: &str, file: &str) -> Page {
    let part = |name: &str, more: &str, value: &str| {
        format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n"
        )
    };
    let body = [
        part("form", "", token),
        part("mailbox", "", mailbox),
        part("file", "; filename=\"old.mbox\"", file),
        "--edge--\r\n".to_owned(),
    ]
    .concat();
    let kind = [("Content-Type", "multipart/form-data; boundary=edge")];
    browser.ask("POST", path, &kind, body.as_bytes()).await
}

/// Looks at a job's page until the job is over.
async fn job(browser: &mut Browser, page: Page) -> Page {
    let place = page.expect(303).header("location").to_owned();
    loop {
        let page = browser.get(&place).await.expect(200);
        if page.header("refresh").is_empty() {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn old_mail_comes_in_and_goes_out_again() {
    let house = House::furnished().await;
    let mut anna = house.person("anna@heimpost.local").await;
    for (came, were_there) in [(2, 0), (0, 2)] {
        anna.get("/me/transfer").await.expect(200);
        let token = anna.token.clone();
        let page = upload(
            &mut anna,
            "/me/transfer/import",
            &token,
            "Old/Letters",
            MBOX,
        )
        .await;
        let page = job(&mut anna, page).await;
        let expected = format!("{came} messages");
        assert!(page.has(&expected), "{}", page.text());
        assert!(
            page.has(&format!("{were_there} were there already")),
            "{}",
            page.text()
        );
    }
    let page = anna.get("/me/transfer/export").await.expect(200);
    assert_eq!(page.header("content-type"), "application/zip");
    assert!(
        page.header("content-disposition")
            .contains("anna@heimpost.local.zip")
    );
    let mut archive = zip::ZipArchive::new(Cursor::new(page.body)).unwrap();
    let mut text = String::new();
    let mut file = archive.by_name("Old/Letters.mbox").unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("Subject: First") && text.contains("\n>From here on: two."),
        "{text}"
    );
    house.stop().await;
}

#[tokio::test]
async fn uploads_need_the_token_and_a_mailbox_that_can_be() {
    let house = House::furnished().await;
    let mut anna = house.person("anna@heimpost.local").await;
    anna.get("/me/transfer").await.expect(200);
    let token = anna.token.clone();
    upload(&mut anna, "/me/transfer/import", "guess", "Old", MBOX)
        .await
        .expect(403);
    upload(&mut anna, "/me/transfer/import", &token, "a//b", MBOX)
        .await
        .expect(422);
    let page = upload(
        &mut anna,
        "/me/transfer/import",
        &token,
        "Old",
        "no mbox at all",
    )
    .await;
    let page = job(&mut anna, page).await;
    assert!(page.has("no mbox file"), "{}", page.text());
    // Whose job it is, is nobody else's matter.
    let mut bob = house.person("bob@heimpost.local").await;
    bob.get("/me/job/1").await.expect(404);
    house.stop().await;
}

#[tokio::test]
async fn a_person_sees_what_is_large_and_the_owner_does_not_see_whose() {
    let house = House::furnished().await;
    let mut anna = house.person("anna@heimpost.local").await;
    anna.get("/me/transfer").await.expect(200);
    let token = anna.token.clone();
    let page = upload(&mut anna, "/me/transfer/import", &token, "Old", MBOX).await;
    job(&mut anna, page).await;
    let page = loop {
        let page = anna.get("/me/storage").await.expect(200);
        if page.header("refresh").is_empty() {
            break page;
        }
    };
    for words in [
        "First",
        "Second",
        "ada@else.example",
        "2025",
        "2026",
        "after%3A2025%2D01%2D01",
    ] {
        assert!(page.has(words), "{words}: {}", page.text());
    }
    let mut owner = house.owner().await;
    let page = owner.get("/box/storage").await.expect(200);
    assert!(
        page.has("anna@heimpost.local") && !page.has("First"),
        "{}",
        page.text()
    );
    house.stop().await;
}

#[tokio::test]
async fn room_is_made_and_undone() {
    let house = House::with(|settings| settings.room.trash_days = 0).await;
    house.add("anna@heimpost.local").await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/transfer").await.expect(200);
    let path = page.text();
    let (_, path) = path.split_once("action=\"/box/transfer/import/").unwrap();
    let path = format!("/box/transfer/import/{}", path.split('"').next().unwrap());
    let token = owner.token.clone();
    let page = upload(&mut owner, &path, &token, "Trash", MBOX).await;
    job(&mut owner, page).await;
    let page = owner.get("/box/storage").await.expect(200);
    assert!(page.has("Trash: 2 messages"), "{}", page.text());
    let page = owner.post_only("/box/storage/room", &[]).await;
    let page = job(&mut owner, page).await;
    assert!(page.has("Trash: 2 mails"), "{}", page.text());
    let page = owner.get("/box/storage").await.expect(200);
    assert!(
        page.has("Nothing could go") && page.has("can come back"),
        "{}",
        page.text()
    );
    let page = owner.post_only("/box/storage/undo", &[]).await;
    let page = job(&mut owner, page).await;
    assert!(page.has("2 messages are back"), "{}", page.text());
    house.stop().await;
}

#[tokio::test]
async fn a_backup_is_made_and_tried_out() {
    let house = House::furnished().await;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("stick").display().to_string();
    let mut owner = house.owner().await;
    let page = owner.get("/box/transfer").await.expect(200);
    assert!(page.has("There is no backup yet"), "{}", page.text());
    let fields = [("to", place.as_str()), ("trial", "yes")];
    let page = owner.post_only("/box/transfer/backup", &fields).await;
    let page = job(&mut owner, page).await;
    assert!(
        page.has("Tried out: 0 messages were there again"),
        "{}",
        page.text()
    );
    assert!(dir.path().join("stick/tls/ca.pem").exists());
    assert!(!dir.path().join("stick/trial").exists());
    let page = owner.get("/box/transfer").await.expect(200);
    assert!(
        page.has("Last backup:") && page.has(&place),
        "{}",
        page.text()
    );
    let log = owner.get("/box/log").await.expect(200);
    assert!(log.has("A backup was made"), "{}", log.text());
    owner.get("/box/transfer").await.expect(200);
    let inside = house.settings.data.join("backup").display().to_string();
    for bad in ["", "relative", "/tmp/../etc", inside.as_str()] {
        owner
            .post_only("/box/transfer/backup", &[("to", bad)])
            .await
            .expect(422);
    }
    house.stop().await;
}
