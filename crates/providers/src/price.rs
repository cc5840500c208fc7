//! What models cost, as data: `prices.toml` is embedded, and an operator's file of the same shape replaces any
//! row of it. A model without a row has no price, and its answers show no cost.
//!
//! Dollars are read as they are written, digit by digit: 0.075 is 75,000 millionths and nothing beside.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use headwater_core::limit;
use headwater_core::port::provider::Price;
use toml::de::{DeTable, DeValue};

/// The table that comes with the program.
const EMBEDDED: &str = include_str!("prices.toml");

/// Prices by provider and model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceTable {
    /// By provider, then by the model as it is written: a name, or a beginning and `*`.
    rows: BTreeMap<String, BTreeMap<String, Price>>,
}

impl PriceTable {
    /// The table that comes with the program; its date and sources stand in it.
    #[must_use]
    pub fn embedded() -> Self {
        // It is read whole in a test.
        Self::read(EMBEDDED).unwrap_or_default()
    }

    /// Reads a table; `prices.toml` shows its shape.
    ///
    /// # Errors
    /// All that is wrong with it, each with its line, at most [`limit::PRICES_PROBLEMS`] and a word on the rest.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        if text.len() > limit::PRICES_BYTES {
            return Err(vec![format!("it is longer than {} bytes", limit::PRICES_BYTES)]);
        }
        let mut reading = Reading { text, problems: Vec::new(), rows: BTreeMap::new(), count: 0 };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reading.wrong(error.span().map_or(0, |s| s.start), error.message());
        }
        // What could be read of a broken file would be told as more that is wrong with it.
        if errors.is_empty() {
            reading.providers(table.get_ref());
        }
        let Reading { mut problems, rows, .. } = reading;
        let more = problems.len().saturating_sub(limit::PRICES_PROBLEMS);
        problems.truncate(limit::PRICES_PROBLEMS);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        if problems.is_empty() { Ok(Self { rows }) } else { Err(problems) }
    }

    /// This table, with the rows of a later one in the place of those of the same name.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        for (provider, rows) in later.rows {
            self.rows.entry(provider).or_default().extend(rows);
        }
        self
    }

    /// What a provider's model costs: its own row, else that of the name without its date, else the longest
    /// beginning with a `*`. Not any beginning: `gpt-5-pro` is not `gpt-5`.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        let rows = self.rows.get(provider)?;
        let begins = |row: &str| row.strip_suffix('*').is_some_and(|start| model.starts_with(start));
        rows.get(model)
            .or_else(|| rows.get(undated(model)?))
            .or_else(|| {
                rows.iter().filter(|(row, _)| begins(row)).max_by_key(|(row, _)| row.len()).map(|(_, p)| p)
            })
            .copied()
    }

    /// Rows in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.values().map(BTreeMap::len).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The groups of digits that are a date or a version: 20250929, 2025-04-14, 09-2025, 0613, 001.
const DATES: [&[usize]; 5] = [&[4, 2, 2], &[2, 4], &[8], &[4], &[3]];

/// A model's name without the date at its end; `None` where it has none.
#[must_use]
pub fn undated(model: &str) -> Option<&str> {
    DATES.iter().find_map(|groups| {
        let mut rest = model;
        for digits in groups.iter().rev() {
            let at = rest.len().checked_sub(*digits)?;
            let (before, group) = (rest.get(..at)?, rest.get(at..)?);
            rest = before.strip_suffix(['-', '@']).filter(|_| group.bytes().all(|b| b.is_ascii_digit()))?;
        }
        Some(rest).filter(|r| !r.is_empty())
    })
}

struct Reading<'a> {
    text: &'a str,
    problems: Vec<String>,
    rows: BTreeMap<String, BTreeMap<String, Price>>,
    count: usize,
}

impl Reading<'_> {
    fn wrong(&mut self, at: usize, what: impl std::fmt::Display) {
        let line = self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        self.problems.push(format!("line {line}: {what}"));
    }

    fn providers(&mut self, table: &DeTable<'_>) {
        for (provider, models) in table {
            let at = provider.span().start;
            let provider = provider.get_ref();
            let Some(models) = models.get_ref().as_table().filter(|_| is_name(provider)) else {
                self.wrong(at, "here stands a provider as `[name]`, with a row for each of its models");
                continue;
            };
            for (model, row) in models {
                let (at, model) = (model.span().start, model.get_ref());
                self.count += 1;
                if self.count == limit::PRICES_ROWS + 1 {
                    self.wrong(at, format_args!("these are more than {} rows", limit::PRICES_ROWS));
                    return;
                }
                if !is_name(model) || model.trim_end_matches('*').contains('*') || model.ends_with("**") {
                    self.wrong(at, "a model is 1 to 128 characters, and `*` stands only at its end");
                } else if let Some(price) = self.row(at, row.get_ref()) {
                    self.rows.entry(provider.to_string()).or_default().insert(model.to_string(), price);
                }
            }
        }
    }

    fn row(&mut self, at: usize, row: &DeValue<'_>) -> Option<Price> {
        const NAMES: [&str; 4] = ["input", "output", "cached", "cache_write"];
        let Some(row) = row.as_table() else {
            self.wrong(at, "a price is `{ input = 3.00, output = 15.00 }`");
            return None;
        };
        let before = self.problems.len();
        for name in row.keys() {
            if !NAMES.contains(&name.get_ref().as_ref()) {
                let known = NAMES.join("`, `");
                self.wrong(name.span().start, format_args!("there is no such price; there are `{known}`"));
            }
        }
        let [input, output, cached, cache_write] = NAMES.map(|name| {
            let value = row.get(name)?;
            let read = dollars(value.get_ref());
            if read.is_none() {
                let most = limit::PRICE_DOLLARS;
                let what = format!("`{name}` is dollars, from 0 to {most} with at most six decimals");
                self.wrong(value.span().start, what);
            }
            read
        });
        if !row.contains_key("input") || !row.contains_key("output") {
            self.wrong(at, "a price has `input` and `output`");
        }
        if self.problems.len() > before {
            return None;
        }
        Some(Price { input: input?, output: output?, cached, cache_write })
    }
}

fn is_name(name: &str) -> bool {
    (1..=limit::ID_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Millionths of a dollar, as written: a float would have turned 0.07 into something near it.
fn dollars(value: &DeValue<'_>) -> Option<u64> {
    const DECIMALS: usize = 6;
    let text = match value {
        DeValue::Integer(whole) if whole.radix() == 10 => whole.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return None,
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > DECIMALS || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<DECIMALS$}").parse().ok()?;
    let all = whole.checked_mul(1_000_000)?.checked_add(part)?;
    (all <= limit::PRICE_DOLLARS * 1_000_000).then_some(all)
}
