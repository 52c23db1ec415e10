//! Hosts by DNS: in order, again later, never.

use std::sync::Arc;
use std::time::Duration;

use heimpost::clock::Clock;
use heimpost::mail::address::Domain;
use heimpost::mail::ids::AccountId;
use heimpost::mail::transport::{BodyType, HeaderType, Priority};
use heimpost::net::Counters;
use heimpost::net::ca::Subject;
use heimpost::net::tls::{Certificate, Tls};
use heimpost::store::spool::{NewSpool, SpoolStage};
use tokio::net::TcpSocket;

use super::host::Host;
use super::house::{House, MESSAGE, Plan, mail, notify_all, of_stranger};
use super::{BARE, HELLO, TAKE, bare, take};

/// One host for far.test, at the port of the given one.
const ONE: &str = "far.test MX 10 mx.test\nmx.test A 127.0.0.1";

/// Two, the first of which has the better preference.
const TWO: &str =
    "far.test MX 10 mx.test\nfar.test MX 20 mx2.test\nmx.test A 127.0.0.1\nmx2.test A 127.0.0.2";

async fn one(scripts: &[&str]) -> (Host, House) {
    let host = Host::at("127.0.0.1:0", scripts).await;
    let house = House::new(Plan::new(ONE, host.address.port()));
    (host, house)
}

async fn two(first: &[&str], second: &[&str]) -> (Host, Host, House) {
    let first = Host::at("127.0.0.1:0", first).await;
    let port = first.address.port();
    let second = Host::at(&format!("127.0.0.2:{port}"), second).await;
    let house = House::new(Plan::new(TWO, port));
    (first, second, house)
}

#[tokio::test]
async fn a_mail_goes_to_the_host_that_dns_names() {
    let (host, house) = one(&[&take(HELLO)]).await;
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    assert_eq!(house.tallied().sent, 1);
    house.stop().await;
    let body = MESSAGE.replace("\r\n.dot", "\r\n..dot");
    let expected = format!(
        "EHLO home.test\r\nMAIL FROM:<anna@home.test>\r\nRCPT TO:<ben@far.test>\r\nDATA\r\n\
         Received: by home.test\r\n{body}.\r\nQUIT\r\n"
    );
    assert_eq!(host.end().await, [expected]);
}

#[tokio::test]
async fn an_address_literal_needs_no_dns() {
    let (host, house) = one(&[&take(HELLO)]).await;
    house.send(mail(&["ben@[127.0.0.1]"])).await;
    house.until_empty().await;
    house.stop().await;
    assert!(host.end().await[0].contains("RCPT TO:<ben@[127.0.0.1]>"));
}

