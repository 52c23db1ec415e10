//! One order: every name is proved, and a certificate for those that could be is fetched (RFC 8555 7.4, 7.5).
//!
//! A failed proof makes the whole order void, so names that fail are tried in the other way in a second order, and left out of
//! a third. An order for names that the certificate in hand has already is not brought to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeHandle, ChallengeType, Error,
    Identifier, NewOrder, Order, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::time::sleep;

use super::challenge::{Answer, Challenges};

/// Ways to prove a name that the box can be asked in, the better one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// At the web port (RFC 8555 8.3).
    Http,
    /// In a TLS handshake at the web port with TLS (RFC 8737).
    Tls,
}

/// Orders that one try may take: the first, one with the other way, one without what failed in both.
const ORDERS_MAX: usize = 3;

/// How long an authority has to look at the box, and how often it is asked what it saw.
const LOOKS_MAX: u32 = 60;
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
const LOOK_FIRST: Duration = Duration::from_millis(250);

/// How long it has to issue.
const ISSUE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .timeout(Duration::from_mins(2));

/// What an order needs.
pub(super) struct Wish<'a> {
    pub(super) account: &'a Account,
    pub(super) challenges: &'a Challenges,
    pub(super) ways: &'a [Way],
    /// Key of the certificate.
    pub(super) key: &'a KeyPair,
}

/// What came of it.
pub(super) struct Got {
    pub(super) ending: Ending,
    /// Names left out, and why.
    pub(super) left_out: BTreeMap<String, String>,
}

/// How an order ended.
pub(super) enum Ending {
    /// With a certificate and its issuers, as PEM.
    Issued(String),
    /// What could be proved is no news.
    NothingNew,
    /// Nothing could be proved.
    Unproved,
}

impl Wish<'_> {
    /// A certificate for those of `names` that can be proved, if that `is_news`.
    pub(super) async fn fulfil(
        &self,
        names: BTreeSet<String>,
        is_news: impl Fn(&BTreeSet<String>) -> bool,
    ) -> Result<Got, Error> {
        let mut names: BTreeMap<String, usize> = names.into_iter().map(|name| (name, 0)).collect();
        let mut left_out = BTreeMap::new();
        for _ in 0..ORDERS_MAX {
            let wanted: BTreeSet<String> = names.keys().cloned().collect();
            if wanted.is_empty() {
                break;
            }
            if !is_news(&wanted) {
                let ending = Ending::NothingNew;
                return Ok(Got { ending, left_out });
            }
            let failed = match self.order(wanted, &mut names).await? {
                Ok(pem) => {
                    let ending = Ending::Issued(pem);
                    return Ok(Got { ending, left_out });
                }
                Err(failed) => failed,
            };
            for (name, why) in failed {
                self.take_next_way(&mut names, &mut left_out, name, why);
            }
        }
        let ending = Ending::Unproved;
        Ok(Got { ending, left_out })
    }

    /// One order: the certificate, or the names that failed and why.
    async fn order(
        &self,
        wanted: BTreeSet<String>,
        names: &mut BTreeMap<String, usize>,
    ) -> Result<Result<String, BTreeMap<String, String>>, Error> {
        let identifiers: Vec<_> = wanted.iter().cloned().map(Identifier::Dns).collect();
        let mut order = match self.account.new_order(&NewOrder::new(&identifiers)).await {
            Ok(order) => order,
            Err(error) => {
                let refused = refused_names(&error, &wanted);
                if refused.is_empty() {
                    return Err(error);
                }
                // Another way would be refused too.
                for name in refused.keys() {
                    names.insert(name.clone(), self.ways.len());
                }
                return Ok(Err(refused));
            }
        };
        let failed = self.prove(&mut order, names).await?;
        if failed.is_empty() {
            self.finish(&mut order, wanted).await.map(Ok)
        } else {
            Ok(Err(failed))
        }
    }

    fn take_next_way(
        &self,
        names: &mut BTreeMap<String, usize>,
        left_out: &mut BTreeMap<String, String>,
        name: String,
        why: String,
    ) {
        tracing::info!(name, why, "not proved to the certificate authority");
        let next = names
            .get(&name)
            .map_or(usize::MAX, |way| way.saturating_add(1));
        if next < self.ways.len() {
            names.insert(name, next);
        } else {
            names.remove(&name);
            left_out.insert(name, why);
        }
    }

    /// Lays out answers and waits until each name is proved or not; gives those that are not, and why.
    async fn prove(
        &self,
        order: &mut Order,
        names: &BTreeMap<String, usize>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let (mut answers, mut failed) = (Vec::new(), BTreeMap::new());
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let way = names.get(&name).and_then(|way| self.ways.get(*way));
            match self.invite(authorization, &name, way).await? {
                Ok(answer) => answers.push(answer),
                Err(why) => drop(failed.insert(name, why)),
            }
        }
        for look in 0..LOOKS_MAX {
            sleep(if look == 0 { LOOK_FIRST } else { LOOK_INTERVAL }).await;
            if look_again(order, &mut failed).await? == 0 {
                return Ok(failed);
            }
        }
        Err(Error::Timeout(None))
    }

    /// Lays out the answer for one name and asks the authority to look.
    async fn invite(
        &self,
        mut authorization: AuthorizationHandle<'_>,
        name: &str,
        way: Option<&Way>,
    ) -> Result<Result<Answer, String>, Error> {
        let kind = match way {
            Some(Way::Http) => ChallengeType::Http01,
            Some(Way::Tls) => ChallengeType::TlsAlpn01,
            None => return Ok(Err("the box has no way to prove it".to_owned())),
        };
        let Some(mut challenge) = authorization.challenge(kind) else {
            return Ok(Err("the authority does not offer this way".to_owned()));
        };
        let answer = match self.lay_out(&challenge, name, way) {
            Ok(answer) => answer,
            Err(why) => return Ok(Err(why)),
        };
        match challenge.set_ready().await {
            Ok(()) => Ok(Ok(answer)),
            Err(Error::Api(problem)) => Ok(Err(in_words(&problem))),
            Err(error) => Err(error),
        }
    }

    fn lay_out(
        &self,
        challenge: &ChallengeHandle<'_>,
        name: &str,
        way: Option<&Way>,
    ) -> Result<Answer, String> {
        let authorization = challenge.key_authorization();
        if way == Some(&Way::Http) {
            return Ok(self
                .challenges
                .answer_http(&challenge.token, authorization.as_str()));
        }
        let digest = authorization.digest();
        let digest = <&[u8; 32]>::try_from(digest.as_ref());
        let digest = digest.map_err(|_| "the digest is no SHA-256".to_owned())?;
        self.challenges.answer_tls(name, digest)
    }

    async fn finish(&self, order: &mut Order, names: BTreeSet<String>) -> Result<String, Error> {
        order.poll_ready(&ISSUE).await?;
        let other = |error: rcgen::Error| Error::Other(Box::new(error));
        let names: Vec<String> = names.into_iter().collect();
        let mut params = CertificateParams::new(names).map_err(other)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(self.key).map_err(other)?;
        order.finalize_csr(request.der()).await?;
        order.poll_certificate(&ISSUE).await
    }
}

