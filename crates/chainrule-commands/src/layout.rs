//! Text for a terminal of 80 columns.

/// No line of the program's output is longer, where that is in its hands.
pub const WIDTH: usize = 80;

/// Cuts a text at its spaces into lines of at most so many characters; longer words are cut anywhere.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + letters.len() > width {
            lines.push(String::new());
            length = 0;
        }
        for (i, part) in letters.chunks(width).enumerate() {
            if i > 0 {
                lines.push(String::new());
                length = 0;
            }
            let line = lines.last_mut().expect("there is always a line");
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.extend(part);
            length += part.len();
        }
    }
    lines
}

/// The text after a beginning, in lines of at most [`WIDTH`] characters; further lines stand below the first
/// one's text. `paint` colours each line.
pub fn flow(beginning: &str, text: &str, paint: impl Fn(&str) -> String) -> String {
    let indent = beginning.chars().count().min(WIDTH / 2);
    let lines = wrap(text, WIDTH - beginning.chars().count().max(indent).min(WIDTH - 8));
    let mut page = beginning.to_string();
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            page += &" ".repeat(indent);
        }
        page += &paint(line);
        page += "\n";
    }
    page
}

/// Pads to a width counted in characters.
pub fn cell(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}