#[tokio::test]
async fn a_host_that_greylists_gets_it_later() {
    let grey = bare("C: MAIL\nS: 250 ok\nC: RCPT\nS: 451 4.7.1 come back\nC: RSET\nS: 250 ok");
    let (host, house) = one(&[&grey, &take(HELLO)]).await;
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert_eq!(tried, "4.7.1 mx.test 451 4.7.1 come back");
    // The connection is old by then, and the retry is due.
    house.clock.advance(Duration::from_secs(61));
    house.desk.poke();
    house.until_empty().await;
    house.stop().await;
    assert_eq!(host.end().await.len(), 2);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_hosts_words() {
    let no =
        bare("C: MAIL\nS: 250 ok\nC: RCPT\nS: 550 5.1.1 no such user here\nC: RSET\nS: 250 ok");
    let (host, house) = one(&[&no]).await;
    house.send(of_stranger(&["ben@far.test"])).await;
    let report = house.until_report().await;
    for words in ["Status: 5.1.1", "no such user here", "mx.test"] {
        assert!(report.contains(words), "{report}");
    }
    assert_eq!(house.tallied().turned_away, 1);
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn the_next_host_is_tried() {
    let grey = bare("C: MAIL\nS: 250 ok\nC: RCPT\nS: 450 not now\nC: RSET\nS: 250 ok");
    for first in ["CUT", "S: 421 busy", "S: 554 go away", "S: hello", &grey] {
        let (first, second, house) = two(&[first], &[&take(HELLO)]).await;
        house.send(mail(&["ben@far.test"])).await;
        house.until_empty().await;
        assert_eq!((house.tallied().sent, house.tallied().put_off), (1, 0));
        house.stop().await;
        first.end().await;
        second.end().await;
    }
}

#[tokio::test]
async fn a_host_that_refuses_connections_is_passed_over() {
    // Bound by this test, at which nobody listens.
    let first = TcpSocket::new_v4().unwrap();
    first.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = first.local_addr().unwrap().port();
    let second = Host::at(&format!("127.0.0.2:{port}"), &[&take(HELLO)]).await;
    let house = House::new(Plan::new(TWO, port));
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    house.stop().await;
    second.end().await;
    // Nobody listens there any more.
    let house = House::new(Plan::new(TWO, 1));
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert_eq!(tried, "4.4.1 - 127.0.0.2:1 refuses connections");
    house.stop().await;
}

#[tokio::test]
async fn cut_after_the_dot_it_may_have_arrived() {
    let cut = bare("C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nCUT");
    let (first, second, house) = two(&[&cut], &[]).await;
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert!(
        tried.starts_with("4.4.2 mx.test the connection was cut (end of message)"),
        "{tried}"
    );
    house.stop().await;
    first.end().await;
    assert_eq!(second.end().await, [""; 0]);
}

#[tokio::test]
async fn silence_has_its_time() {
    // It says a little, and nothing that would be an answer.
    let (first, second, house) = two(&["S~ 2\nGO\nS~ 2"], &[&take(HELLO)]).await;
    house.send(mail(&["ben@far.test"])).await;
    house.until(|_| first.said().len() == 1).await;
    house.clock.advance(Duration::from_mins(6));
    first.go();
    house.until_empty().await;
    house.stop().await;
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn two_mails_share_a_connection() {
    let (host, house) = one(&[&format!("{HELLO}{TAKE}{TAKE}")]).await;
    for to in ["ben@far.test", "ina@far.test"] {
        house.send(mail(&[to])).await;
        house.until_empty().await;
    }
    house.stop().await;
    let said = host.end().await;
    assert_eq!(said[0].matches("EHLO").count(), 1);
    assert_eq!(said[0].matches("MAIL FROM").count(), 2);
    assert!(said[0].ends_with("QUIT\r\n"), "{}", said[0]);
}

#[tokio::test]
async fn a_host_that_defers_is_asked_anew_over_another_connection() {
    let deferrals = [
        "C: MAIL\nS: 450 not now\nC: RSET\nS: 250 ok",
        "C: MAIL\nS: 250 ok\nC: RCPT\nS: 450 not now\nC: RSET\nS: 250 ok",
        "C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nS: 451 not now",
    ];
    for deferral in deferrals {
        let defers = bare(&format!("{deferral}\nC: QUIT\nS: 221 bye"));
        let (host, house) = one(&[&defers, &take(HELLO)]).await;
        house.send(mail(&["ben@far.test"])).await;
        house.until_tried(1).await;
        house.wish_for_all().await;
        house.until_empty().await;
        house.stop().await;
        assert_eq!(host.end().await.len(), 2, "{deferral}");
    }
}

#[tokio::test]
async fn a_connection_on_which_one_of_two_was_taken_is_kept() {
    let half = "C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 450 not now\nC: DATA\nS: 354 go\nDATA\nS: 250 ok\n";
    let (host, house) = one(&[&bare(&format!("{half}{TAKE}"))]).await;
    house.send(mail(&["ben@far.test", "ina@far.test"])).await;
    house
        .until(|spool| {
            spool
                .first()
                .is_some_and(|mail| mail.states[1].last.is_some())
        })
        .await;
    house.wish_for_all().await;
    house.until_empty().await;
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let closes = |how: &str| format!("{BARE}{TAKE}{how}");
    for how in [
        "CUT",
        "S: 421 idle for too long\nCUT",
        "C: MAIL\nS: 421 bye\nCUT",
        "C: MAIL\nCUT",
    ] {
        let (host, house) = one(&[&closes(how), &take(HELLO)]).await;
        for to in ["ben@far.test", "ina@far.test"] {
            house.send(mail(&[to])).await;
            house.until_empty().await;
        }
        assert_eq!(
            (house.tallied().sent, house.tallied().put_off),
            (2, 0),
            "{how}"
        );
        house.stop().await;
        host.end().await;
    }
}

#[tokio::test]
async fn connections_are_not_kept_for_long() {
    let (host, house) = one(&[&format!("{}C: QUIT\nS: 221 bye", take(HELLO))]).await;
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    house.clock.advance(Duration::from_secs(11));
    house.desk.poke();
    assert!(host.end().await[0].ends_with("QUIT\r\n"));
    house.stop().await;
}

#[tokio::test]
async fn many_recipients_go_in_several_mails() {
    let some = |count: usize| {
        let rcpt = "C: RCPT\nS: 250 ok\n".repeat(count);
        format!("C: MAIL\nS: 250 ok\n{rcpt}C: DATA\nS: 354 go\nDATA\nS: 250 ok\n")
    };
    // As many connections as there are attempts, in whatever order they come.
    let host = Host::at("127.0.0.1:0", &[bare(&some(100)).as_str(); 2]).await;
    let port = host.address.port();
    let house = House::new(Plan::new(ONE, port));
    let to: Vec<String> = (0..200)
        .map(|number| format!("u{number}@far.test"))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    house.send(mail(&to)).await;
    house.until_empty().await;
    assert_eq!(house.tallied().sent, 200);
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn a_host_with_a_limit_gets_several_transactions() {
    let limited = "S: 220 mx.test
        C: EHLO
        S: 250-mx.test
        S: 250 LIMITS RCPTMAX=2
        C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nS: 250 ok
        C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nS: 250 ok";
    let (host, house) = one(&[limited]).await;
    house
        .send(mail(&["a@far.test", "b@far.test", "c@far.test"]))
        .await;
    house.until_empty().await;
    assert_eq!((house.tallied().sent, house.tallied().put_off), (3, 0));
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn what_waits_over_a_restart_is_sent_then() {
    let (host, house) = one(&["S: 421 not yet", &take(HELLO)]).await;
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert_eq!(tried, "4.0.0 mx.test 421 not yet");
    let (store, clock) = house.stop().await;
    clock.advance(Duration::from_secs(61));
    let house = House::on(store, clock, Plan::new(ONE, host.address.port()));
    house.until_empty().await;
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn the_sender_is_told_by_the_host_or_by_us() {
    let dsn = "S: 220 mx.test\nC: EHLO\nS: 250-mx.test\nS: 250 DSN\n";
    for (start, reports) in [(HELLO, 1), (dsn, 0)] {
        let (host, house) = one(&[&take(start)]).await;
        house.send(notify_all(of_stranger(&["ben@far.test"]))).await;
        let spool = house
            .until(|spool| spool.iter().all(|mail| mail.new.sender.is_none()))
            .await;
        assert_eq!(spool.len(), reports);
        house.stop().await;
        let said = host.end().await;
        assert_eq!(
            said[0].contains(" NOTIFY=SUCCESS,FAILURE,DELAY"),
            reports == 0
        );
    }
}

#[tokio::test]
async fn what_a_host_cannot_take_comes_back() {
    let small = "S: 220 mx.test\nC: EHLO\nS: 250-mx.test\nS: 250 SIZE 10";
    let (host, house) = one(&[small]).await;
    house.send(of_stranger(&["ben@far.test"])).await;
    let report = house.until_report().await;
    assert!(report.contains("Status: 5.3.4"), "{report}");
    house.stop().await;
    host.end().await;

    let (host, house) = one(&[HELLO]).await;
    let mut unicode = of_stranger(&["ben@far.test"]);
    unicode.header = HeaderType::Utf8;
    house.send(unicode).await;
    let report = house.until_report().await;
    assert!(report.contains("Status: 5.6.7"), "{report}");
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn eight_bits_are_converted_for_a_host_with_seven() {
    let message = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                   Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
    let eight = "S: 220 mx.test\nC: EHLO\nS: 250-mx.test\nS: 250 8BITMIME\n";
    for (start, expected, body) in [
        (BARE, "R3LDvMOfZQ0K", ""),
        (eight, "Gr\u{fc}\u{df}e", " BODY=8BITMIME"),
    ] {
        let (host, house) = one(&[&take(start)]).await;
        let mut mail = mail(&["ben@far.test"]);
        mail.body = BodyType::EightBitMime;
        house.send_message(mail, message.as_bytes()).await;
        house.until_empty().await;
        house.stop().await;
        let said = host.end().await;
        assert!(
            said[0].contains(&format!("\r\n{expected}\r\n")),
            "{}",
            said[0]
        );
        assert!(
            said[0].contains(&format!("MAIL FROM:<anna@home.test>{body}\r\n")),
            "{}",
            said[0]
        );
    }
}

/// What an alias forwards may only claim to be of us.
#[tokio::test]
async fn what_comes_from_outside_is_not_signed() {
    for (account, priority, is_signed) in [
        (Some(AccountId(1)), Priority::Mail, true),
        (None, Priority::Notice, true),
        (None, Priority::Mail, false),
    ] {
        let host = Host::at("127.0.0.1:0", &[&take(HELLO)]).await;
        let mut plan = Plan::new(ONE, host.address.port());
        plan.signs = vec![Domain::parse("home.test").unwrap()];
        let house = House::new(plan);
        let new = NewSpool {
            account,
            priority,
            ..mail(&["ben@far.test"])
        };
        house.send(new).await;
        house.until_empty().await;
        house.stop().await;
        let said = host.end().await.remove(0);
        assert_eq!(said.contains("\nDKIM-Signature: "), is_signed, "{said}");
    }
}

/// A scanner's mail, which has its author from submission (RFC 6409 8).
#[tokio::test]
async fn an_author_that_was_added_is_signed_too() {
    let host = Host::at("127.0.0.1:0", &[&take(HELLO)]).await;
    let mut plan = Plan::new(ONE, host.address.port());
    plan.signs = vec![Domain::parse("home.test").unwrap()];
    let house = House::new(plan);
    let new = NewSpool {
        account: Some(AccountId(1)),
        prefix: b"Received: by home.test\r\nFrom: anna@home.test\r\n".to_vec(),
        ..mail(&["ben@far.test"])
    };
    let message = b"Subject: Scan 0042\r\n\r\nOne page.\r\n";
    house.send_message(new, message).await;
    house.until_empty().await;
    house.stop().await;
    let said = host.end().await.remove(0);
    let unfolded = said.replace("\r\n ", "").replace("\r\n\t", "");
    let signatures = unfolded
        .lines()
        .filter(|line| line.starts_with("DKIM-Signature: "));
    let signatures: Vec<String> = signatures.map(|line| line.replace(' ', "")).collect();
    assert_eq!(signatures.len(), 2, "{said}");
    for signature in signatures {
        assert!(signature.contains("d=home.test;"), "{signature}");
        let (_, fields) = signature.split_once(";h=").unwrap();
        let (fields, _) = fields.split_once(';').unwrap();
        assert!(
            fields.split(':').any(|field| field == "from"),
            "{signature}"
        );
    }
}

/// RFC 5321 4.5.3.1.6. What others wrote, and may have signed, goes on as it came.
#[tokio::test]
async fn long_lines_of_our_users_are_folded() {
    let eight = "S: 220 mx.test\nC: EHLO\nS: 250-mx.test\nS: 250 8BITMIME\n";
    for (lines, account, is_long) in [
        (1, Some(AccountId(1)), false),
        (100, Some(AccountId(1)), false),
        (1, None, true),
    ] {
        let (host, house) = one(&[&take(eight)]).await;
        let line = format!("{}\r\n", "x".repeat(5000));
        let message = format!("From: anna@home.test\r\n\r\n{}", line.repeat(lines));
        let mut mail = mail(&["ben@far.test"]);
        mail.account = account;
        house.send_message(mail, message.as_bytes()).await;
        house.until_empty().await;
        house.stop().await;
        let said = host.end().await.remove(0);
        let longest = said.lines().map(str::len).max();
        assert_eq!(longest > Some(998), is_long, "{longest:?}");
        assert_eq!(said.contains("quoted-printable"), !is_long);
        let text = said.replace("=\r\n", "");
        assert_eq!(text.matches(&line).count(), lines);
    }
}

#[tokio::test]
async fn a_large_message_is_streamed() {
    let (host, house) = one(&[&take(HELLO)]).await;
    let line = "x".repeat(78) + "\r\n";
    let message = format!("Subject: large\r\n\r\n{}", line.repeat(20_000));
    house
        .send_message(mail(&["ben@far.test"]), message.as_bytes())
        .await;
    house.until_empty().await;
    house.stop().await;
    assert!(host.end().await[0].contains(&format!("{message}.\r\n")));
}

#[tokio::test]
async fn cut_in_the_message_it_goes_to_the_next_host() {
    let cut = bare("C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: Received\nCUT");
    let (first, second, house) = two(&[&cut], &[&take(BARE)]).await;
    // More than the sockets hold, so that the end is not on its way when the connection is cut.
    let message = format!(
        "Subject: large\r\n\r\n{}",
        ("x".repeat(78) + "\r\n").repeat(400_000)
    );
    house
        .send_message(mail(&["ben@far.test"]), message.as_bytes())
        .await;
    house.until_empty().await;
    assert_eq!((house.tallied().sent, house.tallied().put_off), (1, 0));
    house.stop().await;
    first.end().await;
    second.end().await;
}

/// A host with a certificate of its own.
pub(crate) fn tls(dir: &std::path::Path, name: &str) -> Arc<Tls> {
    std::fs::create_dir_all(dir).unwrap();
    let certificate = Certificate::Made {
        directory: dir.to_owned(),
        subject: Subject {
            hostname: name.to_owned(),
            ..Subject::default()
        },
    };
    let now = Clock::system().now();
    Arc::new(Tls::open(certificate, now, Counters::default()).unwrap())
}

pub(super) const STARTTLS: &str = "S: 220 mx.test
C: EHLO
S: 250-mx.test
S: 250 STARTTLS
C: STARTTLS
";

#[tokio::test]
async fn tls_is_taken_if_it_works() {
    let dir = tempfile::tempdir().unwrap();
    let works = format!("{STARTTLS}S: 220 go\nTLS\nC: EHLO\nS: 250 mx.test\n{TAKE}");
    let refused = format!("{STARTTLS}S: 454 4.7.0 not now\n{TAKE}");
    let broken = format!("{STARTTLS}S: 220 go\nS~ this is no TLS\nCUT");
    let plain = format!("S: 220 mx.test\nC: EHLO\nS: 250 mx.test\n{TAKE}");
    let cases = [vec![works], vec![refused], vec![broken, plain]];
    for scripts in cases {
        let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
        let tls = tls(dir.path(), "mx.test");
        let host = Host::with_tls("127.0.0.1:0", &scripts, Some(tls)).await;
        let house = House::new(Plan::new(ONE, host.address.port()));
        house.send(mail(&["ben@far.test"])).await;
        house.until_empty().await;
        assert_eq!(house.tallied().put_off, 0, "{scripts:?}");
        house.stop().await;
        host.end().await;
    }
}

#[tokio::test]
async fn a_host_that_always_says_something_is_left_in_the_end() {
    // One recipient after the other has its answer, each of them in time.
    let all = "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\n";
    let drips = format!("{HELLO}{all}S: 250 ok\nGO\nS: 250 ok\nGO\nS~ 2");
    let takes = format!("{HELLO}{all}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nDATA\nS: 250 ok");
    let far = Host::at("127.0.0.1:0", &[&drips, &takes]).await;
    let port = far.address.port();
    let near = Host::at(&format!("127.0.0.2:{port}"), &[&take(HELLO)]).await;
    let zone = format!("{ONE}\nnear.test A 127.0.0.2");
    let house = House::new(Plan::new(&zone, port));
    house.send(mail(&["ben@far.test", "ina@far.test"])).await;
    house.until(|_| far.said().concat().contains("DATA")).await;
    house.clock.advance(Duration::from_mins(4));
    far.go();
    // Mail for others goes meanwhile.
    house.send(mail(&["eve@near.test"])).await;
    house.until(|spool| spool.len() == 1).await;
    house.clock.advance(Duration::from_mins(8));
    far.go();
    let tried = house.until_tried(1).await;
    let expected = "4.4.2 mx.test the server took too long in all (RCPT)";
    assert_eq!(tried, expected);
    house.wish_for_all().await;
    house.until_empty().await;
    house.stop().await;
    near.end().await;
    far.end().await;
}

#[tokio::test]
async fn an_attempt_has_an_end_however_many_transactions_a_host_wants() {
    let one =
        "C: MAIL\nGO\nS: 250 ok\nC: RCPT\nGO\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nGO\nS: 250 ok\n";
    let script =
        format!("S: 220 mx.test\nC: EHLO\nS: 250-mx.test\nS: 250 LIMITS RCPTMAX=1\n{one}{one}");
    let (host, house) = self::one(&[&script]).await;
    let to = ["a@far.test", "b@far.test", "c@far.test"];
    house.send(mail(&to)).await;
    for number in 1..=2 {
        for (last, minutes) in [("MAIL ", 4), ("RCPT ", 4), ("\n.\r\n", 9)] {
            let said = || host.said().concat().matches(last).count();
            house.until(|_| said() == number).await;
            house.clock.advance(Duration::from_mins(minutes));
            host.go();
        }
    }
    house.until_tried(1).await;
    let states = &house.spool()[0].states;
    let tried: Vec<(SpoolStage, u32)> =
        states.iter().map(|one| (one.stage, one.attempts)).collect();
    assert!(
        matches!(
            tried.as_slice(),
            [
                (SpoolStage::Delivered, _),
                (SpoolStage::Delivered, _),
                (SpoolStage::Waiting(_), 1)
            ]
        ),
        "{tried:?}"
    );
    house.stop().await;
    assert_eq!(host.end().await.len(), 1);
}
