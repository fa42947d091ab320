//! How wide a text is, so that boxes fit their labels without any font installed.

/// Widths of the letters from the space to the tilde in DejaVu Sans, in thousandths of the font's size. It is wider
/// than most fonts without serifs, so that labels fit in whichever the reader has.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636,
    636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295,
    295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838,
    500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521,
    392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// The width of a text in a font of this size, at least what DejaVu Sans takes.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(letter).sum::<f64>() * size
}

fn letter(c: char) -> f64 {
    match c {
        ' '..='~' => f64::from(WIDTHS[c as usize - ' ' as usize]) / 1000.0,
        '·' | '⋅' | '‘' | '’' | '′' => 0.32,
        '⁰'..='₎' | '²' | '³' | '¹' => 0.53,
        '\u{300}'..='\u{36f}' => 0.0,
        '©' | '®' | 'Æ' | 'æ' | '¼'..='¾' => 1.0,
        _ if (c as u32) < 0x2000 => 0.87,
        '‐'..='‒' => 0.64,
        '∀'..='∿' | '←'..='↿' => 0.88,
        _ => 1.05,
    }
}

/// A text of at most so many letters; the last one stands for what is left out.
pub(crate) fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_string();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

/// The font that is part of the library: what pictures and figures need of DejaVu Sans.
#[cfg(feature = "plot")]
pub(crate) fn embedded() -> &'static [u8] {
    static FONT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    FONT.get_or_init(|| {
        let packed = include_bytes!("../../assets/DejaVuSans-subset.ttf.gz");
        crate::io::bytes::unpack(packed, std::path::Path::new("embedded font"))
            .expect("the embedded file is whole")
    })
}

#[cfg(all(test, feature = "plot"))]
mod tests {
    use super::*;
    use ab_glyph::{Font, FontRef};

    #[test]
    fn no_letter_of_the_embedded_font_is_wider_than_assumed() {
        let font = FontRef::try_from_slice(embedded()).unwrap();
        for (glyph, c) in font.codepoint_ids() {
            let own = f64::from(font.h_advance_unscaled(glyph)) / f64::from(font.units_per_em().unwrap());
            assert!(letter(c) > own - 1e-3, "{c:?} is {own}, and {} is assumed", letter(c));
        }
    }
}
