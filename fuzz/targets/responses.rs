#![no_main]

use headwater_providers::responses::Responses;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check(&Responses, input));
