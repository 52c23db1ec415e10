//! What is done with messages in the browser, undone, and refused.

use super::client::{Browser, House};

const ANNA: &str = "anna@heimpost.local";
const BOB: &str = "bob@heimpost.local";

/// A box in which bob has got so many mails from anna.
async fn rig(mails: usize) -> (House, Browser, Browser) {
    let house = House::furnished().await;
    let (mut anna, mut bob) = (house.person(ANNA).await, house.person(BOB).await);
    for n in 0..mails {
        let subject = format!("Mail {n}");
        let fields = [("to", BOB), ("subject", subject.as_str())];
        anna.write("/mail/compose", &fields, &[], "send")
            .await
            .expect(200);
    }
    bob.get("/mail").await.expect(200);
    (house, anna, bob)
}

/// Presses a button with these messages picked.
async fn press(browser: &mut Browser, deed: &str, picks: &[String]) -> super::client::Page {
    let mut fields = vec![("deed", deed), ("here", "/mail"), ("away", "/mail")];
    fields.extend(picks.iter().map(|pick| ("pick", pick.as_str())));
    browser.post("/mail/deed", &fields).await
}

/// Presses the button that undoes what the page tells.
async fn undo(browser: &mut Browser, page: &super::client::Page) -> super::client::Page {
    let text = page.text();
    let (_, number) = text.split_once("name=\"number\" value=\"").unwrap();
    let number = number.split('"').next().unwrap();
    let fields = [("number", number), ("here", "/mail")];
    browser.post("/mail/undo", &fields).await
}

#[tokio::test]
async fn messages_go_to_trash_and_come_back() {
    let (house, mut anna, mut bob) = rig(3).await;
    let picks = bob.serials("Inbox").await;
    let page = press(&mut bob, "trash", &picks[..2]).await.expect(200);
    assert!(page.has("2 messages moved to “Trash”."), "{}", page.text());
    assert_eq!((bob.count("Inbox").await, bob.count("Trash").await), (1, 2));
    // Nobody else can undo it.
    let stolen = undo(&mut anna, &page).await.expect(200);
    assert!(stolen.has("cannot be undone any more"));
    bob.get("/mail").await.expect(200);
    let page = undo(&mut bob, &page).await.expect(200);
    assert!(
        page.has("2 messages back where they were."),
        "{}",
        page.text()
    );
    assert_eq!((bob.count("Inbox").await, bob.count("Trash").await), (3, 0));
    house.stop().await;
}

#[tokio::test]
async fn deleting_for_good_asks() {
    let (house, _, mut bob) = rig(3).await;
    let picks = bob.serials("Inbox").await;
    press(&mut bob, "trash", &picks).await.expect(200);
    let picks = bob.serials("Trash").await;
    let page = press(&mut bob, "delete", &picks[..1]).await.expect(200);
    assert!(
        page.has("This message is deleted on all devices"),
        "{}",
        page.text()
    );
    assert_eq!(bob.count("Trash").await, 3);
    let fields = [
        ("deed", "delete"),
        ("pick", picks[0].as_str()),
        ("sure", "yes"),
    ];
    let page = bob.post("/mail/deed", &fields).await.expect(200);
    assert!(page.has("1 message deleted for good."), "{}", page.text());
    let trash = bob.mailbox("Trash").await;
    let fields = [("deed", "empty"), ("mailbox", trash.as_str())];
    let page = bob.post("/mail/deed", &fields).await.expect(200);
    assert!(
        page.has("2 messages are deleted on all devices"),
        "{}",
        page.text()
    );
    let fields = [
        ("deed", "empty"),
        ("mailbox", trash.as_str()),
        ("sure", "yes"),
    ];
    bob.post("/mail/deed", &fields).await.expect(200);
    assert_eq!(bob.count("Trash").await, 0);
    house.stop().await;
}

