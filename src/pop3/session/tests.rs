//! Sessions as dialogs: `C:` lines are sent, `S:` lines must come, in this order and no others. A reply that is not
//! told in words is a fault of the test's text, so every byte of every reply is compared.

use proptest::prelude::*;

use super::*;
use crate::auth::Hashing;
use crate::clock::{Clock, Wall};
use crate::machine::Wake;
use crate::mail::address::Address;
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::{AccountId, DeviceId, MailboxId, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::{Filing, FlagAction, Pop3Delete};
use crate::store::{Append, NewAccount, Options};

const PASSWORD: &str = "correct horse";

/// A house with one account.
struct House {
    store: Store,
    auth: Auth,
    clock: Clock,
    account: AccountId,
    inbox: MailboxId,
}

impl House {
    fn new() -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let (auth, clock) = (
            Auth::new(store.clone()),
            Clock::virtual_at(Wall(1_800_000_000)),
        );
        let new = NewAccount {
            address: Address::parse("anna@example.com").unwrap(),
            owner: true,
            language: Language::De,
            quota_bytes: None,
        };
        let account = store.add_account(&new, clock.now()).unwrap().id;
        auth.set_password(account, PASSWORD, Hashing::Scram)
            .unwrap();
        let inbox = store
            .snapshot()
            .unwrap()
            .mailbox_by_name(account, &MailboxName::inbox());
        let inbox = inbox.unwrap().unwrap().id;
        Self {
            store,
            auth,
            clock,
            account,
            inbox,
        }
    }

    fn with_mail(messages: &[&str]) -> Self {
        let house = Self::new();
        for message in messages {
            house.deliver(message);
        }
        house
    }

    fn deliver(&self, message: &str) {
        let mut writer = self.store.begin_blob(None).unwrap();
        writer.write(message.as_bytes()).unwrap();
        let append = Append {
            blob: writer.finish().unwrap(),
            summary: Vec::new(),
            filings: vec![Filing {
                mailbox: self.inbox,
                flags: Flags::default(),
                internal_date: Wall(1_800_000_000),
                prefix: b"Return-Path: <>\r\n".to_vec(),
                quota: crate::store::types::QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        };
        self.store
            .append_all(vec![append], self.clock.now())
            .unwrap();
    }

    fn messages(&self) -> usize {
        self.store
            .snapshot()
            .unwrap()
            .rows(self.inbox, Uid::MIN, Uid::MAX)
            .unwrap()
            .len()
    }

    fn expunge(&self, uid: u32) {
        let (uids, deleted) = ([Uid::new(uid).unwrap()], SystemFlags::DELETED);
        let flags = Flags {
            system: deleted,
            keywords: Vec::new(),
        };
        self.store
            .update_flags(self.inbox, &uids, FlagAction::Add, &flags, None)
            .unwrap();
        self.store.expunge(self.inbox, Some(&uids)).unwrap();
    }

    fn device(&self, name: &str, policy: Pop3Delete) -> (DeviceId, String) {
        let added = self
            .auth
            .add_device(self.account, name, policy, self.clock.now());
        let (device, password) = added.unwrap();
        (device.id, password.expose().to_owned())
    }

    fn connect(&self, tls: Option<TlsInfo>, settings: Settings) -> Client<'_> {
        let peer = Peer {
            address: "192.0.2.7:4711".parse().unwrap(),
            tls,
            wake: Wake::none(),
        };
        let (store, auth) = (self.store.clone(), self.auth.clone());
        let session = Pop3::new(store, auth, peer, settings, &[7; 32], self.clock.now());
        Client {
            house: self,
            session,
        }
    }

    fn connect_tls(&self) -> Client<'_> {
        self.connect(Some(tls_info()), SAFE)
    }

    fn log_in(&self) -> Client<'_> {
        let mut client = self.connect_tls();
        client.run("USER anna@example.com\r\nPASS correct horse\r\n");
        client
    }
}

const SAFE: Settings = Settings {
    plaintext_without_tls: false,
};

fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter: Some([0xe5; 32]),
    }
}

/// The peer and the driver in one.
struct Client<'a> {
    house: &'a House,
    session: Pop3,
}

