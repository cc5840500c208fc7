//! What a stream has computed so far: the keys and values of its tokens, which a later prompt with
//! the same beginning takes over instead of computing them again.

use headwater_core::limit::local as limit;

/// The keys and values of some tokens, layer by layer. Belongs to one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Kv {
    /// The tokens, in order; all that follows belongs to them.
    pub(super) tokens: Vec<u32>,
    /// For each layer its keys and its values, a row of `width` for each token.
    pub(super) layers: Vec<(Vec<f32>, Vec<f32>)>,
    width: usize,
}

impl Kv {
    /// Nothing computed yet.
    pub(super) fn new(layers: usize, width: usize) -> Self {
        Self { tokens: Vec::new(), layers: vec![(Vec::new(), Vec::new()); layers], width }
    }

    /// Tokens computed.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Forgets all but the first `n` tokens.
    pub(super) fn truncate(&mut self, n: usize) {
        self.tokens.truncate(n);
        for (k, v) in &mut self.layers {
            k.truncate(n * self.width);
            v.truncate(n * self.width);
        }
    }

    /// Takes the memory for `n` more tokens at once: growing by doubling would copy it all again.
    pub(super) fn reserve(&mut self, n: usize) {
        for (k, v) in &mut self.layers {
            k.reserve_exact(n * self.width);
            v.reserve_exact(n * self.width);
        }
    }

    /// A copy of the first `n` tokens' part.
    fn prefix(&self, n: usize) -> Self {
        let cut = |x: &Vec<f32>| x[..n * self.width].to_vec();
        Self {
            tokens: self.tokens[..n].to_vec(),
            layers: self.layers.iter().map(|(k, v)| (cut(k), cut(v))).collect(),
            width: self.width,
        }
    }
}

/// Computations that are kept for prompts to come: warmed beginnings, and ended streams.
#[derive(Debug, Default)]
pub(super) struct Kept {
    entries: Vec<Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    kv: Kv,
    warmed: bool,
    used: u64,
}

impl Kept {
    /// What is known of the beginning of `prompt`, always short of its last token: that one must be
    /// computed in any case, since the first word of the answer comes out of it.
    pub(super) fn longest(&mut self, prompt: &[u32]) -> Option<Kv> {
        self.clock += 1;
        let most = prompt.len().saturating_sub(1);
        let (common, entry) = self
            .entries
            .iter_mut()
            .map(|e| (e.kv.tokens.iter().zip(&prompt[..most]).take_while(|(a, b)| a == b).count(), e))
            .max_by_key(|(common, _)| *common)
            .filter(|(common, _)| *common > 0)?;
        entry.used = self.clock;
        Some(entry.kv.prefix(common))
    }

    /// Whether all of `prompt` has been warmed.
    pub(super) fn is_warm(&self, prompt: &[u32]) -> bool {
        self.entries.iter().any(|e| e.warmed && e.kv.tokens.starts_with(prompt))
    }

    /// Keeps a computation; the one of its kind that was not used for longest makes room.
    pub(super) fn keep(&mut self, mut kv: Kv, warmed: bool) {
        kv.truncate(limit::KEPT_TOKENS);
        if kv.tokens.is_empty() {
            return;
        }
        for (k, v) in &mut kv.layers {
            k.shrink_to_fit();
            v.shrink_to_fit();
        }
        self.clock += 1;
        // The earlier turns of the same session, and an older warming, say nothing that this one does not.
        self.entries.retain(|e| e.warmed != warmed || !kv.tokens.starts_with(&e.kv.tokens));
        self.entries.push(Entry { kv, warmed, used: self.clock });
        let room = if warmed { limit::WARMED } else { limit::RECENT };
        if self.entries.iter().filter(|e| e.warmed == warmed).count() > room {
            let oldest = self
                .entries
                .iter()
                .enumerate()
                .filter(|(_, e)| e.warmed == warmed)
                .min_by_key(|(_, e)| e.used);
            if let Some((i, _)) = oldest {
                self.entries.swap_remove(i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed(tokens: &[u32]) -> Kv {
        let mut kv = Kv::new(1, 2);
        kv.tokens = tokens.to_vec();
        kv.layers[0].0 = tokens.iter().flat_map(|t| [*t as f32, 0.5]).collect();
        kv.layers[0].1 = kv.layers[0].0.clone();
        kv
    }

    #[test]
    fn the_longest_common_beginning_is_copied_short_of_the_last_token() {
        let mut kept = Kept::default();
        kept.keep(computed(&[1, 2, 3]), true);
        kept.keep(computed(&[1, 2, 3, 4, 5]), false);
        assert_eq!(kept.longest(&[1, 2, 3, 4, 9]).unwrap().tokens, [1, 2, 3, 4]);
        let whole = kept.longest(&[1, 2, 3]).unwrap();
        assert_eq!((whole.len(), whole.layers[0].0.len()), (2, 4));
        assert!(kept.longest(&[7, 2, 3]).is_none());
        assert!(kept.longest(&[]).is_none());
    }

    #[test]
    fn ended_streams_never_push_out_what_was_warmed() {
        let mut kept = Kept::default();
        kept.keep(computed(&[1, 2]), true);
        for i in 0..20 {
            kept.keep(computed(&[100 + i, 1]), false);
        }
        assert!(kept.is_warm(&[1, 2]) && !kept.is_warm(&[100, 1]));
        assert_eq!(kept.entries.len(), 1 + limit::RECENT);
        assert!(kept.longest(&[100, 1, 1]).is_none(), "the oldest stream made room");
    }
}
