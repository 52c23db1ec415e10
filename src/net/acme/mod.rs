//! Certificates from an authority that everybody knows, by ACME (RFC 8555).

pub mod challenge;
