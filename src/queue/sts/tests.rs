//! A domain whose policy is on a web server on loopback, as `Sts` and `Finder` see it through the days.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::clock::{Clock, Wall};
use crate::net::Counters;
use crate::net::ca::Subject;
use crate::net::tls::{Certificate, Tls};
use crate::queue::hosts::{Finder, Security};
use crate::queue::sts::policy::Mode;
use crate::store::Options;

const ENFORCE: &str = "version: STSv1\nmode: enforce\nmax_age: 400000\nmx: mx.example.org\n";

/// The domain's records, with the id of its policy.
fn zone(id: &str) -> Resolver {
    let zone = format!(
        "
        _mta-sts.example.org TXT v=STSv1; id={id}
        mta-sts.example.org A 127.0.0.1
        example.org MX 10 mx.example.org
        example.org MX 20 other.example.org
        mx.example.org A 192.0.2.1
        other.example.org A 192.0.2.2
        stray.example MX 10 stray.example
        _mta-sts.stray.example TXT v=STSv1; id=1
        "
    );
    Resolver::zone(&zone).unwrap()
}

/// The web server: what it answers may change, and it counts.
struct Web {
    port: u16,
    outbound: Outbound,
    answer: Arc<Mutex<String>>,
    served: Arc<Mutex<usize>>,
    _directory: TempDir,
}

impl Web {
    async fn start(hostname: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let subject = Subject {
            hostname: hostname.to_owned(),
            names: BTreeSet::default(),
            addresses: BTreeSet::default(),
        };
        let certificate = Certificate::Made {
            directory: directory.path().to_owned(),
            subject,
        };
        let tls = Tls::open(certificate, Clock::system().now(), Counters::default()).unwrap();
        let outbound = Outbound::trusting(&tls.authority_pem().unwrap()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let web = Self {
            port: listener.local_addr().unwrap().port(),
            outbound,
            answer: Arc::new(Mutex::new(ok(ENFORCE))),
            served: Arc::default(),
            _directory: directory,
        };
        let (answer, served) = (Arc::clone(&web.answer), Arc::clone(&web.served));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok((mut stream, _)) = tls.accept(Box::new(stream)).await else {
                    continue;
                };
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = str::from_utf8(&request[..length]).unwrap();
                assert!(request.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"));
                assert!(request.contains("host: mta-sts.example.org\r\n"));
                *served.lock().unwrap() += 1;
                let answer = answer.lock().unwrap().clone();
                drop(stream.write_all(answer.as_bytes()).await);
                drop(stream.shutdown().await);
            }
        });
        web
    }

    fn set(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    fn served(&self) -> usize {
        *self.served.lock().unwrap()
    }

    fn sts(&self, id: &str, store: &Store) -> Sts {
        Sts::new(zone(id), self.outbound.clone(), store.clone(), self.port).unwrap()
    }
}

fn ok(text: &str) -> String {
    let length = text.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{text}"
    )
}

fn domain() -> Domain {
    Domain::parse("example.org").unwrap()
}

