//! DOT text: written as torchviz writes it, and read back.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::picture::{Line, NodeKind, Picture};
use crate::error::{Error, Result};

/// torchviz's colour of a kind of node; backward nodes have Graphviz's default, light gray.
fn colour(kind: NodeKind) -> Option<&'static str> {
    match kind {
        NodeKind::Output => Some("darkolivegreen1"),
        NodeKind::Base => Some("darkolivegreen3"),
        NodeKind::Leaf => Some("lightblue"),
        NodeKind::Saved => Some("orange"),
        NodeKind::Data | NodeKind::Constant => Some("white"),
        NodeKind::Gate => None,
    }
}

/// A word as DOT takes it: bare where it can be.
fn word(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["node", "edge", "graph", "digraph", "subgraph", "strict"]
            .contains(&text.to_lowercase().as_str());
    if bare { text.to_string() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

impl Picture {
    /// The picture as DOT text, for Graphviz and for comparing two pictures line by line.
    ///
    /// ```
    /// use chainrule::{draw::make_dot, param};
    /// let (x, y) = (param(2.0), param(3.0));
    /// let text = make_dot(&(&x * &y), [("x", &x), ("y", &y)], &Default::default()).to_dot();
    /// assert!(text.contains("MulBackward0 [label=MulBackward0]"));
    /// ```
    pub fn to_dot(&self) -> String {
        // torchviz gives every line of its body 0.15 inches.
        let size = (0.15 * (self.nodes.len() + self.edges.len()) as f64).max(12.0);
        let mut text = String::from("digraph {\n");
        let _ = writeln!(text, "\tgraph [size=\"{size:.2},{size:.2}\"]");
        text += "\tnode [align=left fontname=monospace fontsize=10 height=0.2 ranksep=0.1 shape=box style=filled]\n";
        let mut inside: Vec<Vec<usize>> = vec![Vec::new(); self.frames.len()];
        let mut outside = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            node.frame.and_then(|frame| inside.get_mut(frame)).unwrap_or(&mut outside).push(place);
        }
        self.dot_frames(&mut text, &inside);
        for place in outside {
            self.dot_node(&mut text, place, 1);
        }
        for edge in &self.edges {
            let (from, to) = (&self.nodes[edge.from], &self.nodes[edge.to]);
            let mut attributes = Vec::new();
            match edge.line {
                Line::Arrow => {}
                Line::Undirected => attributes.push("dir=none".to_string()),
                Line::Dotted => attributes.push("style=dotted".to_string()),
            }
            let marks: Vec<&str> = from
                .outputs
                .get(edge.output)
                .into_iter()
                .flatten()
                .chain(&edge.marks)
                .map(|mark| &mark.text[..])
                .collect();
            if !marks.is_empty() {
                attributes.push(format!("label={}", word(&marks.join("\n"))));
            }
            let _ = write!(text, "\t{} -> {}", word(&from.id), word(&to.id));
            if !attributes.is_empty() {
                let _ = write!(text, " [{}]", attributes.join(" "));
            }
            text.push('\n');
        }
        text + "}\n"
    }

    /// The frames as clusters, each with its nodes and the frames inside it.
    fn dot_frames(&self, text: &mut String, inside: &[Vec<usize>]) {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.frames.len()];
        let mut open: Vec<(usize, bool)> = Vec::new();
        for (place, frame) in self.frames.iter().enumerate().rev() {
            match frame.parent {
                Some(parent) => children[parent].push(place),
                None => open.push((place, false)),
            }
        }
        let mut depth = 1;
        while let Some((place, entered)) = open.pop() {
            if entered {
                depth -= 1;
                let _ = writeln!(text, "{}}}", "\t".repeat(depth));
                continue;
            }
            let indent = "\t".repeat(depth);
            let _ = writeln!(
                text,
                "{indent}subgraph cluster_{place} {{\n{indent}\tlabel={}",
                word(&self.frames[place].name)
            );
            depth += 1;
            for &node in &inside[place] {
                self.dot_node(text, node, depth);
            }
            open.push((place, true));
            open.extend(children[place].iter().map(|&child| (child, false)));
        }
    }

    fn dot_node(&self, text: &mut String, place: usize, depth: usize) {
        let node = &self.nodes[place];
        let _ = write!(text, "{}{} [label={}", "\t".repeat(depth), word(&node.id), word(&node.label));
        if let Some(colour) = colour(node.kind) {
            let _ = write!(text, " fillcolor={colour}");
        }
        text.push_str("]\n");
    }

    /// Reads DOT text as torchviz writes it: nodes with `label` and `fillcolor`, edges with `dir` and `style`.
    ///
    /// What is said of a node or an edge beyond that is passed over. As in Graphviz, what is said of a node
    /// last holds.
    ///
    /// # Errors
    /// The text isn't a directed graph, or its arrows form a cycle.
    ///
    /// ```
    /// use chainrule::draw::Picture;
    /// let picture = Picture::from_dot("digraph { a [label=\"x\n ()\" fillcolor=lightblue]\n a -> b }")?;
    /// assert_eq!((picture.nodes.len(), picture.edges.len()), (2, 1));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn from_dot(text: &str) -> Result<Picture> {
        let mut reader = Reader { text, at: 0 };
        let mut picture = Picture::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut first = reader.word()?;
        if first.as_deref() == Some("strict") {
            first = reader.word()?;
        }
        if first.as_deref() != Some("digraph") {
            return Err(reader.fault("expected `digraph`"));
        }
        if !reader.take("{") {
            reader.word()?;
            reader.expect("{")?;
        }
        loop {
            if reader.take("}") {
                break;
            }
            if reader.take(";") {
                continue;
            }
            // In quotation marks a keyword is a name.
            let quoted = reader.rest().starts_with('"');
            let Some(name) = reader.word()? else {
                return Err(reader.fault("expected a node, an edge or `}`"));
            };
            if name == "subgraph" && !quoted {
                return Err(reader.fault("subgraphs can't be read"));
            }
            if reader.take("=") {
                reader.word()?;
                continue;
            }
            let mut places = Vec::new();
            if quoted || !["graph", "node", "edge"].contains(&name.as_str()) {
                places.push(place(&mut picture, &mut known, &name));
                while reader.take("->") {
                    let Some(next) = reader.word()? else { return Err(reader.fault("expected a node")) };
                    places.push(place(&mut picture, &mut known, &next));
                }
            }
            let attributes = reader.attributes()?;
            let find = |key: &str| attributes.iter().rev().find(|(k, _)| k == key).map(|(_, v)| &v[..]);
            if let [node] = places[..] {
                let node = &mut picture.nodes[node];
                if let Some(label) = find("label") {
                    node.label = label.to_string();
                }
                if let Some(fill) = find("fillcolor") {
                    let kinds = [NodeKind::Output, NodeKind::Base, NodeKind::Leaf, NodeKind::Saved];
                    node.kind =
                        kinds.into_iter().find(|&k| colour(k) == Some(fill)).unwrap_or(NodeKind::Gate);
                }
            }
            let line = match (find("dir"), find("style")) {
                (Some("none"), _) => Line::Undirected,
                (_, Some("dotted")) => Line::Dotted,
                _ => Line::Arrow,
            };
            for pair in places.windows(2) {
                picture.line(pair[0], pair[1], line);
            }
        }
        if super::layout::order_of(&picture).is_none() {
            return Err(Error::parse("the arrows of the DOT text form a cycle, and a computation has none"));
        }
        Ok(picture)
    }
}

