//! Tool calls that come in pieces, put together. Hosts differ: most say index, id and name once and then the
//! arguments in pieces; some send whole calls, some leave the index out or say 0 for every call, some repeat
//! the id or send it empty with every piece.

use headwater_core::limit::{TOOL_ARGUMENTS_BYTES, TOOL_CALLS};
use headwater_core::port::provider::{ProviderError, ProviderErrorKind, ToolCall};
use serde::Deserialize;
use serde_json::Value;

/// Bytes of a name or an id that are believed; longer ones are nobody's.
pub(crate) const NAME_BYTES: usize = 256;

/// A piece of a call as it comes.
#[derive(Debug, Deserialize)]
pub(crate) struct Fragment {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: Option<String>,
    /// A text, or (some hosts) the object itself.
    arguments: Option<Value>,
}

impl Fragment {
    /// A piece of another format's call. What it does not say is empty.
    pub(crate) fn new(index: Option<u64>, id: &str, name: &str, arguments: String) -> Self {
        let function = Function { name: Some(name.to_owned()), arguments: Some(Value::String(arguments)) };
        Self { index, id: Some(id.to_owned()), function: Some(function) }
    }
}

/// The calls of one answer, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that were gathered so far.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|call| call.id.len() + call.name.len() + call.arguments.len()).sum()
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// `Failed` for more or larger calls than anybody needs.
    pub(crate) fn push(&mut self, piece: Fragment) -> Result<(), ProviderError> {
        let id = piece.id.filter(|id| !id.is_empty());
        let (name, arguments) = piece.function.map_or((None, None), |f| (f.name, f.arguments));
        let name = name.filter(|n| !n.is_empty());
        let arguments = match arguments {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => String::new(),
            Some(object) => object.to_string(),
        };
        if id.iter().chain(&name).any(|text| text.len() > NAME_BYTES) {
            return Err(too_much("a name or an id of a call is too long"));
        }
        let at = match self.place(piece.index, id.as_deref(), name.as_deref()) {
            Some(at) => at,
            None if self.0.len() == TOOL_CALLS => {
                return Err(too_much("more tools were called at once than may be"));
            }
            None => {
                let (id, name) = (id.clone().unwrap_or_default(), String::new());
                self.0.push(Call { index: piece.index, id, name, arguments: String::new() });
                self.0.len() - 1
            }
        };
        let Some(call) = self.0.get_mut(at) else { return Ok(()) };
        if call.id.is_empty() {
            call.id = id.unwrap_or_default();
        }
        if call.name.is_empty() {
            call.name = name.unwrap_or_default();
        }
        if call.arguments.len() + arguments.len() > TOOL_ARGUMENTS_BYTES {
            return Err(too_much("the arguments of a call are too long"));
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    /// Takes a call that came whole, and says how many came before it.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn add(
        &mut self,
        id: Option<String>,
        name: String,
        arguments: String,
    ) -> Result<usize, ProviderError> {
        if name.len().max(id.as_ref().map_or(0, String::len)) > NAME_BYTES {
            return Err(too_much("a name or an id of a call is too long"));
        }
        if arguments.len() > TOOL_ARGUMENTS_BYTES {
            return Err(too_much("the arguments of a call are too long"));
        }
        if self.0.len() == TOOL_CALLS {
            return Err(too_much("more tools were called at once than may be"));
        }
        self.0.push(Call { index: None, id: id.unwrap_or_default(), name, arguments });
        Ok(self.0.len() - 1)
    }

    /// Which call a piece belongs to; `None` where it begins one.
    fn place(&self, index: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        // Another id together with a name is another call, whatever the index says.
        let same = |call: &Call| match id {
            Some(id) => call.id == id || call.id.is_empty() || name.is_none(),
            None => true,
        };
        match (index, id) {
            // The newest of that index: a host that says 0 for each is writing the last one.
            (Some(index), _) => {
                let at = self.0.iter().rposition(|c| c.index == Some(index))?;
                self.0.get(at).is_some_and(same).then_some(at)
            }
            (None, Some(id)) => self.0.iter().rposition(|c| c.id == id),
            // Neither: it goes on with the last, unless it names a tool once more.
            (None, None) => {
                let last = self.0.last()?;
                (name.is_none() || last.name.is_empty()).then(|| self.0.len() - 1)
            }
        }
    }

    /// The calls. Of an answer that was `cut`, only those whose arguments are whole.
    pub(crate) fn whole(self, cut: bool) -> impl Iterator<Item = ToolCall> {
        let whole = move |call: &Call| !cut || serde_json::from_str::<Value>(&call.arguments).is_ok();
        self.0.into_iter().filter(whole).enumerate().map(|(n, call)| {
            // A host that names no call is spoken to with names of our own.
            let id = if call.id.is_empty() { format!("call_{}", n + 1) } else { call.id };
            ToolCall { id, name: call.name, arguments: call.arguments }
        })
    }
}

/// An answer of which more would have to be held than anybody needs.
pub(crate) fn too_much(what: &str) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Failed, format!("the provider's answer was given up: {what}"))
}
