//! libFuzzer drives `fuzz::services`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::services(data));
