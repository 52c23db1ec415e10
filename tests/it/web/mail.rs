//! Reading mail by the page: lists, messages, their parts, conversations, searching; and what nobody else gets to see.

use std::fs;
use std::path::{Path, PathBuf};

use heimpost::cli::import::Source;
use heimpost::cli::operation::Operation;

use super::client::{Browser, House, Page};
use crate::app;

/// Files messages in a mailbox of anna's, in this order; a Maildir's other mailboxes begin with a dot.
async fn file(house: &House, mailbox: &str, mails: &[Vec<u8>]) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(mailbox);
    for place in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(place)).unwrap();
        fs::create_dir_all(dir.path().join(place)).unwrap();
    }
    for (at, mail) in mails.iter().enumerate() {
        fs::write(folder.join(format!("cur/{at:05}.x:2,")), mail).unwrap();
    }
    let import = Operation::Import {
        account: "anna@heimpost.local".to_owned(),
        source: Source::Maildir {
            path: dir.path().to_string_lossy().into_owned(),
        },
    };
    app::command(&house.settings, import).await;
}

fn mail(number: usize, header: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "From: Ada {number} <ada@else.example>\nTo: anna@heimpost.local\nSubject: Letter {number}\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0100\nMessage-ID: <{number}@else.example>\n{header}\n{body}\n"
    );
    text.replace('\n', "\r\n").into_bytes()
}

/// Paths of the messages that a list shows, in its order.
fn shown(page: &Page) -> Vec<String> {
    let text = page.text();
    let list = text
        .split("<ul class=\"mail-lines\">")
        .nth(1)
        .unwrap_or_default();
    let list = list.split("</ul>").next().unwrap_or_default();
    let after = list.split("href=\"/mail/message/").skip(1);
    let serials = after.map(|rest| rest.split('"').next().unwrap());
    serials
        .map(|serial| format!("/mail/message/{serial}"))
        .collect()
}

/// Where the link of that relation leads.
fn link(page: &Page, relation: &str) -> Option<String> {
    let text = page.text();
    let (_, rest) = text.split_once(&format!("rel=\"{relation}\" href=\""))?;
    Some(rest.split('"').next().unwrap().replace("&amp;", "&"))
}

async fn first(browser: &mut Browser) -> String {
    let page = browser.get("/mail").await.expect(200);
    shown(&page).first().unwrap().clone()
}

