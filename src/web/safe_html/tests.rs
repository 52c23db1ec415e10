//! Tests of the whole: hostile mails, and what must never come through.

use super::*;
use crate::mail::mime::text::decode_charset;
use crate::mail::mime::transfer::{TransferDecoder, TransferEncoding};
use crate::mail::mime::{Content, Part};

fn body(html: &str) -> String {
    clean(html, Remote::Blocked, Pictures::new()).body
}

#[test]
fn text_and_looks_come_through() {
    assert_eq!(
        body("<p style='color:red;position:fixed'>Hi <b>you</b>"),
        "<p style=\"color:red\">Hi <b>you</b></p>"
    );
    let link = body("<a href='https://x.org/a' onclick=x>t</a>");
    for wanted in [
        "href=\"https://x.org/a\"",
        "target=\"_blank\"",
        "rel=\"noopener noreferrer\"",
        "data-host=\"x.org\"",
    ] {
        assert!(link.contains(wanted), "{link}");
    }
    let writing = body("<a href='mailto:a@x.org?subject=b'>t</a>");
    assert!(
        writing.contains("href=\"/mail/compose?to=a%40x%2Eorg\""),
        "{writing}"
    );
    assert!(!writing.contains("data-host"), "{writing}");
}

/// The attributes of what was let through: element, name, value.
fn attributes(html: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, tail)) = rest.split_once('<') {
        let mut pieces = tail.split('"');
        let mut consumed = 0;
        let head = pieces.next().unwrap();
        let mut name = head;
        let element = head.split([' ', '>']).next().unwrap().to_owned();
        while !name.contains('>') {
            let value = pieces.next().unwrap();
            let attribute = name.rsplit(' ').next().unwrap().trim_end_matches('=');
            found.push((element.clone(), attribute.to_owned(), value.to_owned()));
            consumed += name.len() + value.len() + 2;
            name = pieces.next().unwrap();
        }
        rest = tail.split_at(consumed + name.find('>').unwrap()).1;
    }
    found
}

/// Fails if anything is in it that runs, loads, frames, submits or lies over the page.
#[track_caller]
pub(super) fn assert_harmless(safe: &Safe, remote: Remote, what: &str) {
    let allowed: Vec<&str> = ELEMENTS.to_vec();
    for tag in safe.body.split('<').skip(1) {
        let name = tag
            .trim_start_matches('/')
            .split([' ', '>', '/'])
            .next()
            .unwrap();
        assert!(allowed.contains(&name), "{what}: <{name}> in {}", safe.body);
    }
    for (element, name, value) in attributes(&safe.body) {
        let ours = ["href", "src", "alt", "rel", "target", "data-host"];
        let known = ATTRIBUTES.contains(&name.as_str()) || ours.contains(&name.as_str());
        assert!(known, "{what}: {name} in {}", safe.body);
        let is_fine = match name.as_str() {
            "href" => [
                "http://",
                "https://",
                "/mail/compose?to=",
                "https:",
                "http:",
            ]
            .iter()
            .any(|start| value.to_ascii_lowercase().starts_with(start)),
            "src" => {
                value.starts_with("data:image/") && !value.contains("svg")
                    || remote == Remote::Allowed && value.to_ascii_lowercase().starts_with("http")
            }
            "style" => assert_harmless_style(&value),
            _ => true,
        };
        assert!(is_fine, "{what}: {element} {name}={value}");
    }
    assert!(assert_harmless_style(&safe.style), "{what}: {}", safe.style);
}

fn assert_harmless_style(style: &str) -> bool {
    let lower = style.to_ascii_lowercase();
    let bad = [
        "url",
        "@import",
        "@font",
        "expression",
        "position",
        "\\",
        "<",
        "behavior",
        "binding",
        "content:",
        "image",
        "[",
        "::",
    ];
    bad.iter().all(|word| !lower.contains(word))
}

/// Every part in HTML of every mail of a folder, those of attached mails included.
fn corpus(folder: &str) -> Vec<(String, String)> {
    let folder = format!("{}/tests/messages/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let bytes = std::fs::read(&path).unwrap();
            let mut scanner = crate::mail::mime::Scanner::new();
            scanner.push(&bytes);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            collect(&scanner.finish().summary.body, &bytes, &name, &mut found);
        }
    }
    found
}

fn collect(part: &Part, bytes: &[u8], name: &str, found: &mut Vec<(String, String)>) {
    match &part.content {
        Content::Multipart(parts) => parts
            .iter()
            .for_each(|part| collect(part, bytes, name, found)),
        Content::Message(message) => collect(&message.body, bytes, name, found),
        Content::Leaf if part.is("text", "html") && !is_file(part) => {
            let range =
                usize::try_from(part.body_start).unwrap()..usize::try_from(part.body_end).unwrap();
            let encoding =
                TransferEncoding::by_name(&part.encoding).unwrap_or(TransferEncoding::Identity);
            let mut decoder = TransferDecoder::new(encoding);
            let mut out = Vec::new();
            decoder.push(&bytes[range], &mut out);
            decoder.finish(&mut out);
            let label = part.param("charset").unwrap_or(b"utf-8");
            found.push((name.to_owned(), decode_charset(label, &out)));
        }
        Content::Leaf => {}
    }
}