impl Client<'_> {
    /// Sends `input` and gives what comes back; events that people would see are in angle brackets.
    fn run(&mut self, input: &str) -> String {
        self.session
            .handle_input(input.as_bytes(), self.house.clock.now());
        String::from_utf8(self.drain()).unwrap()
    }

    fn drain(&mut self) -> Vec<u8> {
        let (mut out, now) = (Vec::new(), self.house.clock.now());
        loop {
            let before = out.len();
            self.session.poll_output(&mut out, now);
            if out.len() > before {
                continue;
            }
            let answer = match self.session.poll_event() {
                None => return out,
                Some(Event::Close) => {
                    out.extend_from_slice(b"<close>");
                    return out;
                }
                Some(Event::StartTls) => {
                    out.extend_from_slice(b"<tls>\r\n");
                    Answer::TlsStarted(tls_info())
                }
                Some(Event::Authenticate(request)) => {
                    Answer::Authenticated(self.house.auth.verify(&request, now))
                }
                Some(Event::Verify(_)) => panic!("POP3 takes no mail"),
            };
            self.session.handle_answer(answer, now);
        }
    }

    fn dialog(&mut self, script: &str) {
        let (mut sent, mut expected) = (String::new(), String::new());
        for line in script.lines().map(str::trim_start).chain(["C: "]) {
            if let Some(text) = line.strip_prefix("S: ") {
                expected.push_str(text);
                expected.push_str(if text == "<close>" { "" } else { "\r\n" });
            } else if let Some(text) = line.strip_prefix("C: ") {
                if !expected.is_empty() {
                    assert_eq!(self.run(&std::mem::take(&mut sent)), expected, "{script}");
                    expected.clear();
                }
                sent.push_str(text);
                sent.push_str("\r\n");
            }
        }
    }
}

const ONE: &str = "Subject: one\r\n\r\n.first\r\nsecond\r\n";
const TWO: &str = "Subject: two\r\n\r\nbody\r\n";

#[test]
fn a_session_from_greeting_to_update() {
    let house = House::with_mail(&[ONE, TWO]);
    house.connect_tls().dialog(
        "S: +OK Heimpost POP3 ready
         C: USER Anna@Example.com
         S: +OK password please
         C: PASS correct horse
         S: +OK 2 messages
         C: STAT
         S: +OK 2 88
         C: LIST
         S: +OK listing follows
         S: 1 49
         S: 2 39
         S: .
         C: LIST 2
         S: +OK 2 39
         C: LIST 3
         S: -ERR no such message
         C: RETR 1
         S: +OK 49 octets
         S: Return-Path: <>
         S: Subject: one
         S:
         S: ..first
         S: second
         S: .
         C: TOP 1 1
         S: +OK 49 octets
         S: Return-Path: <>
         S: Subject: one
         S:
         S: ..first
         S: .
         C: DELE 1
         S: +OK message marked as deleted
         C: DELE 1
         S: -ERR no such message
         C: RETR 1
         S: -ERR no such message
         C: STAT
         S: +OK 1 39
         C: RSET
         S: +OK nothing is marked as deleted
         C: DELE 2
         S: +OK message marked as deleted
         C: NOOP
         S: +OK done
         C: LIST
         S: +OK listing follows
         S: 1 49
         S: .
         C: QUIT
         S: +OK bye
         S: <close>"
            .replace("S:\n", "S: \n")
            .as_str(),
    );
    assert_eq!(house.messages(), 1);
}

#[test]
fn only_quit_deletes() {
    let house = House::with_mail(&[ONE, TWO]);
    let now = || house.clock.now();
    for end in 0..3 {
        let mut client = house.log_in();
        assert_eq!(client.run("DELE 1\r\nDELE 2\r\n").matches("+OK").count(), 2);
        match end {
            0 => client.session.handle_eof(now()),
            1 => client.session.handle_shutdown(now()),
            _ => {
                house.clock.advance(IDLE_MAX);
                client.session.handle_timeout(now());
            }
        }
        assert_eq!(client.drain(), b"<close>");
        assert_eq!(client.run("QUIT\r\n"), "");
        assert_eq!(house.messages(), 2);
    }
}

#[test]
fn idle_time_counts_from_the_last_command() {
    let house = House::new();
    let mut client = house.log_in();
    house.clock.advance(IDLE_MAX / 2);
    client.run("NOOP\r\n");
    let (deadline, _) = client.session.poll_timeout().unwrap();
    assert_eq!(deadline, house.clock.now().mono + IDLE_MAX);
    house.clock.advance(IDLE_MAX / 2);
    client.run("half a comm");
    assert_eq!(client.session.poll_timeout().unwrap().0, deadline);
}

