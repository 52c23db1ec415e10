//! Bad, long and many: what limits do, and that neither cuts nor any bytes confuse a session.

use proptest::prelude::*;

use super::*;

#[test]
fn bad_commands_are_counted() {
    let house = House::new();
    let mut client = house.log_in();
    for _ in 1..BAD_COMMANDS_MAX {
        assert_eq!(client.run("XTND\r\n"), "-ERR unknown command\r\n");
    }
    assert_eq!(
        client.run("XTND\r\nNOOP\r\n"),
        "-ERR too many errors\r\n<close>"
    );
}

#[test]
fn long_lines_are_read_and_thrown_away() {
    let house = House::new();
    let mut client = house.log_in();
    let long = format!("NOOP {}\r\nNOOP\r\n", "x".repeat(COMMAND_BYTES_MAX));
    assert_eq!(client.run(&long), "-ERR line too long\r\n+OK done\r\n");
}

#[test]
fn a_big_message_comes_in_pieces() {
    let line = format!(".{}\r\n", "x".repeat(76));
    let big = format!("Subject: big\r\n\r\n{}", line.repeat(40_000));
    let house = House::with_mail(&[&big]);
    let mut client = house.log_in();
    client
        .session
        .handle_input(b"RETR 1\r\n", house.clock.now());
    let (mut all, mut piece) = (Vec::new(), Vec::new());
    loop {
        client.session.poll_output(&mut piece, house.clock.now());
        if piece.is_empty() {
            break;
        }
        assert!(piece.len() < 2 * OUTPUT_PIECE_BYTES, "{}", piece.len());
        assert!(!client.session.wants_input() || piece.ends_with(b"\r\n.\r\n"));
        all.append(&mut piece);
    }
    let expected = big.replace("\r\n.", "\r\n..");
    let octets = big.len() + "Return-Path: <>\r\n".len();
    let expected = format!("+OK {octets} octets\r\nReturn-Path: <>\r\n{expected}.\r\n");
    assert!(String::from_utf8(all).unwrap() == expected);
}

#[test]
fn many_messages_are_listed_in_slices() {
    let house = House::with_mail(&[]);
    let messages = 2 * crate::pop3::maildrop::SLICE_RECORDS + 1;
    let mut appends = Vec::new();
    for _ in 0..messages {
        let mut writer = house.store.begin_blob(None).unwrap();
        writer.write(TWO.as_bytes()).unwrap();
        appends.push(Append {
            blob: writer.finish().unwrap(),
            summary: Vec::new(),
            filings: vec![Filing {
                mailbox: house.inbox,
                flags: Flags::default(),
                internal_date: Wall(1_800_000_000),
                prefix: Vec::new(),
                quota: crate::store::types::QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        });
    }
    house.store.append_all(appends, house.clock.now()).unwrap();
    let listing = house.log_in().run("LIST\r\n");
    assert_eq!(listing.lines().count(), messages + 2);
    assert!(listing.ends_with(&format!("\r\n{messages} 22\r\n.\r\n")));
    let stat = house.log_in().run("STAT\r\n");
    assert_eq!(stat, format!("+OK {messages} {}\r\n", messages * 22));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Pipelined commands get the same replies however the bytes are cut.
    #[test]
    fn cuts_do_not_matter(
        commands in prop::collection::vec(prop::sample::select(vec![
            "STAT", "LIST", "LIST 1", "UIDL 2", "RETR 1", "TOP 2 1", "DELE 1", "RSET", "NOOP", "CAPA", "LANG de",
            "BOGUS", "", "QUIT", "STLS", "USER anna@example.com", "PASS correct horse", "AUTH PLAIN", "*",
        ]), 0..12),
        cuts in prop::collection::vec(1_usize..9, 1..8),
    ) {
        let text = format!("USER anna@example.com\r\nPASS correct horse\r\n{}\r\n", commands.join("\r\n"));
        let whole = {
            let house = House::with_mail(&[ONE, TWO]);
            house.connect_tls().run(&text)
        };
        let house = House::with_mail(&[ONE, TWO]);
        let mut client = house.connect_tls();
        let (mut rest, mut pieces, mut cuts) = (text.as_str(), String::new(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            pieces.push_str(&client.run(piece));
            rest = tail;
        }
        prop_assert_eq!(whole, pieces);
    }

    /// Whatever comes, nothing panics and every line gets one answer at most.
    #[test]
    fn any_bytes(input in prop::collection::vec(any::<u8>(), 0..600)) {
        let house = House::with_mail(&[ONE]);
        let mut client = house.log_in();
        client.session.handle_input(&input, house.clock.now());
        client.drain();
    }
}
