//! What people and programs of the same machine write: configuration, control requests, mbox files; and what other
//! domains say of their mail: MTA-STS policies, and the records that announce them.

use heimpost::cli::Operation;
use heimpost::config;
use heimpost::mail::address::Domain;
use heimpost::queue::sts::policy::{Mode, Policy, id_of};
use heimpost::transfer::mbox::Mbox;

pub(super) fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    config::parse_bytes(&text);
    match config::parse("fuzz.toml", &text) {
        Ok(settings) => assert!(!settings.listen.services().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A request that is understood is written as one line and read as the same.
pub(super) fn control_request(data: &[u8]) {
    let Ok(operation) = serde_json::from_slice::<Operation>(data) else {
        return;
    };
    let line = serde_json::to_string(&operation).unwrap();
    assert!(!line.contains('\n'));
    let again: Operation = serde_json::from_str(&line).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), line);
}

pub(super) fn mbox(data: &[u8]) {
    let Ok(mut mbox) = Mbox::new(data) else {
        assert!(!data.starts_with(b"From "));
        return;
    };
    let mut messages = 0;
    while mbox.next_message().unwrap().is_some() {
        messages += 1;
    }
    assert_eq!(mbox.offset(), data.len() as u64);
    let marks = data.windows(5).filter(|at| at == b"From ").count();
    assert!(messages <= marks, "{messages} messages, {marks} marks");
}

/// A policy demands only hosts that it names, and is kept for a year at most.
pub(super) fn sts_policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(policy) = Policy::parse(&text) {
        assert!(policy.max_age <= 31_557_600);
        assert!(policy.mode == Mode::None || !policy.mx.is_empty());
        for pattern in &policy.mx {
            let host = pattern.replacen("*.", "mx.", 1);
            let is_plain = !pattern.contains('*') || pattern.starts_with("*.");
            if let (Ok(host), true) = (Domain::parse(&host), is_plain)
                && host.as_str() == pattern.replacen("*.", "mx.", 1)
            {
                assert!(policy.is_of(&host), "{pattern}");
            }
        }
    }
    let records: Vec<_> = data
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if let Some(id) = id_of(&records) {
        assert!(!id.is_empty() && id.len() <= 32, "{id}");
    }
}
