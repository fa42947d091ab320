//! Counting, and telling it to people and programs.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

/// The names of the nodes that made an operator's outputs, compared with PyTorch's.
#[derive(Default)]
pub struct GradFns {
    pub compared: usize,
    pub same: usize,
    /// The pairs that differ: ours, theirs.
    pub different: BTreeSet<(String, String)>,
}

impl GradFns {
    /// Notes what made an output; where neither has a node there is nothing to compare.
    pub fn note(&mut self, ours: Option<String>, theirs: Option<String>) {
        if ours.is_none() && theirs.is_none() {
            return;
        }
        self.compared += 1;
        if ours == theirs {
            self.same += 1;
            return;
        }
        let told = |name: Option<String>| name.unwrap_or_else(|| "none".into());
        self.different.insert((told(ours), told(theirs)));
    }
}

/// What became of one operator's cases.
#[derive(Default)]
pub struct Tally {
    pub operator: String,
    pub cases: usize,
    pub passed: usize,
    pub refusals: usize,
    pub refused: usize,
    pub panics: usize,
    pub grad_fns: GradFns,
    /// The cases that failed: their ids and what was wrong.
    pub failures: Vec<(i64, String)>,
}

impl Tally {
    pub fn whole(&self) -> bool {
        self.passed == self.cases && self.refused == self.refusals
    }

    /// With the first failure, or with each on a line of its own.
    fn line(&self, every: bool) -> String {
        let mut line = format!("{} {}/{}", self.operator, self.passed, self.cases);
        if self.refusals > 0 {
            line += &format!(", refused {}/{}", self.refused, self.refusals);
        }
        let shown = if every { self.failures.len() } else { 1 };
        for (id, what) in self.failures.iter().take(shown) {
            line += &format!("{}case {id}: {what}", if every { "\n    " } else { ": " });
        }
        line
    }
}

/// The whole run.
pub struct Report {
    pub operators: Vec<Tally>,
    /// Operators that must be whole, and are.
    pub required: Vec<String>,
    /// Operators that must be whole, and aren't.
    pub broken: Vec<String>,
    /// Operators that must be whole, but have no case here.
    pub no_cases: Vec<String>,
}

impl Report {
    pub fn new(operators: Vec<Tally>, listed: Vec<String>) -> Report {
        let (mut required, mut broken, mut no_cases) = (Vec::new(), Vec::new(), Vec::new());
        for name in listed {
            match operators.iter().find(|tally| tally.operator == name) {
                None => no_cases.push(name),
                Some(tally) if tally.whole() => required.push(name),
                Some(_) => broken.push(name),
            }
        }
        Report { operators, required, broken, no_cases }
    }

    fn sum(&self, of: impl Fn(&Tally) -> usize) -> usize {
        self.operators.iter().map(of).sum()
    }

    fn last_line(&self) -> String {
        format!(
            "conformance: {} of {} cases passed; {} of {} operators whole; {} of {} refusals refused; {} panics",
            self.sum(|t| t.passed),
            self.sum(|t| t.cases),
            self.sum(|t| usize::from(t.whole())),
            self.operators.len(),
            self.sum(|t| t.refused),
            self.sum(|t| t.refusals),
            self.sum(|t| t.panics),
        )
    }

    /// One line an operator whose results don't all have PyTorch's names of nodes, and a sum.
    fn grad_fn_lines(&self) -> Vec<String> {
        let compared = || self.operators.iter().filter(|t| t.grad_fns.compared > 0);
        let different = || compared().filter(|t| !t.grad_fns.different.is_empty());
        let mut lines: Vec<String> = different()
            .map(|t| {
                let pairs = t.grad_fns.different.iter().map(|(ours, theirs)| format!("{ours}, not {theirs}"));
                format!("{} grad_fn {}", t.operator, pairs.collect::<Vec<_>>().join("; "))
            })
            .collect();
        lines.push(format!(
            "grad_fn: {} of {} names are PyTorch's; {} of {} operators have all of them",
            self.sum(|t| t.grad_fns.same),
            self.sum(|t| t.grad_fns.compared),
            compared().count() - different().count(),
            compared().count(),
        ));
        lines
    }

    pub fn text(&self, every: bool, grad_fns: bool) -> String {
        let mut lines: Vec<String> = self.operators.iter().map(|tally| tally.line(every)).collect();
        if grad_fns {
            lines.extend(self.grad_fn_lines());
        }
        lines.extend(self.no_cases.iter().map(|name| format!("{name} no cases")));
        lines.extend(self.broken.iter().map(|name| format!("{name} must be whole and isn't")));
        lines.push(self.last_line());
        lines.join("\n")
    }

    pub fn json(&self) -> Json {
        let operators: Vec<Json> = self
            .operators
            .iter()
            .map(|t| {
                json!({
                    "operator": t.operator, "cases": t.cases, "passed": t.passed,
                    "refusals": t.refusals, "refused": t.refused, "panics": t.panics, "whole": t.whole(),
                    "first_failure": t.failures.first().map(|(id, what)| json!({"case": id, "what": what})),
                })
            })
            .collect();
        json!({
            "operators": operators,
            "required": {"whole": self.required, "broken": self.broken, "no_cases": self.no_cases},
            "cases": self.sum(|t| t.cases), "passed": self.sum(|t| t.passed),
            "whole": self.sum(|t| usize::from(t.whole())),
            "refusals": self.sum(|t| t.refusals), "refused": self.sum(|t| t.refused),
            "panics": self.sum(|t| t.panics),
        })
    }
}
