//! Whether a text is an e-mail address, with the original's words for what is wrong.
//!
//! The rules are those that catch mistakes: an address that passes may still not exist, and what is allowed
//! but nobody has (quoted names, addresses in brackets) is refused, as the original does.

use headwater_core::limit;

/// Bytes in front of the @-sign (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES: usize = 64;
/// Bytes of one label of a domain (RFC 1035).
const LABEL_BYTES: usize = 63;
/// What may stand in front of the @-sign beside letters, digits and single periods (RFC 5322, `atext`).
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

/// The address as it is kept: without space around it, in lower case, so that it is one account however it
/// is written.
///
/// # Errors
/// A sentence that says what is wrong; repeats single characters of the text and nothing more of it.
pub(super) fn check(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@').ok_or("An email address must have an @-sign.")?;
    if local.is_empty() {
        return Err("There must be something before the @-sign.".into());
    }
    if domain.is_empty() {
        return Err("There must be something after the @-sign.".into());
    }
    if let Some(over) = over(text.len(), limit::EMAIL_BYTES) {
        return Err(format!("The email address is too long ({over})."));
    }
    if let Some(over) = over(local.len(), LOCAL_BYTES) {
        return Err(format!("The email address is too long before the @-sign ({over})."));
    }
    periods(local, "An email address cannot start with a period.", "immediately before the @-sign")?;
    let wrong = local.chars().find(|c| !(c.is_alphanumeric() || *c == '.' || ATEXT.contains(*c)));
    if let Some(c) = wrong {
        return Err(format!("The email address contains invalid characters before the @-sign: {}.", name(c)));
    }
    check_domain(domain)?;
    Ok(text.to_lowercase())
}

fn check_domain(domain: &str) -> Result<(), String> {
    if let Some(c) = domain.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '.' | '-'))) {
        return Err(format!("The part after the @-sign contains invalid characters: {}.", name(c)));
    }
    periods(domain, "An email address cannot have a period immediately after the @-sign.", "at the end")?;
    for label in domain.split('.') {
        if label.starts_with('-') || label.ends_with('-') {
            return Err("An email address cannot have a hyphen beside a period or the @-sign.".into());
        }
        if let Some(over) = over(label.len(), LABEL_BYTES) {
            return Err(format!("A part after the @-sign is too long ({over})."));
        }
    }
    // A bare host name reaches nobody outside; one that ends in a digit is an address of a machine.
    match domain.rsplit_once('.') {
        None => Err("The part after the @-sign is not valid. It should have a period.".into()),
        Some((_, top)) if top.ends_with(|c: char| c.is_ascii_digit()) => {
            Err("The part after the @-sign is not valid. It is not within a valid top-level domain.".into())
        }
        Some(_) => Ok(()),
    }
}

fn periods(part: &str, at_the_start: &str, at_the_end: &str) -> Result<(), String> {
    if part.starts_with('.') {
        return Err(at_the_start.into());
    }
    if part.ends_with('.') {
        return Err(format!("An email address cannot have a period {at_the_end}."));
    }
    if part.contains("..") {
        return Err("An email address cannot have two periods in a row.".into());
    }
    Ok(())
}

fn over(length: usize, most: usize) -> Option<String> {
    match length.checked_sub(most)? {
        0 => None,
        1 => Some("1 character too many".into()),
        n => Some(format!("{n} characters too many")),
    }
}

/// A character by itself where it can be seen, otherwise by its number.
fn name(c: char) -> String {
    match c {
        ' ' => "SPACE".into(),
        c if c.is_ascii_graphic() || c.is_alphanumeric() => format!("'{c}'"),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn addresses_that_people_have() {
        for (given, kept) in [
            ("a@b.co", "a@b.co"),
            ("U83eb8e50@Example.COM", "u83eb8e50@example.com"),
            (" first.last+tag@sub.example.org ", "first.last+tag@sub.example.org"),
            ("größe@münchen.example", "größe@münchen.example"),
            ("o'neil_x@a-b.example", "o'neil_x@a-b.example"),
        ] {
            assert_eq!(check(given).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn mistakes() {
        for (given, said) in [
            ("nope", "must have an @-sign"),
            ("", "must have an @-sign"),
            ("@x.org", "something before"),
            ("a@", "something after"),
            ("a b@x.org", "before the @-sign: SPACE."),
            ("a\u{7}@x.org", "U+0007"),
            ("\"a\"@x.org", "before the @-sign"),
            (".a@x.org", "start with a period"),
            ("a.@x.org", "immediately before"),
            ("a..b@x.org", "two periods"),
            ("a@b@c.org", "after the @-sign contains invalid characters: '@'."),
            ("a@[1.2.3.4]", "after the @-sign contains"),
            ("a@1.2.3.4", "top-level domain"),
            ("a@localhost", "should have a period"),
            ("a@.x.org", "immediately after"),
            ("a@x.org.", "at the end"),
            ("a@x..org", "two periods"),
            ("a@-x.org", "hyphen"),
            ("a@x.org\r\nBcc: b@x.org", "after the @-sign contains"),
        ] {
            let reason = check(given).unwrap_err();
            assert!(reason.contains(said), "{given}: {reason}");
        }
        assert!(check(&format!("{}@x.org", "a".repeat(65))).unwrap_err().contains("1 character too many"));
        let long = format!("a@{}.org", ["b"; 130].join("."));
        assert!(check(&long).unwrap_err().contains("characters too many"));
    }
}