#[test]
fn unique_ids_are_serial_and_digest() {
    let house = House::with_mail(&[ONE, TWO, ONE]);
    let list = |house: &House| house.log_in().run("UIDL\r\n");
    let first = list(&house);
    let ids: Vec<_> = first
        .lines()
        .filter_map(|line| line.split_once(' '))
        .skip(1)
        .collect();
    assert_eq!(ids.len(), 3);
    for (number, id) in &ids {
        assert_eq!(id.len(), 32, "{number}");
        let one = format!("UIDL {number}\r\n");
        assert_eq!(house.log_in().run(&one), format!("+OK {number} {id}\r\n"));
    }
    let (serials, digests): (Vec<_>, Vec<_>) = ids.iter().map(|(_, id)| id.split_at(16)).unzip();
    assert!(serials[0] < serials[1] && serials[1] < serials[2]);
    assert_eq!(digests[0], digests[2]);
    assert_ne!(digests[0], digests[1]);
    house.expunge(1);
    let rest = list(&house);
    assert!(rest.contains(ids[1].1) && rest.contains(ids[2].1) && !rest.contains(ids[0].1));
}

#[test]
fn a_message_that_goes_meanwhile_keeps_its_number() {
    let house = House::with_mail(&[ONE, TWO]);
    let mut client = house.log_in();
    client.run("STAT\r\n");
    house.expunge(1);
    house.deliver(TWO);
    client.dialog(
        "C: STAT
         S: +OK 2 88
         C: RETR 1
         S: -ERR message was removed meanwhile
         C: TOP 1 0
         S: -ERR message was removed meanwhile
         C: DELE 1
         S: +OK message marked as deleted
         C: LIST
         S: +OK listing follows
         S: 2 39
         S: .
         C: QUIT
         S: +OK bye
         S: <close>",
    );
    assert_eq!(house.messages(), 2);
}

#[test]
fn a_message_that_goes_before_it_is_listed_is_passed_over() {
    let house = House::with_mail(&[ONE, TWO]);
    let mut client = house.log_in();
    house.expunge(1);
    client.dialog(
        "C: LIST
         S: +OK listing follows
         S: 2 39
         S: .
         C: RETR 1
         S: -ERR no such message
         C: STAT
         S: +OK 1 39",
    );
}

#[test]
fn capabilities_by_state() {
    let house = House::new();
    let capabilities = |client: &mut Client<'_>| {
        let reply = client.run("CAPA\r\n");
        let lines: Vec<_> = reply.lines().collect();
        lines.join("|")
    };
    let common = "PIPELINING|RESP-CODES|AUTH-RESP-CODE|EXPIRE NEVER|LANG|UTF8 USER|\
        IMPLEMENTATION Heimpost|.";
    let mut plain = house.connect(None, SAFE);
    plain.run("");
    assert_eq!(
        capabilities(&mut plain),
        format!("+OK capabilities follow|TOP|UIDL|SASL SCRAM-SHA-256|STLS|{common}")
    );
    let secured = "USER|SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN";
    plain.run("STLS\r\n");
    let expected = format!("+OK capabilities follow|TOP|UIDL|{secured}|{common}");
    assert_eq!(capabilities(&mut plain), expected);
    assert_eq!(capabilities(&mut house.log_in()), expected);
    let lax = Settings {
        plaintext_without_tls: true,
    };
    let mut lax = house.connect(None, lax);
    lax.run("");
    assert!(capabilities(&mut lax).contains("|USER|SASL SCRAM-SHA-256 PLAIN|STLS|"));
}

#[test]
fn no_password_without_tls() {
    let house = House::new();
    house.connect(None, SAFE).dialog(
        "S: +OK Heimpost POP3 ready
         C: USER anna@example.com
         S: -ERR not without TLS: use STLS first
         C: PASS correct horse
         S: -ERR USER first
         C: AUTH PLAIN
         S: -ERR not without TLS: use STLS first
         C: AUTH SCRAM-SHA-256-PLUS
         S: -ERR no such mechanism here
         C: STLS
         S: +OK begin TLS
         S: <tls>
         C: STLS
         S: -ERR TLS runs already
         C: USER anna@example.com
         S: +OK password please",
    );
}

#[test]
fn nothing_sent_before_the_handshake_survives_it() {
    let house = House::new();
    let mut client = house.connect(None, SAFE);
    client.run("");
    assert_eq!(
        client.run("STLS\r\nCAPA\r\nUSER x\r\nNO"),
        "+OK begin TLS\r\n<tls>\r\n"
    );
    assert_eq!(client.run("OP\r\n"), "-ERR unknown command\r\n");
}

#[test]
fn logins() {
    let house = House::new();
    house.connect_tls().dialog(
        "S: +OK Heimpost POP3 ready
         C: USER nobody@example.com
         S: +OK password please
         C: PASS correct horse
         S: -ERR [AUTH] wrong name or password
         C: USER anna@example.com
         S: +OK password please
         C: PASS wrong horse
         S: -ERR [AUTH] wrong name or password
         C: PASS correct horse
         S: -ERR USER first
         C: AUTH PLAIN
         S: + 
         C: *
         S: -ERR authentication cancelled
         C: AUTH PLAIN =
         S: -ERR malformed authentication response
         C: AUTH LOGIN
         S: -ERR no such mechanism here
         C: STAT
         S: -ERR not in this state
         C: AUTH plain AGFubmFAZXhhbXBsZS5jb20AY29ycmVjdCBob3JzZQ==
         S: +OK 0 messages
         C: AUTH PLAIN
         S: -ERR not in this state
         C: STLS
         S: -ERR not in this state",
    );
}

