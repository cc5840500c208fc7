//! Good files, broken files, hostile files, and some thousands that were broken by a die.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use headwater_core::limit;
use headwater_core::port::extract::{ExtractError, Format};

use crate::fixtures::{archive, docx, line, paragraph, pdf, pdf_with};
use crate::text_of;

fn good(format: Format, bytes: Vec<u8>) -> String {
    text_of(format, bytes).unwrap()
}

fn no(format: Format, bytes: Vec<u8>) -> String {
    match text_of(format, bytes) {
        Err(ExtractError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn plain_text_in_every_unicode() {
    let utf16 = |units: Vec<[u8; 2]>, mark: [u8; 2]| [mark.to_vec(), units.concat()].concat();
    let text = "Größe: 5 €, 汉 𝄞\r\n";
    let little = utf16(text.encode_utf16().map(u16::to_le_bytes).collect(), [0xff, 0xfe]);
    let big = utf16(text.encode_utf16().map(u16::to_be_bytes).collect(), [0xfe, 0xff]);
    for bytes in [text.as_bytes().to_vec(), [b"\xef\xbb\xbf", text.as_bytes()].concat(), little, big] {
        assert_eq!(good(Format::Text, bytes.clone()), text);
        assert_eq!(good(Format::Markdown, bytes), text);
    }
    assert_eq!(good(Format::Text, Vec::new()), "");
    for (bytes, why) in [
        (b"Gr\xf6\xdfe".to_vec(), "neither UTF-8 nor UTF-16"),
        (b"\xff\xfea".to_vec(), "UTF-16 is not whole"),
        (b"\xff\xfe\x00\xd8".to_vec(), "UTF-16 is not whole"),
        (b"a\0b".to_vec(), "NUL"),
        (vec![b'a'; limit::DOCUMENT_TEXT_BYTES + 1], "more than 4 MB of text"),
    ] {
        let said = no(Format::Text, bytes);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_pdf_page_by_page() {
    let program = [
        line(72, 700, "The engine makes 128 hp."),
        line(72, 685, "Its torque is 200 Nm, mea-"),
        line(72, 670, "sured at the wheel."),
        line(72, 600, "A new paragraph \\(with brackets\\)."),
        // No space in the text: the gap is one. And kerning is none.
        "BT /F1 12 Tf 72 500 Td [(two) -400 (words, k) 40 (erned)] TJ ET\n".to_owned(),
        // Filled and outlined letters are one text.
        "BT 2 Tr /F1 12 Tf 72 470 Td (bold) Tj ET\n".to_owned(),
    ]
    .concat();
    let text = good(Format::Pdf, pdf(&[&program, &line(72, 700, "Page two.")]));
    assert_eq!(
        text,
        "The engine makes 128 hp.\nIts torque is 200 Nm, measured at the wheel.\n\nA new paragraph (with \
         brackets).\n\ntwo words, kerned\n\nbold\n\nPage two."
    );
}

#[test]
fn broken_pdfs_are_refused_in_words() {
    let whole = pdf(&[&line(72, 700, "text")]);
    let locked = "/Encrypt << /Filter /Standard /V 1 /R 2 /O (01234567890123456789012345678901) \
                  /U (01234567890123456789012345678901) /P -4 >> /ID [(0123456789012345) (0123456789012345)]";
    for (bytes, why) in [
        (Vec::new(), "damaged or no PDF"),
        (b"%PDF-1.4".to_vec(), "damaged or no PDF"),
        (b"hello".to_vec(), "damaged or no PDF"),
        (whole[..60].to_vec(), "damaged or no PDF"),
        (pdf(&[""]), "is it a scan?"),
        (pdf(&["0 0 100 100 re f"]), "is it a scan?"),
        (pdf(&[]), ""),
        (pdf_with(&[&line(72, 700, "secret")], locked), "protected by a password"),
    ] {
        let said = no(Format::Pdf, bytes);
        assert!(said.contains(why), "{why}: {said}");
    }
    // Its end is missing: what is there is read.
    assert_eq!(good(Format::Pdf, whole[..whole.len() - 60].to_vec()), "text");
}

#[test]
fn a_docx_with_headings_tables_and_lists() {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("", text));
    let body = [
        paragraph("Title", "The car"),
        paragraph("berschrift2", "Engine &amp; gearbox"),
        paragraph("", "It makes 128 hp.<w:br/>"),
        "<w:p><w:r><w:t>one</w:t><w:tab/><w:t>two</w:t></w:r></w:p>".to_owned(),
        "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/></w:numPr></w:pPr><w:r><w:t>a point</w:t></w:r></w:p>"
            .to_owned(),
        format!(
            "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
            cell("Gear"),
            cell("Ratio"),
            cell("1"),
            cell("3.6")
        ),
        paragraph("Heading9", "Deep"),
        "<w:p><mc:AlternateContent><mc:Choice><w:r><w:t>new</w:t></w:r></mc:Choice><mc:Fallback><w:r>\
         <w:t>old</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>"
            .to_owned(),
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:t>5 &#8364;&nix;</w:t></w:r></w:p>"
            .to_owned(),
    ]
    .concat()
    // A break is an element of its own, not text.
    .replace("hp.<w:br/></w:t>", "hp.</w:t><w:br/>");
    assert_eq!(
        good(Format::Docx, docx(&body)),
        "# The car\n\n## Engine & gearbox\n\nIt makes 128 hp.\n\none\ttwo\n\n- a point\nGear | Ratio\n1 | 3.6\n\n\
         ###### Deep\n\nnew\n\n5 €\n\n"
    );
}

#[test]
fn broken_docx_are_refused_in_words() {
    let whole = docx(&paragraph("", "text"));
    let entities = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><w:document>\
                    <w:p><w:t>&b;</w:t></w:p></w:document>";
    let deep = "<w:p>".repeat(10_000);
    // 80 MB of spaces that deflate to 80 KB; and as much text.
    let bomb = format!("<w:document>{}</w:document>", " ".repeat(80 << 20));
    let long = format!("<w:document><w:p><w:t>{}</w:t></w:p></w:document>", "long ".repeat(1 << 20));
    let main = |xml: &str| archive(&[("word/document.xml", xml.as_bytes())]);
    for (bytes, why) in [
        (Vec::new(), "damaged or no DOCX"),
        (b"PK\x03\x04".to_vec(), "damaged or no DOCX"),
        (whole[..whole.len() / 2].to_vec(), "damaged or no DOCX"),
        (archive(&[("a.txt", b"a")]), "no document in it"),
        (main(entities), "defines entities"),
        (main("<w:document><w:p>"), "breaks off"),
        (main("<w:document></w:other>"), "damaged"),
        (main(&deep), "nested too deeply"),
        (main(&bomb), "damaged"),
        (main(&long), "more than 4 MB"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest".to_vec(), "password"),
    ] {
        let said = no(Format::Docx, bytes);
        assert!(said.contains(why), "{why}: {said}");
    }
}

/// A die that falls the same way each time.
struct Die(u64);

impl Die {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap()
    }

    /// Some bytes changed, removed, repeated, or the end cut off.
    fn break_a_little(&mut self, mut file: Vec<u8>) -> Vec<u8> {
        const WORDS: [&[u8]; 8] =
            [b"0 0 R", b"<<", b"]", b"-1", b"9999999999", b"2 0 R", b"/Kids [2 0 R]", b"\xff\xff\xff\xff"];
        for _ in 0..=self.roll(3) {
            if file.is_empty() {
                break;
            }
            let at = self.roll(file.len());
            match self.roll(6) {
                0 => file[at] ^= 1 << self.roll(8),
                1 => file[at] = u8::try_from(self.roll(256)).unwrap(),
                2 => drop(file.drain(at..(at + 1 + self.roll(16)).min(file.len()))),
                3 => file.truncate(at),
                4 => {
                    let piece = file[at..(at + self.roll(64)).min(file.len())].to_vec();
                    let to = self.roll(file.len());
                    file.splice(to..to, piece);
                }
                _ => {
                    let word = WORDS[self.roll(WORDS.len())];
                    let end = (at + word.len()).min(file.len());
                    file.splice(at..end, word.iter().copied());
                }
            }
        }
        file
    }
}

// A panic is caught by `text_of` and comes back as this refusal; a hang is the test runner's to tell.
fn survives(format: Format, whole: &[u8], seed: u64, times: usize) {
    let mut die = Die(seed);
    let (mut read, mut refused) = (0, 0);
    for n in 0..times {
        let broken = die.break_a_little(whole.to_vec());
        match text_of(format, broken) {
            Ok(_) => read += 1,
            Err(ExtractError::Refused(why)) => {
                assert!(!why.contains("damaged and cannot be read"), "seed {seed}, file {n}: a panic");
                refused += 1;
            }
            Err(ExtractError::Failed(why)) => panic!("seed {seed}, file {n}: {why}"),
        }
    }
    // Neither all nor none, or the mutations would show nothing.
    assert!(read > times / 100 && refused > times / 100, "{read} read, {refused} refused");
}

#[test]
fn thousands_of_broken_pdfs() {
    let program = [line(72, 700, "The engine makes 128 hp."), "q 1 0 0 1 0 0 cm Q\n".to_owned()].concat();
    survives(Format::Pdf, &pdf(&[&program, &line(72, 700, "two")]), 0x5eed_0001, 4_000);
}

#[test]
fn thousands_of_broken_docx() {
    let body = [paragraph("Heading1", "The car"), paragraph("", "It makes 128 hp &amp; more.")].concat();
    survives(Format::Docx, &docx(&body), 0x5eed_0002, 3_000);
    // And of the XML inside: the archive's check sums would stop nearly every change to it.
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let mut die = Die(0x5eed_0003);
    for _ in 0..3_000 {
        let broken = die.break_a_little(document.clone().into_bytes());
        let _ = text_of(Format::Docx, archive(&[("word/document.xml", &broken)]));
    }
}