#[tokio::test]
async fn hostile_forms_reach_nothing() {
    let (house, mut anna, mut bob) = rig(1).await;
    let bobs = bob.serials("Inbox").await;
    let sent = anna.serials("Sent").await;
    let his = bob.mailbox("Trash").await;
    let moving = format!("move:{his}");
    for deed in ["trash", "seen", "delete", "junk", moving.as_str()] {
        press(&mut anna, deed, &bobs).await.expect(404);
    }
    for (deed, pick) in [
        (moving.as_str(), sent[0].as_str()),
        ("explode", sent[0].as_str()),
        ("trash", "-1"),
        ("trash", "1e9"),
        ("trash", "\u{0}"),
    ] {
        press(&mut anna, deed, &[pick.to_owned()]).await.expect(404);
    }
    // Too many, and gone ones.
    let many: Vec<String> = (1_000_000..1_005_000).map(|n: u32| n.to_string()).collect();
    let page = press(&mut anna, "trash", &many).await.expect(200);
    assert!(page.has("No message was picked, or it was gone already."));
    let good = anna.token.clone();
    anna.token = "x".to_owned();
    press(&mut anna, "trash", &sent).await.expect(403);
    anna.token = good;
    // Where the form wants to go back to is no way out.
    for away in [
        "//evil.example",
        "https://evil.example/mail",
        "/box",
        "/mail\\@evil.example",
    ] {
        let fields = [
            ("deed", "seen"),
            ("pick", sent[0].as_str()),
            ("here", away),
            ("away", away),
        ];
        let page = anna.post_only("/mail/deed", &fields).await.expect(303);
        assert!(page.header("location").starts_with("/mail?told="), "{away}");
    }
    assert_eq!((bob.count("Inbox").await, anna.count("Sent").await), (1, 1));
    house.stop().await;
}

#[tokio::test]
async fn mailboxes_are_made_renamed_and_deleted() {
    let (house, mut anna, mut bob) = rig(2).await;
    bob.get("/mail/mailboxes").await.expect(200);
    let page = bob
        .post("/mail/mailboxes", &[("name", "Shop"), ("above", "")])
        .await
        .expect(200);
    assert!(page.has("Mailbox created."), "{}", page.text());
    for (name, expected) in [
        ("Shop", "called that already"),
        (" ", "name is missing"),
        ("a*b", "does not work"),
    ] {
        let page = bob
            .post("/mail/mailboxes", &[("name", name)])
            .await
            .expect(200);
        assert!(page.has(expected), "{name}");
    }
    let shop = bob.mailbox("Shop").await;
    bob.post(
        "/mail/mailboxes",
        &[("name", "Old"), ("above", shop.as_str())],
    )
    .await
    .expect(200);
    let picks = bob.serials("Inbox").await;
    press(&mut bob, &format!("move:{shop}"), &picks)
        .await
        .expect(200);
    let rename = format!("/mail/mailboxes/{shop}/rename");
    bob.post(&rename, &[("name", "Shops")]).await.expect(200);
    bob.post(&rename, &[("name", "Sent")]).await.expect(422);
    let delete = format!("/mail/mailboxes/{shop}/delete");
    assert!(
        bob.get(&delete)
            .await
            .expect(200)
            .has("2 messages are deleted on all devices")
    );
    bob.post(&delete, &[]).await.expect(422);
    let below = bob.mailbox("Shops/Old").await;
    bob.post(&format!("/mail/mailboxes/{below}/delete"), &[])
        .await
        .expect(200);
    // Nobody else, and none of those that everybody needs.
    anna.get("/mail/mailboxes").await.expect(200);
    anna.get(&delete).await.expect(404);
    anna.post(&delete, &[]).await.expect(404);
    anna.post(&rename, &[("name", "x")]).await.expect(404);
    let inbox = bob.mailbox("Inbox").await;
    bob.post(&format!("/mail/mailboxes/{inbox}/delete"), &[])
        .await
        .expect(404);
    bob.post(&delete, &[]).await.expect(200);
    assert_eq!(bob.count("Inbox").await, 0);
    house.stop().await;
}
