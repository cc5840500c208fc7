//! A model file with the right form and arbitrary weights, small enough to be made anew in each test.

use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

/// Words: the 256 bytes, a few merges, the three special ones.
const MERGES: [&str; 3] = ["a b", "Ġ a", "ab c"];

fn alphabet() -> Vec<String> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 255;
    (0..=255u8)
        .map(|b| {
            let code = if printable(b) {
                u32::from(b)
            } else {
                next += 1;
                next
            };
            char::from_u32(code).unwrap().to_string()
        })
        .collect()
}

/// Writes the file into `folder`. `quiet` never ends its answer by itself.
pub(super) fn write(folder: &Path, quiet: bool) -> PathBuf {
    let (hidden, feed, heads, kv, layers) = (64usize, 128usize, 2usize, 1usize, 2usize);
    let mut words = vec!["<|endoftext|>".to_owned(), "<|im_start|>".into(), "<|im_end|>".into()];
    words.extend(alphabet());
    words.extend(MERGES.iter().map(|m| m.replace(' ', "")));
    let kinds = (0..words.len()).map(|i| Value::I32(if i < 3 { 3 } else { 1 })).collect();
    let number = |n: usize| Value::U32(n as u32);
    let text = |s: &str| Value::String(s.to_owned());
    let metadata = [
        ("general.architecture", text("llama")),
        ("llama.block_count", number(layers)),
        ("llama.context_length", number(1024)),
        ("llama.embedding_length", number(hidden)),
        ("llama.feed_forward_length", number(feed)),
        ("llama.attention.head_count", number(heads)),
        ("llama.attention.head_count_kv", number(kv)),
        ("llama.rope.dimension_count", number(hidden / heads)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", Value::Array(words.iter().map(|w| text(w)).collect())),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.merges", Value::Array(MERGES.iter().map(|m| text(m)).collect())),
        ("tokenizer.ggml.eos_token_id", number(2)),
        ("tokenizer.chat_template", text("<|im_start|>")),
    ];
    let mut seed = 12345u32;
    let mut random = |rows: usize, cols: usize| -> Vec<f32> {
        (0..rows * cols)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 8) as f32 / (1 << 24) as f32 - 0.5) * 0.4
            })
            .collect()
    };
    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    let mut add = |name: String, values: Vec<f32>, dims: &[usize], kind: GgmlDType| {
        let tensor = Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
        tensors.push((name, QTensor::quantize(&tensor, kind).unwrap()));
    };
    for i in 0..layers {
        let head = hidden / heads;
        for (part, rows, cols) in [
            ("attn_q", heads * head, hidden),
            ("attn_k", kv * head, hidden),
            ("attn_v", kv * head, hidden),
            ("attn_output", hidden, heads * head),
            ("ffn_gate", feed, hidden),
            ("ffn_up", feed, hidden),
            ("ffn_down", hidden, feed),
        ] {
            add(format!("blk.{i}.{part}.weight"), random(rows, cols), &[rows, cols], GgmlDType::Q4_1);
        }
        for part in ["attn_norm", "ffn_norm"] {
            add(format!("blk.{i}.{part}.weight"), vec![1.0; hidden], &[hidden], GgmlDType::F32);
        }
    }
    let embedding = random(words.len(), hidden);
    add("token_embd.weight".into(), embedding.clone(), &[words.len(), hidden], GgmlDType::Q8_0);
    let mut head = embedding;
    if quiet {
        // What ends an answer is never the likeliest.
        head[..3 * hidden].fill(0.0);
    }
    add("output.weight".into(), head, &[words.len(), hidden], GgmlDType::Q8_0);
    add("output_norm.weight".into(), vec![1.0; hidden], &[hidden], GgmlDType::F32);
    let path = folder.join("tiny.Q4_1.gguf");
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (*k, v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();
    path
}
