//! Every public item is documented with an example: functions, methods, types, traits and their methods, gates, kernels.
//!
//! A plain scan of the sources: the comment above an item must hold a fenced block. `missing_docs` sees to it
//! that there is a comment, and the documentation's tests that the block runs.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// Public for the compiler's sake only: nobody outside the crate can name them.
const INTERNAL: [&str; 5] = [
    "memory.rs: pub trait Lists",
    "memory.rs: pub struct Store",
    "array/storage.rs: pub enum",
    "array/storage.rs: pub struct",
    "Stored",
];

/// Whether a line begins something that a reader looks up: an item, a method of a trait, or a macro's line that
/// makes a method (`exp, Exp;`) or a gate (`Exp(x) -> y as "exp" {`).
fn is_item(line: &str, in_trait: bool) -> bool {
    let text = line.trim_start();
    let public = |kind: &str| text.strip_prefix("pub ").is_some_and(|rest| rest.starts_with(kind));
    // `exp, Exp;`, `sum;`, `sum_dim, |dims| Sum(dims);`
    let name = text.split([',', ';']).next().unwrap_or_default();
    let of_macro = text.ends_with(';')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let gate = text.contains(") -> y as ") || text.contains(") as ");
    !text.contains('$')
        && (["fn ", "const fn ", "struct ", "enum ", "trait "].into_iter().any(public)
            || (in_trait && text.starts_with("fn "))
            || of_macro
            || (gate && text.ends_with(" {")))
}

/// Each item without an example, as file, line and text; and how many items there are.
fn scan(file: &str, source: &str, missing: &mut Vec<String>) -> usize {
    let (mut comment, mut fenced, mut in_trait, mut items) = (false, false, false, 0);
    for (number, line) in source.lines().enumerate() {
        let text = line.trim_start();
        match text {
            _ if text.starts_with("mod tests") => break,
            _ if text.starts_with("///") => {
                comment = true;
                fenced |= text.contains("```");
                continue;
            }
            // Attributes stand between the comment and its item.
            "#[doc(hidden)]" => {
                fenced = true;
                continue;
            }
            _ if text.starts_with("#[") || text.ends_with(")]") => continue,
            _ => {}
        }
        in_trait = ["pub trait ", "kernels! {"].iter().any(|start| line.starts_with(start))
            || (in_trait && line != "}");
        if comment && is_item(line, in_trait) {
            items += 1;
            let place = format!("{file}: {text}");
            if !fenced && !INTERNAL.iter().any(|part| place.contains(part)) {
                missing.push(format!("{file}:{}: {text}", number + 1));
            }
        }
        (comment, fenced) = (false, false);
    }
    items
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn every_public_item_has_an_example() {
    let (mut missing, mut items) = (Vec::new(), [0; 2]);
    for (part, items) in ["src", "../chainrule-kernel/src"].iter().zip(&mut items) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
        let mut files = Vec::new();
        sources(&root, &mut files);
        files.sort();
        for path in &files {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            *items += scan(&name, &fs::read_to_string(path).unwrap(), &mut missing);
        }
    }
    assert!(items[0] > 1000 && items[1] > 100, "the scan found {items:?} items only");
    assert!(missing.is_empty(), "{} items have no example:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn the_scan_sees_items_with_and_without_an_example() {
    let source = "/// With.\n/// ```\n/// ```\n#[inline]\npub fn a() {}\n/// Without.\npub struct B;\n\
                  pub trait C {\n    /// Without.\n    fn d();\n}\n/// Of a macro.\nexp, Exp;\n\
                  /// A gate.\nExp(x) -> y as \"exp\" {\n/// Private.\npub(crate) fn e() {}\n";
    let mut missing = Vec::new();
    assert_eq!(scan("file.rs", source, &mut missing), 5);
    let lines: Vec<&str> = missing.iter().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["7", "10", "13", "15"]);
}
