//! Mail addresses (RFC 5321 4.1.2, RFC 6531 3.3): localpart, domain, path, reverse-path.
//!
//! Values are canonical: the localpart is kept unquoted and in its case, the domain as lower-case A-labels, so that
//! equal mailboxes are mostly equal values. `Display` quotes again where the syntax needs it, and what it prints parses
//! back to the same value. Whether two localparts of one domain mean the same account is decided by
//! [`Address::lookup_key`].

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use unicode_normalization::UnicodeNormalization;

/// Longest localpart, in octets as it is written on the wire, quotes included (RFC 5321 4.5.3.1.1).
pub const LOCALPART_BYTES_MAX: usize = 64;

/// Longest domain, in octets of its A-label form (RFC 5321 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;

/// Longest address: a path of 256 octets (RFC 5321 4.5.3.1.3) without its brackets.
pub const ADDRESS_BYTES_MAX: usize = 254;

/// Longest label of a domain (RFC 1035 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Ends of names that no public name server and no public authority knows (RFC 6761, RFC 6762, RFC 7686, RFC 8375, .internal
/// of ICANN, and what routers use).
const HOME_NAMES: [&str; 10] = [
    "arpa",
    "box",
    "home",
    "internal",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
];

/// A mail address: a localpart at a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    localpart: Localpart,
    domain: Domain,
}

/// The part before the `@`, unquoted, case kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Localpart(String);

/// A domain in lower-case A-label form, or an address literal with its brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// The reverse-path of an envelope: an address or the null sender `<>`.
pub type ReversePath = Option<Address>;

/// What stands between `<` and `>` in MAIL and RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// `<>`, only valid as a reverse-path (RFC 5321 4.5.5).
    Null,
    /// `<Postmaster>` without a domain, only valid as a forward-path (RFC 5321 4.1.1.3).
    Postmaster,
    /// An address; a source route in front of it was dropped (RFC 5321 4.1.2, appendix C).
    Address(Address),
}

/// Why a text is no address, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(pub String);

fn error<T>(text: &str) -> Result<T, AddressError> {
    Err(AddressError(text.to_owned()))
}

impl Address {
    /// Parses `localpart@domain` without angle brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (localpart, rest) = Localpart::parse_prefix(text)?;
        let Some(domain) = rest.strip_prefix('@') else {
            return error("the address has no @ after its localpart");
        };
        let address = Self::new(localpart, Domain::parse(domain)?);
        if address.to_string().len() > ADDRESS_BYTES_MAX {
            return error("the address is longer than 254 bytes");
        }
        Ok(address)
    }

    /// From its parts.
    pub fn new(localpart: Localpart, domain: Domain) -> Self {
        Self { localpart, domain }
    }

    /// The localpart.
    pub fn localpart(&self) -> &Localpart {
        &self.localpart
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form that accounts and aliases are looked up by: localpart in lower case and NFC, `@`, domain.
    pub fn lookup_key(&self) -> String {
        let localpart: String = self.localpart.0.to_lowercase().nfc().collect();
        format!("{localpart}@{}", self.domain.0)
    }

    /// The address without its subaddress (RFC 5233): `name+tag@d` gives `name@d`; `None` without a tag.
    pub fn without_subaddress(&self) -> Option<Self> {
        let (name, _tag) = self.localpart.0.split_once('+')?;
        if name.is_empty() {
            return None;
        }
        let localpart = Localpart(name.to_owned());
        Some(Self::new(localpart, self.domain.clone()))
    }

    /// Whether a peer must know SMTPUTF8 to be given this address (RFC 6531 3.2). Domains never ask for it, since
    /// they are kept as A-labels.
    pub fn smtputf8_needed(&self) -> bool {
        !self.localpart.0.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.localpart, self.domain.0)
    }
}

impl Path {
    /// Parses the path at the start of `text`, which begins with `<`; gives what follows the `>` too.
    pub fn parse_prefix(text: &str) -> Result<(Self, &str), AddressError> {
        let Some((inside, rest)) = split_at_bracket(text) else {
            return error("the path is not in angle brackets");
        };
        Ok((Self::parse_inside(inside)?, rest))
    }

    fn parse_inside(inside: &str) -> Result<Self, AddressError> {
        if inside.is_empty() {
            return Ok(Self::Null);
        }
        if inside.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        Address::parse(without_source_route(inside)?).map(Self::Address)
    }
}

