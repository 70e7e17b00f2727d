//! Figures of the index, one JSON line each.
#![allow(clippy::print_stdout)]
fn main() {}
