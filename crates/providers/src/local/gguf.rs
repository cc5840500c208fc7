//! Reads a model file whose header may lie: every number is checked against the others and against
//! the file's size before memory is taken for it. A damaged file is an error, never a panic.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::ggml_file::qtensor_from_ggml;
use candle_core::quantized::gguf_file::{Content, Value};
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};

use super::matrix::GROUP;
use headwater_core::limit::local as limit;

/// Numbers that are unpacked at once: 4 MB.
const SLICE: usize = 1 << 20;

/// What the header says of a Llama-style model, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// The model's name as its file or, failing that, its path says.
    pub(super) name: String,
    pub(super) layers: usize,
    pub(super) hidden: usize,
    pub(super) feed_forward: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Leading numbers of a head that are rotated; even.
    pub(super) rope_dim: usize,
    pub(super) rope_base: f32,
    pub(super) norm_eps: f32,
    pub(super) vocabulary: usize,
    /// The model's own context, cut at this product's limit.
    pub(super) context: usize,
}

/// An opened model file.
pub(super) struct Model {
    file: File,
    size: u64,
    content: Content,
}

/// A refusal of a model file, in one line.
pub(super) fn bad(why: impl std::fmt::Display) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unavailable, format!("the model file cannot be used: {why}"))
}

impl Model {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// [`ProviderErrorKind::Unavailable`], where it cannot be opened or its header does not hold together.
    pub(super) fn open(path: &Path) -> Result<Self, ProviderError> {
        let mut file = File::open(path)
            .map_err(|e| bad(format_args!("{} cannot be opened ({})", path.display(), e.kind())))?;
        let size = file.metadata().map_err(|e| bad(e.kind()))?.len();
        let mut header = Vec::new();
        file.by_ref().take(limit::HEADER_BYTES).read_to_end(&mut header).map_err(|e| bad(e.kind()))?;
        // The reader believes that the file is no longer than this prefix, which bounds what it may allocate.
        let content = Content::read(&mut Cursor::new(header)).map_err(first_line)?;
        Ok(Self { file, size, content })
    }

    /// What the header says besides tensors.
    pub(super) fn metadata(&self) -> &HashMap<String, Value> {
        &self.content.metadata
    }

