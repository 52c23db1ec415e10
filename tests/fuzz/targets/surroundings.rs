//! What people and programs of the same machine write: configuration, control requests, mbox files.

use heimpost::cli::Operation;
use heimpost::config;
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
