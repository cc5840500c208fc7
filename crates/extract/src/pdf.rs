//! PDF, page by page. The interpreter draws; what is drawn here is text: glyphs in the order of the page's
//! program, a space where there is a gap, a new line where the base line moves. Nothing is sorted: the order
//! of a page's program is the reading order far more often than any guess from positions.

use hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, TransformExt as _, interpret_page,
};
use headwater_core::limit;
use headwater_core::port::extract::ExtractError;

use crate::{refused, too_long};

/// Units of a glyph's own space in one em.
const EM: f64 = 1_000.0;
/// A gap of so many ems between two glyphs is a space: narrow spaces are a quarter, kerning is below a tenth.
const SPACE: f64 = 0.17;
/// A move of the base line by so many ems is a new line; indices and exponents move less.
const LINE: f64 = 0.5;
/// And by so many a new paragraph: lines are 1.2 apart.
const PARAGRAPH: f64 = 1.7;

pub(crate) fn text(bytes: Vec<u8>) -> Result<String, ExtractError> {
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => {
            refused("The PDF is protected by a password; remove it and try again")
        }
        LoadPdfError::Decryption(_) => refused("The PDF is encrypted in a way that cannot be read"),
        LoadPdfError::Invalid => refused("The file is damaged or no PDF"),
    })?;
    let pages = pdf.pages();
    if pages.len() > limit::extract::PAGES {
        let most = limit::extract::PAGES;
        return Err(refused(format!("The PDF has more than {most} pages; split it")));
    }
    let cache = InterpreterCache::new();
    let mut whole = String::new();
    let mut unread = 0_usize;
    for page in pages.iter() {
        let mut reader = Reader { room: limit::DOCUMENT_TEXT_BYTES - whole.len(), ..Reader::default() };
        let settings = InterpreterSettings::default();
        // What is visible does not matter, where things stand does.
        let place = page.initial_transform(true).to_kurbo();
        let mut context = Context::new(place, Rect::new(0.0, 0.0, 1.0, 1.0), &cache, pdf.xref(), settings);
        interpret_page(page, &mut context, &mut reader);
        if reader.full {
            return Err(too_long());
        }
        unread += reader.unread;
        let page = tidy(&reader.text);
        if !page.is_empty() {
            if !whole.is_empty() {
                whole.push_str("\n\n");
            }
            whole.push_str(&page);
        }
        if whole.len() > limit::DOCUMENT_TEXT_BYTES {
            return Err(too_long());
        }
    }
    if whole.trim().is_empty() {
        return Err(refused(if unread > 0 {
            "The PDF's fonts do not say which letters they draw, so it has no text that can be read"
        } else {
            "The PDF has no text (is it a scan?)"
        }));
    }
    Ok(whole)
}

/// Collects the text of one page.
#[derive(Default)]
struct Reader {
    text: String,
    /// Bytes that may still come, and whether more did.
    room: usize,
    full: bool,
    /// Glyphs of which nobody says what letter they are.
    unread: usize,
    /// Where the glyph before ended, if there was one.
    end: Option<Point>,
    /// Where the run before began, and how long it was.
    run: Option<(Point, usize)>,
}

impl Reader {
    fn push(&mut self, glyph: &PositionedGlyph<'_>, page: Affine) {
        let place = page * glyph.transform();
        let origin = place * Point::ZERO;
        let em = place * Point::new(EM, 0.0) - origin;
        let rise = place * Point::new(0.0, EM) - origin;
        let height = rise.hypot();
        let letter = match glyph.as_unicode() {
            Some(BfString::Char(c)) => c.to_string(),
            Some(BfString::String(s)) => s,
            None => {
                self.unread += 1;
                String::new()
            }
        };
        if let Some(end) = self.end
            && height.is_finite()
            && height > 0.0
        {
            self.gap(origin - end, em, height);
        }
        let advance = match &**glyph {
            Glyph::Outline(outline) => outline.advance_width().map_or(EM / 2.0, f64::from),
            Glyph::Type3(_) => EM / 2.0,
        };
        self.end = Some(place * Point::new(advance, 0.0));
        for c in letter.chars().filter(|c| !c.is_control() || *c == '\t') {
            // A soft hyphen is where a word may be cut, not part of it.
            if c != '\u{ad}' {
                self.put(c);
            }
        }
    }

    /// What stands between two glyphs that are `by` apart.
    fn gap(&mut self, by: Vec2, em: Vec2, height: f64) {
        let along = em / em.hypot().max(f64::EPSILON);
        let forward = by.dot(along) / height;
        let across = by.cross(along).abs() / height;
        if !forward.is_finite() || !across.is_finite() {
            return;
        }
        if across > PARAGRAPH {
            self.put('\n');
            self.put('\n');
        } else if across > LINE || forward < -1.0 {
            self.put('\n');
        } else if forward > SPACE && !self.text.ends_with([' ', '\n', '\t']) {
            self.put(' ');
        }
    }

    fn put(&mut self, c: char) {
        if self.text.len() + c.len_utf8() > self.room {
            self.full = true;
        } else {
            self.text.push(c);
        }
    }
}

/// Lines without space at their ends, at most one empty line in a row, words that were cut at the end of a
/// line joined again.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            if !empty {
                out.push('\n');
                empty = true;
            }
            continue;
        }
        let cut = out.strip_suffix("-\n").is_some_and(|before| before.ends_with(char::is_alphabetic))
            && line.starts_with(char::is_lowercase);
        if cut {
            out.truncate(out.len() - 2);
        }
        out.push_str(line);
        out.push('\n');
        empty = false;
    }
    out.truncate(out.trim_end().len());
    out
}

impl<'a> Device<'a> for Reader {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        let glyphs = run.glyphs();
        let first = glyphs.first().map(|g| props.transform * g.transform() * Point::ZERO);
        // Letters that are filled and outlined come twice.
        let this = first.map(|p| (p, glyphs.len()));
        if this.is_some() && this == self.run {
            return;
        }
        self.run = this;
        for glyph in glyphs {
            if self.full {
                return;
            }
            self.push(glyph, props.transform);
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