fn corpus(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn lists_go_back_and_forth_and_are_nobody_elses() {
    let house = House::furnished().await;
    let mails: Vec<_> = (0..120).map(|number| mail(number, "", "Hi")).collect();
    file(&house, "", &mails).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let mut pages = vec![anna.get("/mail").await.expect(200)];
    while let Some(next) = link(pages.last().unwrap(), "next") {
        pages.push(anna.get(&next).await.expect(200));
    }
    let all: Vec<Vec<String>> = pages.iter().map(shown).collect();
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    assert!(pages[0].has("Letter 119") && pages[2].has("Letter 0<"));
    assert!(pages[0].has("<span class=\"count\">120<"), "unread");
    let newer = link(&pages[2], "prev").unwrap();
    assert_eq!(shown(&anna.get(&newer).await), all[1]);
    let newest = link(&pages[1], "prev").unwrap();
    assert_eq!(shown(&anna.get(&newest).await), all[0]);

    let message = all[0][0].clone();
    let listed = newer.split('?').next().unwrap().to_owned();
    let mut bob = house.person("bob@heimpost.local").await;
    for path in [
        message.clone(),
        format!("{message}/html"),
        format!("{message}/part/1"),
        format!("{message}/source"),
        listed,
        "/mail/box/99999".to_owned(),
        "/mail/message/99999999".to_owned(),
        format!("{message}/part/7"),
        format!("{message}/part/x"),
    ] {
        bob.get(&path).await.expect(404);
    }
    let mut nobody = house.browser();
    assert!(
        nobody
            .get(&message)
            .await
            .expect(200)
            .has("type=\"password\"")
    );
    house.stop().await;
}

#[tokio::test]
async fn opening_marks_as_read_for_everybody() {
    let house = House::furnished().await;
    let text = "Hello\nSee https://example.org/a?b=1&c.\n> one\n> two\n> three\n> four\n<script>x</script>";
    file(&house, "", &[mail(1, "", text)]).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let path = first(&mut anna).await;
    let live = anna.ask("GET", &path, &[("X-Live", "1")], b"").await;
    live.expect(200);
    assert!(anna.get("/mail").await.has("class=\"unread\""));
    let page = anna.get(&path).await.expect(200);
    for words in [
        "<h1>Letter 1</h1>",
        "Ada 1",
        "ada@else.example",
        "href=\"https://example.org/a?b=1&amp;c\" rel=\"noreferrer noopener\"",
        "<details class=\"quote\">",
        "&lt;script&gt;x",
    ] {
        assert!(page.has(words), "{words}: {}", page.text());
    }
    let list = anna.get("/mail").await;
    assert!(!list.has("class=\"unread\"") && !list.has("class=\"count\""));
    anna.get(&path).await.expect(200);
    let serial = path.rsplit('/').next().unwrap();
    let unread = [
        ("deed", "unseen"),
        ("pick", serial),
        ("here", path.as_str()),
    ];
    let page = anna.post("/mail/deed", &unread).await.expect(200);
    assert!(page.has("marked as unread"), "{}", page.text());
    assert!(
        anna.get("/mail").await.has("class=\"unread\""),
        "it stays unread"
    );
    house.stop().await;
}

#[tokio::test]
async fn html_stands_in_a_frame_of_its_own() {
    let house = House::furnished().await;
    let header = "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n";
    let body = "--b\nContent-Type: text/plain\n\nplain words\n--b\nContent-Type: text/html\n\n\
        <p onclick=x>rich <b>words</b><img src=https://beacon.example/a.png><script>x</script>\n--b--";
    file(&house, "", &[mail(1, header, body)]).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let path = first(&mut anna).await;
    let page = anna.get(&path).await.expect(200);
    let frame = "<iframe class=\"mail-html\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"";
    assert!(page.has(frame) && page.has("Load images") && !page.has("plain words"));
    let html = anna.get(&format!("{path}/html?part=2")).await.expect(200);
    assert!(html.has("rich <b>words</b>") && !html.has("beacon.example") && !html.has("script"));
    let policy = html.header("content-security-policy");
    for word in [
        "default-src 'none'",
        "img-src data:;",
        "sandbox allow-popups",
        "frame-ancestors 'self'",
    ] {
        assert!(policy.contains(word), "{policy}");
    }
    assert!(!policy.contains("allow-same-origin") && !policy.contains("allow-scripts"));
    assert_eq!(html.header("x-frame-options"), "SAMEORIGIN");
    assert_eq!(
        anna.get(&format!("{path}/html")).await.expect(200).body,
        html.body
    );
    let asked = anna.get(&format!("{path}?remote=1")).await.expect(200);
    assert!(asked.has("part=2&amp;remote=1") && asked.has("The sender can see"));
    let remote = anna
        .get(&format!("{path}/html?part=2&remote=1"))
        .await
        .expect(200);
    assert!(remote.has("src=\"https://beacon.example/a.png\""));
    assert!(
        remote
            .header("content-security-policy")
            .contains("img-src data: https: http:;")
    );
    assert!(
        anna.get(&format!("{path}?as=text"))
            .await
            .has("plain words")
    );
    assert!(anna.get(&path).await.has("plain words"), "it is remembered");
    assert!(anna.get(&format!("{path}?as=html")).await.has(frame));
    anna.get(&format!("{path}/html?part=1")).await.expect(404);
    house.stop().await;
}

#[tokio::test]
async fn parts_are_files() {
    let house = House::furnished().await;
    let header = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    let body = "--b\n\nsee below\n--b\nContent-Type: application/pdf\n\
        Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe%2F..%2Fx%22.pdf\nContent-Transfer-Encoding: base64\n\nSGFsbG8=\n\
        --b\nContent-Type: image/svg+xml; name=x.svg\n\n<svg/>\n--b\nContent-Type: image/gif\nContent-Transfer-Encoding: base64\n\nR0lGODlh\n--b--";
    file(&house, "", &[mail(1, header, body)]).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let path = first(&mut anna).await;
    assert!(anna.get(&path).await.has("Attachments (3)"));
    let pdf = anna.get(&format!("{path}/part/2")).await.expect(200);
    assert_eq!(pdf.body, b"Hallo");
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert_eq!(
        pdf.header("content-disposition"),
        "attachment; filename=\"x_.pdf\"; filename*=UTF-8''x_.pdf"
    );
    assert_eq!(pdf.header("x-content-type-options"), "nosniff");
    assert!(pdf.header("content-security-policy").contains("sandbox"));
    for query in ["", "?inline"] {
        let svg = anna.get(&format!("{path}/part/3{query}")).await.expect(200);
        assert_eq!(svg.header("content-type"), "application/octet-stream");
        assert!(svg.header("content-disposition").starts_with("attachment;"));
    }
    let gif = anna.get(&format!("{path}/part/4?inline")).await.expect(200);
    assert_eq!(gif.header("content-type"), "image/gif");
    assert!(gif.header("content-disposition").starts_with("inline;"));
    let source = anna.get(&format!("{path}/source")).await.expect(200);
    assert_eq!(source.header("content-type"), "text/plain; charset=utf-8");
    assert!(source.has("boundary=b\r\n"));
    let saved = anna.get(&format!("{path}/source?save")).await.expect(200);
    assert!(saved.header("content-disposition").contains("Letter 1.eml"));
    assert_eq!(saved.body, source.body);
    house.stop().await;
}

#[tokio::test]
async fn no_mail_breaks_the_page() {
    let house = House::furnished().await;
    let mut mails = corpus("tests/messages");
    mails.extend(corpus("tests/messages/hostile-html"));
    let bytes: Vec<_> = mails.iter().map(|(_, bytes)| bytes.clone()).collect();
    file(&house, "", &bytes).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let mut paths = Vec::new();
    let mut next = Some("/mail".to_owned());
    while let Some(at) = next {
        let page = anna.get(&at).await.expect(200);
        paths.extend(shown(&page));
        next = link(&page, "next");
    }
    // A file without a byte may not be a message to an import.
    assert!(
        paths.len() + 2 >= mails.len(),
        "{} of {}",
        paths.len(),
        mails.len()
    );
    for path in paths {
        for query in ["?as=html", "?as=text", "?remote=1"] {
            let page = anna.get(&format!("{path}{query}")).await.expect(200);
            let text = page.text();
            assert!(text.ends_with("</html>") && text.len() < 600_000, "{path}");
            assert!(
                !text.contains("<script>") && !text.contains("<img src=x"),
                "{path}: {text}"
            );
        }
        let html = anna.get(&format!("{path}/html")).await;
        assert!([200, 404].contains(&html.status), "{path}: {}", html.status);
        anna.get(&format!("{path}/source")).await.expect(200);
        for part in ["1", "2", "1.1", "2.1"] {
            let part = anna.get(&format!("{path}/part/{part}")).await;
            assert!([200, 404].contains(&part.status), "{path}: {}", part.status);
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn conversations_include_what_was_sent() {
    let house = House::furnished().await;
    let mails = [
        mail(1, "", "Shall we?"),
        mail(2, "", "Something else"),
        mail(3, "In-Reply-To: <sent@heimpost.local>\n", "Fine."),
    ];
    file(&house, "", &mails).await;
    let sent = "From: Anna <anna@heimpost.local>\r\nTo: ada@else.example\r\nSubject: Re: Letter 1\r\n\
        Date: Sun, 22 Nov 2026 11:00:00 +0100\r\nMessage-ID: <sent@heimpost.local>\r\nIn-Reply-To: <1@else.example>\r\n\r\nYes.\r\n";
    file(&house, ".Sent", &[sent.into()]).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let list = shown(&anna.get("/mail").await);
    let page = anna.get(&list[0]).await.expect(200);
    let turns = page.text();
    let turns = turns.split("Earlier in this conversation").nth(1).unwrap();
    assert!(
        turns.contains("Re: Letter 1") && turns.contains("Letter 1</a>"),
        "{turns}"
    );
    assert!(!turns.contains("Letter 2"));
    assert!(!anna.get(&list[1]).await.has("in this conversation"));
    house.stop().await;
}

#[tokio::test]
async fn mail_is_found() {
    let house = House::furnished().await;
    let file_part = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    let mails = [
        mail(1, "", "The green fence"),
        mail(2, "Cc: carl@else.example\n", "A red gate, GRÜN"),
        mail(
            3,
            file_part,
            "--b\n\ntext\n--b\nContent-Disposition: attachment\n\nfence\n--b--",
        ),
    ];
    file(&house, "", &mails).await;
    file(&house, ".Garden", &[mail(4, "", "fence, too")]).await;
    let mut anna = house.person("anna@heimpost.local").await;
    let inbox = anna.get("/mail").await.text();
    let inbox = inbox.split("name=\"in\" value=\"").nth(1).unwrap();
    let inbox = inbox.split('"').next().unwrap().to_owned();
    for (query, place, expected) in [
        ("fence", "", vec![4, 3, 1]),
        ("fence", inbox.as_str(), vec![3, 1]),
        ("%22green+fence%22", "", vec![1]),
        ("gr%C3%BCn", "", vec![2]),
        ("from:ada+fence+-subject:3", "", vec![4, 1]),
        ("to:carl", "", vec![2]),
        ("has:attachment", "", vec![3]),
        ("is:unread", &inbox, vec![3, 2, 1]),
        ("after:2030-01-01", "", vec![]),
        ("before:2030-01-01+gate", "", vec![2]),
        ("letter", "", vec![4, 3, 2, 1]),
        ("nothingofthekind", "", vec![]),
        ("", "", vec![]),
        ("%3Cscript%3E", "", vec![]),
    ] {
        let page = anna
            .get(&format!("/mail/search?q={query}&in={place}"))
            .await
            .expect(200);
        let text = page.text();
        let lines = text.split("<span class=\"what\">Letter ").skip(1);
        let found: Vec<u32> = lines
            .map(|rest| {
                rest.split(|c: char| !c.is_ascii_digit())
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert_eq!(found, expected, "{query}");
        assert!(!text.contains("<script>"), "{query}");
    }
    for bad in ["x", "-1", "99999"] {
        anna.get(&format!("/mail/search?q=a&in={bad}"))
            .await
            .expect(404);
    }
    let many: Vec<_> = (10..75)
        .map(|number| mail(number, "", "many words"))
        .collect();
    file(&house, "", &many).await;
    let page = anna.get("/mail/search?q=many").await.expect(200);
    assert_eq!(shown(&page).len(), 50);
    let rest = anna.get(&link(&page, "next").unwrap()).await.expect(200);
    assert_eq!(shown(&rest).len(), 15);
    assert_eq!(link(&rest, "next"), None);
    house.stop().await;
}