#[test]
fn too_many_failed_logins_end_the_connection() {
    let house = House::new();
    let mut client = house.connect_tls();
    let mut replies = client.run("");
    for _ in 0..crate::pop3::LOGIN_FAILURES_MAX {
        replies = client.run("USER anna@example.com\r\nPASS wrong horse\r\n");
    }
    assert!(replies.ends_with("<close>"), "{replies}");
}

#[test]
fn throttled_logins_are_told_when_to_come_back() {
    let house = House::new();
    let mut replies = String::new();
    for _ in 0..4 {
        let mut client = house.connect_tls();
        for _ in 0..3 {
            replies = client.run("USER anna@example.com\r\nPASS wrong horse\r\n");
        }
    }
    assert!(
        replies.ends_with("-ERR [SYS/TEMP] too many failed logins, try again in 2 seconds\r\n"),
        "{replies}"
    );
}

/// The client side of RFC 5802, to prove that both sides agree on a whole exchange.
#[test]
fn scram_with_a_device_password() {
    let house = House::new();
    let (_, password) = house.device("phone", Pop3Delete::Keep { days: 30 });
    let mut client = house.connect_tls();
    client.run("");
    let proofs = scram(&mut client, &password);
    assert!(proofs.ends_with("+OK 0 messages\r\n"), "{proofs}");
}

fn scram(client: &mut Client<'_>, password: &str) -> String {
    use base64::prelude::{BASE64_STANDARD as B64, Engine as _};
    use ring::{digest, pbkdf2};

    let mac = |key: &[u8], data: &[u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        ring::hmac::sign(&key, data).as_ref().to_vec()
    };
    let gs2 = "p=tls-exporter,,";
    let bare = "n=anna@example.com,r=abcdef";
    let first = B64.encode(format!("{gs2}{bare}"));
    let reply = client.run(&format!("AUTH SCRAM-SHA-256-PLUS {first}\r\n"));
    let challenge = B64
        .decode(reply.trim_start_matches("+ ").trim_end())
        .unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let mut fields = challenge.split(',').map(|field| field.split_at(2).1);
    let (nonce, salt, count) = (
        fields.next().unwrap(),
        fields.next().unwrap(),
        fields.next().unwrap(),
    );
    let (salt, count) = (B64.decode(salt).unwrap(), count.parse().unwrap());
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        count,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let binding = B64.encode([gs2.as_bytes(), &[0xe5; 32]].concat());
    let last = format!("c={binding},r={nonce}");
    let message = format!("{bare},{challenge},{last}");
    let signature = mac(stored_key.as_ref(), message.as_bytes());
    let proof: Vec<u8> = client_key
        .iter()
        .zip(&signature)
        .map(|(a, b)| a ^ b)
        .collect();
    let last = B64.encode(format!("{last},p={}", B64.encode(proof)));
    let reply = client.run(&format!("{last}\r\n"));
    let verdict = B64
        .decode(reply.trim_start_matches("+ ").trim_end())
        .unwrap();
    let expected = B64.encode(mac(&mac(&salted, b"Server Key"), message.as_bytes()));
    assert_eq!(String::from_utf8(verdict).unwrap(), format!("v={expected}"));
    client.run("\r\n")
}

#[test]
fn languages() {
    let house = House::new();
    let mut client = house.log_in();
    client.dialog(
        "C: LANG
         S: +OK languages follow
         S: en English
         S: de Deutsch
         S: .
         C: LANG DE
         S: +OK de Sprache gewechselt
         C: DELE 1
         S: -ERR diese Nachricht gibt es nicht
         C: LANG fr
         S: -ERR de diese Sprache gibt es hier nicht
         C: XTND
         S: -ERR unbekannter Befehl
         C: LANG *
         S: +OK en language changed
         C: XTND
         S: -ERR unknown command",
    );
}

#[test]
fn utf8_only_before_login_and_no_tls_after_it() {
    let house = House::new();
    let mut client = house.connect(None, SAFE);
    client.dialog(
        "S: +OK Heimpost POP3 ready
         C: UTF8
         S: +OK UTF-8 it is
         C: STLS
         S: -ERR no TLS after UTF8",
    );
    assert_eq!(house.log_in().run("UTF8\r\n"), "-ERR not in this state\r\n");
}

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