fn after(seconds: u64) -> Now {
    Now {
        mono: Mono(Duration::from_secs(seconds)),
        wall: Some(Wall(1_800_000_000 + i64::try_from(seconds).unwrap())),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

const HOUR: u64 = 3600;

#[test]
fn a_policy_is_fetched_kept_and_refreshed() {
    run(async {
        let web = Web::start("mta-sts.example.org").await;
        let store = Store::in_memory(&Options::default()).unwrap();
        let sts = web.sts("1", &store);
        let mode = async |sts: &Sts, seconds| {
            let policy = sts.policy(&domain(), after(seconds)).await;
            (policy.map(|it| it.mode), web.served())
        };
        assert_eq!(mode(&sts, 0).await, (Some(Mode::Enforce), 1));
        assert_eq!(mode(&sts, HOUR).await, (Some(Mode::Enforce), 1));
        // After a restart it is still known; with another id it is fetched anew, and then daily.
        let sts = web.sts("1", &store);
        assert_eq!(mode(&sts, 2 * HOUR).await, (Some(Mode::Enforce), 1));
        web.set(&ok(&ENFORCE.replace("enforce", "testing")));
        let sts = web.sts("2", &store);
        assert_eq!(mode(&sts, 3 * HOUR).await, (Some(Mode::Testing), 2));
        web.set(&ok(ENFORCE));
        assert_eq!(mode(&sts, 26 * HOUR).await, (Some(Mode::Testing), 2));
        assert_eq!(mode(&sts, 27 * HOUR).await, (Some(Mode::Enforce), 3));
        sts.refresh(after(30 * HOUR)).await;
        assert_eq!(web.served(), 3);
        sts.refresh(after(52 * HOUR)).await;
        assert_eq!(web.served(), 4);
    });
}

#[test]
fn a_policy_that_is_kept_survives_failures_until_its_age_is_over() {
    run(async {
        let web = Web::start("mta-sts.example.org").await;
        let store = Store::in_memory(&Options::default()).unwrap();
        let sts = web.sts("1", &store);
        assert!(sts.policy(&domain(), after(0)).await.is_some());
        web.set("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
        let mode = async |sts: &Sts, seconds| {
            let policy = sts.policy(&domain(), after(seconds)).await;
            (policy.map(|it| it.mode), web.served())
        };
        assert_eq!(mode(&sts, 30 * HOUR).await, (Some(Mode::Enforce), 2));
        // Left alone for a while, then asked again.
        assert_eq!(mode(&sts, 30 * HOUR + 299).await, (Some(Mode::Enforce), 2));
        assert_eq!(mode(&sts, 30 * HOUR + 300).await, (Some(Mode::Enforce), 3));
        // Its record gone, the policy stays too.
        let nobody = Resolver::zone("_mta-sts.example.org TXT servfail\n").unwrap();
        let gone = Sts::new(nobody, web.outbound.clone(), store.clone(), web.port).unwrap();
        assert_eq!(mode(&gone, 40 * HOUR).await, (Some(Mode::Enforce), 3));
        assert_eq!(mode(&gone, 400_000).await, (None, 3));
        assert_eq!(mode(&sts, 400_000).await, (None, 4));
        // Without a clock it holds, and none is fetched.
        let unknown = Now {
            mono: Mono::default(),
            wall: None,
        };
        assert!(gone.policy(&domain(), unknown).await.is_some());
    });
}

#[test]
fn what_is_no_policy_is_refused() {
    run(async {
        let web = Web::start("mta-sts.example.org").await;
        let large = "x".repeat(https::DOCUMENT_BYTES_MAX + 1);
        for answer in [
            ok(ENFORCE).replace("200 OK", "404 Not Found"),
            ok(ENFORCE).replace("200 OK", "301 Moved"),
            ok(ENFORCE).replace("text/plain", "text/html"),
            ok(ENFORCE).replace("Content-Type", "X-Type"),
            ok("version: STSv1\n"),
            ok(&format!("{ENFORCE}{large}")),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nversion"
                .to_owned(),
            "220 mail.example.org ESMTP\r\n".to_owned(),
        ] {
            web.set(&answer);
            let sts = web.sts("1", &Store::in_memory(&Options::default()).unwrap());
            let served = web.served();
            let policy = sts.policy(&domain(), after(0)).await;
            assert_eq!(policy, None, "{answer:.100}");
            assert_eq!(web.served(), served + 1, "{answer:.100}");
        }
        // A certificate for another name.
        let web = Web::start("www.example.org").await;
        let sts = web.sts("1", &Store::in_memory(&Options::default()).unwrap());
        assert_eq!(sts.policy(&domain(), after(0)).await, None);
        assert_eq!(web.served(), 0);
    });
}

#[test]
fn hosts_are_chosen_by_the_policy() {
    run(async {
        let web = Web::start("mta-sts.example.org").await;
        let both = ["mx.example.org", "other.example.org"];
        for (policy, expected) in [
            (ENFORCE, vec!["mx.example.org names"]),
            (&ENFORCE.replace("enforce", "testing"), both.to_vec()),
            (&ENFORCE.replace("enforce", "none"), both.to_vec()),
            (
                &ENFORCE.replace("mx.example.org", "mx.example.net"),
                vec!["4.7.5"],
            ),
        ] {
            web.set(&ok(policy));
            let sts = web.sts("1", &Store::in_memory(&Options::default()).unwrap());
            let finder = Finder::new(zone("1"), vec![]).with_sts(sts);
            let said = match finder.hosts(&domain(), after(0)).await {
                Ok(hosts) => hosts
                    .into_iter()
                    .map(|host| {
                        let name = host.name.unwrap();
                        match host.security {
                            Security::Opportunistic => name.to_string(),
                            Security::Required(_) => format!("{name} names"),
                        }
                    })
                    .collect(),
                Err(why) => vec![format!("{why:?}")],
            };
            assert_eq!(said.len(), expected.len(), "{said:?}");
            for (said, expected) in said.iter().zip(&expected) {
                let status = "class: Transient, subject: 7, detail: 5";
                assert!(
                    said == expected || (*expected == "4.7.5" && said.contains(status)),
                    "{said}"
                );
            }
        }
    });
}
