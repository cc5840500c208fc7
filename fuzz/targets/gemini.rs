#![no_main]

use headwater_providers::gemini::Gemini;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check(&Gemini, input));
