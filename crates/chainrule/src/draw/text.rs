//! A picture as text for a terminal: one line a node, and a rail for each value that is still wanted.

use super::font::cut;
use super::layout::{directed, order_of};
use super::picture::{Mark, Node, NodeKind, Picture, Style, Tone};

/// Rails that are drawn at most; those beyond are there, but not shown.
const RAILS: usize = 12;

/// A line's columns: the node's name, what is known of it, value, gradient, local gradients.
struct Row {
    name: String,
    about: String,
    value: String,
    gradient: String,
    local: String,
}

/// Who colours what; nothing where the text goes into a file.
struct Ink(bool);

impl Ink {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 && !text.trim().is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

impl Picture {
    /// The picture as text of so many columns: a line for each node in the order in which they run, with rails
    /// of box-drawing letters from each to those that use it.
    ///
    /// Parameters that one gate alone uses stand in that gate's line.
    ///
    /// ```
    /// use chainrule::{draw::Style, formula::Expr, tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::from_expr(&Expr::parse("x*y")?)?;
    /// graph.forward(&[("x", &tensor(2.0)), ("y", &tensor(3.0))])?;
    /// let text = graph.picture(Style::Board)?.to_text(80, false);
    /// assert!(text.contains("├─╯"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_text(&self, columns: usize, colour: bool) -> String {
        let order = self.reading_order();
        let folded = self.folded();
        let mut lines: Vec<(String, Option<(NodeKind, Row)>)> = Vec::new();
        let mut rails = Rails::new(self, &folded);
        let mut inside = vec![Vec::new(); self.nodes.len()];
        for (node, user) in folded.iter().enumerate() {
            if let Some(user) = user {
                inside[*user].push(node);
            }
        }
        let mut arriving = vec![Vec::new(); self.nodes.len()];
        for (place, edge) in self.edges.iter().enumerate() {
            arriving[edge.to].push(place);
        }
        for &node in order.iter().filter(|&&node| folded[node].is_none()) {
            let (merge, own) = rails.next(node);
            if let Some(merge) = merge {
                lines.push((merge, None));
            }
            lines.push((own, Some((self.nodes[node].kind, self.row(node, &inside[node], &arriving[node])))));
        }
        self.write(&lines, columns, &Ink(colour))
    }

    /// Inputs before what uses them, each just before its first use.
    fn reading_order(&self) -> Vec<usize> {
        let pairs = directed(self);
        let mut before = vec![Vec::new(); self.nodes.len()];
        let mut is_used = vec![false; self.nodes.len()];
        for &(from, to) in &pairs {
            before[to].push(from);
            is_used[from] = true;
        }
        let mut seen = vec![false; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        let ends: Vec<usize> = order_of(self).into_iter().flatten().filter(|&node| !is_used[node]).collect();
        for end in ends {
            let mut stack = vec![(end, 0)];
            seen[end] = true;
            while let Some((node, next)) = stack.pop() {
                match before[node].get(next) {
                    None => order.push(node),
                    Some(&input) => {
                        stack.push((node, next + 1));
                        if !std::mem::replace(&mut seen[input], true) {
                            stack.push((input, 0));
                        }
                    }
                }
            }
        }
        order
    }

    /// The node in whose line a node stands: parameters, buffers and constants of forward pictures with one
    /// user.
    fn folded(&self) -> Vec<Option<usize>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        let mut is_made = vec![false; self.nodes.len()];
        for edge in &self.edges {
            users[edge.from].push(edge.to);
            is_made[edge.to] = true;
        }
        let fold = |node: usize| {
            let kind = self.nodes[node].kind;
            let named = matches!(kind, NodeKind::Leaf | NodeKind::Data) && self.nodes[node].id.contains('.');
            let parameter = kind == NodeKind::Constant || named;
            match &users[node][..] {
                [user] if self.style == Style::Forward && parameter && !is_made[node] => Some(*user),
                _ => None,
            }
        };
        (0..self.nodes.len()).map(fold).collect()
    }

