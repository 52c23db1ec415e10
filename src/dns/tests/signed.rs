//! A signed domain `test` with its own trust anchor, made anew for each test: what is vouched for, what is unsigned and
//! what is forged must be told apart, also by whoever sits behind a forwarder without DNSSEC.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::sig::SigInput;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{Algorithm, SigningKey, TBS};
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, NS, SOA, TLSA};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use super::*;
use crate::clock::Clock;

const TTL: u32 = 300;

/// Names below this are not signed.
const UNSIGNED: &str = "plain.test.";

/// How a name's records are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    Good,
    Expired,
    Missing,
    Forged,
}

struct Signed {
    key: Ed25519SigningKey,
    dnskey: DNSKEY,
    now: u32,
    sets: BTreeMap<(Name, RecordType), (Vec<Record>, Care)>,
    /// Of the forwarder before it.
    strips: bool,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn soa(apex: &str) -> Record {
    let soa = SOA::new(name(apex), name(apex), 1, 60, 60, 60, 60);
    Record::from_rdata(name(apex), TTL, RData::SOA(soa))
}

impl Signed {
    fn new(strips: bool) -> Self {
        let pkcs8 = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&pkcs8).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        let now = Clock::system().now().wall.unwrap().0;
        let mut signed = Self {
            key,
            dnskey: dnskey.clone(),
            now: u32::try_from(now).unwrap(),
            sets: BTreeMap::new(),
            strips,
        };
        signed.add(
            "test.",
            RData::DNSSEC(DNSSECRData::DNSKEY(dnskey)),
            Care::Good,
        );
        signed.add("test.", soa("test.").data, Care::Good);
        signed.add("test.", RData::NS(NS(name("mx.test."))), Care::Good);
        signed.add(
            "test.",
            RData::MX(MX::new(10, name("mx.test."))),
            Care::Good,
        );
        signed.add("mx.test.", a(1), Care::Good);
        let tlsa = TLSA::new(3.into(), 1.into(), 1.into(), vec![7]);
        signed.add("_25._tcp.mx.test.", RData::TLSA(tlsa), Care::Good);
        signed.add(
            "alias.test.",
            RData::CNAME(CNAME(name("mx.test."))),
            Care::Good,
        );
        signed.add(
            "stray.test.",
            RData::CNAME(CNAME(name("www.plain.test."))),
            Care::Good,
        );
        signed.add("old.test.", a(2), Care::Expired);
        signed.add("bare.test.", a(3), Care::Missing);
        signed.add("forged.test.", a(4), Care::Forged);
        signed.add(UNSIGNED, RData::NS(NS(name("mx.test."))), Care::Missing);
        signed.add("www.plain.test.", a(5), Care::Missing);
        signed.add(
            "back.plain.test.",
            RData::CNAME(CNAME(name("mx.test."))),
            Care::Missing,
        );
        signed
    }

    fn add(&mut self, owner: &str, data: RData, care: Care) {
        let record = Record::from_rdata(name(owner), TTL, data);
        let key = (record.name.clone(), record.record_type());
        let set = self.sets.entry(key);
        set.or_insert((Vec::new(), care)).0.push(record);
    }

    /// The line of a trust anchor file.
    fn anchor(&self) -> String {
        let key = BASE64_STANDARD.encode(self.key.to_public_key().unwrap().into_inner());
        format!("test. 3600 IN DNSKEY {} 3 15 {key}\n", self.dnskey.flags())
    }

    fn sign(&self, set: &[Record], from: u32, until: u32) -> Record {
        let owner = &set[0].name;
        let input = SigInput {
            type_covered: set[0].record_type(),
            algorithm: Algorithm::ED25519,
            num_labels: owner.num_labels(),
            original_ttl: TTL,
            sig_expiration: SerialNumber::new(until),
            sig_inception: SerialNumber::new(from),
            key_tag: self.dnskey.calculate_key_tag().unwrap(),
            signer_name: name("test."),
        };
        let tbs = TBS::from_input(owner, DNSClass::IN, &input, set.iter()).unwrap();
        let sig = RRSIG::from_sig(input, self.key.sign(&tbs).unwrap());
        Record::from_rdata(owner.clone(), TTL, RData::DNSSEC(DNSSECRData::RRSIG(sig)))
    }

    /// The records with their signature, as well as they are cared for.
    fn served(&self, set: &[Record], care: Care) -> Vec<Record> {
        const DAY: u32 = 86_400;
        let (then, now) = (self.now - DAY, self.now);
        let mut served = set.to_vec();
        match care {
            _ if self.strips => {}
            Care::Missing => {}
            Care::Good => served.push(self.sign(set, then, now + DAY)),
            Care::Expired => served.push(self.sign(set, then, now - DAY / 2)),
            Care::Forged => {
                served.push(self.sign(set, then, now + DAY));
                served[0].data = a(66);
            }
        }
        served
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        let query = question.queries.first()?;
        let mut reply = Message::response(question.id, OpCode::Query);
        reply.add_query(query.clone());
        let mut owner = query.name().to_lowercase();
        loop {
            if let Some((set, care)) = self.sets.get(&(owner.clone(), query.query_type())) {
                reply.add_answers(self.served(set, *care));
                return Some(reply);
            }
            let Some((alias, care)) = self.sets.get(&(owner.clone(), RecordType::CNAME)) else {
                break;
            };
            reply.add_answers(self.served(alias, *care));
            let RData::CNAME(target) = &alias[0].data else {
                return None;
            };
            owner = target.0.clone();
        }
        self.deny(&owner, query.query_type(), &mut reply);
        Some(reply)
    }