/// Splits `<inside>rest`, minding quoted strings, in which `>` is no end.
fn split_at_bracket(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (inside, rest) = body.split_at(at);
                return Some((inside, rest.strip_prefix('>')?));
            }
            _ => {}
        }
    }
    None
}

/// Drops `@a,@b:` from the front (RFC 5321 4.1.2 `A-d-l`, to be accepted and ignored).
fn without_source_route(inside: &str) -> Result<&str, AddressError> {
    if !inside.starts_with('@') {
        return Ok(inside);
    }
    let Some((route, address)) = inside.split_once(':') else {
        return error("the source route has no end");
    };
    for hop in route.split(',') {
        match hop.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).map(drop)?,
            None => return error("a hop of the source route does not begin with @"),
        }
    }
    Ok(address)
}

impl Localpart {
    /// From unquoted text: anything but control characters, at most [`LOCALPART_BYTES_MAX`] when written out.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            // `""` is valid syntax, but it would be looked up like a catch-all and nobody uses it.
            return error("the localpart is empty");
        }
        if text.chars().any(char::is_control) {
            return error("the localpart has a control character");
        }
        let localpart = Self(text.to_owned());
        if localpart.to_string().len() > LOCALPART_BYTES_MAX {
            return error("the localpart is longer than 64 bytes");
        }
        Ok(localpart)
    }

    /// Unquoted text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses a dot-string or quoted string at the start of `text`; gives the rest too.
    fn parse_prefix(text: &str) -> Result<(Self, &str), AddressError> {
        if let Some(body) = text.strip_prefix('"') {
            let (content, rest) = unquote(body)?;
            return Ok((Self::new(&content)?, rest));
        }
        let end = text.find(|c| !is_atext(c) && c != '.');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        if !is_dot_string(word) {
            return error("the localpart is neither atoms with dots between nor a quoted string");
        }
        Ok((Self::new(word)?, rest))
    }
}

/// `atext` of RFC 5322 3.2.3 and RFC 6531 3.3.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// The content of a quoted string whose opening quote was taken, and what follows the closing one.
fn unquote(body: &str) -> Result<(String, &str), AddressError> {
    let mut content = String::new();
    let mut chars = body.chars();
    loop {
        match chars.next() {
            Some('"') => return Ok((content, chars.as_str())),
            Some('\\') => match chars.next() {
                Some(c @ ' '..='~') => content.push(c),
                _ => return error("a backslash in the quoted localpart escapes nothing"),
            },
            Some(c) => content.push(c),
            None => return error("the quoted localpart has no closing quote"),
        }
    }
}

impl fmt::Display for Localpart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

impl Domain {
    /// Parses a domain name (A-label or U-label) or an address literal.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix('[') {
            return parse_literal(rest);
        }
        let Ok(ascii) = idna::domain_to_ascii(text) else {
            return error("the domain is not valid in IDNA");
        };
        if ascii.len() > DOMAIN_BYTES_MAX {
            return error("the domain is longer than 255 bytes");
        }
        if !ascii.split('.').all(is_label) {
            return error("a label of the domain is not letters, digits and inner hyphens");
        }
        Ok(Self(ascii))
    }

    /// Lower-case A-label form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an address literal, such as `[192.0.2.1]`.
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Whether the world can know it: a name of more than one label that does not exist at home only.
    pub fn is_public(&self) -> bool {
        let parts = self.0.rsplit_once('.').filter(|_| !self.is_literal());
        parts.is_some_and(|(_, top)| !HOME_NAMES.contains(&top))
    }

    /// The address that a literal names; `None` for a name.
    pub fn address(&self) -> Option<IpAddr> {
        let inside = self.0.strip_prefix('[')?.strip_suffix(']')?;
        inside.strip_prefix("IPv6:").unwrap_or(inside).parse().ok()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `sub-domain` of RFC 5321 4.1.2.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= LABEL_BYTES_MAX
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// An address literal whose `[` was taken (RFC 5321 4.1.3). No tag but `IPv6` is registered.
fn parse_literal(rest: &str) -> Result<Domain, AddressError> {
    let Some(inside) = rest.strip_suffix(']') else {
        return error("the address literal has no ]");
    };
    if let Ok(v4) = inside.parse::<Ipv4Addr>() {
        return Ok(Domain(format!("[{v4}]")));
    }
    let v6 = match inside.split_once(':') {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6") => v6.parse::<Ipv6Addr>().ok(),
        _ => None,
    };
    match v6 {
        Some(v6) => Ok(Domain(format!("[IPv6:{v6}]"))),
        None => error("the address literal is neither IPv4 nor IPv6"),
    }
}
