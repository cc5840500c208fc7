//! Plain text and Markdown: UTF-8 with or without its mark, UTF-16 with it. There is no guessing of other
//! encodings: a wrong guess is stored as nonsense that nobody finds again.

use headwater_core::port::extract::ExtractError;

use crate::refused;

pub(crate) fn text(bytes: &[u8]) -> Result<String, ExtractError> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                return Err(refused("The file is neither UTF-8 nor UTF-16; save it as UTF-8 and try again"));
            }
        },
    };
    if text.contains('\0') {
        return Err(refused("The file is not text: it has NUL characters"));
    }
    Ok(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ExtractError> {
    let damaged = || refused("The file is damaged: its UTF-16 is not whole");
    if !bytes.len().is_multiple_of(2) {
        return Err(damaged());
    }
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| damaged())
}
