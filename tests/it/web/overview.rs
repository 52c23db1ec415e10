//! The box at a glance, and its log.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use super::client::{House, Page};
use crate::app;

/// What an SMTP server says to all this.
async fn smtp(house: &House, text: &str) -> String {
    let mut stream = TcpStream::connect(app::address_of(&house.app, "smtp"))
        .await
        .unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut heard)).await;
    read.unwrap().unwrap();
    heard
}

/// One mail that is taken, and one that is not.
async fn some_mail(house: &House) {
    let dialog = "EHLO c\r\nMAIL FROM:<friend@far.example>\r\nRCPT TO:<anna@heimpost.local>\r\n\
        RCPT TO:<nobody@heimpost.local>\r\nDATA\r\nSubject: xylophone\r\n\r\nzebra words\r\n.\r\nQUIT\r\n";
    let heard = smtp(house, dialog).await;
    assert!(
        heard.contains("\r\n354 ") && heard.contains("\r\n550 "),
        "{heard}"
    );
}

fn is_small(page: &Page) {
    assert!(page.body.len() < 100_000, "{}", page.body.len());
}

#[tokio::test]
async fn a_box_that_is_well_says_so_and_offers_nothing_to_press() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    let page = owner.get("/box").await.expect(200);
    for words in [
        "The box is well.",
        "All is well.",
        "Mail today",
        "Nothing waits.",
        "no backup yet",
    ] {
        assert!(page.has(words), "{words}: {}", page.text());
    }
    assert!(page.has("class=\"led on\"") && page.has("data-events=\"/box/events?seen="));
    let text = page.text();
    let state = text.split("id=\"state\"").nth(1).unwrap();
    let state = state.split("</section>").next().unwrap();
    assert!(
        !state.contains("<button") && !state.contains("<a "),
        "{state}"
    );
    is_small(&page);
    owner.language = "de".to_owned();
    assert!(owner.get("/box").await.expect(200).has("Alles in Ordnung."));
    house.stop().await;
}

#[tokio::test]
async fn mail_is_counted_and_told_over_a_restart() {
    let house = House::furnished().await;
    some_mail(&house).await;
    let mut owner = house.owner().await;
    let told = "A mail from friend@far.example to nobody@heimpost.local was refused";
    let log = owner.get("/box/log").await.expect(200);
    assert!(
        log.has("anna@heimpost.local got a mail from friend@far.example."),
        "{}",
        log.text()
    );
    assert!(
        log.has(told) && !log.has("xylophone") && !log.has("zebra"),
        "{}",
        log.text()
    );
    let box_page = owner.get("/box").await.expect(200);
    assert!(
        box_page.has("<dt>came in</dt><dd class=\"big\">1</dd>"),
        "{}",
        box_page.text()
    );
    let house = house.restart().await;
    let mut owner = house.owner().await;
    assert!(owner.get("/box/log").await.expect(200).has(told));
    let page = owner.get("/box").await.expect(200);
    assert!(
        page.has("<dt>came in</dt><dd class=\"big\">1</dd>"),
        "{}",
        page.text()
    );
    house.stop().await;
}

#[tokio::test]
async fn the_log_is_searched_by_words_kind_and_day() {
    let house = House::furnished().await;
    some_mail(&house).await;
    let mut owner = house.owner().await;
    let taken = "got a mail from";
    let refused = "was refused:";
    for (query, has_taken, has_refused) in [
        ("", true, true),
        ("?q=FRIEND%40far", true, true),
        ("?q=nobody%40", false, true),
        ("?q=127.0.0.1&kind=in", true, false),
        ("?kind=refused", false, true),
        ("?kind=house", false, false),
        ("?day=2001-02-03", false, false),
        ("?q=%3Cscript%3E", false, false),
        ("?before=0", false, false),
        ("?before=x&day=never&kind=none", true, true),
    ] {
        let page = owner.get(&format!("/box/log{query}")).await.expect(200);
        assert_eq!(
            (page.has(taken), page.has(refused)),
            (has_taken, has_refused),
            "{query}"
        );
        assert!(!page.has("<script>"), "{query}");
        is_small(&page);
    }
    let wrong = owner.get("/box/log?day=never").await.expect(200);
    assert!(wrong.has("That is no day."));
    let none = owner.get("/box/log?q=zzzz").await.expect(200);
    assert!(none.has("Nothing found."));
    house.stop().await;
}