    fn row(&self, node: usize, inputs: &[usize], arriving: &[usize]) -> Row {
        let own = &self.nodes[node];
        let mut label = own.label.trim().lines().map(str::trim);
        let name = label.next().unwrap_or_default().to_string();
        let mut about: Vec<String> =
            label.filter(|line| !line.starts_with("--")).map(str::to_string).collect();
        let mut shape = marks_of(own, Tone::Faint);
        if self.style == Style::Forward {
            let mut path = self.module(own.frame);
            match own.kind {
                NodeKind::Gate => path.extend(about.pop()),
                _ => shape.extend(about.pop()),
            }
            about = vec![path.join(".")];
        } else {
            about.append(&mut shape);
        }
        about.extend(inputs.iter().map(|&other| {
            let node = &self.nodes[other];
            let mut lines = node.label.lines();
            let name = lines.next().unwrap_or_default();
            let name =
                if node.kind == NodeKind::Constant { name } else { name.rsplit('.').next().unwrap_or(name) };
            format!("{name} {}", lines.next().unwrap_or_default()).trim_end().to_string()
        }));
        about.retain(|text| !text.is_empty());
        let of = |tone: Tone| marks_of(own, tone).join(" ");
        let locals: Vec<&str> = arriving
            .iter()
            .flat_map(|&edge| &self.edges[edge].marks)
            .map(|mark: &Mark| &mark.text[..])
            .collect();
        Row {
            name,
            about: about.join("  "),
            value: if shape.is_empty() { of(Tone::Value) } else { shape.join(" ") },
            gradient: of(Tone::Gradient),
            local: locals.join("  "),
        }
    }

    /// The names of the modules around what is in a frame, the outermost first.
    fn module(&self, frame: Option<usize>) -> Vec<String> {
        let mut names = Vec::new();
        let mut next = frame;
        while let Some(frame) = next {
            let name = &self.frames[frame].name;
            names.push(name.split(':').next().unwrap_or(name).to_string());
            next = self.frames[frame].parent;
        }
        names.reverse();
        names
    }

