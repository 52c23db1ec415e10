//! What the web pages make of mail.

use heimpost::web::safe_html::{Pictures, Remote, clean, pictures_named, wants_remote};

/// Elements that would run, load, frame or send something.
const BAD_ELEMENTS: &[&str] = &[
    "script", "style", "iframe", "object", "embed", "form", "input", "button", "svg", "math",
    "link", "meta", "base", "video", "audio", "template", "noscript",
];

/// Whatever comes in, nothing that runs or loads comes out; and cleaning that again finds nothing either.
pub(super) fn safe_html(data: &[u8]) {
    let html = String::from_utf8_lossy(data);
    pictures_named(&html);
    wants_remote(&html);
    for remote in [Remote::Blocked, Remote::Allowed] {
        let safe = clean(&html, remote, Pictures::new());
        check(&safe.body, remote);
        assert!(!safe.style.contains('<') && !safe.style.to_lowercase().contains("url"));
        check(&clean(&safe.body, remote, Pictures::new()).body, remote);
    }
}

/// Goes through what was written, in which attributes stand in double quotes.
fn check(html: &str, remote: Remote) {
    let mut rest = html;
    while let Some((_, tail)) = rest.split_once('<') {
        let name = tail
            .trim_start_matches('/')
            .split([' ', '>'])
            .next()
            .unwrap_or_default();
        assert!(!BAD_ELEMENTS.contains(&name), "{html}");
        let mut pieces = tail;
        loop {
            let Some(at) = pieces.find(['"', '>']) else {
                panic!("a tag without end: {html}");
            };
            let (before, after) = pieces.split_at(at);
            let after = after.split_at(1).1;
            if pieces.as_bytes()[at] == b'>' {
                rest = after;
                break;
            }
            let Some((value, after)) = after.split_once('"') else {
                panic!("a quote without end: {html}");
            };
            let attribute = before
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .trim_end_matches('=');
            check_attribute(attribute, &value.to_lowercase(), remote);
            pieces = after;
        }
    }
}

fn check_attribute(name: &str, value: &str, remote: Remote) {
    assert!(
        !name.starts_with("on")
            && !["srcset", "srcdoc", "action", "background", "id", "name"].contains(&name)
    );
    match name {
        "href" => assert!(
            value.starts_with("http") || value.starts_with("/mail/compose?to="),
            "{value}"
        ),
        "src" => assert!(
            value.starts_with("data:image/")
                || (remote == Remote::Allowed && value.starts_with("http")),
            "{value}"
        ),
        "style" => assert!(
            !value.contains("url") && !value.contains("position"),
            "{value}"
        ),
        _ => {}
    }
}
