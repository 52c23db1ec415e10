//! Flags by name, separated by spaces (RFC 3501 9, `flag-list` without its parentheses).

use crate::mail::flags::{FlagBits, Keyword, SystemFlags};

/// All system flags and these keywords.
pub fn all(out: &mut Vec<u8>, keywords: &[Keyword]) {
    let system = SystemFlags::NAMED.iter().map(|(_, name)| *name);
    join(out, system.chain(keywords.iter().map(Keyword::as_str)));
}

/// The flags of a message; the n-th of `keywords` is bit n.
pub fn of_message(out: &mut Vec<u8>, flags: FlagBits, keywords: &[Keyword]) {
    let system = SystemFlags::NAMED.iter();
    let system = system.filter(|(flag, _)| flags.system.contains(*flag));
    let keywords = keywords.iter().zip(0_u32..);
    let keywords =
        keywords.filter(|(_, bit)| flags.keywords.checked_shr(*bit).unwrap_or(0) & 1 == 1);
    let names = system.map(|(_, name)| *name);
    join(
        out,
        names.chain(keywords.map(|(keyword, _)| keyword.as_str())),
    );
}

fn join<'a>(out: &mut Vec<u8>, names: impl Iterator<Item = &'a str>) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_message() {
        let keywords = ["$Forwarded", "Later"].map(|name| Keyword::new(name).unwrap());
        let flags = FlagBits {
            system: SystemFlags::SEEN.union(SystemFlags::ANSWERED),
            keywords: 0b10,
        };
        let mut out = Vec::new();
        of_message(&mut out, flags, &keywords);
        assert_eq!(out, b"\\Answered \\Seen Later");
        out.clear();
        of_message(&mut out, FlagBits::default(), &keywords);
        assert_eq!(out, b"");
    }
}
