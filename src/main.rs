//! Arguments to settings to app to exit code; the only place that prints.

fn main() {}