fn is_file(part: &Part) -> bool {
    part.disposition
        .as_ref()
        .is_some_and(|d| d.kind == b"attachment")
}

#[test]
fn hostile_mails_are_harmless() {
    let mails = corpus("hostile-html");
    assert!(mails.len() >= 12, "{}", mails.len());
    for (name, html) in mails {
        for remote in [Remote::Blocked, Remote::Allowed] {
            let safe = clean(&html, remote, Pictures::new());
            assert_harmless(&safe, remote, &name);
            let again = clean(&safe.body, remote, Pictures::new());
            assert_harmless(&again, remote, &name);
            let text = safe.body.to_ascii_lowercase() + &safe.style.to_ascii_lowercase();
            if remote == Remote::Blocked {
                assert!(!text.contains("beacon.example/"), "{name}: {text}");
            }
            assert!(text.contains("harmless text"), "{name}: {text}");
        }
    }
}

#[test]
fn what_browsers_once_fell_for() {
    for html in [
        "<img src=x onerror=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<svg/onload=alert(1)>",
        "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<a href=\"java\nscript:alert(1)\">x</a>",
        "<a href=\"&#106;avascript:alert(1)\">x</a>",
        "<a href=\" javascript:alert(1)\">x</a>",
        "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
        "<a href=\"vbscript:x\">x</a>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<object data=x></object><embed src=x>",
        "<base href=http://evil.example/><a href=x>y</a>",
        "<meta http-equiv=refresh content='0;url=http://evil.example'>",
        "<link rel=stylesheet href=http://evil.example/x.css>",
        "<p style=\"background:url(http://beacon.example/a)\">x",
        "<p style=\"b\\61ckground:u\\72l(http://beacon.example/a)\">x",
        "<table background=http://beacon.example/a><tr><td background=http://beacon.example/b>x</table>",
        "<img srcset='http://beacon.example/a 1x' src=cid:x>",
        "<video poster=http://beacon.example/a><source src=http://beacon.example/b></video>",
        "<input type=image src=http://beacon.example/a><button formaction=http://evil.example>x</button>",
        "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
        "<img src=\"data:image/png;base64,x' onerror=alert(1)\">",
        "<style>@import url(http://beacon.example/a);p{background:url(http://beacon.example/b)}</style>",
        "<style></style/><img src=x onerror=alert(1)></style>",
        "<title><a title='</title><img src=x onerror=alert(1)>'>",
        "<!--><img src=x onerror=alert(1)>-->",
        "<![CDATA[><img src=x onerror=alert(1)>]]>",
        "<p id=x name=y is=z slot=a part=b contenteditable autofocus onfocus=alert(1) tabindex=1>x",
        "<a ping=http://beacon.example/a href=http://x.org download>x</a>",
        "<div\u{0}onclick=alert(1)>x</div>",
        "<\u{0}script>alert(1)</script>",
        "<a href=http:evil.example title='\"><script>alert(1)</script>'>x</a>",
    ] {
        let safe = clean(html, Remote::Blocked, Pictures::new());
        assert_harmless(&safe, Remote::Blocked, html);
        assert!(
            !safe.body.contains("beacon.example") && !safe.style.contains("beacon"),
            "{html}"
        );
    }
}

#[test]
fn pictures_of_the_mail_are_shown() {
    let html = "<img src='cid:a%40x'><img src=\"CID:b@x\"><img src=http://x.org/c.png>";
    assert_eq!(pictures_named(html), ["a@x", "b@x"]);
    assert!(wants_remote(html));
    let pictures = Pictures::from([("a@x".to_owned(), "data:image/png;base64,AA==".to_owned())]);
    let blocked = clean(html, Remote::Blocked, pictures.clone()).body;
    assert_eq!(blocked, "<img src=\"data:image/png;base64,AA==\" alt=\"\">");
    let allowed = clean(html, Remote::Allowed, pictures).body;
    assert!(
        allowed.ends_with("<img src=\"http://x.org/c.png\" alt=\"\">"),
        "{allowed}"
    );
}

#[test]
fn what_drives_parsers_wild_is_cheap() {
    let fonts: Vec<String> = (0..1000)
        .map(|n| format!("<font a{n}=1 size={n}>"))
        .collect();
    let fonts = fonts.concat();
    let attributes: Vec<String> = (0..100_000).map(|n| format!("a{n}=1 ")).collect();
    for html in [
        format!("<p>{fonts}{}", "<p>x".repeat(50_000)),
        "<div>".repeat(100_000) + &"<p></p>".repeat(50_000),
        "<table><b>".repeat(20_000) + "x",
        "<a><b><i><u><s><em>".repeat(20_000),
        format!("<p {}>", attributes.concat()),
        "<svg>".repeat(100_000),
        "<!--".repeat(100_000),
        "<a title=\"".repeat(50_000),
    ] {
        let safe = clean(&html, Remote::Blocked, Pictures::new());
        assert!(safe.body.len() < 4 << 20, "{}", safe.body.len());
    }
}
