//! Benchmarks of the store: `cargo bench --bench store [-- delivery|space|reopen|memory ...]`.
//!
//! They work in a directory below `HEIMPOST_BENCH_DIR` (default: the system's directory for temporary files) and remove
//! it afterwards. Bytes and flushes are counted twice: where the store hands them to the operating system, and by the
//! block device that holds the directory (`/sys/dev/block/*/stat`), which adds the file system's journal. The second
//! only means something on a device that nobody else uses, such as a loop device:
//!
//! ```text
//! truncate -s 8G bench.img && mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 bench.img && mount -o loop,noatime bench.img /mnt
//! HEIMPOST_BENCH_DIR=/mnt cargo bench --bench store
//! ```
//!
//! `HEIMPOST_BENCH_BYTES=4096` delivers mails of that size only. `HEIMPOST_BENCH_SCALE` (percent, default 100) makes all of it smaller or larger.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and stops at the first failure"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are small, and its figures are rounded anyway"
)]

mod counting;
mod delivery;
mod house;
mod memory;
mod reopen;
mod space;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let parts: [(&str, fn()); 4] = [
        ("delivery", delivery::run),
        ("space", space::run),
        ("reopen", reopen::run),
        ("memory", memory::run),
    ];
    for (name, run) in parts {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            println!("## {name}");
            run();
        }
    }
}
