//! Replies as tables, splits at any byte, and the round trip with what our server renders.

use proptest::prelude::*;

use super::*;
use crate::smtp::reply as ours;

/// Renders each reply as `code enhanced|line|line`; an error ends the list.
fn read(pieces: &[&[u8]]) -> Vec<String> {
    let mut replies = Replies::default();
    let mut read = Vec::new();
    for piece in pieces {
        replies.push(piece);
        while let Some(reply) = replies.next_reply() {
            match reply {
                Ok(reply) => read.push(render(&reply)),
                Err(error) => {
                    read.push(error.to_string());
                    return read;
                }
            }
        }
    }
    read
}

fn render(reply: &Reply) -> String {
    let enhanced = reply.enhanced().map(|code| format!(" {code}"));
    format!(
        "{}{}|{}",
        reply.code(),
        enhanced.unwrap_or_default(),
        reply.lines().join("|")
    )
}

fn check(input: &str, expected: &[&str]) {
    assert_eq!(read(&[input.as_bytes()]), expected, "{input:?}");
}

#[test]
fn replies_are_read() {
    check("250 ok\r\n", &["250|ok"]);
    check("250\r\n", &["250|"]);
    check("250 \r\n", &["250|"]);
    check("220 a\r\n354 b\r\n", &["220|a", "354|b"]);
    check("250-a\r\n250-\r\n250 c\r\n", &["250|a||c"]);
    check("250-a\r\n250\r\n", &["250|a|"]);
    check("250 a\n421 b\n", &["250|a", "421|b"]);
    check("550 a\tb\u{1b}[2J \r\n", &["550|a b [2J"]);
    check("550 gr\u{fc}n\r\n", &["550|gr\u{fc}n"]);
    check("250 no end", &[]);
    check("250-a\r\n", &[]);
}

#[test]
fn enhanced_codes_are_read() {
    check("250 2.1.5 ok\r\n", &["250 2.1.5|ok"]);
    check("550 5.1.1\r\n", &["550 5.1.1|"]);
    check("550-5.7.26 a\r\n550 5.7.26 b\r\n", &["550 5.7.26|a|b"]);
    // Another class, another code on a later line, none on a later line, and what only looks like one.
    check("450 5.1.1 a\r\n", &["450|5.1.1 a"]);
    check("550-5.1.1 a\r\n550 5.1.2 b\r\n", &["550 5.1.1|a|5.1.2 b"]);
    check("550-5.1.1 a\r\n550 b\r\n", &["550 5.1.1|a|b"]);
    for text in [
        "5.1", "5.1.1.1", "5.1.1234", "5..1", "5.1.1,", "05.1.1", "5.+1.1",
    ] {
        check(&format!("550 {text} a\r\n"), &[&format!("550|{text} a")]);
    }
    check("354 3.0.0 go\r\n", &["354|3.0.0 go"]);
}

#[test]
fn garbage_is_told_apart() {
    let garbage = "a line is no SMTP reply";
    for line in [
        "",
        "ok",
        "25",
        "25a b",
        "250_a",
        "2500 a",
        " 250 a",
        "+OK",
        "* OK IMAP",
    ] {
        check(&format!("{line}\r\n"), &[garbage]);
    }
    check("199 a\r\n", &["reply code 199 is outside 200 to 599"]);
    check("600 a\r\n", &["reply code 600 is outside 200 to 599"]);
    check("250-a\r\n550 b\r\n", &["reply code 250 goes on with 550"]);
    check("250 a\rb\r\n", &["a reply line has a bare CR or a NUL"]);
    check("250 a\0\r\n", &["a reply line has a bare CR or a NUL"]);
    check("250 ok\r\nHTTP/1.1 400\r\n", &["250|ok", garbage]);
}

#[test]
fn an_error_stays() {
    let mut replies = Replies::default();
    replies.push(b"nonsense\r\n250 ok\r\n");
    assert_eq!(replies.next_reply(), Some(Err(ReplyError::Garbage)));
    replies.push(b"250 ok\r\n");
    assert_eq!(replies.next_reply(), Some(Err(ReplyError::Garbage)));
    assert!(!replies.is_empty());
}

