//! What a run uses of its models and what that costs, known at every moment: a run that is stopped or fails
//! has used something too, and whoever drops the work must be able to say what.
//!
//! A run whose work goes on side by side has parts: each knows of one call at a time and has an account of its own,
//! and the run's is the sum of all.
//!
//! One entry for each time that a workflow asks a model, from before it is asked: a model may think unseen for
//! minutes before its answer begins. One that turns the request away used nothing, and has none. A provider's own
//! numbers count; where it has not said, or was not let finish, what was asked and what was written are counted
//! here, and the sum is called an estimate. Of a chain's links the one that answers counts, and until one does the
//! first: what others used that failed before their first visible word, only their hosts know.

use std::sync::Arc;

use headwater_core::port::provider::{By, Price, ProviderInfo, SharedProvider, Usage};
use parking_lot::Mutex;

/// Bytes of text that are gathered before they are counted: counting word by word would count too many, and
/// a whole answer need not be kept twice.
const COUNT_BYTES: usize = 4 * 1024;

/// A run's account, or that of a part of it. Clones are of the same.
#[derive(Clone, Default)]
pub struct Meter {
    account: Arc<Mutex<Account>>,
    part: Part,
}

/// Which part of a run; the first one is the run itself, which has everything.
type Part = usize;
const RUN: Part = 0;

#[derive(Default)]
struct Account {
    parts: Part,
    spent: Vec<(Part, Spent)>,
    /// At most one a part.
    calls: Vec<(Part, Call)>,
}

/// What one call of a model used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// What it used, and what that costs where the price is known.
    pub usage: Usage,
}

/// A call that is under way.
struct Call {
    who: Who,
    counts: SharedProvider,
    prompt: u64,
    written: u64,
    uncounted: String,
    reported: Usage,
}

/// Who answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// What a person should know of it.
    pub label: Option<String>,
    /// What it costs, where that is known.
    pub price: Option<Price>,
}

impl From<ProviderInfo> for Who {
    fn from(info: ProviderInfo) -> Self {
        Self { provider: info.name, model: info.model, label: info.label, price: info.price }
    }
}

impl From<By> for Who {
    fn from(by: By) -> Self {
        Self { provider: by.provider, model: by.model, label: by.label, price: by.price }
    }
}

impl Meter {
    /// An account for a part of the run that goes on beside its others.
    #[must_use]
    pub(crate) fn part(&self) -> Self {
        let mut account = self.account.lock();
        account.parts += 1;
        Self { account: Arc::clone(&self.account), part: account.parts }
    }

    /// A model is about to be asked. `counts` counts its tokens, `prompt` is how many it is given, estimated. A
    /// call of the same part before this one that was not ended is over with what is known of it.
    pub(crate) fn begin(&self, who: Who, counts: &SharedProvider, prompt: u64) {
        let mut account = self.account.lock();
        let before = account.take(self.part).map(|call| (self.part, call.broken_off()));
        account.spent.extend(before);
        let call = Call {
            who,
            counts: Arc::clone(counts),
            prompt,
            written: 0,
            uncounted: String::new(),
            reported: Usage::default(),
        };
        account.calls.push((self.part, call));
    }

    /// It answers, and is this one: of a chain that is known only now.
    pub(crate) fn named(&self, who: Who) {
        if let Some(call) = self.account.lock().call(self.part) {
            call.who = who;
        }
    }

    /// It was turned away before it did anything: the call that is under way is none.
    pub(crate) fn forget(&self) {
        self.account.lock().take(self.part);
    }

    /// It wrote or thought this.
    pub(crate) fn wrote(&self, text: &str) {
        if let Some(call) = self.account.lock().call(self.part) {
            call.uncounted.push_str(text);
            if call.uncounted.len() >= COUNT_BYTES {
                call.count();
            }
        }
    }

