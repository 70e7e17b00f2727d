//! libFuzzer drives `fuzz::aggregated`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::aggregated(data));