#[test]
fn limits_hold() {
    let line = |bytes: usize| format!("250 {}\r\n", "a".repeat(bytes - 6));
    assert_eq!(read(&[line(LINE_BYTES_MAX).as_bytes()]).len(), 1);
    let too_long = ["a reply line is longer than 4096 bytes"];
    check(&line(LINE_BYTES_MAX + 1), &too_long);
    check(&"2".repeat(LINE_BYTES_MAX), &too_long);
    let lines = |count: usize| format!("{}250 z\r\n", "250-a\r\n".repeat(count - 1));
    assert!(read(&[lines(LINES_MAX).as_bytes()])[0].ends_with("|z"));
    check(&lines(LINES_MAX + 1), &["a reply has more than 128 lines"]);
}

#[test]
fn what_is_held_is_known() {
    let mut replies = Replies::default();
    assert!(replies.is_empty());
    for (piece, empty) in [("2", false), ("20 go\r\n", true), ("250-a\r\n", false)] {
        replies.push(piece.as_bytes());
        while replies.next_reply().is_some() {}
        assert_eq!(replies.is_empty(), empty, "{piece:?}");
    }
}

fn any_reply() -> impl Strategy<Value = ours::Reply> {
    let text = "([a-zA-Z][ -~]{0,30}[!-~])?";
    let detail = prop::option::of((0_u16..1000, 0_u16..1000));
    let lines = prop::collection::vec(text, 0..4);
    (2_u16..6, 0_u16..100, detail, text, lines).prop_map(|(class, code, detail, first, more)| {
        let code = class * 100 + code;
        let reply = match detail.filter(|_| class != 3) {
            Some((subject, detail)) => ours::Reply::new(code, ours::Detail(subject, detail), first),
            None => ours::Reply::plain(code, first),
        };
        more.into_iter().fold(reply, ours::Reply::line)
    })
}

proptest! {
    #[test]
    fn what_our_server_renders_is_read_back(replies in prop::collection::vec(any_reply(), 1..4)) {
        let mut bytes = Vec::new();
        for reply in &replies {
            reply.render(&mut bytes);
        }
        let mut reader = Replies::default();
        reader.push(&bytes);
        for reply in &replies {
            let read = reader.next_reply().unwrap().unwrap();
            prop_assert_eq!(read.code(), reply.code());
            let detail = read.enhanced().map(|code| ours::Detail(code.subject, code.detail));
            prop_assert_eq!(detail, reply.detail());
            let again = read.lines().iter().skip(1).fold(
                match detail {
                    Some(detail) => ours::Reply::new(read.code(), detail, &read.lines()[0]),
                    None => ours::Reply::plain(read.code(), &read.lines()[0]),
                },
                ours::Reply::line,
            );
            prop_assert_eq!(&again, reply);
        }
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn splits_change_nothing(
        lines in prop::collection::vec("[2-6][0-9]{2}[ -][25]\\.[0-9]\\.[0-9] [ -~\r]{0,8}\r?\n", 0..6),
        junk in "[ -~\r\n]{0,10}",
        cuts in prop::collection::vec(1_usize..9, 1..5),
    ) {
        let all = format!("{}{junk}", lines.concat());
        let mut pieces = Vec::new();
        let mut rest = all.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(read(&pieces), read(&[all.as_bytes()]));
    }
}

#[test]
fn of_much_text_a_part_is_kept() {
    let line = "x".repeat(4000);
    let mut replies = Replies::default();
    replies.push(format!("550-{line}\r\n").repeat(LINES_MAX - 1).as_bytes());
    replies.push(b"550 end\r\n");
    let reply = replies.next_reply().unwrap().unwrap();
    let bytes: usize = reply.lines().iter().map(String::len).sum();
    assert!((12_000..=TEXT_BYTES_MAX).contains(&bytes), "{bytes}");
    assert_eq!(reply.lines().len(), LINES_MAX);
}