    /// There is none: by NSEC in the signed part, by word of mouth in the other.
    fn deny(&self, owner: &Name, kind: RecordType, reply: &mut Message) {
        let exists = self.sets.keys().any(|(other, _)| owner.zone_of(other));
        if !exists {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        let is_delegation = *owner == name(UNSIGNED) && kind == RecordType::DS;
        if name(UNSIGNED).zone_of(owner) && !is_delegation {
            reply.add_authority(soa(UNSIGNED));
            return;
        }
        reply.add_authorities(self.served(&[soa("test.")], Care::Good));
        if self.strips {
            return;
        }
        let mut proofs = BTreeSet::from([self.before(owner)]);
        if !exists {
            proofs.insert(self.before(&name("*.test.")));
        }
        for proof in proofs {
            reply.add_authorities(self.served(&[self.nsec(&proof)], Care::Good));
        }
    }

    /// The signed name that is, or comes before, `owner`.
    fn before(&self, owner: &Name) -> Name {
        self.names()
            .range(..=owner.clone())
            .next_back()
            .unwrap()
            .clone()
    }

    /// Names of the signed zone, delegations included.
    fn names(&self) -> BTreeSet<Name> {
        let names = self.sets.keys().map(|(name, _)| name.clone());
        let ours = |it: &Name| *it == name(UNSIGNED) || !name(UNSIGNED).zone_of(it);
        names.filter(ours).collect()
    }

    fn nsec(&self, owner: &Name) -> Record {
        let names = self.names();
        let mut after = names.iter().skip_while(|it| *it != owner).skip(1);
        let next = after.next().cloned().unwrap_or_else(|| name("test."));
        let kinds = self.sets.keys().filter(|(it, _)| it == owner);
        let kinds = kinds.map(|(_, kind)| *kind);
        let nsec = NSEC::new_cover_self(next, kinds);
        Record::from_rdata(owner.clone(), TTL, RData::DNSSEC(DNSSECRData::NSEC(nsec)))
    }
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

/// What a validating resolver says before a server of the domain, or before a forwarder that strips signatures.
fn check(strips: bool, questions: &[(&str, &str)]) {
    let signed = Signed::new(strips);
    let directory = tempfile::tempdir().unwrap();
    let anchor = directory.path().join("anchor");
    fs::write(&anchor, signed.anchor()).unwrap();
    run(async {
        let address = serve::start(Arc::new(move |it| signed.answer(it))).unwrap();
        let settings = Settings {
            servers: vec![address],
            dnssec: true,
            trust_anchor: Some(anchor),
        };
        let resolver = Resolver::new(&settings).unwrap();
        for (asked, expected) in questions {
            let said = question(&resolver, asked).await;
            assert_eq!(said, *expected, "{asked}, strips: {strips}");
            // From the cache too.
            let said = question(&resolver, asked).await;
            assert_eq!(said, *expected, "{asked} again, strips: {strips}");
        }
    });
}

const TLSA_7: &str = "Tlsa { usage: 3, selector: 1, matching: 1, data: [7] }";

#[test]
fn secure_insecure_and_bogus_are_told_apart() {
    check(
        false,
        &[
            ("MX test", "Some(\"mx.test\")!"),
            ("IP mx.test", "192.0.2.1!"),
            ("TLSA _25._tcp.mx.test", &format!("{TLSA_7}!")),
            ("IP alias.test", "192.0.2.1! of mx.test"),
            ("TLSA _25._tcp.alias.test", "no name"),
            ("MX mx.test", "no MX"),
            ("MX nowhere.test", "no name"),
            ("IP www.plain.test", "192.0.2.5"),
            ("MX www.plain.test", "no MX"),
            ("MX nowhere.plain.test", "no name"),
            ("IP stray.test", "192.0.2.5 of www.plain.test"),
            ("IP back.plain.test", "192.0.2.1 of mx.test"),
            ("IP old.test", "bogus"),
            ("IP bare.test", "bogus"),
            ("IP forged.test", "bogus"),
        ],
    );
}

#[test]
fn behind_a_forwarder_that_strips_signatures_nothing_is_vouched_for() {
    check(
        true,
        &[
            ("MX test", "Some(\"mx.test\")"),
            ("IP mx.test", "192.0.2.1"),
            ("TLSA _25._tcp.mx.test", TLSA_7),
            ("IP alias.test", "192.0.2.1 of mx.test"),
            ("MX mx.test", "no MX"),
            ("MX nowhere.test", "no name"),
            ("IP www.plain.test", "192.0.2.5"),
            ("IP back.plain.test", "192.0.2.1 of mx.test"),
            ("IP bare.test", "192.0.2.3"),
        ],
    );
}

#[test]
fn a_trust_anchor_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("anchor");
    let settings = Settings {
        servers: vec!["127.0.0.1:53".parse().unwrap()],
        dnssec: true,
        trust_anchor: Some(path.clone()),
    };
    let refused = || {
        matches!(
            Resolver::new(&settings),
            Err(SetupError::TrustAnchor { .. })
        )
    };
    assert!(refused());
    for text in ["", "test. IN A 192.0.2.1", "hello", &"x".repeat(70_000)] {
        fs::write(&path, text).unwrap();
        assert!(refused(), "{text:.20}");
    }
}
