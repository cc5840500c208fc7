#![no_main]

use headwater_providers::anthropic::Anthropic;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check(&Anthropic, input));