/// Asks for what is pending; gives how many still are.
async fn look_again(
    order: &mut Order,
    failed: &mut BTreeMap<String, String>,
) -> Result<usize, Error> {
    let mut pending = 0;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let name = authorization.identifier().to_string();
        if failed.contains_key(&name) || authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        authorization.refresh().await?;
        match authorization.status {
            AuthorizationStatus::Valid => {}
            AuthorizationStatus::Pending => pending += 1,
            AuthorizationStatus::Invalid
            | AuthorizationStatus::Revoked
            | AuthorizationStatus::Expired
            | AuthorizationStatus::Deactivated => {
                let problem = authorization
                    .challenges
                    .iter()
                    .find_map(|c| c.error.as_ref());
                let why = problem.map_or_else(|| "no reason given".to_owned(), in_words);
                failed.insert(name, why);
            }
        }
    }
    Ok(pending)
}

/// Those of `wanted` that the authority does not want in an order at all: named one by one (RFC 8555 6.7.1), or in the words
/// about the whole.
fn refused_names(error: &Error, wanted: &BTreeSet<String>) -> BTreeMap<String, String> {
    let Error::Api(problem) = error else {
        return BTreeMap::new();
    };
    let named = problem.subproblems.iter().filter_map(|sub| {
        let Some(Identifier::Dns(name)) = &sub.identifier else {
            return None;
        };
        let why = sub.detail.clone().unwrap_or_else(|| in_words(problem));
        wanted.contains(name).then(|| (name.clone(), why))
    });
    let named: BTreeMap<_, _> = named.collect();
    if !named.is_empty() || !has_type(error, "rejectedIdentifier") {
        return named;
    }
    let detail = in_words(problem);
    let words = detail.split(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)));
    let names = words.map(|word| word.trim_end_matches('.'));
    names
        .filter_map(|name| wanted.get(name))
        .map(|name| (name.clone(), detail.clone()))
        .collect()
}

/// Whether the authority's problem is of this type: a URN with this at its end (RFC 8555 6.7).
pub(super) fn has_type(error: &Error, name: &str) -> bool {
    let Error::Api(problem) = error else {
        return false;
    };
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.rsplit(':').next() == Some(name)
}

fn in_words(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().or(problem.r#type.as_deref());
    detail.unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> Vec<String> {
        let problem: Problem = serde_json::from_str(json).unwrap();
        let wanted = ["a.example", "b.example"].map(str::to_owned).into();
        refused_names(&Error::Api(problem), &wanted)
            .into_keys()
            .collect()
    }

    #[test]
    fn refused_names_are_found_one_by_one_or_in_the_words() {
        let table: [(&str, &[&str]); 5] = [
            (
                r#"{"type":"urn:ietf:params:acme:error:malformed","subproblems":[
                    {"identifier":{"type":"dns","value":"b.example"},"detail":"no"}]}"#,
                &["b.example"],
            ),
            (
                r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier",
                    "detail":"forbidden by policy: \"a.example\"."}"#,
                &["a.example"],
            ),
            (
                r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"not aa.example"}"#,
                &[],
            ),
            (
                r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"a.example"}"#,
                &[],
            ),
            (
                r#"{"subproblems":[{"identifier":{"type":"dns","value":"c.example"}}]}"#,
                &[],
            ),
        ];
        for (json, expected) in table {
            assert_eq!(refused(json), expected, "{json}");
        }
    }
}
