#![no_main]

use headwater_providers::ollama::Ollama;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check(&Ollama, input));
