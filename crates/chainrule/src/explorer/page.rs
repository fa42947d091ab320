//! The page's data and how it gets into the page.

use serde::Serialize;
use serde_json::{Value, json as value};

use super::numbers::Numbers;
use crate::formula::{Expr, Formula};

/// The built page; its source is `web/explorer`.
const TEMPLATE: &str = include_str!("page.html");
const TITLE: &str = "@@TITLE@@";
const DATA: &str = "@@DATA@@";

/// All that a page shows.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Page {
    /// Raised when the page's script and its data would no longer understand each other.
    format: u32,
    library: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expression: Option<Expr>,
    values: Vec<ValueData>,
    pub(super) gates: Vec<GateData>,
    rules: Vec<Value>,
    output: usize,
}

/// An input, a constant or a gate's output.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ValueData {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: &'static str,
    /// Whether a gradient is wanted through it.
    pub(super) needs: bool,
    pub(super) value: Numbers,
    pub(super) gradient: Option<Numbers>,
}

/// A gate; inputs and outputs are places among the values.
#[derive(Debug, Clone, Serialize)]
pub(super) struct GateData {
    pub(super) name: String,
    pub(super) rule: usize,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
    pub(super) local: Vec<Option<Numbers>>,
    pub(super) passed: Vec<Option<Numbers>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

impl Page {
    pub(super) fn new(values: Vec<ValueData>, output: usize) -> Page {
        Page {
            format: 1,
            library: env!("CARGO_PKG_VERSION"),
            title: None,
            expression: None,
            values,
            gates: Vec::new(),
            rules: Vec::new(),
            output,
        }
    }

    /// The place of a gate's rule in the list; gates of the same kind share one.
    pub(super) fn rule(&mut self, gate: &str, formula: &Formula) -> usize {
        let rule = match formula {
            Formula::Elementwise { inputs, value, local } => value!({
                "gate": gate,
                "inputs": inputs,
                "value": value,
                "local": local,
            }),
            Formula::Rule { value, gradients } => {
                value!({ "gate": gate, "text": value, "gradients": gradients })
            }
        };
        match self.rules.iter().position(|known| *known == rule) {
            Some(place) => place,
            None => {
                self.rules.push(rule);
                self.rules.len() - 1
            }
        }
    }

    /// The template with title and data in their places.
    pub(super) fn html(&self) -> String {
        let title = self.title.clone().unwrap_or_else(|| format!("{} gates", self.gates.len()));
        // Everything in it is a string, a number or a list of these, with text for keys.
        let data = serde_json::to_string(self).expect("the page's data has a JSON form");
        let (head, rest) = TEMPLATE.split_once(TITLE).expect("the built page has a place for its title");
        let (middle, tail) = rest.split_once(DATA).expect("the built page has a place for its data");
        [head, &as_text(&title), middle, &inside_script(&data), tail].concat()
    }
}

/// Text between tags.
fn as_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON inside a script element, which ends at the first `</script>` and may not begin a comment: no `<`.
fn inside_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_one_place_for_title_and_data() {
        assert_eq!(TEMPLATE.matches(TITLE).count(), 1);
        assert_eq!(TEMPLATE.matches(DATA).count(), 1);
        assert!(TEMPLATE.find(TITLE) < TEMPLATE.find(DATA));
    }

    #[test]
    fn no_text_leaves_its_place() {
        let mut page = Page::new(Vec::new(), 0);
        page.title = Some("</title></script><script>alert(1)</script><!-- @@DATA@@ &".into());
        let html = page.html();
        assert_eq!(html.matches("</script>").count(), TEMPLATE.matches("</script>").count());
        assert_eq!(html.matches("<script").count(), TEMPLATE.matches("<script").count());
        assert_eq!(html.matches("<!--").count(), TEMPLATE.matches("<!--").count());
        assert!(html.contains("<title>&lt;/title&gt;&lt;/script&gt;"));
        // What the script reads back is what was put in.
        let start = html.find("type=\"application/json\">").unwrap() + "type=\"application/json\">".len();
        let end = start + html[start..].find("</script>").unwrap();
        let data: Value = serde_json::from_str(&html[start..end]).unwrap();
        assert_eq!(data["title"], page.title.unwrap());
    }
}
