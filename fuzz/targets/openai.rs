#![no_main]

use headwater_providers::openai::OpenAi;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check(&OpenAi::default(), input));