fn place(picture: &mut Picture, known: &mut HashMap<String, usize>, name: &str) -> usize {
    *known.entry(name.to_string()).or_insert_with(|| picture.node(name, NodeKind::Gate, name))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, what: &str) -> Error {
        Error::parse(format!("{what} at byte {} of the DOT text", self.at))
    }

    fn rest(&mut self) -> &str {
        loop {
            let rest = &self.text[self.at..];
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            let rest = &self.text[self.at..];
            match rest.starts_with("//") || rest.starts_with('#') {
                true => self.at += rest.find('\n').unwrap_or(rest.len()),
                false => return &self.text[self.at..],
            }
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.take(sign) { Ok(()) } else { Err(self.fault(&format!("expected `{sign}`"))) }
    }

    /// A bare or quoted word.
    fn word(&mut self) -> Result<Option<String>> {
        if !self.take("\"") {
            let rest = self.rest();
            let bare = |c: char| c.is_alphanumeric() || "_.-".contains(c);
            let mut end = rest.find(|c| !bare(c)).unwrap_or(rest.len());
            end = rest[..end].find("->").unwrap_or(end);
            let word = rest[..end].to_string();
            self.at += end;
            return Ok((!word.is_empty()).then_some(word));
        }
        let mut word = String::new();
        let mut escaped = false;
        for (i, c) in self.text[self.at..].char_indices() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (false, '"') => {
                    self.at += i + 1;
                    return Ok(Some(word));
                }
                (true, 'n' | 'l' | 'r') => {
                    word.push('\n');
                    escaped = false;
                }
                _ => {
                    word.push(c);
                    escaped = false;
                }
            }
        }
        Err(self.fault("the text ends inside quotation marks that begin"))
    }

    fn attributes(&mut self) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        while self.take("[") {
            while !self.take("]") {
                if self.take(",") || self.take(";") {
                    continue;
                }
                let Some(key) = self.word()? else { return Err(self.fault("expected an attribute or `]`")) };
                self.expect("=")?;
                let Some(value) = self.word()? else { return Err(self.fault("expected a value")) };
                all.push((key, value));
            }
        }
        Ok(all)
    }
}
