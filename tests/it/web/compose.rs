//! Writing mail in the browser: to people here and elsewhere, with files, as drafts, as answers; and hostile forms.

use super::client::{Browser, House};
use super::writing::{filled, value_of};

const FORM: &str = "/mail/compose";
const ANNA: &str = "anna@heimpost.local";
const BOB: &str = "bob@heimpost.local";

async fn rig() -> (House, Browser, Browser) {
    let house = House::furnished().await;
    let (anna, bob) = (house.person(ANNA).await, house.person(BOB).await);
    (house, anna, bob)
}

fn to_bob<'a>(subject: &'a str, text: &'a str) -> [(&'a str, &'a str); 3] {
    [("to", BOB), ("subject", subject), ("text", text)]
}

#[tokio::test]
async fn mail_reaches_people_here_and_is_in_sent_once() {
    let (house, mut anna, mut bob) = rig().await;
    let form = anna.get(FORM).await.expect(200);
    let mut fields = to_bob("Grüße & more", "Hello Bob\r\n\r\nAnna").to_vec();
    fields.push(("bcc", ANNA));
    let page = anna
        .write_into(&form, &fields, &[], "send")
        .await
        .expect(200);
    assert!(page.has("Sent."), "{}", page.text());
    assert!(!page.has("See how it goes"));
    // The same form again, by a second press or the way back.
    let page = anna
        .write_into(&form, &fields, &[], "send")
        .await
        .expect(200);
    assert!(page.has("Sent."));
    assert_eq!((anna.count("Sent").await, bob.count("Inbox").await), (1, 1));
    assert_eq!(
        (anna.count("Drafts").await, anna.count("Inbox").await),
        (0, 1)
    );
    let serial = bob.serials("Inbox").await.remove(0);
    let source = bob.source(&serial).await;
    assert!(!source.contains("Bcc"), "{source}");
    assert!(
        source.contains("Return-Path: <anna@heimpost.local>"),
        "{source}"
    );
    let page = bob
        .get(&format!("/mail/message/{serial}"))
        .await
        .expect(200);
    assert!(page.has("Grüße &amp; more") && page.has("Hello Bob"));
    let sent = anna.serials("Sent").await.remove(0);
    let source = anna.source(&sent).await;
    assert!(source.contains("Bcc: anna@heimpost.local"), "{source}");
    // Whom one wrote to is proposed.
    let form = anna.get(FORM).await.expect(200);
    assert!(form.has("<option value=\"bob@heimpost.local\">"));
    house.stop().await;
}

