//! The `hailstream` binary.
fn main() {}
