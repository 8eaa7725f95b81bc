//! See `hookgate_fuzz`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hookgate_fuzz::url_guard(bytes));
