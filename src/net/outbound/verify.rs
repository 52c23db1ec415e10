//! Whether a server's certificate proves what it has to.
//!
//! Whatever is wanted of the certificate, the handshake must be signed by its key: else records about the key would prove
//! nothing. Revocation is not looked at, as other mail servers do not either.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::dns::Tlsa;

/// Trust anchor and end entity, as usages of TLSA records (RFC 6698 2.1.1).
const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;

/// What is wanted of a certificate.
#[derive(Debug)]
pub(super) enum Want {
    Nothing,
    /// Vouched for by one of these authorities for one of these names; `None` is the name that was asked for.
    Names(Arc<RootCertStore>, Option<Vec<ServerName<'static>>>),
    /// Matched by one of these records; those of usage 2 want one of these names.
    Dane(Vec<Tlsa>, Vec<ServerName<'static>>),
}

/// rustls's way to ask.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    want: Want,
}

/// What the server showed, and when.
struct Shown<'a> {
    leaf: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    now: UnixTime,
}

impl Verifier {
    pub(super) fn new(provider: &CryptoProvider, want: Want) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
            want,
        }
    }

    fn check(&self, shown: &Shown<'_>, asked: &ServerName<'_>) -> Result<(), Error> {
        match &self.want {
            Want::Nothing => Ok(()),
            Want::Names(roots, Some(names)) => self.chain(shown, roots, names),
            Want::Names(roots, None) => self.chain(shown, roots, std::slice::from_ref(asked)),
            Want::Dane(records, names) => self.dane(shown, records, names),
        }
    }

    /// A chain to one of the roots, and one of the names.
    fn chain(
        &self,
        shown: &Shown<'_>,
        roots: &RootCertStore,
        names: &[ServerName<'_>],
    ) -> Result<(), Error> {
        let leaf = ParsedCertificate::try_from(shown.leaf)?;
        verify_server_cert_signed_by_trust_anchor(
            &leaf,
            roots,
            shown.intermediates,
            shown.now,
            self.algorithms.all,
        )?;
        let mut wrong = Error::InvalidCertificate(CertificateError::NotValidForName);
        for name in names {
            match verify_server_name(&leaf, name) {
                Ok(()) => return Ok(()),
                Err(error) => wrong = error,
            }
        }
        Err(wrong)
    }

    /// RFC 7672 3.1: one match is enough.
    fn dane(
        &self,
        shown: &Shown<'_>,
        records: &[Tlsa],
        names: &[ServerName<'_>],
    ) -> Result<(), Error> {
        let mut of_leaf = records.iter().filter(|record| record.usage == DANE_EE);
        // RFC 7672 3.1.1: the record binds the key to the host; names and dates in the certificate do not matter.
        if of_leaf.any(|record| is_match(record, shown.leaf)) {
            return Ok(());
        }
        let anchors = anchors(shown, records);
        if anchors.is_empty() {
            return Err(no_match());
        }
        self.chain(shown, &anchors, names)
    }
}

fn no_match() -> Error {
    let why = "no TLSA record matches it";
    Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(
        std::io::Error::other(why),
    ))))
}

/// The authorities that records of usage 2 name: those shown that match, and those that a record holds whole
/// (RFC 7672 3.1.2).
fn anchors(shown: &Shown<'_>, records: &[Tlsa]) -> RootCertStore {
    let mut anchors = RootCertStore::empty();
    for record in records.iter().filter(|record| record.usage == DANE_TA) {
        let matching = shown.intermediates.iter().filter(|it| is_match(record, it));
        anchors.add_parsable_certificates(matching.cloned());
        if (record.selector, record.matching) == (0, 0) {
            anchors.add_parsable_certificates([CertificateDer::from(record.data.as_slice())]);
        }
    }
    anchors
}

/// Whether the certificate is the one that the record is about (RFC 6698 2.1).
fn is_match(record: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
    let parsed;
    let selected = match record.selector {
        0 => certificate.as_ref(),
        1 => match X509Certificate::from_der(certificate) {
            Ok((_, it)) => {
                parsed = it;
                parsed.public_key().raw
            }
            Err(_) => return false,
        },
        _ => return false,
    };
    let digest = |algorithm| ring::digest::digest(algorithm, selected);
    match record.matching {
        0 => selected == record.data,
        1 => digest(&ring::digest::SHA256).as_ref() == record.data,
        2 => digest(&ring::digest::SHA512).as_ref() == record.data,
        _ => false,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown {
            leaf: end_entity,
            intermediates,
            now,
        };
        self.check(&shown, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
