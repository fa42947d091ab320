//! How a page's data gets into the page.

use std::path::Path;

use serde::Serialize;

use super::Content;
use super::circuit::Circuit;
use crate::formula::Expr;
use crate::io::bytes;

/// The built page, packed; its source is `web/explorer`.
const TEMPLATE: &[u8] = include_bytes!("page.html.gz");
const TITLE: &str = "@@TITLE@@";
const DATA: &str = "@@DATA@@";

/// What the page's script reads first.
#[derive(Serialize)]
struct Page<'a> {
    /// Raised when the page's script and its data would no longer understand each other.
    format: u32,
    library: &'static str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<&'a Expr>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    circuit: Option<&'a Circuit>,
    /// A network, compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
}

fn template() -> String {
    let page = bytes::unpack(TEMPLATE, Path::new("embedded page")).expect("the embedded file is whole");
    String::from_utf8(page).expect("the embedded file is text")
}

/// The template with title and data in their places.
pub(super) fn html(title: &str, expression: Option<&Expr>, content: &Content) -> String {
    let (circuit, network) = match content {
        Content::Circuit(circuit) => (Some(circuit), None),
        Content::Network(network) => (None, Some(network.packed())),
    };
    let library = env!("CARGO_PKG_VERSION");
    let page = Page { format: 1, library, title, expression, circuit, network };
    // Everything in it is a string, a number or a list of these, with text for keys.
    let data = serde_json::to_string(&page).expect("the page's data has a JSON form");
    let template = template();
    let (head, rest) = template.split_once(TITLE).expect("the built page has a place for its title");
    let (middle, tail) = rest.split_once(DATA).expect("the built page has a place for its data");
    [head, &as_text(title), middle, &inside_script(&data), tail].concat()
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
    use crate::graph::ComputationalGraph;
    use serde_json::Value;

    #[test]
    fn the_template_has_one_place_for_title_and_data() {
        assert_eq!(template().matches(TITLE).count(), 1);
        assert_eq!(template().matches(DATA).count(), 1);
        assert!(template().find(TITLE) < template().find(DATA));
    }

    #[test]
    fn no_text_leaves_its_place() {
        let mut graph = ComputationalGraph::from_expr(&Expr::parse("1+2").unwrap()).unwrap();
        graph.forward(&[]).unwrap();
        let title = "</title></script><script>alert(1)</script><!-- @@DATA@@ &";
        let html = graph.explorer().unwrap().title(title).html();
        assert_eq!(html.matches("</script>").count(), template().matches("</script>").count());
        assert_eq!(html.matches("<script").count(), template().matches("<script").count());
        assert_eq!(html.matches("<!--").count(), template().matches("<!--").count());
        assert!(html.contains("<title>&lt;/title&gt;&lt;/script&gt;"));
        // What the script reads back is what was put in.
        let start = html.find("type=\"application/json\">").unwrap() + "type=\"application/json\">".len();
        let end = start + html[start..].find("</script>").unwrap();
        let data: Value = serde_json::from_str(&html[start..end]).unwrap();
        assert_eq!(data["title"], title);
    }
}