#[tokio::test]
async fn mail_for_others_waits_in_the_spool() {
    let (house, mut anna, mut bob) = rig().await;
    let fields = [
        ("to", "X <x@else.test>, bob@heimpost.local"),
        ("subject", "Out"),
    ];
    let page = anna.write(FORM, &fields, &[], "send").await.expect(200);
    assert!(page.has("See how it goes"), "{}", page.text());
    assert!(
        anna.get("/mail/outbox")
            .await
            .expect(200)
            .has("x@else.test")
    );
    assert!(!bob.get("/mail/outbox").await.expect(200).has("x@else.test"));
    assert_eq!((anna.count("Sent").await, bob.count("Inbox").await), (1, 1));
    house.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_kept_and_explained() {
    let (house, mut anna, mut bob) = rig().await;
    let many: Vec<String> = (0..10_000).map(|n| format!("a{n}@x.test,")).collect();
    let many = many.concat();
    let table = [
        (
            "to",
            "nobody@heimpost.local",
            "there is no such address here",
        ),
        ("to", "bob", "“bob” is no email address"),
        ("cc", "a@b@c", "is no email address"),
        ("to", "", "To whom shall the mail go?"),
        ("to", &many, "too many addresses"),
        ("from", BOB, "may not write as this address"),
        (
            "from",
            "x\r\nBcc: y@z.test",
            "may not write as this address",
        ),
    ];
    for (field, value, expected) in table {
        let mut fields = to_bob("Kept", "nothing is lost").to_vec();
        fields.push((field, value));
        let page = anna
            .write(FORM, &fields, &[("a.txt", "text/plain", b"file")], "send")
            .await;
        let page = page.expect(200);
        assert!(page.has(expected), "{expected}: {}", page.text());
        assert!(
            page.has("nothing is lost") && page.has("a.txt"),
            "{expected}"
        );
        // What is pressed next replaces the draft, and can be sent.
        let draft = value_of(&page.text(), "draft");
        assert!(!draft.is_empty());
        let page = anna
            .write_into(&page, &[], &[], "discard")
            .await
            .expect(200);
        assert!(page.has("Draft thrown away."));
    }
    assert_eq!(
        (anna.count("Drafts").await, anna.count("Sent").await),
        (0, 0)
    );
    assert_eq!(bob.count("Inbox").await, 0);
    house.stop().await;
}

#[tokio::test]
async fn no_text_breaks_out_of_its_place() {
    let (house, mut anna, mut bob) = rig().await;
    let evil = "x\r\nBcc: nobody@heimpost.local\r\n\r\n<script>alert(1)</script>\u{0}\u{2028}";
    let long = "y".repeat(100_000);
    for (field, value) in [
        ("subject", evil),
        ("name", evil),
        ("in_reply_to", evil),
        ("references", evil),
        ("answers", "reply:99999999999999999999"),
        ("subject", &long),
        ("text", &long),
        ("text", "\r\n.\r\nQUIT\r\n"),
        ("draft", "x"),
    ] {
        let before = bob.count("Inbox").await;
        let mut fields = to_bob("Evil", "text").to_vec();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let name = "e\u{e4}\u{2028}x\u{202e}.txt";
        let page = anna
            .write(
                FORM,
                &fields,
                &[(name, "text/html; x=<y>", b"<script>")],
                "send",
            )
            .await;
        assert!(
            page.clone().expect(200).has("Sent."),
            "{field}: {}",
            page.text()
        );
        assert_eq!(bob.count("Inbox").await, before + 1, "{field}");
        let newest = bob.serials("Inbox").await.remove(0);
        let page = bob
            .get(&format!("/mail/message/{newest}"))
            .await
            .expect(200);
        assert!(!page.has("<script>alert"), "{field}");
        let source = bob.source(&newest).await;
        let header = source.split_once("\r\n\r\n").unwrap().0;
        assert!(!header.contains("\nBcc:"), "{field}: {header}");
    }
    house.stop().await;
}

#[tokio::test]
async fn files_arrive_as_they_were() {
    let (house, mut anna, mut bob) = rig().await;
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let files = [
        ("Plan ä.pdf", "application/pdf", bytes.as_slice()),
        ("empty.txt", "text/plain", b""),
    ];
    let page = anna
        .write(FORM, &to_bob("Files", "see"), &files, "draft")
        .await
        .expect(200);
    assert!(
        page.has("Plan ä.pdf") && page.has("empty.txt"),
        "{}",
        page.text()
    );
    assert_eq!(anna.count("Drafts").await, 1);
    // A saved draft keeps them; one is taken out, and another put in.
    let mut all = filled(&page, &[], "draft");
    let second = all.iter().rposition(|(name, _)| name == "keep").unwrap();
    all.remove(second);
    let more = [("more.bin", "x/y", &b"more"[..])];
    let saved = anna.post_form(FORM, &all, &more).await.expect(303);
    let page = anna.get(saved.header("location")).await.expect(200);
    assert!(page.has("Plan ä.pdf") && page.has("more.bin") && !page.has("empty.txt"));
    assert_eq!(anna.count("Drafts").await, 1, "replaced, not multiplied");
    anna.write_into(&page, &[], &[], "send").await.expect(200);
    assert_eq!(
        (anna.count("Drafts").await, bob.count("Inbox").await),
        (0, 1)
    );
    let serial = bob.serials("Inbox").await.remove(0);
    let part = bob
        .get(&format!("/mail/message/{serial}/part/2"))
        .await
        .expect(200);
    assert_eq!(part.body, bytes);
    house.stop().await;
}

#[tokio::test]
async fn too_large_is_said_and_the_text_stays() {
    let house = House::with(|settings| settings.limits.message_bytes_max = 100_000).await;
    house.add(ANNA).await;
    let mut anna = house.person(ANNA).await;
    let bytes = vec![7; 90_000];
    let files = [("large.bin", "x/y", bytes.as_slice())];
    let fields = [("to", ANNA), ("text", "still here")];
    let page = anna.write(FORM, &fields, &files, "send").await.expect(200);
    assert!(
        page.has("Too large") && page.has("still here"),
        "{}",
        page.text()
    );
    let huge = vec![7; 500_000];
    let files = [("huge.bin", "x/y", huge.as_slice())];
    let page = anna.write(FORM, &fields, &files, "send").await.expect(422);
    assert!(page.has("far too large"));
    assert_eq!(
        (anna.count("Inbox").await, anna.count("Drafts").await),
        (0, 0)
    );
    house.stop().await;
}

#[tokio::test]
async fn answers_and_forwards() {
    let (house, mut anna, mut bob) = rig().await;
    let fields = [
        ("to", "bob@heimpost.local, c@else.test"),
        ("cc", ANNA),
        ("subject", "Lunch"),
        ("text", "at one?\n-- \nAnna"),
    ];
    let files = [("menu.txt", "text/plain", &b"soup"[..])];
    anna.write(FORM, &fields, &files, "send").await.expect(200);
    let serial = bob.serials("Inbox").await.remove(0);
    let form = bob
        .get(&format!("{FORM}?replyall={serial}"))
        .await
        .expect(200)
        .text();
    assert_eq!(value_of(&form, "to"), ANNA);
    assert_eq!(value_of(&form, "cc"), "c@else.test");
    assert_eq!(value_of(&form, "subject"), "Re: Lunch");
    assert!(form.contains("wrote:\n&gt; at one?\n</textarea>"), "{form}");
    let reply = format!("{FORM}?reply={serial}");
    let page = bob.write(&reply, &[("name", "Bob")], &[], "send").await;
    assert!(page.expect(200).has("Sent."));
    let answer = anna.serials("Inbox").await.remove(0);
    let source = anna.source(&answer).await;
    let id = bob.source(&serial).await;
    let id = id
        .lines()
        .find_map(|line| line.strip_prefix("Message-ID: "))
        .unwrap();
    assert!(source.contains(&format!("In-Reply-To: {id}")), "{source}");
    assert!(source.contains(&format!("References: {id}")), "{source}");
    // As a whole, and in parts.
    let page = bob
        .write(
            &format!("{FORM}?forward={serial}&as=message"),
            &[("to", ANNA)],
            &[],
            "send",
        )
        .await;
    assert!(page.expect(200).has("Sent."));
    let newest = anna.serials("Inbox").await.remove(0);
    let source = anna.source(&newest).await;
    assert!(
        source.contains("message/rfc822") && source.contains("Subject: Lunch"),
        "{source}"
    );
    let parts = format!("{FORM}?forward={serial}");
    let page = bob.write(&parts, &[("to", ANNA)], &[], "send").await;
    assert!(page.expect(200).has("Sent."));
    let newest = anna.serials("Inbox").await.remove(0);
    let page = anna
        .get(&format!("/mail/message/{newest}"))
        .await
        .expect(200);
    assert!(
        page.has("Forwarded message") && page.has("menu.txt"),
        "{}",
        page.text()
    );
    house.stop().await;
}

#[tokio::test]
async fn nothing_of_others_is_reached() {
    let (house, mut anna, mut bob) = rig().await;
    anna.write(FORM, &to_bob("Secret", "for bob"), &[], "send")
        .await
        .expect(200);
    let bobs = bob.serials("Inbox").await.remove(0);
    for query in ["reply", "replyall", "forward", "draft"] {
        anna.get(&format!("{FORM}?{query}={bobs}"))
            .await
            .expect(404);
    }
    let mut fields = vec![
        ("to", ANNA),
        ("answers", "reply:1"),
        ("draft", bobs.as_str()),
    ];
    let answers = format!("reply:{bobs}");
    fields[1].1 = &answers;
    let form = anna.get(FORM).await.expect(200);
    for key in [
        bobs.clone(),
        format!("{bobs}/1"),
        "x".to_owned(),
        "1/..".to_owned(),
    ] {
        let mut all = filled(&form, &fields, "send");
        all.push(("keep".to_owned(), key.clone()));
        let page = anna.post_form(FORM, &all, &[]).await.expect(200);
        assert!(page.has("An attachment is not there any more."), "{key}");
        assert!(!page.has("Secret") && !page.has("for bob"), "{key}");
    }
    anna.write(FORM, &fields, &[], "send").await.expect(200);
    anna.write(FORM, &[("draft", bobs.as_str())], &[], "discard")
        .await
        .expect(200);
    assert_eq!(bob.serials("Inbox").await, [bobs], "still there");
    // A mail that is no draft is not discarded either.
    let own = anna.serials("Inbox").await.remove(0);
    anna.write(FORM, &[("draft", own.as_str())], &[], "discard")
        .await
        .expect(200);
    assert_eq!(anna.serials("Inbox").await, [own]);
    house.stop().await;
}

#[tokio::test]
async fn a_login_that_expired_loses_no_text() {
    let (house, mut anna, mut bob) = rig().await;
    let form = anna.get(FORM).await.expect(200);
    let fields = to_bob("Long letter", "typed for hours\r\n<b>");
    // The token is another session's: nothing is done, and nothing lost.
    let mut again = house.person(ANNA).await;
    let page = again
        .write_into(&form, &fields, &[("a.txt", "x/y", b"a")], "send")
        .await
        .expect(200);
    assert!(
        page.has("This page had expired") && page.has("typed for hours"),
        "{}",
        page.text()
    );
    assert_eq!(
        (again.count("Sent").await, again.count("Drafts").await),
        (0, 0)
    );
    // The session is over.
    let all = filled(&form, &fields, "send");
    anna.cookies.remove("heimpost-mail");
    let page = anna.post_form(FORM, &all, &[]).await.expect(303);
    let login = page.header("location").to_owned();
    assert!(login.starts_with("/login?to="), "{login}");
    anna.get(&login).await.expect(200);
    let to = login.split_once("to=").unwrap().1;
    let to = percent_encoding::percent_decode_str(to)
        .decode_utf8()
        .unwrap();
    let fields = [
        ("address", ANNA),
        ("password", super::client::PASSWORD),
        ("to", &to),
    ];
    let page = anna.post("/login", &fields).await.expect(200);
    assert!(
        page.has("typed for hours") && page.has("Long letter"),
        "{}",
        page.text()
    );
    anna.write_into(&page, &[], &[], "send").await.expect(200);
    assert_eq!(bob.count("Inbox").await, 1);
    house.stop().await;
}