    /// A text of the header.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.content.metadata.get(key) {
            Some(Value::String(s)) => Some(s),
            _ => None,
        }
    }

    /// A whole number of the header, however it is stored.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let value = self.content.metadata.get(key)?;
        match value {
            Value::U8(v) => Some((*v).into()),
            Value::U16(v) => Some((*v).into()),
            Value::U32(v) => Some((*v).into()),
            Value::U64(v) => Some(*v),
            Value::I32(v) => u64::try_from(*v).ok(),
            Value::I64(v) => u64::try_from(*v).ok(),
            _ => None,
        }
    }

    fn real(&self, key: &str) -> Option<f32> {
        match self.content.metadata.get(key) {
            Some(Value::F32(v)) => Some(*v),
            Some(Value::F64(v)) => Some(*v as f32),
            _ => None,
        }
    }

    fn size_of(&self, key: &str, least: usize, most: usize) -> Result<usize, ProviderError> {
        let found = self.number(key).ok_or_else(|| bad(format_args!("`{key}` is missing")))?;
        usize::try_from(found)
            .ok()
            .filter(|n| (least..=most).contains(n))
            .ok_or_else(|| bad(format_args!("`{key}` is {found}, not {least} to {most}")))
    }

    /// The sizes of the model, each within its bounds and fitting the others.
    ///
    /// # Errors
    /// [`ProviderErrorKind::Unavailable`], naming what does not fit.
    pub(super) fn shape(&self, path: &Path) -> Result<Shape, ProviderError> {
        let architecture = self.text("general.architecture").unwrap_or("none");
        if architecture != "llama" {
            return Err(bad(format_args!(
                "its architecture is `{}`, only `llama` is known",
                cut(architecture)
            )));
        }
        let hidden = self.size_of("llama.embedding_length", GROUP, 16_384)?;
        let heads = self.size_of("llama.attention.head_count", 1, 256)?;
        let kv_heads = match self.number("llama.attention.head_count_kv") {
            Some(_) => self.size_of("llama.attention.head_count_kv", 1, heads)?,
            None => heads,
        };
        let head_dim = match self.number("llama.attention.key_length") {
            Some(_) => self.size_of("llama.attention.key_length", 2, 512)?,
            None => hidden / heads,
        };
        let rope_dim = match self.number("llama.rope.dimension_count") {
            Some(_) => self.size_of("llama.rope.dimension_count", 2, head_dim.max(2))?,
            None => head_dim,
        };
        let vocabulary = match self.metadata().get("tokenizer.ggml.tokens") {
            Some(Value::Array(tokens)) => tokens.len(),
            _ => return Err(bad("it has no vocabulary")),
        };
        let shape = Shape {
            name: self.model_name(path),
            layers: self.size_of("llama.block_count", 1, 256)?,
            feed_forward: self.size_of("llama.feed_forward_length", GROUP, 65_536)?,
            context: self.size_of("llama.context_length", 16, 16_777_216)?.min(limit::CONTEXT_TOKENS),
            rope_base: self.real("llama.rope.freq_base").unwrap_or(10_000.0),
            norm_eps: self.real("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            hidden,
            heads,
            kv_heads,
            head_dim,
            rope_dim,
            vocabulary,
        };
        shape.check()?;
        if let Some(kind) = self.text("llama.rope.scaling.type").filter(|k| !matches!(*k, "none" | "")) {
            return Err(bad(format_args!("its position scaling `{}` is not known", cut(kind))));
        }
        Ok(shape)
    }

    fn model_name(&self, path: &Path) -> String {
        // Some files carry a training run's name in `general.name`; the file's own name is what people know.
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).filter(|s| !s.is_empty());
        let name = stem.or_else(|| self.text("general.name").map(str::to_owned));
        let name = name.unwrap_or_else(|| "unnamed".to_owned());
        // `SmolLM2-135M-Instruct.Q4_1` is the model `SmolLM2-135M-Instruct`; the packing is no part of it.
        let name = match name.rsplit_once(['.', '-']) {
            Some((model, packing)) if is_packing(packing) && !model.is_empty() => model,
            _ => &name,
        };
        cut(name).to_owned()
    }

    /// Whether a tensor of this name is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// A vector of `n` numbers.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(super) fn vector(&mut self, name: &str, n: usize) -> Result<Vec<f32>, ProviderError> {
        let mut all = Vec::with_capacity(n);
        self.rows(name, 1, n, |part| all.extend_from_slice(part))?;
        Ok(all)
    }

    /// Unpacks a tensor some rows at a time, if it is `rows × cols` (a vector is one row): the whole
    /// of a vocabulary in 32 bits would take more memory than the model does afterwards.
    ///
    /// # Errors
    /// `Unavailable`, where it is missing, has other sizes, is cut off or holds numbers that are not finite.
    pub(super) fn rows(
        &mut self,
        name: &str,
        rows: usize,
        cols: usize,
        mut each: impl FnMut(&[f32]),
    ) -> Result<(), ProviderError> {
        let info = self
            .content
            .tensor_infos
            .get(name)
            .ok_or_else(|| bad(format_args!("the tensor `{name}` is missing")))?;
        let (dims, kind) = (info.shape.dims(), info.ggml_dtype);
        let fits = match dims {
            [n] => rows == 1 && *n == cols,
            [r, c] => *r == rows && *c == cols,
            _ => false,
        };
        if !fits {
            return Err(bad(format_args!("the tensor `{name}` is {dims:?}, not [{rows}, {cols}]")));
        }
        if !cols.is_multiple_of(kind.block_size()) {
            return Err(bad(format_args!("the tensor `{name}` is not made of whole blocks")));
        }
        // `rows` and `cols` are within `Shape`'s bounds: their product cannot overflow.
        let row_bytes = cols / kind.block_size() * kind.type_size();
        let start = self.content.tensor_data_offset.checked_add(info.offset);
        let end = start.and_then(|s| s.checked_add((rows * row_bytes) as u64));
        let (Some(start), Some(_)) = (start, end.filter(|end| *end <= self.size)) else {
            return Err(bad(format_args!("the tensor `{name}` reaches beyond the end of the file")));
        };
        self.file.seek(SeekFrom::Start(start)).map_err(|e| bad(e.kind()))?;
        let at_once = (SLICE / cols).clamp(1, rows);
        let mut bytes = vec![0u8; at_once * row_bytes];
        for first in (0..rows).step_by(at_once) {
            let n = at_once.min(rows - first);
            let bytes = &mut bytes[..n * row_bytes];
            self.file.read_exact(bytes).map_err(|e| bad(e.kind()))?;
            let values = qtensor_from_ggml(kind, bytes, vec![n, cols], &Device::Cpu)
                .and_then(|t| t.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>())
                .map_err(first_line)?;
            if values.iter().any(|v| !v.is_finite()) {
                return Err(bad(format_args!("the tensor `{name}` holds numbers that are not finite")));
            }
            each(&values);
        }
        Ok(())
    }
}

impl Shape {
    fn check(&self) -> Result<(), ProviderError> {
        let whole = |what: &str, n: usize, of: usize| {
            if n.is_multiple_of(of) {
                Ok(())
            } else {
                Err(bad(format_args!("{what} ({n}) is no multiple of {of}")))
            }
        };
        whole("its width", self.hidden, GROUP)?;
        whole("its feed-forward width", self.feed_forward, GROUP)?;
        whole("its head count", self.heads, self.kv_heads)?;
        whole("its attention width", self.heads * self.head_dim, GROUP)?;
        whole("its rotated width", self.rope_dim, 2)?;
        if self.rope_dim > self.head_dim || !(1.0..=1e9).contains(&self.rope_base) {
            return Err(bad("its position encoding is out of bounds"));
        }
        if !(1e-12..=1e-1).contains(&self.norm_eps) {
            return Err(bad("its norm's epsilon is out of bounds"));
        }
        if !(2..=1_000_000).contains(&self.vocabulary) {
            return Err(bad(format_args!("its vocabulary has {} words", self.vocabulary)));
        }
        let attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads);
        let layer = attention + 3 * self.hidden * self.feed_forward;
        let weights = self.layers.saturating_mul(layer).saturating_add(2 * self.vocabulary * self.hidden);
        if weights > limit::WEIGHTS {
            return Err(bad(format_args!("it has {weights} weights, at most {} are taken", limit::WEIGHTS)));
        }
        Ok(())
    }
}

/// Whether a word is the name of a packing, such as `Q4_1`, `F16` or `q8_0`.
fn is_packing(word: &str) -> bool {
    let rest = word.strip_prefix(['Q', 'q', 'F', 'f']);
    rest.is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
}

/// candle's errors carry a backtrace where one is enabled; people get their first line.
pub(super) fn first_line(error: candle_core::Error) -> ProviderError {
    let text = error.to_string();
    bad(cut(text.lines().next().unwrap_or("it is damaged")))
}

/// At most a hundred characters of a text that came out of a file.
fn cut(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}