    /// It says what it has used so far.
    pub(crate) fn reported(&self, usage: Usage) {
        if let Some(call) = self.account.lock().call(self.part) {
            call.reported = call.reported.then(usage);
        }
    }

    /// It ended by itself, and used this.
    pub(crate) fn ended(&self, usage: Usage) {
        let mut account = self.account.lock();
        if let Some(call) = account.take(self.part) {
            account.spent.push((self.part, call.whole(usage)));
        }
    }

    /// Everything that was used up to now, call by call, in the order in which they ended; one that is under way is
    /// over with it. Of a part it is the part's alone, and no other's call is touched.
    #[must_use]
    pub fn close(&self) -> Vec<Spent> {
        let mut account = self.account.lock();
        account.break_off(|part| self.part == RUN || part == self.part);
        let mine = account.spent.iter().filter(|(part, _)| self.part == RUN || *part == self.part);
        mine.map(|(_, spent)| spent.clone()).collect()
    }

    /// The sum of [`Meter::close`]; `None` where no model was asked. It has a cost only where each call that
    /// used tokens has one: what a part of a run costs would be taken for the whole.
    #[must_use]
    pub fn total(&self) -> Option<Usage> {
        let spent = self.close();
        let unknown = spent.iter().any(|s| s.usage.cost_usd.is_none() && has_tokens(&s.usage));
        let sum = spent.into_iter().map(|s| s.usage).reduce(Usage::and)?;
        Some(Usage { cost_usd: sum.cost_usd.filter(|_| !unknown), ..sum })
    }
}

pub(crate) fn has_tokens(usage: &Usage) -> bool {
    [usage.input_tokens, usage.output_tokens].into_iter().flatten().any(|n| n > 0)
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("spent", &self.account.lock().spent).finish_non_exhaustive()
    }
}

impl Account {
    fn call(&mut self, part: Part) -> Option<&mut Call> {
        self.calls.iter_mut().find(|(of, _)| *of == part).map(|(_, call)| call)
    }

    fn take(&mut self, part: Part) -> Option<Call> {
        let at = self.calls.iter().position(|(of, _)| *of == part)?;
        Some(self.calls.remove(at).1)
    }

    fn break_off(&mut self, is_over: impl Fn(Part) -> bool) {
        let calls = std::mem::take(&mut self.calls);
        let (over, on): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(of, _)| is_over(*of));
        self.calls = on;
        self.spent.extend(over.into_iter().map(|(of, call)| (of, call.broken_off())));
    }
}

impl Call {
    fn count(&mut self) {
        self.written += self.counts.count_tokens(&self.uncounted) as u64;
        self.uncounted.clear();
    }

    /// It ended: its own numbers, and ours for those that it kept to itself.
    fn whole(mut self, usage: Usage) -> Spent {
        self.count();
        let mut usage = self.reported.then(usage);
        usage.estimated |= usage.input_tokens.is_none() || usage.output_tokens.is_none();
        usage.input_tokens.get_or_insert(self.prompt);
        usage.output_tokens.get_or_insert(self.written);
        self.spent(usage)
    }

    /// It did not: a report from the middle knows the prompt, but perhaps not all that was written since.
    fn broken_off(mut self) -> Spent {
        self.count();
        let mut usage = self.reported;
        if usage.input_tokens.is_none() || usage.output_tokens.is_none_or(|n| n < self.written) {
            usage.estimated = true;
            // What the provider asked for its last report is not the price of what was written since.
            usage.cost_usd = None;
        }
        usage.input_tokens.get_or_insert(self.prompt);
        usage.output_tokens = Some(usage.output_tokens.unwrap_or_default().max(self.written));
        self.spent(usage)
    }

    fn spent(self, mut usage: Usage) -> Spent {
        if usage.cost_usd.is_none() {
            usage.cost_usd = self.who.price.and_then(|price| price.of(&usage));
        }
        Spent { provider: self.who.provider, model: self.who.model, usage }
    }
}
