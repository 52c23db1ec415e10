//! libFuzzer on one of the targets: the one that `HEIMPOST_FUZZ_TARGET` names.

#![no_main]

#[path = "../targets.rs"]
mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("HEIMPOST_FUZZ_TARGET").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(known, _)| *known == name);
    match found {
        Some((_, target)) => *target,
        None => {
            let known: Vec<_> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            panic!("HEIMPOST_FUZZ_TARGET must be one of {}", known.join(" "))
        }
    }
});

fuzz_target!(|data: &[u8]| (*TARGET)(data));
