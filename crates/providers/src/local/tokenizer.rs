//! Words to numbers and back, built from what the model file says.
//!
//! The library's own reader of these files is not used: it takes the pre-tokenizer `smollm` for
//! GPT-2's and then gives numbers that the model was not trained on.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use super::gguf::{Model, bad};

/// How Llama 3's family cuts text before merging.
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The tokenizer of one model.
pub(super) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The bytes of each token; none for those that are no text (`<|im_end|>`).
    bytes: Vec<Box<[u8]>>,
    /// The tokens that are no text, by name.
    special: HashMap<String, u32>,
    /// The tokens that end an answer.
    ends: Vec<u32>,
}

impl Tokenizer {
    /// Builds the tokenizer that the file describes.
    ///
    /// # Errors
    /// `Unavailable`, where the file's tokenizer is of a kind that is not known or does not hold together.
    pub(super) fn build(file: &Model) -> Result<Self, ProviderError> {
        let kind = file.text("tokenizer.ggml.model").unwrap_or("none");
        if kind != "gpt2" {
            return Err(bad(format_args!("its tokenizer is of the kind `{kind:.20}`, only `gpt2` is known")));
        }
        let tokens = texts(file, "tokenizer.ggml.tokens")?;
        let merges = texts(file, "tokenizer.ggml.merges")?
            .into_iter()
            .map(|m| m.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| bad("a merge of its tokenizer is not two words"))?;
        let kinds = match file.metadata().get("tokenizer.ggml.token_type") {
            Some(Value::Array(kinds)) if kinds.len() == tokens.len() => kinds.as_slice(),
            None => &[],
            Some(_) => return Err(bad("its tokenizer has kinds for another number of words")),
        };
        let byte_of = byte_alphabet();
        let (mut special, mut bytes) = (HashMap::new(), Vec::with_capacity(tokens.len()));
        for (id, token) in tokens.iter().enumerate() {
            // 1 is text and 6 a single byte; all others (control, user-defined, unused) are no text.
            let text = kinds.get(id).is_none_or(|k| matches!(k, Value::I32(1 | 6) | Value::U32(1 | 6)));
            let spelled: Option<Box<[u8]>> = token.chars().map(|c| byte_of.get(&c).copied()).collect();
            match spelled {
                Some(spelled) if text => bytes.push(spelled),
                _ => {
                    special.insert((*token).to_owned(), id as u32);
                    bytes.push(Box::default());
                }
            }
        }
        let vocabulary: Vec<(String, u32)> =
            tokens.iter().enumerate().map(|(id, t)| ((*t).to_owned(), id as u32)).collect();
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary.into_iter().collect::<ahash_map::Map>(), merges)
            .ignore_merges(file.text("tokenizer.ggml.pre") == Some("llama-bpe"))
            .build()
            .map_err(|e| bad(format_args!("its tokenizer does not hold together: {e:.80}")))?;
        let mut inner = tokenizers::Tokenizer::new(bpe);
        inner.with_pre_tokenizer(Some(pre_tokenizer(file.text("tokenizer.ggml.pre"))?));
        let ends = ends(file, &special, tokens.len());
        Ok(Self { inner, bytes, special, ends })
    }

    /// The numbers of a text. What looks like a special token in it is text all the same: a person
    /// cannot end their own turn by typing `<|im_end|>`.
    ///
    /// # Errors
    /// `Refused`, if the text has something that the vocabulary cannot spell.
    pub(super) fn encode(&self, text: &str, into: &mut Vec<u32>) -> Result<(), ProviderError> {
        let encoded = self.inner.encode_fast(text, false).map_err(|_| {
            ProviderError::new(ProviderErrorKind::Refused, "the model cannot spell this text")
        })?;
        into.extend_from_slice(encoded.get_ids());
        Ok(())
    }

    /// The bytes that a token adds to the text; not always whole characters.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |b| b)
    }

    /// The number of a token that is no text.
    pub(super) fn special(&self, name: &str) -> Option<u32> {
        self.special.get(name).copied()
    }

    /// Whether this token ends the answer.
    pub(super) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }
}

/// The map type that the library wants, without naming its hasher's crate here.
mod ahash_map {
    pub(super) type Map = tokenizers::models::bpe::Vocab;
}

fn texts<'a>(file: &'a Model, key: &str) -> Result<Vec<&'a str>, ProviderError> {
    let Some(Value::Array(values)) = file.metadata().get(key) else {
        return Err(bad(format_args!("`{key}` is missing")));
    };
    values
        .iter()
        .map(|v| if let Value::String(s) = v { Some(s.as_str()) } else { None })
        .collect::<Option<_>>()
        .ok_or_else(|| bad(format_args!("`{key}` holds something that is no text")))
}

fn pre_tokenizer(name: Option<&str>) -> Result<PreTokenizerWrapper, ProviderError> {
    let byte_level = |regex| PreTokenizerWrapper::from(ByteLevel::new(false, true, regex));
    let first = match name {
        Some("smollm") => PreTokenizerWrapper::from(Digits::new(true)),
        Some("gpt-2" | "default") | None => return Ok(byte_level(true)),
        Some("llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe") => {
            let pattern = SplitPattern::Regex(LLAMA3.to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|_| bad("its pre-tokenizer cannot be built"))?;
            return Ok(Sequence::new(vec![split.into(), byte_level(false)]).into());
        }
        Some(other) => return Err(bad(format_args!("its pre-tokenizer `{other:.20}` is not known"))),
    };
    Ok(Sequence::new(vec![first, byte_level(true)]).into())
}

fn ends(file: &Model, special: &HashMap<String, u32>, vocabulary: usize) -> Vec<u32> {
    let named = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>"];
    let mut ends: Vec<u32> = named.iter().filter_map(|n| special.get(*n).copied()).collect();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
        let id =
            file.number(key).and_then(|id| u32::try_from(id).ok()).filter(|id| (*id as usize) < vocabulary);
        ends.extend(id);
    }
    ends
}

/// GPT-2's alphabet: each byte is written as one printable character.
fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 256u32;
    (0..=255u8)
        .filter_map(|b| {
            let code = if printable(b) {
                u32::from(b)
            } else {
                next += 1;
                next - 1
            };
            Some((char::from_u32(code)?, b))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_writes_every_byte_once() {
        let map = byte_alphabet();
        assert_eq!(map.len(), 256);
        assert_eq!((map[&'Ġ'], map[&'Ċ'], map[&'a'], map[&'Ã']), (b' ', b'\n', b'a', 0xC3));
    }

    #[test]
    fn unknown_pre_tokenizers_are_refused() {
        assert!(pre_tokenizer(Some("smollm")).is_ok() && pre_tokenizer(Some("llama-bpe")).is_ok());
        assert!(pre_tokenizer(Some("qwen9")).unwrap_err().message.contains("qwen9"));
    }
}