    fn write(&self, lines: &[(String, Option<(NodeKind, Row)>)], columns: usize, ink: &Ink) -> String {
        let letters = |text: &str| text.chars().count();
        let widest = |of: fn(&Row) -> &str, most: usize| {
            let all = lines.iter().filter_map(|(_, row)| row.as_ref());
            all.map(|(_, row)| letters(of(row))).max().unwrap_or(0).min(most)
        };
        let rails = lines.iter().map(|(rails, _)| letters(rails)).max().unwrap_or(0);
        let name = widest(|row| &row.name, 30);
        let (value, gradient) = (widest(|row| &row.value, 18), widest(|row| &row.gradient, 18));
        let mut text = String::new();
        if gradient > 0 {
            let head = format!(
                "{}{}  {}  {}  local gradients",
                " ".repeat(rails + 1),
                pad("", name),
                pad("value", value.max(5)),
                pad("gradient", gradient.max(8))
            );
            text += cut(&head, columns).trim_end();
            text.push('\n');
        }
        for (glyphs, row) in lines {
            let Some((kind, row)) = row else {
                text += glyphs.trim_end();
                text.push('\n');
                continue;
            };
            let mut left = columns.saturating_sub(rails + 1);
            let mut line = format!("{}{} ", ink.with("2", glyphs), " ".repeat(rails - letters(glyphs)));
            let colour = match kind {
                NodeKind::Leaf => "34",
                NodeKind::Output | NodeKind::Base => "32",
                NodeKind::Data | NodeKind::Constant | NodeKind::Saved => "33",
                NodeKind::Gate => "1",
            };
            let mut cells = vec![(colour, row.name.clone(), name)];
            if value > 0 {
                let colour = if self.style == Style::Board { "32" } else { "36" };
                cells.push((colour, row.value.clone(), value.max(5)));
            }
            if gradient > 0 {
                cells.push(("31", row.gradient.clone(), gradient.max(8)));
            }
            cells.push(("36", row.local.clone(), 0));
            cells.push(("2", row.about.clone(), 0));
            for (colour, cell, width) in cells {
                if width == 0 && cell.is_empty() {
                    continue;
                }
                let most = if width > 0 { left.min(width) } else { left };
                let cell = pad(&cut(&cell, most), width);
                left = left.saturating_sub(letters(&cell) + 2);
                line += &ink.with(colour, &cell);
                line += "  ";
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

fn marks_of(node: &Node, tone: Tone) -> Vec<String> {
    node.outputs.iter().flatten().filter(|mark| mark.tone == tone).map(|mark| mark.text.clone()).collect()
}

/// The values that are still wanted, each in a rail.
struct Rails {
    /// The node whose value runs in each rail.
    rails: Vec<Option<usize>>,
    inputs: Vec<Vec<usize>>,
    /// How often each node's value is still wanted.
    wanted: Vec<usize>,
}

impl Rails {
    fn new(picture: &Picture, folded: &[Option<usize>]) -> Rails {
        let mut inputs = vec![Vec::new(); picture.nodes.len()];
        let mut wanted = vec![0; picture.nodes.len()];
        for (from, to) in directed(picture) {
            if folded[from].is_none() {
                inputs[to].push(from);
                wanted[from] += 1;
            }
        }
        Rails { rails: Vec::new(), inputs, wanted }
    }

    /// The line that leads the inputs of a node together, where there is more to it than a rail straight down, and
    /// the node's own.
    fn next(&mut self, node: usize) -> (Option<String>, String) {
        let inputs = std::mem::take(&mut self.inputs[node]);
        for &input in &inputs {
            self.wanted[input] -= 1;
        }
        let mut from: Vec<usize> = (0..self.rails.len())
            .filter(|&rail| self.rails[rail].is_some_and(|n| inputs.contains(&n)))
            .collect();
        from.dedup();
        let ends = |rails: &Rails, rail: usize| rails.rails[rail].is_some_and(|n| rails.wanted[n] == 0);
        let own = from.iter().copied().find(|&rail| ends(self, rail));
        let own = own.or_else(|| (0..self.rails.len()).find(|&rail| self.rails[rail].is_none()));
        let own = own.unwrap_or_else(|| {
            self.rails.push(None);
            self.rails.len() - 1
        });
        let straight = from.is_empty() || from == [own];
        let merge = (!straight).then(|| self.merge(own, &from));
        for &rail in &from {
            if ends(self, rail) {
                self.rails[rail] = None;
            }
        }
        self.rails[own] = Some(node);
        let line = self.line(|rail| (rail == own).then_some('●'));
        if self.wanted[node] == 0 {
            self.rails[own] = None;
        }
        while self.rails.last() == Some(&None) {
            self.rails.pop();
        }
        (merge, line)
    }

    fn line(&self, sign: impl Fn(usize) -> Option<char>) -> String {
        let shown = self.rails.len().min(RAILS);
        let glyph = |rail: usize| sign(rail).unwrap_or(if self.rails[rail].is_some() { '│' } else { ' ' });
        (0..shown).flat_map(|rail| [glyph(rail), ' ']).collect::<String>().trim_end().to_string()
    }

    /// The line in which the rails `from` join the rail `own`.
    fn merge(&self, own: usize, from: &[usize]) -> String {
        let first = from.iter().copied().chain([own]).min().unwrap_or(own);
        let last = from.iter().copied().chain([own]).max().unwrap_or(own);
        let mut text = String::new();
        for rail in 0..self.rails.len().min(RAILS) {
            let (left, right) = (rail > first && rail <= last, rail >= first && rail < last);
            let joins = from.contains(&rail) || rail == own;
            let above = self.rails[rail].is_some();
            let below = rail == own
                || self.rails[rail].is_some_and(|node| !from.contains(&rail) || self.wanted[node] > 0);
            text.push(match (joins, left, right, above, below) {
                (true, true, true, true, true) => '┼',
                (true, true, true, true, false) => '┴',
                (true, true, true, false, _) => '┬',
                (true, true, false, true, true) => '┤',
                (true, true, false, true, false) => '╯',
                (true, true, false, false, _) => '╮',
                (true, false, true, true, true) => '├',
                (true, false, true, true, false) => '╰',
                (true, false, true, false, _) => '╭',
                (false, true, true, true, _) => '│',
                (false, true, true, false, _) => '─',
                (_, _, _, true, _) => '│',
                _ => ' ',
            });
            text.push(if right { '─' } else { ' ' });
        }
        text.trim_end().to_string()
    }
}
